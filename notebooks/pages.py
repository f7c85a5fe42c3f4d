"""Notebooks as HTML pages that need no network and no Jupyter: links between them, code that scrolls, pictures with words.

What the notebooks link to is put beside the pages, so that their folder can be copied or served as it is: Markdown as a page,
other files as they are, and for a folder a list of what is in it.
"""
import html
import os
import re
import shutil
import sys
import time
from pathlib import Path

from helpers import artifacts

HERE = Path(__file__).resolve().parent
ROOT = HERE.parent
NO_WORDS = "A picture without a description."

STYLE = """<style>
body.jp-Notebook, body.plain{max-width:72rem;margin:0 auto;padding:.5rem 1rem 3rem}
body.plain{font:16px/1.5 system-ui,sans-serif;color:#222;background:#fff}
nav.pages{display:flex;flex-wrap:wrap;gap:.3rem 2rem;justify-content:space-between;font:15px/1.6 system-ui,sans-serif;
padding:.5rem 0;border-bottom:1px solid #ccc}
nav.pages.last{border:0;border-top:1px solid #ccc;margin-top:2rem}
body a, body .jp-RenderedHTMLCommon a{color:#0b57a4;text-decoration:underline!important}
body pre, body.jp-Notebook .highlight pre, .scroll, .jp-RenderedHTMLCommon{overflow-x:auto;max-width:100%}
body pre, body.jp-Notebook .highlight pre{white-space:pre;word-break:normal;overflow-wrap:normal}
.jp-RenderedMarkdown pre, body.plain pre{margin:0 0 1em;padding:.6em 1em;background:#f5f5f5}
.jp-Cell,.jp-Cell-inputWrapper,.jp-InputArea,.jp-InputArea-editor,.jp-OutputArea-child,.jp-OutputArea-output,
.jp-OutputArea{min-width:0;max-width:100%}
.jp-InputArea,.jp-InputArea-editor{position:relative}
.jp-OutputArea-output{overflow-x:auto}
.jp-OutputArea-output img,body.plain img{max-width:100%;height:auto}
.jp-InputPrompt,.jp-OutputPrompt{color:#5a5a5a!important;opacity:1!important}
.highlight .c,.highlight .c1,.highlight .cm,.highlight .sd{color:#2f6b6b}
.highlight .o,.highlight .ow{color:#7a1fb5}
.highlight [class^=m]{color:#006600}
body code{overflow-wrap:anywhere}body pre code{overflow-wrap:normal}
body.plain table{border-collapse:collapse}
body.plain td,body.plain th{padding:.4em 1em .4em 0;text-align:left;border-bottom:1px solid #ddd;vertical-align:top}
button.copy{position:absolute;top:.2rem;right:.2rem;font:12px system-ui,sans-serif;padding:.1rem .5rem;color:#222;
background:#fff;border:1px solid #767676;border-radius:4px;cursor:pointer}
@media (max-width:760px){.jp-InputPrompt,.jp-OutputPrompt{display:none!important}}
@media print{nav.pages,button.copy{display:none}body pre,body.jp-Notebook .highlight pre{white-space:pre-wrap;
overflow-wrap:anywhere}.jp-Cell{break-inside:avoid-page}img,table{break-inside:avoid}h1,h2,h3{break-after:avoid}}
</style>"""

# Where there is no clipboard (pages opened as files in some browsers), the code is selected instead.
SCRIPT = """<script>
for (const area of document.querySelectorAll(".jp-CodeCell .jp-InputArea-editor")) {
  const pre = area.querySelector("pre"), button = document.createElement("button");
  button.className = "copy"; button.type = "button"; button.textContent = "Copy";
  button.setAttribute("aria-label", "Copy this code");
  button.onclick = async () => {
    try { await navigator.clipboard.writeText(pre.innerText); button.textContent = "Copied"; }
    catch (error) { getSelection().selectAllChildren(pre); button.textContent = "Selected"; }
    setTimeout(() => button.textContent = "Copy", 1500);
  };
  area.appendChild(button);
}
</script>"""

PAGE = """<!DOCTYPE html>
<html lang="en"><head><meta charset="utf-8"><meta name="viewport" content="width=device-width, initial-scale=1">
<title>%s</title>%s</head><body class="plain">%s<main>%s</main></body></html>
"""


class Site:
    """A folder of pages. Each page that is written adds what it links to."""

    def __init__(self, out, names):
        """out: folder. names: of the notebooks that have a page, such as "01_freeze", in their order."""
        self.out, self.names, self.done = Path(out), list(names), set()

    def notebook(self, notebook, name, folder=""):
        """Write an executed notebook as `folder`/`name`.html. folder: "" or "solutions"."""
        from nbconvert import HTMLExporter

        title = name.replace("_", " ") + (", solutions" if folder else "")
        exporter = HTMLExporter(template_name="lab")
        exporter.mathjax_url = exporter.require_js_url = ""
        body, _ = exporter.from_notebook_node(notebook, {"metadata": {"name": title}})
        body = re.sub(r'<script[^>]*src="(?:(?:https?:)?//[^"]*)?"[^>]*>\s*</script>', "", body)
        body = re.sub(r"<html[^>]*>", '<html lang="en">', body, count=1)
        if "viewport" not in body[:3000]:
            body = body.replace("<head>", '<head><meta name="viewport" content="width=device-width, initial-scale=1">', 1)
        body = re.sub(r"<p>[^\n]*<button data-commandlinker(?:.|\n)*?</p>", "", body)  # in a page there is no kernel
        body = _describe(_scrolling(body), notebook)
        target = self.out / folder / (name + ".html")
        body = self._links(body, HERE / folder, target.parent)
        first, last = self._ways(name, folder), self._ways(name, folder, " last")
        body = re.sub(r"(<body[^>]*>)", lambda found: found.group(1) + first, body, count=1)
        body = body.replace("</body>", last + SCRIPT + "</body>", 1).replace("</head>", STYLE + "</head>", 1)
        if "<main>" not in body:  # nbconvert for Python 3.6
            body = body.replace(first, first + "<main>", 1).replace(last, "</main>" + last, 1)
        artifacts.write(target, body)
        self.done.add(target)

    def _ways(self, name, folder, kind=""):
        """The links to the previous page, the contents and the next page."""
        up, place = "../" if folder else "", self.names.index(name)
        ends = []
        for form, i in (('<a rel="prev" href="%s.html">&larr; %s</a>', place - 1),
                        ('<a rel="next" href="%s.html">%s &rarr;</a>', place + 1)):
            known = 0 <= i < len(self.names)
            ends.append(form % (self.names[i], self.names[i].replace("_", " ")) if known else "<span></span>")
        middle = '<a href="%sindex.html">Contents</a>' % up
        if folder:
            middle += ' <a href="../%s.html">Without the solutions</a>' % name
        return '<nav class="pages%s" aria-label="%s">%s<span>%s</span>%s</nav>' % (
            kind, "Pages, again" if kind else "Pages", ends[0], middle, ends[1])

    def index(self, rows, where):
        """Write the contents. rows: (name, what a run says of it: seconds, GB, what is real) or (name,). where: a sentence."""
        head = "<tr><th>notebook<th>solutions" + ("<th>seconds of this machine<th>GB of memory<th>real on this machine"
                                                 if rows and len(rows[0]) > 1 else "") + "</tr>"
        lines = []
        for name, *found in rows:
            solved = ("<a href='solutions/%s.html'>solved</a>" % name
                      if self.out / "solutions" / (name + ".html") in self.done else "")
            lines.append("<tr><td><a href='%s.html'>%s</a><td>%s%s</tr>" % (
                name, name.replace("_", " "), solved, "".join("<td>" + html.escape(str(cell)) for cell in found)))
        readme = self._links('<p>What the workbook is, and where things are: <a href="README.md">README</a>.</p>', ROOT,
                             self.out)
        artifacts.write(self.out / "index.html", PAGE % (
            "The TensorRT surgery workbook", STYLE, "",
            "<h1>The TensorRT surgery workbook</h1><p>%s</p><div class='scroll' tabindex='0'><table>%s%s</table></div>%s"
            % (html.escape(where), head, "".join(lines), readme)))

    def _links(self, body, base, folder):
        """`body` with its links, relative to `base` in the repository, made relative to `folder` of the pages."""
        def moved(found):
            attribute, link, anchor = found.groups()
            target = (base / link).resolve()
            if not link or re.match(r"[a-z]+:", link) or not target.exists() or ROOT not in target.parents:
                return found.group(0)
            page = self._page_of(target)
            return '%s="%s%s"' % (attribute, os.path.relpath(str(page), str(folder)).replace(os.sep, "/"), anchor or "")

        return re.sub(r'\b(href|src)="([^"#:?]*)(#[^"]*)?"', moved, body)

    def _page_of(self, target):
        """Path of the page for a file or folder of the repository, which is written unless it is there."""
        place = target.relative_to(ROOT)
        if target.suffix == ".ipynb":
            return self.out / target.relative_to(HERE).with_suffix(".html")
        if target == HERE / "solutions":
            return self.out / "index.html"
        if target.is_dir() and (target / "README.md").exists():
            return self._page_of(target / "README.md")
        page = self.out / place / "index.html" if target.is_dir() else self.out / place
        page = page.with_suffix(".html") if target.suffix == ".md" else page
        if page not in self.done:
            self.done.add(page)
            if target.is_dir():
                names = sorted(path.name for path in target.iterdir() if not path.name.startswith((".", "__")))
                self._plain(page, str(place), "<h1>%s</h1><ul>%s</ul>" % (
                    place, "".join("<li>%s" % html.escape(name) for name in names)))
            elif target.suffix == ".md":
                self._plain(page, str(place), self._links(_markdown(target), target.parent, page.parent))
            else:
                page.parent.mkdir(parents=True, exist_ok=True)
                shutil.copyfile(str(target), str(page))
        return page

    def _plain(self, page, title, body):
        up = os.path.relpath(str(self.out), str(page.parent)).replace(os.sep, "/")
        ways = '<nav class="pages" aria-label="Pages"><a href="%s/index.html">Contents</a></nav>' % up
        artifacts.write(page, PAGE % (html.escape(title), STYLE, ways, body))


def where():
    """The sentence on the contents page of a run."""
    return "Executed on this machine, %s, with Python %s." % (time.strftime("%Y-%m-%d"), sys.version.split()[0])


def alternative_text(output, kind="image/png"):
    """The words for the picture of an output; "" when there are none."""
    found = output.get("metadata", {}).get(kind, {})
    return found.get("alt", "") if isinstance(found, dict) else ""


def _describe(body, notebook):
    """`body` with the alternative text of each picture, found by the picture's own bytes."""
    words = {}
    for cell in notebook.cells:
        for output in cell.get("outputs", []):
            for kind in ("image/png", "image/jpeg"):
                if kind in output.get("data", {}):
                    words["".join(output["data"][kind].split())] = alternative_text(output, kind) or NO_WORDS

    def image(found):
        attributes = re.sub(r'\s*\balt="[^"]*"', "", found.group(1) + found.group(4))
        data = re.sub(r"\s", "", found.group(3))
        return '<img src="data:%s;base64,%s" alt="%s"%s>' % (
            found.group(2), data, html.escape(words.get(data, NO_WORDS), quote=True), " " + attributes.strip(" \n/"))

    return re.sub(r'<img\s([^>]*?)src="data:(image/\w+);base64,([^"]*)"([^>]*)>', image, body)


def _markdown(path):
    """The HTML of a Markdown file, its headings with the anchors that GitHub gives them."""
    from nbconvert.filters import markdown2html

    body = markdown2html(path.read_text(encoding="utf-8"))

    def heading(found):
        level, text = found.group(1), re.sub(r'<a class="anchor-link".*?</a>', "", found.group(2))
        return '<h%s id="%s">%s</h%s>' % (level, github_anchor(re.sub(r"<[^>]*>", "", html.unescape(text))), text, level)

    body = re.sub(r"<h([1-6])[^>]*>(.*?)</h\1>", heading, body, flags=re.S)
    return _scrolling(body)


def _scrolling(body):
    """`body` with blocks of code and tables that scroll on their own, and can be reached with the keyboard."""
    body = body.replace("<pre>", '<pre tabindex="0">').replace("</table>", "</table></div>")
    body = body.replace('<input class="task-list-item-checkbox"', '<input class="task-list-item-checkbox" aria-label="to do"')
    body = re.sub(r"<table", '<div class="scroll" tabindex="0"><table', body)
    return re.sub(r"<th([^>]*)>\s*</th>", r"<td\1></td>", body)


def github_anchor(heading):
    """The anchor of a heading in a Markdown file on GitHub."""
    return re.sub(r"[^\w\- ]", "", heading.strip().lower()).replace(" ", "-")


def jupyter_anchor(heading):
    """The anchor of a heading in a notebook: in JupyterLab, in a page and on GitHub."""
    return heading.strip().replace(" ", "-")
