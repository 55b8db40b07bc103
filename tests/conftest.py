"""What several tests use."""

import os
import shutil
import signal
import subprocess
import sys
from pathlib import Path

import cv2
import matplotlib
import numpy as np
import pytest
import torch

matplotlib.use("Agg")  # no windows; by the environment, the chapters' kernels would show no figures either


@pytest.fixture(scope="session", autouse=True)
def one_core():
    """Nets this small are slower on two cores, which wait for each other; far slower on a busy machine."""
    torch.set_num_threads(1)


@pytest.fixture(scope="session", autouse=True)
def interrupts_count():
    """A shell's background ignores Ctrl-C, and would hand that down to all that the tests start."""
    if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
        signal.signal(signal.SIGINT, signal.default_int_handler)


@pytest.fixture(autouse=True)
def no_figures_left():
    """Whatever a test drew is closed, if it drew at all."""
    yield
    if (drawing := sys.modules.get("matplotlib.pyplot")) is not None:
        drawing.close("all")


@pytest.fixture(scope="session")
def hand_photo():
    """A function that saves a rendered hand, which shows a letter, as a photo."""
    from strm import studio

    def save(letter: str, path: Path, seed: int = 0) -> Path:
        picture = studio.sample(letter, np.random.default_rng(seed), size=256).image
        path.write_bytes(cv2.imencode(path.suffix, cv2.cvtColor(picture, cv2.COLOR_RGB2BGR))[1].tobytes())
        return path

    return save


@pytest.fixture(scope="session")
def repository(tmp_path_factory) -> Path:
    """A repository with the package and its data in it, and a tag: what a first cell clones."""
    source, root = Path(__file__).parents[1], tmp_path_factory.mktemp("repository")
    for folder in ("strm", "data"):
        shutil.copytree(source / folder, root / folder, ignore=shutil.ignore_patterns("__pycache__"))
    identity = ["-c", "user.name=a", "-c", "user.email=a@b.c", "-c", "commit.gpgsign=false"]
    for words in (["init", "-q"], ["add", "."], ["commit", "-q", "-m", "all"], ["tag", "some-tag"]):
        subprocess.run(["git", *identity, *words], cwd=root, check=True, capture_output=True)
    return root


@pytest.fixture(scope="session")
def built(tmp_path_factory) -> Path:
    """The pages of the book, every chapter executed just now."""
    from strm import book

    out = tmp_path_factory.mktemp("built")
    book.run(out)
    return out


@pytest.fixture(scope="session")
def missing():
    """Call this where a test lacks a program: it is skipped, but in CI (STRM_CI) it fails."""

    def lack(what: str):
        if os.environ.get("STRM_CI"):
            pytest.fail(f"{what}: CI has to have it")
        pytest.skip(what)

    return lack
