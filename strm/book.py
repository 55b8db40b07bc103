"""Build the book: execute its chapters, then render what came out, with warnings as errors."""

import http.server
import os
import shutil
import subprocess
import sys
import time
from functools import partial
from pathlib import Path

import yaml
from rich.console import Console

from strm import book_print, book_run, book_student, book_vendor, live
from strm.files import UserError, replacing

ROOT = Path(__file__).parents[1]
FAST = "A fast run: its nets are hardly trained, and its figures mean nothing. It only shows that all runs."


def contents(root: Path) -> list[str]:
    """Return the pages of _toc.yml, as paths without a suffix, in the book's order."""
    toc = yaml.safe_load((root / "_toc.yml").read_text("utf-8"))
    entries = [toc, *(chapter for part in toc.get("parts", [toc]) for chapter in part.get("chapters", []))]
    return [entry.get("root") or entry["file"] for entry in entries]


def chapters(root: Path) -> list[str]:
    """Return those of the pages that are notebooks."""
    return [page for page in contents(root) if (root / f"{page}.ipynb").exists()]


def run(
    out_dir: str | Path = "outputs/book",
    only: list[str] | None = None,
    force: bool = False,
    serve: int | None = None,
    fast: bool = False,
    student: bool = False,
    pdf: bool = False,
    root: Path = ROOT,
) -> None:
    """Execute the chapters and build the book: OUT_DIR/_build/html/index.html.

    A chapter that has not changed since it last ran, nor the package or its data, is not executed
    again, unless `force` or `only` asks for it. only: names of the chapters to execute; then the others
    keep what they last showed. serve: a port of this machine at which to show the pages afterwards.
    fast: a smoke run with less data and fewer epochs (book/fast.json says where), in OUT_DIR/fast, so that
    nothing of it is taken for the book. student: write the students' notebooks to OUT_DIR/student, and do
    nothing else. pdf: print the pages to OUT_DIR/book.pdf as well.
    Raises UserError if a chapter stops, or Jupyter Book has any warning.
    """
    if not (root / "_toc.yml").exists():
        raise UserError("The book's chapters are not here: run `strm book` in a clone of its repository.")
    out, console = Path(out_dir).resolve(), Console(highlight=False)
    if student:
        for path in book_student.write([root / f"{page}.ipynb" for page in chapters(root)], out / "student"):
            console.print(f"{path}", soft_wrap=True)
        return
    if pdf and not book_print.chromium():
        raise UserError(book_print.MISSING)
    out = out / "fast" if fast else out
    found = book_run.chapters(root, contents(root), out, fast)
    for name in only or []:
        if not any(chapter.is_called(name) for chapter in found):
            known = ", ".join(chapter.name for chapter in found)
            raise UserError(f"There is no chapter {name!r}: the chapters are {known}.")
    wanted = []
    for chapter in found:
        asked = any(map(chapter.is_called, only)) if only else force or not chapter.has_run()
        if asked or not chapter.executed.exists():
            wanted.append(chapter)
        else:
            console.print(f"{chapter.page}: not executed again")
    book_run.execute(wanted, console)
    began = time.perf_counter()
    index = _render(root, out, found, fast)
    console.print(f"The pages: rendered in {time.perf_counter() - began:.0f} s")
    if pdf:
        book_print.bind(index.parent, contents(root), out / "book.pdf")
        console.print(f"The PDF: {out / 'book.pdf'}", soft_wrap=True)
    console.print(f"Open {index}", soft_wrap=True)
    if serve is not None:
        _serve(index.parent, serve, console)


def _settings(root: Path, fast: bool) -> dict:
    """Return _config.yml as the copy gets it: nothing executed again, and a fast run said on every page."""
    config = yaml.safe_load((root / "_config.yml").read_text("utf-8"))
    config["execute"]["execute_notebooks"] = "off"
    if fast:
        sphinx = config.setdefault("sphinx", {})
        sphinx["recursive_update"] = True
        theme = sphinx.setdefault("config", {}).setdefault("html_theme_options", {})
        theme["announcement"] = FAST
    return config


def _render(root: Path, out: Path, found: list[book_run.Chapter], fast: bool) -> Path:
    """Render a copy of the book that holds the executed chapters, and return its index.html."""
    copy, built, log = out / "source", out / "_build", out / "logs" / "pages.log"
    for folder in (copy, built):  # what was built before would hide its warnings
        shutil.rmtree(folder, ignore_errors=True)
    shutil.copytree(root / "book", copy / "book", ignore=shutil.ignore_patterns("__pycache__", ".ipynb_*"))
    shutil.copy(root / "_toc.yml", copy)
    for chapter in found:
        shutil.copy(chapter.executed, copy / f"{chapter.page}.ipynb")
    vendored = root / "book" / "vendor.json"
    if vendored.exists():
        book_vendor.unpack(vendored, copy / "book" / "_static" / "vendor")
    if (copy / "book" / "_static" / "live" / "index.html").exists():
        live.build(copy / "book" / "_static" / "live", root / "book" / "_static" / "live")
    settings = yaml.safe_dump(_settings(root, fast), sort_keys=False, allow_unicode=True)
    (copy / "_config.yml").write_text(settings, "utf-8")
    jupyter_book = "import sys; from jupyter_book.cli.main import main; sys.exit(main())"
    command = [sys.executable, "-c", jupyter_book, "build", str(copy), "--path-output", str(out)]
    done = subprocess.run(
        [*command, "-W", "-n", "--keep-going"],
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        env=os.environ | {"PYTHONUTF8": "1", "PYTHONIOENCODING": "utf-8"},
    )
    text = done.stdout.decode("utf-8", "replace")
    with replacing(log) as temporary:
        temporary.write_text(text, "utf-8")
    index = built / "html" / "index.html"
    if done.returncode or not index.exists():
        warnings = [line for line in text.splitlines() if "WARNING" in line or "ERROR" in line]
        first = warnings[0].strip() if warnings else (text.strip().splitlines() or ["no output"])[-1]
        raise UserError(f"The pages did not build cleanly: {first} ({len(warnings)} in all; see {log}).")
    return index


def _serve(folder: Path, port: int, console: Console) -> None:
    """Show the pages at http://localhost:PORT, to this machine only, until Ctrl-C."""
    handler = partial(http.server.SimpleHTTPRequestHandler, directory=str(folder))
    try:
        server = http.server.ThreadingHTTPServer(("127.0.0.1", port), handler)
    except OSError as error:
        raise UserError(f"Cannot use port {port}: {error.strerror}. Choose another: --serve 8001.") from error
    with server:
        console.print(f"Reading room: http://localhost:{server.server_port} (Ctrl-C closes it)")
        server.serve_forever()
