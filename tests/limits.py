"""A process of its own for what may eat memory or never end: it tells what was said, and how far it grew.

`python limits.py JOBS.json` reads a list of [reader, path] and prints a line of JSON for each.
"""

import json
import resource  # not on Windows
import subprocess
import sys
import time
from pathlib import Path

ROOM = 6 << 30  # bytes of addresses: the machine that runs the tests lives on, whatever happens


def watched(jobs: list[tuple[str, Path]], timeout: float = 600) -> list[dict]:
    """Read each file with its reader; return what was `said`, the `kind` of error, `mb` grown, `s` taken."""
    text = json.dumps([[reader, str(path)] for reader, path in jobs])
    done = subprocess.run(
        [sys.executable, __file__], input=text, capture_output=True, text=True, timeout=timeout
    )
    assert done.returncode == 0, done.stderr
    return [json.loads(line) for line in done.stdout.splitlines()]


def _readers() -> dict:
    from strm import bundle, checkpoint, data, pictures, words

    return {
        "bundle": bundle.load,
        "table": data.read_table,
        "clips": lambda path: data.clips(data.read_table(path)),
        "streams": lambda path: [*words.streams(data.read_table(path, words=True))],
        "photo": pictures.read_picture,
        "video": lambda path: [1 for _ in pictures.sample(path, 15)],
        "checkpoint": lambda path: checkpoint.load(path, "mark"),
    }


def _peak() -> float:
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / (2**20 if sys.platform == "darwin" else 2**10)


def _main() -> None:
    import torch

    torch.set_num_threads(1)
    readers = _readers()
    resource.setrlimit(resource.RLIMIT_AS, (ROOM, ROOM))
    for reader, path in json.load(sys.stdin):
        before, began, kind, said = _peak(), time.process_time(), None, None
        try:
            found = readers[reader](Path(path))
            said = None if found is None else "read"
        except Exception as error:
            kind, said = type(error).__name__, str(error)
        seen = {"kind": kind, "said": said, "mb": _peak() - before, "s": time.process_time() - began}
        print(json.dumps(seen), flush=True)


if __name__ == "__main__":
    _main()
