"""JupyterLab and the exported pages in a real browser: what a reader opens, clicks, runs and reads.

Needs the packages of requirements/browser.txt and a Chromium (the variable CHROMIUM, or on PATH); JupyterLab runs with the
workbook's environment (the variable WORKBOOK_PYTHON, or the newest in .venv).
"""
import json
import os
import re
import shutil
import signal
import subprocess
import time
import urllib.request
from pathlib import Path

import pytest

playwright = pytest.importorskip("playwright.sync_api", reason="no playwright: requirements/browser.txt")
axe = pytest.importorskip("axe_playwright_python.sync_playwright", reason="no axe: requirements/browser.txt")

ROOT = Path(__file__).resolve().parent.parent
CHROMIUM = os.environ.get("CHROMIUM") or shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which(
    "google-chrome")
PYTHON = os.environ.get("WORKBOOK_PYTHON") or next(map(str, sorted(ROOT.glob(".venv/py3.1[0-9]/bin/python"))[::-1]), None)
pytestmark = [pytest.mark.browser, pytest.mark.slow,
              pytest.mark.skipif(not CHROMIUM, reason="no Chromium: on Debian, apt install chromium"),
              pytest.mark.skipif(not PYTHON, reason="the workbook's environment is not set up")]
MINE = "my_notebooks.browser"
NAMES = [path.stem for path in sorted((ROOT / "notebooks").glob("[0-9][0-9]_*.ipynb"))]
RUN = "00", "01", "08"  # notebooks whose cells are all run in the browser, those that take seconds; `.ci/run` executes all
WIDTHS = (360, 683, 1280)
# Code or a table that is wider than its place, with nothing around it that scrolls.
CLIPPED = """() => [...document.querySelectorAll('pre, table, img')].filter(e => {
  for (let box = e; box && box !== document.body; box = box.parentElement)
    if (box.scrollWidth > box.clientWidth + 1) {
      const way = getComputedStyle(box).overflowX;
      if (way == 'auto' || way == 'scroll') return false;
      if (way == 'hidden') return true;
    }
  return false; }).map(e => e.textContent.slice(0, 60))"""


@pytest.fixture(scope="module")
def browser():
    with playwright.sync_playwright() as driver:
        browser = driver.chromium.launch(executable_path=CHROMIUM, args=["--no-sandbox"])
        yield browser
        browser.close()


def environment(tmp, **more):
    """Variables of a reader of their own: a home, copies of the notebooks, and the files of the workbook as they are."""
    return dict(os.environ, HOME=str(tmp), WORKBOOK_MINE=MINE, PYTHONPATH=str(ROOT), SSH_CONNECTION="", **more)


class Lab:
    """A running JupyterLab: base address, token, lines that it printed."""

    def __init__(self, home):
        self.log = home / "lab.log"
        with open(str(self.log), "w") as stream:
            self.process = subprocess.Popen(
                [PYTHON, str(ROOT / "notebooks" / "lab.py"), "--no-browser", "--LabApp.expose_app_in_browser=True"],
                env={key: value for key, value in environment(home).items() if key != "SSH_CONNECTION"}, stdout=stream,
                stderr=subprocess.STDOUT, start_new_session=True)
        found, end = None, time.time() + 60
        while not found and time.time() < end and self.process.poll() is None:
            found = re.search(r"(http://localhost:\d+)(/\S+)\?token=(\w+)", self.log.read_text())
            time.sleep(0.2)
        assert found, self.log.read_text()
        self.base, self.path, self.token = found.groups()
        while time.time() < end:
            try:
                self.get("/api/status")
                return
            except OSError:
                time.sleep(0.3)
        raise AssertionError("JupyterLab did not start: " + self.log.read_text())

    def get(self, path):
        request = urllib.request.Request(self.base + path, headers={"Authorization": "token " + self.token})
        return json.loads(urllib.request.urlopen(request, timeout=10).read().decode("utf-8"))

    def kernels(self):
        """{path of a notebook: id of its kernel}."""
        return {session["path"]: session["kernel"]["id"] for session in self.get("/api/sessions")}

    def stop(self):
        os.killpg(self.process.pid, signal.SIGTERM)
        self.process.wait(30)


@pytest.fixture(scope="module")
def lab(tmp_path_factory):
    shutil.rmtree(str(ROOT / MINE), ignore_errors=True)
    before = tracked()
    lab = Lab(tmp_path_factory.mktemp("home"))
    yield lab
    lab.stop()
    shutil.rmtree(str(ROOT / MINE), ignore_errors=True)
    assert tracked() == before, "opening and running notebooks changed files that git knows"


def tracked():
    """What git says of changed files."""
    return subprocess.check_output(["git", "status", "--porcelain", "--untracked-files=no"], cwd=str(ROOT))


@pytest.fixture(scope="module")
def page(browser, lab):
    """The page of 00, as the printed address opens it."""
    page = browser.new_page(viewport={"width": 1280, "height": 900})
    page.goto("%s%s?token=%s" % (lab.base, lab.path, lab.token))
    page.wait_for_selector(".jp-Notebook:visible .jp-RenderedMarkdown", timeout=60000)
    page.wait_for_function("window.jupyterapp && window.jupyterapp.commands.hasCommand('docmanager:open')")
    yield page
    page.close()


def command(page, name, **arguments):
    return page.evaluate("([name, given]) => { window.jupyterapp.commands.execute(name, given); }", [name, arguments])


def current(page):
    """The path of the document in front."""
    return page.evaluate("() => { const c = window.jupyterapp.shell.currentWidget;"
                         " return c && c.context ? c.context.path : ''; }")


def open_notebook(page, path):
    command(page, "docmanager:open", path=path)
    wait(page, lambda: current(page) == path and page.query_selector(".jp-Notebook:visible .jp-RenderedMarkdown"), path)


def wait(page, condition, what, seconds=30):
    end = time.time() + seconds
    while not condition():
        assert time.time() < end, "%s: %s in front; dialogs: %s" % (what, current(page), dialogs(page))
        page.wait_for_timeout(100)


def dialogs(page):
    return [dialog.inner_text() for dialog in page.query_selector_all(".jp-Dialog, .jp-toast")]


def close_all(lab, page, without=()):
    """Save and close what is open; a notebook's kernel goes with its tab, once it has started.

    without: notebooks that have none.
    """
    paths = page.evaluate("() => [...window.jupyterapp.shell.widgets('main')].map(w => w.context ? w.context.path : '')")
    wait(page, lambda: set(lab.kernels()) >= {path for path in paths if path.endswith(".ipynb")} - set(without),
         "kernels of open notebooks")
    page.wait_for_timeout(500)
    page.evaluate("""async () => { for (const open of [...window.jupyterapp.shell.widgets('main')]) {
        if (open.context && open.context.path.endsWith('.ipynb')) await open.context.save();
        await open.close(); } }""")
    wait(page, lambda: not lab.kernels(), "kernels of closed notebooks")


def test_the_lab_opens_the_first_notebook_without_news_and_without_launcher(lab, page):
    page.wait_for_timeout(3000)  # the question about news came after the page
    assert current(page) == "%s/%s.ipynb" % (MINE, NAMES[0]) and not dialogs(page)
    assert not page.query_selector(".jp-Launcher:visible")
    assert page.inner_text(".jp-FileBrowser .jp-BreadCrumbs").strip(" /") == MINE
    assert len(lab.log.read_text().splitlines()) <= 8, lab.log.read_text()


@pytest.mark.parametrize("name", ["%s" % name for name in NAMES] + ["solutions/%s" % name for name in NAMES])
def test_each_notebook_opens_and_each_of_its_links_leads_to_a_document(lab, page, name):
    path = "%s/%s.ipynb" % (MINE, name)
    open_notebook(page, path)
    # A notebook draws its cells when they come into view, so the links are read from its text.
    text = "\n".join("".join(cell["source"]) for cell in json.loads((ROOT / path).read_text(encoding="utf-8"))["cells"]
                     if cell["cell_type"] == "markdown")
    links = {link.split("#")[0] for link in re.findall(r"\]\(([^()\s]+)\)", text) if not re.match("https?:|#", link)}
    for link in sorted(links):
        open_notebook(page, path)
        click(page, link)
        wanted = os.path.relpath(os.path.join(os.path.dirname(path), link))
        wait(page, lambda wanted=wanted: current(page) == wanted or dialogs(page), link)
        assert current(page) == wanted and not dialogs(page), link
    assert not dialogs(page)
    close_all(lab, page)


def click(page, link):
    """Scroll the notebook in front until the link is drawn, and click on it as the reader does."""
    selector = ".jp-NotebookPanel:not(.lm-mod-hidden) .jp-RenderedMarkdown a[href*='%s']" % re.sub(r"^(\.\./)+", "", link)
    count = page.evaluate("() => window.jupyterapp.shell.currentWidget.content.widgets.length")
    for index in range(count):
        if page.query_selector(selector):
            break
        page.evaluate("index => window.jupyterapp.shell.currentWidget.content.scrollToItem(index)", index)
    page.wait_for_selector(selector, timeout=10000)
    page.eval_on_selector(selector, "link => { link.scrollIntoView(); link.click(); }")


@pytest.mark.parametrize("name", [name for name in NAMES if name[:2] in RUN])
def test_all_cells_run_twice_and_the_button_at_the_end_shuts_the_kernel_down(lab, page, name):
    path = "%s/%s.ipynb" % (MINE, name)
    open_notebook(page, path)
    wait(page, lambda: page.evaluate("() => { const s = window.jupyterapp.shell.currentWidget.sessionContext.session;"
                                     " return s && s.kernel && s.kernel.status == 'idle'; }"), "a kernel", 60)
    for turn in (1, 2):
        page.evaluate("() => { window.done = null; window.jupyterapp.commands.execute('notebook:run-all-cells').then("
                      "() => window.done = true, error => window.done = String(error)); }")
        wait(page, lambda: page.evaluate("() => window.done"), "run %d" % turn, 240)
        bad = page.evaluate("""() => window.jupyterapp.shell.currentWidget.content.widgets.filter(c => c.model.type == 'code')
            .filter(c => c.model.sharedModel.source.trim() && (c.model.executionCount === null
              || c.model.outputs.toJSON().some(o => o.output_type == 'error'))).map(c => c.model.sharedModel.source)""")
        assert not bad
    page.evaluate("() => { const book = window.jupyterapp.shell.currentWidget.content;"
                  " book.scrollToItem(book.widgets.length - 1); }")
    button = page.wait_for_selector(".jp-NotebookPanel:not(.lm-mod-hidden) .jp-RenderedMarkdown button")
    button.evaluate("button => { button.scrollIntoView(); button.click(); }")
    wait(page, lambda: path not in lab.kernels(), "shut down")
    page.wait_for_timeout(500)
    assert not dialogs(page), "the copies are trusted, so the button asks nothing"
    close_all(lab, page, [path])


@pytest.fixture(scope="module")
def pages(tmp_path_factory):
    """Folder of the exported pages: those of the last run if WORKBOOK_PAGES names them, else those of the stored notebooks."""
    if os.environ.get("WORKBOOK_PAGES"):
        return Path(os.environ["WORKBOOK_PAGES"]).resolve()
    build = tmp_path_factory.mktemp("build")
    subprocess.check_call([PYTHON, str(ROOT / "notebooks" / "execute.py"), "--stored"], cwd=str(ROOT),
                          env=environment(build, WORKBOOK_BUILD=str(build)))
    return build / "notebooks"


def test_every_page_reads_well_at_three_widths_and_axe_finds_nothing_serious(browser, pages):
    faults, links, anchors = [], set(), {}
    found = sorted(path for path in pages.rglob("*.html"))
    assert len(found) > 2 * len(NAMES)
    checks = axe.Axe()
    for path in found:
        name = path.relative_to(pages).as_posix()
        page = browser.new_page()
        page.goto(path.as_uri())
        anchors[name] = set(page.evaluate("() => [...document.querySelectorAll('[id]')].map(e => e.id)"))
        for width in WIDTHS:
            page.set_viewport_size({"width": width, "height": 900})
            wide = page.evaluate("() => document.documentElement.scrollWidth")
            if wide > width:
                faults.append("%s at %d pixels is %d wide" % (name, width, wide))
            faults += ["%s at %d pixels: %r is clipped" % (name, width, text) for text in page.evaluate(CLIPPED)]
        for fault in checks.run(page).response["violations"]:
            if fault["impact"] in ("serious", "critical"):
                faults.append("%s: %s, %s, %s" % (name, fault["impact"], fault["id"], fault["nodes"][0]["html"][:200]))
        faults += ["%s: a picture without alternative text" % name
                   for _ in page.query_selector_all("img:not([alt]), img[alt='']")]
        for link in page.evaluate("() => [...document.querySelectorAll('a[href]')].map(a => a.href)"):
            if link.startswith("file:"):
                links.add((name, link))
        page.close()
    for name, link in sorted(links):
        place, _, anchor = link[len(pages.as_uri()) + 1:].partition("#")
        if not link.startswith(pages.as_uri() + "/") or not (pages / place).is_file():
            faults.append("%s links to %s, which is not there" % (name, link))
        elif anchor and place in anchors and urllib.request.unquote(anchor) not in anchors[place]:
            faults.append("%s links to %s, and there is no such heading" % (name, link))
    assert not faults, "\n".join(faults)


def test_links_between_pages_and_the_copy_button_can_be_clicked(browser, pages):
    page = browser.new_page()
    page.goto((pages / "index.html").as_uri())
    page.click("text=%s" % NAMES[0].replace("_", " "))
    for name in NAMES[1:]:
        page.click("a[rel=next] >> nth=0")
        page.wait_for_url("**/%s.html" % name)
    # A script adds the buttons, at the end of the page. One says so for a moment only, which a busy machine may miss.
    page.wait_for_selector("button.copy")
    page.evaluate("""() => { window.said = []; const button = document.querySelector('button.copy');
        new MutationObserver(() => window.said.push(button.textContent)).observe(button, {childList: true}); }""")
    page.click("button.copy >> nth=0")
    page.wait_for_function("() => ['Copied', 'Selected'].includes(window.said[0]) && window.said[1] == 'Copy'")
    page.click("text=Contents >> nth=0")
    page.wait_for_url("**/index.html")
    page.close()
