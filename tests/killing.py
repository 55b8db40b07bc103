"""Run commands of the package and kill them: from outside at any moment, before any change of a file, or in
the middle of a write. `Nursery` pays for the imports once: each command is a fork of one process.

Run as a script, it is that process: a line of JSON in, a line of JSON out.
"""

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

CHANGES = {"os.rename", "os.remove", "os.mkdir", "os.rmdir", "shutil.rmtree"}
WRITING = os.O_WRONLY | os.O_RDWR | os.O_CREAT


class Nursery:
    """A context manager; `run` answers how a command ended. It needs os.fork: not for Windows."""

    def __init__(self, *modules: str) -> None:
        self._command = [sys.executable, __file__, *modules]

    def __enter__(self) -> "Nursery":
        environment = os.environ | {"OMP_NUM_THREADS": "1", "OPENBLAS_NUM_THREADS": "1"}
        self._process = subprocess.Popen(
            self._command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, env=environment
        )
        return self

    def __exit__(self, *_: object) -> None:
        self._process.kill()
        self._process.communicate()

    def run(self, command: list[str], folder: Path, **when: float) -> dict:
        """Run `strm COMMAND`. Returns code (negative: the signal that killed it), seconds, changes, said.

        when: seconds=S (killed from outside after so long), change=N (before its N-th change below `folder`)
        or size=B (in the middle of the first write beyond B bytes of a file); nothing: left in peace.
        changes: how many it made below `folder`, of a command that ended by itself.
        """
        assert self._process.stdin is not None and self._process.stdout is not None
        print(json.dumps([command, str(folder), when]), file=self._process.stdin, flush=True)
        return json.loads(self._process.stdout.readline())


def _count(folder: str, last: float, report: int) -> None:
    """Count the changes below a folder, tell how many there were; be killed instead of making the last."""
    made = 0

    def hook(event: str, arguments: tuple) -> None:
        nonlocal made
        if event == "open":
            changes = isinstance(arguments[2], int) and arguments[2] & WRITING
        else:
            changes = event in CHANGES
        if changes and any(str(path).startswith(folder) for path in arguments[:2]):
            made += 1
            os.pwrite(report, str(made).encode(), 0)
            if made == last:
                os.kill(os.getpid(), signal.SIGKILL)

    sys.addaudithook(hook)


def _child(command: list[str], folder: str, when: dict, output: int, report: int) -> None:
    import resource

    from strm import cli

    os.dup2(output, 1)
    os.dup2(output, 2)
    if size := when.get("size"):
        signal.signal(signal.SIGXFSZ, signal.SIG_DFL)  # as deadly as SIGKILL, and in the middle of a write
        resource.setrlimit(resource.RLIMIT_FSIZE, (int(size), resource.RLIM_INFINITY))
    _count(folder, when.get("change", -1), report)
    code = 99
    try:
        code = cli.main(command)
    finally:
        sys.stdout.flush()
        sys.stderr.flush()
        os._exit(code)


def _serve() -> None:
    import tempfile
    from importlib import import_module

    import torch

    torch.set_num_threads(1)
    for module in sys.argv[1:]:
        import_module(module)
    for line in sys.stdin:
        command, folder, when = json.loads(line)
        with tempfile.TemporaryFile() as output, tempfile.TemporaryFile() as report:
            began = time.monotonic()
            child = os.fork()
            if not child:
                _child(command, folder, when, output.fileno(), report.fileno())
            if seconds := when.get("seconds"):
                time.sleep(seconds)
                os.kill(child, signal.SIGKILL)  # of one that has ended too: it waits for us
            code = os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])
            took = time.monotonic() - began
            output.seek(0)
            report.seek(0)
            said = output.read().decode("utf-8", "replace")
            answer = {"code": code, "seconds": took, "changes": int(report.read() or 0), "said": said}
        print(json.dumps(answer), flush=True)


if __name__ == "__main__":
    _serve()
