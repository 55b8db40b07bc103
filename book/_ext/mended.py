"""Mend in the pages what the theme and Sphinx leave undone, so that every reader gets in.

- Buttons whose label hides their text from a screen reader: the text alone says more.
- Lists of references with roles that no longer exist, or that need other children.
- Thebe, which nobody asked for: its settings stand twice in each page, which stops the page's scripts.
- A formula keeps the bracket before it and the comma after it on its own line.
- Exercises get the number that their text begins with, "2.1", instead of a count through the whole book.
- What a cell prints comes in pieces, more of them on a busy computer. MyST-NB would begin a line with each.
"""

import json
import re
from pathlib import Path

# Not one that was mended when the page was built before.
FORMULA = r'(?<!unbroken">)(?<!unbroken">\()<span class="math notranslate nohighlight">[^<]*</span>'
MENDED = (
    (r'(<summary) aria-label="Toggle hidden content"', r"\1"),
    (r'(class="btn search-button-field [^>]*?) title="Search" aria-label="Search"', r"\1"),
    (r'(<i class="theme-switch [^>]*?) title="[^"]*"', r"\1"),
    (r' role="list" (class="citation-list")', r" \1"),
    (r' role="doc-(?:biblioentry|endnote)"', ""),
    (r'<script type="text/x-thebe-config">.*?</script>\s*(?:<script>kernelName = [^<]*</script>)?', ""),
    (r'<section id="(?:exercise|solution)-content">', "<section>"),  # once a page would be fine
    (rf"((?<!unbroken\">)\({FORMULA}[.,;:?!)]*|{FORMULA}[.,;:?!)]+)", r'<span class="unbroken">\1</span>'),
)
EXERCISE = re.compile(
    r'(<div class="exercise admonition" id="([^"]+)">\s*<p class="admonition-title">'
    r'<span class="caption-number">Exercise )[\d.]+ (</span>.*?</p>\s*<section[^>]*>\s*<p>)'
    r"<strong>(\d+\.\d+)</strong>\.?\s*",
    re.DOTALL,
)


def leave_out_thebe(app, pagename, templatename, context, doctree):
    """Take Thebe's scripts and styles out of what the page loads."""
    for kind in ("script_files", "css_files"):
        context[kind] = [file for file in context.get(kind, []) if "thebe" not in said(file)]


def said(file):
    """Return where a script or a style comes from, and what it says itself."""
    return f"{getattr(file, 'filename', file)} {getattr(file, 'attributes', {}).get('body', '')}".lower()


def mend(pages):
    """Return the texts of all pages, mended."""
    for pattern, better in MENDED:
        pages = [re.sub(pattern, better, page, flags=re.DOTALL) for page in pages]
    numbers = {label: number for page in pages for _, label, _, number in EXERCISE.findall(page)}
    pages = [EXERCISE.sub(r"\1\4\3", page) for page in pages]
    for label, number in numbers.items():
        reference = rf'(href="[^"]*#{re.escape(label)}"[^>]*>(?:<[^>]*>)*\s*Exercise )[\d.]+'
        pages = [re.sub(reference, rf"\g<1>{number}", page) for page in pages]
    return pages


def join_pieces(notebook):
    """Join what each cell of a notebook printed in a row, as it was printed."""
    for cell in notebook["cells"]:
        joined = []
        for output in cell.get("outputs", []):
            before = joined[-1] if joined else {}
            if output["output_type"] == "stream" and output["name"] == before.get("name"):
                before["text"] = "".join(before["text"]) + "".join(output["text"])
            else:
                joined.append(output)
        if joined:
            cell["outputs"] = joined
    return notebook


def join_printed(app, docname, source):
    if str(app.env.doc2path(docname)).endswith(".ipynb"):
        source[0] = json.dumps(join_pieces(json.loads(source[0])))


def mend_pages(app, exception):
    if exception is None and app.builder.format == "html":
        paths = [path for path in sorted(Path(app.outdir).rglob("*.html")) if "_static" not in path.parts]
        for path, page in zip(paths, mend([path.read_text("utf-8") for path in paths]), strict=True):
            path.write_text(page, "utf-8", newline="\n")


def setup(app):
    app.connect("source-read", join_printed)
    app.connect("html-page-context", leave_out_thebe, priority=900)
    app.connect("build-finished", mend_pages, priority=900)
    return {"parallel_read_safe": True, "parallel_write_safe": True}
