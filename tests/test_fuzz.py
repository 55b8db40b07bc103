"""The readers under a fuzzer, and what the tests of bad input add up to (`pytest -m long`)."""

import os
import re
import subprocess
import sys
from importlib.util import find_spec
from pathlib import Path

import pytest
from reliability import record

HERE = Path(__file__).parent
HARNESSES = ("tables", "models", "hands", "names", "media")
RUNS, SECONDS = 20_000, 60  # whichever comes first, for each harness
EXAMPLES = 200  # of each property; the usual tests look at 30


def run(*words: str, seconds: float = 1200, **environment: str) -> str:
    done = subprocess.run(
        [sys.executable, *words],
        cwd=HERE.parent,
        env=os.environ | {"OMP_NUM_THREADS": "1"} | environment,
        capture_output=True,
        text=True,
        errors="replace",
        timeout=seconds,
    )
    assert done.returncode == 0, done.stdout[-3000:] + done.stderr[-3000:]
    return done.stdout + done.stderr


@pytest.mark.long
@pytest.mark.skipif(
    find_spec("atheris") is None, reason="atheris needs Linux on x86_64 and Python 3.11 or later"
)
def test_no_reader_falls_over_under_the_fuzzer():
    tried = {}
    for name in HARNESSES:
        said = run(str(HERE / "fuzz" / f"{name}.py"), f"-runs={RUNS}", f"-max_total_time={SECONDS}")
        tried[name] = int(re.findall(r"^Done (\d+) runs", said, re.MULTILINE)[-1])
    assert min(tried.values()) > 100
    record("fuzzing", executions=tried, executions_in_all=sum(tried.values()), crashes_left=0)


@pytest.mark.long
def test_no_property_is_broken_by_many_more_examples():
    words = ("-m", "pytest", "-q", "-p", "no:cacheprovider", "--hypothesis-show-statistics")
    said = run(*words, str(HERE / "test_properties.py"), STRM_EXAMPLES=str(EXAMPLES))
    examples = [int(count) for count in re.findall(r"(\d+) passing(?:,| examples)", said)]
    properties = int(re.findall(r"(\d+) passed", said)[-1])
    assert sum(examples) > EXAMPLES and properties > 10
    record("properties", properties=properties, examples=sum(examples), broken=0)


@pytest.mark.long
def test_every_hostile_file_is_refused():
    files = sorted(map(str, HERE.glob("test_hostile_*.py")))
    said = run("-m", "pytest", "-q", "-p", "no:cacheprovider", *files)
    tried = int(re.findall(r"(\d+) passed", said)[-1])
    assert tried > 50 and "skipped" not in said
    record("hostile_files", tried=tried, refused=tried)
