"""A disk that is full, locked or gone: one sentence, exit 2, the old files whole; with room it works again.

The disk is a real one of a few megabytes (a tmpfs); to mount it takes Linux and its administrator's rights.
"""

import shutil
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import nbformat
import numpy as np
import pytest
from hub_server import HubServer
from killing import Nursery
from made_up import photos, pose
from reliability import record
from test_book_build import mini_book
from test_kills import held, images, rendered, train, train_streams, videos

from strm import studio
from strm.bundle import WEIGHTS
from strm.files import UserError
from strm.landmarks import Hand
from strm.recorder import Recorder

pytestmark = pytest.mark.long
ROOT = Path(__file__).parents[1]
ROOMS = (0, 12_000, 150_000, 600_000)  # bytes that are left
Make = Callable[[Path], tuple[list[str], list[str], str]]


@pytest.fixture
def disk(tmp_path) -> Iterator[Path]:
    """An empty disk of 12 MB."""
    place = tmp_path / "disk"
    place.mkdir()
    mount = ["mount", "-t", "tmpfs", "-o", "size=12m", "tmpfs", str(place)]
    if sys.platform != "linux" or subprocess.run(mount, capture_output=True).returncode:
        pytest.skip("to mount a small disk takes Linux and root")
    yield place
    subprocess.run(["umount", "-l", str(place)], check=True)


def fill(disk: Path, left: int) -> None:
    filler = disk / "filler"
    filler.unlink(missing_ok=True)
    filler.write_bytes(bytes(max(0, shutil.disk_usage(disk).free - left)))


def from_job(make) -> Make:
    """A job of the tests of kill -9, once as it is and once with other settings."""
    other = {"train": ["--seed", "1"], "train_streams": ["--seed", "1"], "images": ["--max_per_class", "7"]}
    other |= {"videos": ["--fps", "7"], "rendered": ["--seed", "1"]}

    def made(folder: Path):
        job = make(folder)
        return (
            job.command,
            [job.command[0], *job.command[1:-1], *other[make.__name__], job.command[-1]],
            job.file,
        )

    made.__name__ = make.__name__
    return made


def exported(folder: Path):
    return ["export", "--out_dir"], ["export", "--int8", "--out_dir"], ""


def filmed(folder: Path):
    how = ["--size", "64", "--out"]
    return ["studio", "word", "NO", *how], ["studio", "word", "YES", *how], "word.mp4"


def grid(folder: Path):
    how = ["--size", "32", "--out"]
    return ["studio", "grid", *how], ["studio", "grid", "--seed", "1", *how], "grid.png"


def read(folder: Path):
    shot = studio.sample("B", np.random.default_rng(4), 192).image
    import cv2

    cv2.imwrite(str(folder / "b.jpg"), shot[..., ::-1])
    return ["read", str(folder / "b.jpg"), "--out_dir"], ["read", str(folder / "b.jpg"), "--out_dir"], ""


@pytest.fixture(scope="module")
def nursery() -> Iterator[Nursery]:
    modules = "strm.train torch._dynamo strm.studio.ship strm.extract strm.handmodel mediapipe strm.export"
    with Nursery(*modules.split()) as one:
        yield one


MAKES = [
    *map(from_job, (train, train_streams, images, videos, rendered)),
    exported,
    filmed,
    grid,
    read,
]


def refused(said: str, why: str) -> bool:
    """Whether a command that failed said so in its last line, and showed no bowels."""
    return why in said.strip().splitlines()[-1] and said.count(why) == 1 and "Traceback" not in said


@pytest.mark.parametrize("make", MAKES, ids=lambda make: make.__name__)
def test_on_a_full_or_locked_disk_the_old_files_stay_whole(make, nursery, disk, tmp_path):
    first, second, file = make(tmp_path)
    folder, failed = disk / "out", 0
    one, other = [*first, str(folder / file)], [*second, str(folder / file)]
    assert nursery.run(one, folder)["code"] == 0
    old = held(folder)
    for left in ROOMS:
        fill(disk, left)
        ended = nursery.run(other, folder)
        if ended["code"] == 0:  # it was room enough
            break
        failed += 1
        why = "to its end: make room" if make is filmed else "No space left on device"
        assert ended["code"] == 2 and refused(ended["said"], why), (left, ended["said"])
        now = held(folder)
        assert {name: now.get(name) for name in old} == old, f"with {left} bytes left"
        assert not list(folder.rglob("*.part*")), "nothing half written stays"
    assert failed
    (disk / "filler").unlink()
    locked = subprocess.run(["mount", "-o", "remount,ro", str(disk)], capture_output=True).returncode == 0
    if locked:
        ended = nursery.run(other, folder)
        assert ended["code"] == 2 and refused(ended["said"], "Read-only file system"), ended["said"]
        subprocess.run(["mount", "-o", "remount,rw", str(disk)], check=True)
    ended = nursery.run(other, folder)
    assert ended["code"] == 0, ended["said"]
    assert {*held(folder)} >= {*old}
    figures = {"times_full": failed, "times_locked": int(locked), "old_files_harmed": 0}
    record("full_disk", **{make.__name__: figures})


def test_a_clip_that_a_full_disk_refuses_is_kept_for_later(disk):
    hand = Hand(pose("A").astype(np.float32), "Right", 0.9, 100, 100)
    recorder = Recorder(disk / "mine.csv", "ann")

    def one_clip() -> str:
        recorder.begin("A")
        for number in range(5):
            recorder.take(hand, 33.0 * number)
        return recorder.end()

    assert one_clip() == "kept 5 frames of A"
    old = (disk / "mine.csv").read_bytes()
    fill(disk, 0)
    with pytest.raises(UserError, match="No space left on device"):
        one_clip()
    assert (disk / "mine.csv").read_bytes() == old
    (disk / "filler").unlink()
    assert one_clip() == "kept 5 frames of A"
    clips = [row.split(",")[3] for row in (disk / "mine.csv").read_text("utf-8").splitlines()[1:]]
    assert [clips.count(name) for name in dict.fromkeys(clips)] == [5, 5, 5], "the refused one is among them"
    record("full_disk", recorder={"times_full": 1, "clips_lost": 0, "old_files_harmed": 0})


def test_a_comparison_on_a_full_disk_keeps_the_old_table(disk, monkeypatch, capsys):
    """The trainings are left out: what is told here is what becomes of a table that they have made."""
    from strm import cli, compare

    table = {"nets": list(range(20_000))}
    monkeypatch.setitem(compare.TABLES, "memory", lambda seeds, jobs: table)
    (disk / "memory.json").write_text("old")
    fill(disk, 8_192)
    assert cli.main(["compare", "memory", "--out_dir", str(disk)]) == 2
    assert refused(capsys.readouterr().err, "No space left on device")
    assert (disk / "memory.json").read_text() == "old" and {p.name for p in disk.iterdir()} == {
        "memory.json",
        "filler",
    }
    record("full_disk", compare={"times_full": 1, "old_files_harmed": 0})


def test_a_download_onto_a_full_disk_leaves_no_half_model(disk, tmp_path, monkeypatch):
    from strm.hub import fetch, push

    with HubServer() as hub:
        hub.take_over(monkeypatch, disk / "home", hub.token)
        push(WEIGHTS, "reader/asl", token=hub.token)
        failed = 0
        for left in ROOMS[:3]:
            fill(disk, left)
            with pytest.raises(UserError, match="No space left") as caught:
                fetch("reader/asl", token=hub.token, cache_dir=disk / "cache")
            assert "\n" not in str(caught.value) and hub.token not in str(caught.value)
            failed += 1
        (disk / "filler").unlink()
        assert len(fetch("reader/asl", token=hub.token, cache_dir=disk / "cache").class_names) == 27
    record("full_disk", download={"times_full": failed, "half_models": 0})


BOOK = """import sys
from functools import partial
from pathlib import Path
from strm import book, cli
book.run = partial(book.run, root=Path(sys.argv[1]))
sys.exit(cli.main(["book", "--out_dir", sys.argv[2]]))"""


def test_a_book_on_a_full_disk_is_one_sentence_and_is_built_when_there_is_room(disk, tmp_path):
    root = mini_book(tmp_path / "root", "print('x' * 100_000)")
    command = [sys.executable, "-c", BOOK, str(root), str(disk / "book")]
    rooms = (0, 60_000, 400_000)
    for left in rooms:
        fill(disk, left)
        done = subprocess.run(command, capture_output=True, text=True, cwd=ROOT)
        said = done.stderr + done.stdout
        assert done.returncode == 2 and "Traceback" not in said and "No space left on device" in said, said
    (disk / "filler").unlink()
    done = subprocess.run(command, capture_output=True, text=True, cwd=ROOT)
    assert done.returncode == 0, done.stderr
    executed = nbformat.read(disk / "book" / "executed" / "book" / "01_one.ipynb", as_version=4)
    assert len(executed.cells[1].outputs[0].text) > 100_000
    assert not list((disk / "book" / "executed").rglob(".*"))
    record("full_disk", book={"times_full": len(rooms), "half_chapters_shown": 0})


def test_a_folder_that_is_removed_meanwhile(tmp_path):
    """A training makes it again; an extraction says what went away, and the same command again ends well."""
    photos("ABI", people=3).to_csv(tmp_path / "photos.csv", index=False)
    small = ["--epochs", "60", "--n_latent", "1", "--T_deep", "1"]
    out, command = tmp_path / "out", [sys.executable, "-m", "strm"]
    training = subprocess.Popen(
        [*command, "train", "--csv", str(tmp_path / "photos.csv"), *small, "--out_dir", str(out)],
        stderr=subprocess.PIPE, stdout=subprocess.DEVNULL, text=True,
    )  # fmt: skip
    while not (out / "checkpoint.pt").exists():
        time.sleep(0.02)
    shutil.rmtree(out, ignore_errors=True)
    said = training.communicate()[1]
    if training.returncode:  # it went in the middle of a write
        assert training.returncode == 2 and "Traceback" not in said and str(out) in said
    else:
        assert {path.name for path in out.iterdir()} >= {"trm_best.pt", "trm_config.json"}
    job = images(tmp_path)
    extraction = [*command, *job.into(tmp_path / "csv")]
    running = subprocess.Popen(extraction, stderr=subprocess.PIPE, stdout=subprocess.DEVNULL, text=True)
    while not list((tmp_path / "csv").rglob("*.json")):
        time.sleep(0.01)
    shutil.rmtree(tmp_path / "csv", ignore_errors=True)
    said = running.communicate()[1]
    assert running.returncode == 2 and "Traceback" not in said and "meanwhile" in said, said
    assert subprocess.run(extraction, capture_output=True).returncode == 0
    assert {path.name for path in (tmp_path / "csv").iterdir()} == {"photos.csv", "photos.csv.missed.txt"}
    record("folder_removed_midway", times=2, tracebacks=0)
