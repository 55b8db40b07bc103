"""Build the book: execute every chapter, then render what came out, with warnings as errors."""

import hashlib
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

from strm.files import UserError, replacing

ROOT = Path(__file__).parents[1]


def chapters(root: Path) -> list[str]:
    """Return the pages of _toc.yml that are notebooks, as paths without a suffix, in the book's order."""
    toc = yaml.safe_load((root / "_toc.yml").read_text("utf-8"))
    entries = [toc, *(chapter for part in toc.get("parts", [toc]) for chapter in part.get("chapters", []))]
    pages = [entry.get("root") or entry["file"] for entry in entries]
    return [page for page in pages if (root / f"{page}.ipynb").exists()]


def run(
    out_dir: str | Path = "outputs/book",
    only: list[str] | None = None,
    force: bool = False,
    serve: int | None = None,
    root: Path = ROOT,
) -> None:
    """Execute the chapters and build the book: OUT_DIR/_build/html/index.html.

    A chapter that has not changed since it last ran, nor the package or its data, is not executed
    again, unless `force` or `only` asks for it. only: names of the chapters to execute; then the others
    keep what they last showed. serve: a port of this machine at which to show the pages afterwards.
    Raises UserError if a chapter stops, or Jupyter Book has any warning.
    """
    if not (root / "_toc.yml").exists():
        raise UserError("The book's chapters are not here: run `strm book` in a clone of its repository.")
    out, console = Path(out_dir).resolve(), Console(highlight=False)
    pages = chapters(root)
    _check_names(only or [], pages)
    fixed = _digest([*root.glob("strm/**/*.py"), *(p for p in root.glob("data/**/*") if p.is_file())])
    for page in pages:
        executed, stamp = out / "executed" / f"{page}.ipynb", out / "executed" / f"{page}.sha256"
        state = fixed + _digest([root / f"{page}.ipynb"])
        if only:
            wanted = any(_is(page, name) for name in only)
        else:
            wanted = force or not stamp.exists() or stamp.read_text("utf-8") != state
        if executed.exists() and not wanted:
            console.print(f"{page}: not executed again")
            continue
        began = time.perf_counter()
        stamp.unlink(missing_ok=True)
        _execute(root, page, executed, out / "logs")
        with replacing(stamp) as temporary:
            temporary.write_text(state, "utf-8")
        console.print(f"{page}: executed in {time.perf_counter() - began:.0f} s")
    began = time.perf_counter()
    index = _render(root, out, pages)
    console.print(f"The pages: rendered in {time.perf_counter() - began:.0f} s")
    console.print(f"Open {index}", soft_wrap=True)
    if serve is not None:
        _serve(index.parent, serve, console)


def _is(page: str, name: str) -> bool:
    return name.removesuffix(".ipynb") in (page, Path(page).name)


def _check_names(names: list[str], pages: list[str]) -> None:
    for name in names:
        if not any(_is(page, name) for page in pages):
            known = ", ".join(Path(page).name for page in pages)
            raise UserError(f"There is no chapter {name!r}: the chapters are {known}.")


def _digest(files: list[Path]) -> str:
    """Return one hash of the files' names and contents."""
    total = hashlib.sha256()
    for path in sorted(files):
        total.update(path.name.encode() + hashlib.sha256(path.read_bytes()).digest())
    return total.hexdigest()


def _execute(root: Path, page: str, executed: Path, logs: Path) -> None:
    """Run one chapter from top to bottom in a kernel of its own."""
    import papermill

    executed.parent.mkdir(parents=True, exist_ok=True)
    # The kernel inherits these. A chapter's nets are small: threads would wait for each other, for minutes if
    # the computer has other work.
    quiet = {"PYDEVD_DISABLE_FILE_VALIDATION": "1", "OMP_NUM_THREADS": "1", "OPENBLAS_NUM_THREADS": "1"}
    for name, value in quiet.items():
        os.environ.setdefault(name, value)
    source = root / f"{page}.ipynb"
    with replacing(executed) as temporary:
        # Papermill goes by the suffix.
        running = temporary.with_suffix(".ipynb")
        try:
            papermill.execute_notebook(
                source, running, kernel_name="python3", cwd=source.parent, log_output=False
            )
            os.replace(running, temporary)
        except papermill.PapermillExecutionError as error:
            log = logs / f"{Path(page).name}.log"
            with replacing(log) as part:
                part.write_text("\n".join(error.traceback), "utf-8")
            raise UserError(
                f"Chapter {page} stops in cell {error.cell_index} with {error.ename}: "
                f"{str(error.evalue).strip() or 'no message'}; the whole story is in {log}."
            ) from error
        finally:
            running.unlink(missing_ok=True)


def _render(root: Path, out: Path, pages: list[str]) -> Path:
    """Render a copy of the book that holds the executed chapters, and return its index.html."""
    copy, built, log = out / "source", out / "_build", out / "logs" / "pages.log"
    for folder in (copy, built):  # what was built before would hide its warnings
        shutil.rmtree(folder, ignore_errors=True)
    shutil.copytree(root / "book", copy / "book", ignore=shutil.ignore_patterns("__pycache__", ".ipynb_*"))
    shutil.copy(root / "_toc.yml", copy)
    for page in pages:
        shutil.copy(out / "executed" / f"{page}.ipynb", copy / f"{page}.ipynb")
    config = yaml.safe_load((root / "_config.yml").read_text("utf-8"))
    config["execute"]["execute_notebooks"] = "off"
    (copy / "_config.yml").write_text(yaml.safe_dump(config, sort_keys=False, allow_unicode=True), "utf-8")
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
