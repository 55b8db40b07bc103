"""What every harness needs: a corpus that begins with seeds made in code, and a place for files."""

import contextlib
import os
import sys
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path

import atheris

from strm.files import UserError

sys.path.insert(0, str(Path(__file__).parents[1]))  # made_up, and what else the tests share

PLACE = Path(tempfile.mkdtemp(prefix="fuzz-"))


def put(name: str, content: bytes) -> Path:
    """Write a file for a reader, in the place of the last one of this name."""
    path = PLACE / name
    path.write_bytes(content)
    return path


@contextlib.contextmanager
def refusing() -> Iterator[None]:
    """Let a reader refuse, in one sentence that can be printed; whatever else it raises is a crash."""
    try:
        yield
    except UserError as error:
        said = str(error)
        if not said or not said.isprintable() or said.rstrip()[-1] not in ".)":
            raise AssertionError(f"this is no sentence: {said!r}") from error


def fuzz(one: Callable[[bytes], None], seeds: list[bytes]) -> None:
    """Try `one` on the seeds and on what grows out of them. The command line is libFuzzer's: -runs=20000 …"""
    corpus = PLACE / "corpus"
    corpus.mkdir()
    for number, seed in enumerate(seeds):
        (corpus / f"seed{number}").write_bytes(seed)
    for seed in seeds:
        one(seed)
    limits = ["-rss_limit_mb=3000", "-timeout=60", f"-artifact_prefix={PLACE}{os.sep}", "-verbosity=1"]
    atheris.Setup([sys.argv[0], *limits, *sys.argv[1:], str(corpus)], one)
    atheris.Fuzz()
