"""Execute the book's chapters: each in a kernel of its own, two at a time, and only those that changed."""

import contextlib
import hashlib
import json
import os
import shutil
import subprocess
import sys
import time
from dataclasses import dataclass, field
from pathlib import Path

import nbformat
from rich.console import Console
from rich.progress import Progress, SpinnerColumn, TaskID, TextColumn, TimeElapsedColumn

from strm.files import UserError, replacing, sweep, temporary

TOGETHER = 2  # a chapter may take 2 GB
ROOM = 1 << 20  # bytes; a disk that has less is full
PAPERMILL = """import sys
from strm.processes import follow
follow(int(sys.argv.pop(1)))
from papermill.cli import papermill
papermill()"""


@dataclass
class Chapter:
    """One page that is a notebook: where it comes from, and where its run is kept."""

    page: str  # such as book/01_landmarks
    source: Path
    executed: Path
    log: Path
    state: str  # a hash of all that it depends on
    shorter: dict[str, dict[str, str]] = field(default_factory=dict)  # a fast run: by cell, what for what

    @property
    def stamp(self) -> Path:
        return self.executed.with_suffix(".sha256")

    @property
    def name(self) -> str:
        return Path(self.page).name

    def is_called(self, name: str) -> bool:
        return name.removesuffix(".ipynb") in (self.page, self.name)

    def has_run(self) -> bool:
        """Return whether it ran to its end as it is now."""
        return (
            self.executed.exists()
            and self.stamp.exists()
            and self.stamp.read_text("utf-8").strip() == self.state
        )


def chapters(root: Path, pages: list[str], out: Path, fast: bool = False) -> list[Chapter]:
    """Return the chapters among the pages. Each depends on itself, the package, its data and the versions.

    fast: for a smoke run, with what book/fast.json writes into them in place of what.
    """
    shared = [path for folder in ("strm", "data") for path in root.glob(f"{folder}/**/*") if path.is_file()]
    shared = [path for path in [*shared, root / "requirements.txt"] if "__pycache__" not in path.parts]
    fixed = digest(root, [path for path in shared if path.exists()])
    file = root / "book" / "fast.json"
    shorter = json.loads(file.read_text("utf-8")) if fast and file.exists() else {}
    found = []
    for page in pages:
        source = root / f"{page}.ipynb"
        if source.exists():
            own = shorter.get(source.stem, {})
            state = f"{digest(root, [source])} {fixed}" + f" fast {json.dumps(own)}" * fast
            executed, log = out / "executed" / f"{page}.ipynb", out / "logs" / f"{source.stem}.log"
            found.append(Chapter(page, source, executed, log, state, own))
    return found


def digest(root: Path, files: list[Path]) -> str:
    """Return one hash of the files' places and contents."""
    total = hashlib.sha256()
    for path in sorted(files):
        place = path.relative_to(root).as_posix()
        total.update(place.encode() + hashlib.sha256(path.read_bytes()).digest())
    return total.hexdigest()


def execute(wanted: list[Chapter], console: Console) -> None:
    """Run the chapters from top to bottom. Those that reach their end are kept, whatever becomes of others.

    Raises UserError that names each chapter that stopped, and its cell.
    """
    waiting, failed = list(wanted), []
    running: dict[subprocess.Popen, tuple[Chapter, TaskID, float]] = {}
    columns = (SpinnerColumn(), TextColumn("{task.description}"), TimeElapsedColumn())
    with Progress(*columns, console=console, transient=True, disable=not console.is_terminal) as progress:
        try:
            while waiting or running:
                while waiting and len(running) < _together():
                    chapter = waiting.pop(0)
                    task = progress.add_task(f"{chapter.page}: executing")
                    running[_start(chapter)] = (chapter, task, time.perf_counter())
                time.sleep(0.1)
                for process in [process for process in running if process.poll() is not None]:
                    chapter, task, began = running.pop(process)
                    progress.remove_task(task)
                    if process.returncode:
                        failed.append(_what_stopped(chapter))
                        continue
                    _keep(chapter)
                    took = time.perf_counter() - began
                    console.print(f"{chapter.page}: executed in {took:.0f} s")
        finally:  # Ctrl-C: what is half done is thrown away, what is done stays
            for process, (chapter, _, _) in running.items():
                process.terminate()
                process.wait()
                _running(chapter).unlink(missing_ok=True)
    if failed:
        raise UserError(*failed)


def _together() -> int:
    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    return min(TOGETHER, cores)


def _running(chapter: Chapter) -> Path:
    # Papermill goes by the suffix.
    return temporary(chapter.executed.with_name(chapter.name), ".ipynb")


def _start(chapter: Chapter) -> subprocess.Popen:
    """Start Papermill on one chapter, and return its process."""
    chapter.stamp.unlink(missing_ok=True)
    for path in (chapter.executed, chapter.log):
        path.parent.mkdir(parents=True, exist_ok=True)
    sweep(chapter.executed.with_name(chapter.name), ".ipynb")
    source = chapter.source
    if chapter.shorter:
        source = chapter.log.with_suffix(".fast.ipynb")
        nbformat.write(shortened(nbformat.read(chapter.source, as_version=4), chapter.shorter), source)
    options = ["--kernel", "python3", "--cwd", str(chapter.source.parent), "--no-progress-bar"]
    command = [sys.executable, "-c", PAPERMILL, str(os.getpid()), *options]
    command += [str(source), str(_running(chapter))]
    with open(chapter.log, "wb") as log:
        return subprocess.Popen(
            command, stdin=subprocess.DEVNULL, stdout=log, stderr=subprocess.STDOUT, env=_environment()
        )


def shortened(notebook: nbformat.NotebookNode, shorter: dict[str, dict[str, str]]) -> nbformat.NotebookNode:
    """Return the notebook with other words in its cells: fewer epochs, fewer people."""
    cells = {cell.id: cell for cell in notebook.cells}
    for name, words in shorter.items():
        for old, new in words.items():
            if name not in cells or old not in cells[name].source:
                raise UserError(f"book/fast.json: there is no cell {name!r} with {old!r}.")
            cells[name].source = cells[name].source.replace(old, new)
    return notebook


def _environment() -> dict[str, str]:
    # A chapter's nets are small: threads would wait for each other, for minutes if the computer has other
    # work. Who has set a number of threads keeps it.
    quiet = {"PYDEVD_DISABLE_FILE_VALIDATION": "1", "OMP_NUM_THREADS": "1", "OPENBLAS_NUM_THREADS": "1"}
    kept = {
        name: value for name, value in os.environ.items() if name != "MPLBACKEND"
    }  # figures go into cells
    return quiet | kept | {"PYTHONUTF8": "1"}


def _keep(chapter: Chapter) -> None:
    os.replace(_running(chapter), chapter.executed)
    with replacing(chapter.stamp) as temporary:
        temporary.write_text(f"{chapter.state}\n", "utf-8")


def _what_stopped(chapter: Chapter) -> str:
    """Return a sentence that names the cell which failed, and throw the half-run chapter away."""
    said, log = _running(chapter), chapter.log
    where, why = "before its first cell", "no message"
    with contextlib.suppress(OSError, nbformat.reader.NotJSONError):
        cells = [cell for cell in nbformat.read(said, as_version=4).cells if cell.cell_type == "code"]
        ran = [cell for cell in cells if cell.execution_count or cell.outputs]
        errors = [(cell, o) for cell in ran for o in cell.outputs if o.output_type == "error"]
        if errors:
            cell, error = errors[0]
            where, why = f"in cell {cell.id!r}", f"{error.ename}: {error.evalue.strip() or 'no message'}"
        else:  # the kernel died, of too little memory say
            last = log.read_text("utf-8", "replace").strip().splitlines()
            where, why = (f"after cell {ran[-1].id!r}" if ran else where), last[-1] if last else why
    said.unlink(missing_ok=True)
    if shutil.disk_usage(log.parent).free < ROOM:  # then no log can tell
        why = "No space left on device (make room there)"
    return f"Chapter {chapter.page} stops {where} with {why}; the whole story is in {log}."
