"""The book as one PDF: Chromium prints every page, and the prints are bound together."""

import http.server
import os
import shutil
import subprocess
import tempfile
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from urllib.parse import unquote, urldefrag

from strm.files import UserError, replacing

NAMES = ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable", "chrome", "msedge")
PLACES = (
    "/Applications/Google Chrome.app/Contents/MacOS/Google Chrome",
    "/Applications/Chromium.app/Contents/MacOS/Chromium",
    "C:/Program Files/Google/Chrome/Application/chrome.exe",
    "C:/Program Files (x86)/Microsoft/Edge/Application/msedge.exe",
)
MISSING = "A PDF needs Chromium, Chrome or Edge, and none was found: install one of them."


def chromium() -> str | None:
    """Return the Chromium, Chrome or Edge of this machine, if it has one."""
    found = (shutil.which(name) for name in NAMES)
    return next((path for path in found if path), next((p for p in PLACES if os.path.exists(p)), None))


def bind(html: Path, pages: list[str], pdf: Path) -> None:
    """Print the pages (book/01_landmarks, …) below `html` into one PDF, whose links lead inside it."""
    browser = chromium()
    if browser is None:
        raise UserError(MISSING)
    with tempfile.TemporaryDirectory() as name, served(html) as address, replacing(pdf) as temporary:
        prints = [Path(name) / f"{i:03d}.pdf" for i in range(len(pages))]
        for page, path in zip(pages, prints, strict=True):
            _print(browser, f"{address}/{page}.html", path)
        _join(prints, pages, address, temporary)


@contextmanager
def served(folder: Path) -> Iterator[str]:
    """Serve a folder to this machine for as long as the block runs, and yield its address."""

    class Quiet(http.server.SimpleHTTPRequestHandler):
        def log_message(self, format: str, *args: object) -> None:
            pass

    class Calm(http.server.ThreadingHTTPServer):
        def handle_error(self, request: object, client_address: object) -> None:
            pass  # a browser that closes a page in the middle of it

    with Calm(("127.0.0.1", 0), partial(Quiet, directory=str(folder))) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield f"http://127.0.0.1:{server.server_port}"
        server.shutdown()


def _print(browser: str, address: str, path: Path) -> None:
    with tempfile.TemporaryDirectory(ignore_cleanup_errors=True) as profile:
        options = ["--headless", "--disable-gpu", "--no-first-run", "--disable-background-networking"]
        options += [f"--user-data-dir={profile}", "--no-pdf-header-footer", "--virtual-time-budget=30000"]
        if hasattr(os, "geteuid") and os.geteuid() == 0:  # in a container
            options.append("--no-sandbox")
        command = [browser, *options, f"--print-to-pdf={path}", address]
        done = subprocess.run(command, stdin=subprocess.DEVNULL, capture_output=True, timeout=300)
    if not path.exists():
        said = done.stderr.decode("utf-8", "replace").strip().splitlines()
        raise UserError(f"{browser} did not print {address}: {said[-1] if said else 'no message'}.")


def _join(prints: list[Path], pages: list[str], address: str, pdf: Path) -> None:
    """Bind the prints, with a bookmark each; a link from page to page becomes one inside the PDF."""
    from pypdf import PdfReader, PdfWriter
    from pypdf.annotations import Link
    from pypdf.generic import Fit

    starts, writer = {}, PdfWriter()
    for page, path in zip(pages, prints, strict=True):
        reader = PdfReader(path)
        starts[page] = len(writer.pages)
        writer.append(reader, import_outline=False)
        title = str((reader.metadata and reader.metadata.title) or page)
        writer.add_outline_item(title=title.partition(" — ")[0], page_number=starts[page])
    for number, sheet in enumerate(writer.pages):
        kept, inside = [], []
        for reference in sheet.get("/Annots", []):
            note = reference.get_object()
            target = str(note.get("/A", {}).get("/URI", ""))
            if not target.startswith(address):
                kept.append(reference)
                continue
            page = unquote(urldefrag(target).url.removeprefix(f"{address}/")).removesuffix(".html")
            if page in starts:
                inside.append((tuple(float(x) for x in note["/Rect"]), starts[page]))
        if "/Annots" in sheet:
            sheet["/Annots"].clear()  # type: ignore[attr-defined]
            sheet["/Annots"].extend(kept)  # type: ignore[attr-defined]
        for rectangle, start in inside:
            link = Link(rect=rectangle, target_page_index=start, fit=Fit.fit())  # type: ignore[arg-type]
            writer.add_annotation(number, link)
    writer.write(pdf)
