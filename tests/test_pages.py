"""The exported pages, and every link of the notebooks: on GitHub, in JupyterLab and in the pages."""
import html
import re
import sys
from pathlib import Path

import jupytext
import nbformat
import pytest

ROOT = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT / "notebooks"))
import execute  # noqa: E402

from notebooks import pages  # noqa: E402

NAMES = [twin.stem for twin in execute.twins()]
LINK = re.compile(r"\]\(([^()\s]+)\)")
DOCS = [path for path in ROOT.rglob("*.md") if not any(
    part.startswith((".", "build", "bundle", "my_notebooks", "shared")) for part in path.relative_to(ROOT).parts)]


def headings(text):
    text = re.sub(r"```.*?```", "", text, flags=re.S)
    return [re.sub(r"[`*]", "", line.lstrip("# ")) for line in text.splitlines() if re.match("#{1,6} ", line)]


def prose(twin, notebook=None):
    notebook = notebook or jupytext.read(str(twin), fmt="py:percent")
    return "\n".join(cell.source for cell in notebook.cells if cell.cell_type == "markdown")


@pytest.mark.once
@pytest.mark.parametrize("folder", ["", "solutions"])
@pytest.mark.parametrize("twin", execute.twins(), ids=NAMES)
def test_every_link_of_a_notebook_leads_to_a_file_and_to_an_anchor_in_it(twin, folder):
    """JupyterLab opens no folder, so a notebook links to files. JupyterLab and GitHub give most headings of a Markdown file
    different anchors: only those on which they agree can be linked to from a notebook."""
    here = ROOT / "notebooks"
    twins = {here / place / (path.stem + ".ipynb"): path for path in execute.twins() for place in ("", "solutions")}
    for link in LINK.findall(prose(twin, execute.solution(twin) if folder else None)):
        if re.match("https?:", link):
            continue
        place, _, anchor = link.partition("#")
        target = (here / folder / place).resolve() if place else twin
        target = twins.get(target, target)
        assert target.is_file(), "%s: %s is %s" % (twin.stem, link, "a folder" if target.is_dir() else "not there")
        if anchor:
            known = headings(prose(target) if target.suffix == ".py" else target.read_text(encoding="utf-8"))
            for form in (pages.jupyter_anchor,) + ((pages.github_anchor,) if target.suffix == ".md" else ()):
                assert anchor in map(form, known), "%s: no heading for %s" % (twin.stem, link)


@pytest.mark.once
@pytest.mark.parametrize("path", DOCS, ids=lambda path: path.relative_to(ROOT).as_posix())
def test_every_link_of_a_document_leads_somewhere(path):
    text = re.sub(r"```.*?```|`[^`\n]*`", "", path.read_text(encoding="utf-8"), flags=re.S)
    for link in LINK.findall(text):
        if re.match("https?:|mailto:", link):
            continue
        place, _, anchor = link.partition("#")
        target = (path.parent / place).resolve() if place else path
        twin = ROOT / "notebooks" / "text" / (target.stem + ".py")
        assert target.exists() or target.suffix == ".ipynb" and twin.exists(), link
        if anchor and target.suffix == ".md":
            assert anchor in map(pages.github_anchor, headings(target.read_text(encoding="utf-8"))), link


@pytest.fixture(scope="module")
def site(tmp_path_factory):
    """Pages of three small notebooks of this folder, with all that they link to."""
    site = pages.Site(tmp_path_factory.mktemp("pages"), NAMES)
    image = nbformat.v4.new_output("display_data", {"image/png": "iVBORw0KGgo="},
                                   metadata={"image/png": {"alt": 'A "street".'}})
    bare = nbformat.v4.new_output("display_data", {"image/png": "iVBORw0KGgp="})
    cells = [nbformat.v4.new_markdown_cell(
        "# Title\n\n## A part\n[docs](../docs/verified.md) [next](%s.ipynb#A-part) [solved](solutions/%s.ipynb) "
        "[here](#A-part)\n\n||b|\n|-|-|\n|1|2|\n\n" % (NAMES[1], NAMES[0]) + execute.FINISHED),
        nbformat.v4.new_code_cell("print('a long line')", outputs=[image, bare])]
    for name in NAMES[:3]:
        site.notebook(nbformat.v4.new_notebook(cells=cells), name)
        site.notebook(nbformat.v4.new_notebook(cells=cells[1:]), name, "solutions")
    site.index([(name, "12", "1.0", "a < b") for name in NAMES[:3]], "Here.")
    return site


def read(site, name):
    return (site.out / name).read_text(encoding="utf-8")


def test_a_page_has_its_language_its_neighbours_and_no_kernel(site):
    body = read(site, NAMES[1] + ".html")
    assert '<html lang="en">' in body and 'name="viewport"' in body and body.count("<main") == 1
    for way, name in (("prev", NAMES[0]), ("next", NAMES[2])):
        assert body.count('<a rel="%s" href="%s.html">' % (way, name)) == 2
    assert 'href="index.html"' in body and "commandlinker" not in body
    assert 'rel="prev"' not in read(site, NAMES[0] + ".html")
    assert 'href="../index.html"' in read(site, "solutions/%s.html" % NAMES[0])


def test_a_page_needs_no_network(site):
    for path in site.out.rglob("*.html"):
        assert not re.search(r"<(script|link|img)[^>]*(src|href)=\"(https?:)?//", path.read_text(encoding="utf-8")), path


def test_pictures_have_the_words_of_their_output(site):
    images = re.findall(r"<img [^>]*>", read(site, NAMES[0] + ".html"))
    assert ['alt="A &quot;street&quot;."' in tag for tag in images] == [True, False]
    assert html.escape(pages.NO_WORDS) in images[1]


def test_every_link_of_the_pages_leads_to_a_page_and_an_anchor(site):
    """The three notebooks link to README and docs, and these to nearly everything else."""
    wanted = {NAMES[i] + ".html" for i in range(3, len(NAMES))}  # not exported here
    for path in sorted(site.out.rglob("*.html")):
        body = path.read_text(encoding="utf-8")
        for link in re.findall(r'href="([^"]+)"', body):
            if re.match("https?:|mailto:", link):
                continue
            place, _, anchor = html.unescape(link).partition("#")
            target = (path.parent / place).resolve() if place else path
            if target.name in wanted:
                continue
            assert target.is_file() and site.out in target.parents, "%s: %s" % (path.relative_to(site.out), link)
            if anchor and target.suffix == ".html":
                assert 'id="%s"' % anchor in target.read_text(encoding="utf-8"), "%s: %s" % (path.relative_to(site.out), link)


def test_a_page_loads_nothing_from_elsewhere(site):
    """Links may lead anywhere; what a browser fetches by itself lies beside the page or in it."""
    away = r"""["']?(?:https?:)?//"""
    loads = re.compile(r"<(?:script|img|iframe|source|video|audio|embed|object|base)\b[^>]*\b(?:src|data|href)=%s"
                       r"|<link\b[^>]*href=%s|url\(\s*%s|@import\s+%s" % (away, away, away, away))
    assert loads.search('<script async src="https://x.org/a.js">') and loads.search('a { background: url(//x.org/a.png) }')
    checked = sorted(site.out.rglob("*.html"))
    assert len(checked) > 3
    for path in checked:
        found = loads.search(path.read_text(encoding="utf-8"))
        assert not found, "%s: %s" % (path.name, found.group())


def test_the_contents_say_what_a_run_found(site):
    body = read(site, "index.html")
    assert "a &lt; b" in body and body.count("solutions/") == 3


@pytest.mark.parametrize("heading, anchor", [("On a Jetson", "on-a-jetson"), ("UFF, the format: `x_y`", "uff-the-format-x_y"),
                                             ("What (else)?", "what-else")])
def test_anchors_of_github(heading, anchor):
    assert pages.github_anchor(heading.replace("`", "")) == anchor
