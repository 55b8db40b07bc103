"""kill -9 at any moment: the same command again ends with what an undisturbed one gives, byte for byte.

A command is killed at random moments, from outside; before each change that it makes below its folder; and
in the middle of a write. Real commands on real input; `tests/killing.py` does the killing.
"""

import contextlib
import json
import os
import subprocess
import sys
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import nbformat
import numpy as np
import pandas as pd
import psutil
import pytest
from killing import Nursery
from made_up import clip, photos, still_path, stroke
from reliability import record
from test_book_build import add_chapter, mini_book
from test_extract import film, save

from strm import bundle, studio
from strm.files import UserError

forks = pytest.mark.skipif(not hasattr(os, "fork"), reason="the nursery forks, which Windows cannot")
KILLED = (-9, -25)  # SIGKILL, and SIGXFSZ in the middle of a write
MOMENTS, CHANGES, SIZES = 12, 14, (300, 3_000, 30_000)


@dataclass
class Job:
    """A command that lacks only its folder, and the file in it that it is asked to make, if it is asked."""

    command: list[str]
    file: str = ""

    def into(self, folder: Path) -> list[str]:
        return [*self.command, str(folder / self.file)]


def train(folder: Path, epochs: int = 4) -> Job:
    photos("ABI", people=3).to_csv(folder / "photos.csv", index=False)
    small = ["--epochs", str(epochs), "--n_latent", "1", "--T_deep", "1", "--val_signers", "p2"]
    return Job(["train", "--csv", str(folder / "photos.csv"), *small, "--out_dir"])


def train_streams(folder: Path) -> Job:
    held = [
        clip(label, person, still_path(14, person), f"{label}{person}")
        for label in "ABI"
        for person in (0, 1)
    ]
    drawn = [clip("I", person, stroke(12), f"J{person}").assign(label="J") for person in (0, 1)]
    pd.concat([*held, *drawn, photos("ABI", people=2)]).to_csv(folder / "clips.csv", index=False)
    small = ["--epochs", "3", "--n_latent", "1", "--T_deep", "1", "--seq_len", "8", "--sequence_mode"]
    return Job(["train", "--csv", str(folder / "clips.csv"), *small, "--out_dir"])


def images(folder: Path) -> Job:
    for letter in "BL":
        shot = studio.sample(letter, np.random.default_rng(4), 192).image
        for number in range(20):  # more than a chunk
            save(np.roll(shot, number, 1), folder / "album" / letter / f"{number}.png")
    return Job(["images", "--root", str(folder / "album"), "--jobs", "1", "--out_csv"], "photos.csv")


def videos(folder: Path) -> Job:
    for letter in "BLY":
        shot = studio.sample(letter, np.random.default_rng(4), 192).image
        film([np.roll(shot, 2 * i, 1) for i in range(8)], folder / "films" / f"{letter}_1.avi")
    return Job(["videos", "--input_dir", str(folder / "films"), "--jobs", "1", "--output_csv"], "clips.csv")


def drawn(folder: Path) -> Job:
    few = ["--signers", "2", "--stills", "1", "--clips", "1", "--words", "1", "--jobs", "1"]
    return Job(["studio", "dataset", "--landmarks_only", *few, "--out_dir"])


def rendered(folder: Path) -> Job:
    few = ["--signers", "2", "--stills", "1", "--clips", "0", "--words", "0", "--jobs", "1"]
    return Job(["studio", "dataset", *few, "--out_dir"])


JOBS = [train, train_streams, images, videos, drawn, rendered]


@pytest.fixture(scope="module")
def nursery() -> Iterator[Nursery]:
    modules = "strm.train torch._dynamo strm.studio.ship strm.extract strm.handmodel mediapipe"
    with Nursery(*modules.split()) as one:
        yield one


def held(folder: Path) -> dict[str, object]:
    """All that a folder holds, hidden files too; of a summary, all but how fast the machine was."""
    found: dict[str, object] = {}
    for path in sorted(folder.rglob("*")):
        name = path.relative_to(folder).as_posix()
        found[name] = path.read_bytes() if path.is_file() else "a folder"
        if path.name == "summary.json":
            found[name] = {
                k: v for k, v in json.loads(path.read_text("utf-8")).items() if k != "ms_per_frame"
            }
    return found


def finished(nursery: Nursery, job: Job, folder: Path) -> dict[str, object]:
    ended = nursery.run(job.into(folder), folder)
    assert ended["code"] == 0, ended["said"]
    return held(folder)


def kill(nursery: Nursery, job: Job, folder: Path, **when: float) -> bool:
    """Kill the command; whether it lived so long. What it leaves is little, and never half a model."""
    ended = nursery.run(job.into(folder), folder, **when)
    assert ended["code"] in (0, *KILLED), ended["said"]
    parts = list(folder.rglob("*.part*"))
    assert len(parts) <= 3, f"at most what one process was writing: {parts}"
    if (folder / "trm_best.pt").exists():
        with contextlib.suppress(UserError):  # killed between two renames: told, never taken for whole
            bundle.load(folder)
    return ended["code"] != 0


@forks
@pytest.mark.long
@pytest.mark.parametrize("make", JOBS, ids=lambda make: make.__name__)
def test_killed_and_run_again_it_ends_as_if_nothing_had_been(make, nursery, tmp_path):
    job, rng, folders = make(tmp_path), np.random.default_rng(8), iter(range(1000))
    whole = finished(nursery, job, tmp_path / "whole")
    again = nursery.run(job.into(tmp_path / "again"), tmp_path / "again")
    assert held(tmp_path / "again") == whole, (
        "undisturbed runs are alike, or there is nothing to compare with"
    )

    # One folder, killed again and again wherever it has come to.
    storm, at_random = tmp_path / "storm", 0
    for _ in range(MOMENTS):
        at_random += kill(nursery, job, storm, seconds=float(rng.uniform(0, again["seconds"])))
    assert at_random >= MOMENTS // 3
    assert finished(nursery, job, storm) == whole

    # Killed once, before a change, and run again: most of all near its end, where all is put together.
    last = again["changes"]
    chosen = {
        *np.linspace(1, last, CHANGES // 2).round().astype(int).tolist(),
        *range(last - CHANGES // 2, last + 1),
    }
    before_a_change = 0
    for number in sorted(n for n in chosen if n > 0):
        folder = tmp_path / str(next(folders))
        assert kill(nursery, job, folder, change=number)
        assert finished(nursery, job, folder) == whole, f"before change {number} of {last}"
        before_a_change += 1

    in_a_write = 0
    for size in SIZES:
        folder = tmp_path / str(next(folders))
        in_a_write += kill(nursery, job, folder, size=size)
        assert finished(nursery, job, folder) == whole, f"after {size} bytes"
    assert in_a_write
    figures = {
        "at_random_moments": at_random,
        "before_a_change_of_a_file": before_a_change,
        "in_the_middle_of_a_write": in_a_write,
        "ended_differently": 0,
    }
    record("killed", **{make.__name__: figures})


@forks
def test_a_training_killed_before_a_change_ends_with_the_same_weights(tmp_path):
    """The short form of the above, for every day."""
    job = train(tmp_path, epochs=2)
    with Nursery("strm.train", "torch._dynamo") as nursery:
        whole = finished(nursery, job, tmp_path / "whole")
        assert {*whole} == {"trm_best.pt", "trm_config.json", "trm_scaler.joblib", "metrics.json"}
        for when in ({"change": 4}, {"size": 20_000}, {"seconds": 0.1}):
            assert kill(nursery, job, tmp_path / "killed", **when)
        assert finished(nursery, job, tmp_path / "killed") == whole


def family(process: subprocess.Popen) -> list[psutil.Process]:
    return psutil.Process(process.pid).children(recursive=True)


def gone(processes: list[psutil.Process], seconds: float = 60) -> bool:
    """Whether all have ended within this time, though nobody may have asked yet how."""
    end = time.monotonic() + seconds
    while alive := [p for p in processes if p.is_running() and p.status() != psutil.STATUS_ZOMBIE]:
        if time.monotonic() > end:
            print([p.cmdline() for p in alive])
            return False
        time.sleep(0.2)
    return True


@pytest.mark.long
def test_several_processes_end_with_the_one_that_is_killed(tmp_path):
    """TerminateProcess on Windows, SIGKILL elsewhere, of a real command with processes of its own."""
    few = ["--signers", "24", "--stills", "1", "--clips", "1", "--words", "1", "--jobs", "2"]
    command = [sys.executable, "-m", "strm", "studio", "dataset", "--landmarks_only", *few, "--out_dir"]
    subprocess.run([*command, str(tmp_path / "whole")], check=True, capture_output=True)
    rng, kills, folder = np.random.default_rng(9), 0, tmp_path / "killed"
    for _ in range(6):
        begun = len([*folder.rglob("*.json")])
        process = subprocess.Popen(
            [*command, str(folder)], stderr=subprocess.DEVNULL, stdout=subprocess.DEVNULL
        )
        while len([*folder.rglob("*.json")]) <= begun and process.poll() is None:
            time.sleep(0.02)
        time.sleep(rng.uniform(0, 0.5))
        if process.poll() is None:
            others = family(process)
            assert len(others) >= 2
            process.kill()
            kills += 1
            if sys.platform != "win32":
                assert gone(others)
        process.wait()
    subprocess.run([*command, str(folder)], check=True, capture_output=True)
    assert held(folder) == held(tmp_path / "whole") and kills >= 2
    figures = {"at_random_moments": kills, "outlived": 0, "ended_differently": 0}
    record("killed", two_processes=figures)


@pytest.mark.skipif(sys.platform == "win32", reason="the process to kill is found by what it is a child of")
@pytest.mark.long
def test_a_worker_that_the_system_kills_is_told_and_nothing_is_lost(tmp_path):
    few = ["--signers", "24", "--stills", "1", "--clips", "1", "--words", "1", "--jobs", "2"]
    command = [sys.executable, "-m", "strm", "studio", "dataset", "--landmarks_only", *few, "--out_dir"]
    folder = tmp_path / "out"
    process = subprocess.Popen(
        [*command, str(folder)], stderr=subprocess.PIPE, stdout=subprocess.DEVNULL, text=True
    )
    while not [*folder.rglob("*.json")]:
        time.sleep(0.05)
    next(p for p in family(process) if "LokyProcess" in " ".join(p.cmdline())).kill()
    said = process.communicate(timeout=120)[1]
    assert process.returncode == 2 and "fewer --jobs" in said and "Traceback" not in said
    done = len([*folder.rglob("*.json")])
    assert done
    ended = subprocess.run([*command, str(folder)], capture_output=True, text=True)
    assert ended.returncode == 0 and not [path for path in folder.iterdir() if path.name.startswith(".")]


CHAPTER = """import time
for number in range(20):
    print(number)
    time.sleep(0.1)"""
BOOK = """import sys
from functools import partial
from pathlib import Path
from strm import book, cli
book.run = partial(book.run, root=Path(sys.argv[1]))
sys.exit(cli.main(["book", "--out_dir", sys.argv[2]]))"""


def shown(out: Path) -> dict[str, object]:
    """What a built book's chapters print, and which pages there are."""
    chapters = {}
    for path in sorted((out / "executed").rglob("*.ipynb")):
        cells = nbformat.read(path, as_version=4).cells
        # A stream of text comes in pieces, of any sizes.
        printed = ["".join(o.text for o in cell.outputs) for cell in cells if cell.cell_type == "code"]
        chapters[path.name] = printed
    return chapters | {"pages": sorted(path.name for path in (out / "_build" / "html").rglob("*.html"))}


@pytest.mark.long
def test_a_book_build_that_is_killed_leaves_no_kernel_and_no_half_chapter(tmp_path):
    root, rng = mini_book(tmp_path / "root", CHAPTER), np.random.default_rng(10)
    add_chapter(root, CHAPTER.replace("20", "10"))
    (tmp_path / "runtime").mkdir()
    environment = os.environ | {"JUPYTER_RUNTIME_DIR": str(tmp_path / "runtime")}
    command = [sys.executable, "-c", BOOK, str(root)]
    where, kills = {"cwd": Path(__file__).parents[1], "env": environment}, 0

    def build(out: Path) -> float:
        began = time.monotonic()
        done = subprocess.run([*command, str(out)], capture_output=True, text=True, **where)
        assert done.returncode == 0, done.stderr
        return time.monotonic() - began

    took = build(tmp_path / "whole")
    for _ in range(3):
        process = subprocess.Popen([*command, str(tmp_path / "out")], stdout=subprocess.DEVNULL, **where)
        time.sleep(rng.uniform(0.1, 0.9) * took)
        others = family(process) if process.poll() is None else []
        kills += process.poll() is None
        process.kill()
        process.wait()
        if sys.platform != "win32":
            assert gone(others), "Papermill, its kernel and Jupyter Book end too"
    build(tmp_path / "out")
    assert shown(tmp_path / "out") == shown(tmp_path / "whole") and kills
    assert len(shown(tmp_path / "out")) == 3
    assert not list((tmp_path / "out" / "executed").rglob(".*")), "no half chapter stays"
    record("killed", book={"at_random_moments": kills, "outlived": 0, "ended_differently": 0})
