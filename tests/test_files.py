"""Files are never half written: a full disk, a locked one, a folder that goes, a process that was killed."""

import errno
import os
import shutil
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import pytest

from strm import cli, files
from strm.files import UserError, replacing, temporary


def fails(number: int, path: str | None = None):
    """What the system raises; with a `path` where it knows which."""
    raise OSError(number, os.strerror(number), *([path] if path else []))


@pytest.mark.parametrize("number", [errno.ENOSPC, errno.EFBIG, errno.EROFS, errno.EIO])
def test_a_disk_that_takes_no_more_is_one_sentence_and_the_old_file_is_whole(tmp_path, number):
    path = tmp_path / "table.csv"
    path.write_text("old")
    with pytest.raises(UserError) as caught:
        with replacing(path) as part:
            part.write_text("half of the new")
            fails(number)
    said = str(caught.value)
    assert str(path) in said and os.strerror(number) in said and "\n" not in said
    assert ("Make room" in said) == (number in (errno.ENOSPC, errno.EFBIG))
    assert [p.name for p in tmp_path.iterdir()] == ["table.csv"] and path.read_text() == "old"


def test_what_fails_elsewhere_in_the_block_is_told_as_it_is(tmp_path):
    for other in (lambda: fails(errno.ENOENT, "photo.jpg"), lambda: fails(errno.ECONNRESET)):
        with pytest.raises(OSError), replacing(tmp_path / "table.csv"):
            other()
    assert not list(tmp_path.iterdir())


def test_a_folder_that_goes_meanwhile_is_one_sentence(tmp_path):
    path = tmp_path / "out" / "table.csv"
    with pytest.raises(UserError, match=r"table\.csv"):
        with replacing(path) as part:
            part.write_text("new")
            part.unlink()
            path.parent.rmdir()
    assert not path.parent.exists()


def test_a_folder_in_the_place_of_the_file_is_one_sentence(tmp_path):
    (tmp_path / "table.csv" / "full").mkdir(parents=True)
    with pytest.raises(UserError, match=r"table\.csv"), replacing(tmp_path / "table.csv") as part:
        part.write_text("new")
    assert [p.name for p in tmp_path.iterdir()] == ["table.csv"]


def left_by(process: int, path: Path, suffix: str = ".part") -> Path:
    """What this process of this machine would have left beside `path`."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(os, "getpid", lambda: process)
        left = temporary(path, suffix)
    left.write_text("half")
    return left


@pytest.fixture(scope="module")
def dead() -> int:
    """The number of a process that has ended."""
    process = subprocess.Popen([sys.executable, "-c", ""])
    process.wait()
    return process.pid


def test_what_a_killed_process_left_is_swept_away_and_nothing_else(tmp_path, dead):
    path = tmp_path / "a[1].csv"
    goes = {left_by(dead, path), left_by(dead, path, ".part.mp4")}
    stays = {left_by(dead, tmp_path / name) for name in ("b.csv", "a1.csv", "a[1].csv.gz")}
    if sys.platform != "win32":  # there, what nobody holds open has nobody
        stays.add(left_by(os.getppid(), path))
    for name in (".a[1].csv.work", ".a[1].csv.\u00b2.part", f".a[1].csv.ann-{dead}.part"):  # none of ours
        (tmp_path / name).write_text("")
        stays.add(tmp_path / name)
    with replacing(path) as part:
        part.write_text("new")
    assert {*tmp_path.iterdir()} == {path, *stays} and not goes & stays


def test_what_another_machine_writes_into_a_shared_folder_stays_for_a_day(tmp_path, dead, monkeypatch):
    """Whether its process lives cannot be asked from here: their numbers are not ours."""
    path = tmp_path / "table.csv"
    with monkeypatch.context() as there:
        there.setattr(files.platform, "node", lambda: "another machine")
        written, forgotten = left_by(dead, path), left_by(dead + 1, path)
    yesterday = time.time() - 25 * 3600
    os.utime(forgotten, (yesterday, yesterday))
    with replacing(path) as part:
        assert part != written
        part.write_text("new")
    assert {*tmp_path.iterdir()} == {path, written}


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="no /dev/full here, the disk that is always full")
def test_a_full_disk_behind_the_output_is_one_sentence():
    command = [sys.executable, "-m", "strm", "studio", "dataset", "--landmarks_only", "--signers", "1"]
    command += ["--stills", "1", "--clips", "0", "--words", "0", "--jobs", "1", "--out_dir"]
    with tempfile.TemporaryDirectory() as folder, open("/dev/full", "w") as full:
        done = subprocess.run([*command, folder], stdout=full, stderr=subprocess.PIPE, text=True)
        assert Path(folder, "photos.csv.gz").is_file()
    assert done.returncode == 2
    assert done.stderr.splitlines()[-1].startswith("Cannot use") and "Traceback" not in done.stderr


@pytest.mark.parametrize("number, known", [(errno.ENOSPC, True), (errno.EROFS, True), (errno.ENOENT, False)])
def test_no_command_ends_in_a_traceback_on_a_full_disk(monkeypatch, capsys, number, known):
    """Whatever it was that could not be written; a file that a command forgot to make is a bug, and shown."""
    monkeypatch.setattr("strm.read.run", lambda *_: fails(number, "where.png"))
    if known:
        assert cli.main(["read", "a.jpg"]) == 2
        said = capsys.readouterr().err
        assert said.startswith("Cannot use where.png:") and said.count("\n") == 1
    else:
        with pytest.raises(OSError):
            cli.main(["read", "a.jpg"])


def test_a_folder_that_cannot_be_copied_is_one_sentence(tmp_path, monkeypatch, capsys):
    """shutil collects what went wrong with each file, and gives no number."""
    (tmp_path / "from").mkdir()
    (tmp_path / "from" / "a.txt").write_text("a")

    def copy(*_):
        shutil.copytree(tmp_path / "from", tmp_path / "to", copy_function=lambda *_: fails(errno.ENOSPC))

    monkeypatch.setattr("strm.read.run", copy)
    assert cli.main(["read", "a.jpg"]) == 2
    said = capsys.readouterr().err
    assert str(tmp_path / "to" / "a.txt") in said and "Make room" in said and said.count("\n") == 1
