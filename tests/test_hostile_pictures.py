"""Photos, videos and their names that mean harm: told of in words, and no name breaks a table."""

import csv
import os
import struct
from pathlib import Path

import cv2
import pytest
from broken import avi, mp4, one_sentence, png, refused

from strm import cli, extract, pictures
from strm.data import COORDINATES, read_table
from strm.files import UserError
from strm.filmed import open_film

STRANGE = [
    "=1+1",
    "+cmd",
    "-2",
    "@SUM(A1)",
    "a\nb",
    "\x1b[31mred",
    "a\rb",
    "%d",
    "concat:x|y",
    "'",
    'a"b',
    "a,b",
    "Ä",
]


@pytest.mark.skipif(os.name == "nt", reason="Windows allows no such names")
def test_no_name_of_a_photo_or_signer_breaks_the_table(hand_photo, tmp_path, capsys, monkeypatch):
    root = tmp_path / "photos"
    photo = hand_photo("B", tmp_path / "hand.png").read_bytes()
    monkeypatch.chdir(tmp_path)
    places = []
    for name in STRANGE:
        place = root / name / "B"
        place.mkdir(parents=True)
        (place / f"{name}.png").write_bytes(photo)
        places.append(place)
    bad = os.fsencode(root / "B") + b"\xff"
    os.makedirs(bad + b"/B")
    with open(bad + b"/B/\xfe.png", "wb") as file:
        file.write(photo)
    (root / "B").mkdir()
    (root / "B" / "empty.png").touch()
    (root / "B" / "folder.png").mkdir()
    (root / "B" / "loop.png").symlink_to(root / "B" / "loop.png")
    (root / "B" / "up").symlink_to(root)  # round and round
    (root / "B" / "endless.png").symlink_to("/dev/zero")
    os.mkfifo(root / "B" / "pipe.png")
    (root / "B" / "claims.png").write_bytes(png(30_000, 30_000))
    argv = ["images", "--root", "photos", "--out_csv", "out.csv", "--signer_level", "0", "--jobs", "1"]
    (root / "Z" / "B").mkdir(parents=True)
    for path in [*(root / "B").glob("*.png")]:
        path.rename(root / "Z" / "B" / path.name)
    (root / "B" / "up").rename(root / "Z" / "B" / "up")
    assert cli.main(argv) == 0
    said = capsys.readouterr()
    assert "rows 14" in said.out and "Cannot be used: photos 2" in said.out
    with open("out.csv", encoding="utf-8", newline="") as file:
        rows = list(csv.reader(file))
    assert len(rows) == 15 and {len(row) for row in rows} == {len(extract.COLUMNS)}
    assert not any(cell.startswith(extract.FORMULA) for row in rows for cell in row[:4])
    table = read_table("out.csv")
    assert len(table) == 14 and table["signer"].nunique() == 14 and table["clip"].is_unique
    listed = extract.missed_path("out.csv").read_text("utf-8")
    assert "empty.png" in listed and "claims.png" in listed
    assert not (root.parent / ".out.csv.work").exists()


@pytest.mark.parametrize("name", ["\x1b[2J.png", "a\nb.png", "a\udcffb.png"])
@pytest.mark.skipif(os.name == "nt", reason="Windows allows no such names")
def test_no_name_of_a_photo_reaches_the_terminal(hand_photo, tmp_path, capsys, name):
    photo = hand_photo("B", tmp_path / "hand.png").read_bytes()
    (tmp_path / name).write_bytes(photo)
    assert cli.main(["read", str(tmp_path / name)]) == 0
    assert cli.main(["read", str(tmp_path / f"no{name}")]) == 2
    said = capsys.readouterr()
    assert "\x1b[2J" not in said.out + said.err and one_sentence(said.err.removesuffix("\n"))
    assert (tmp_path / f"{Path(name).stem}.read.png").is_file()


def test_a_picture_that_claims_to_be_huge_is_refused_in_a_sentence(tmp_path):
    from strm.read import read_photo

    (tmp_path / "a.png").write_bytes(png(30_000, 30_000))
    assert "a.png is not a picture" in refused(read_photo, tmp_path / "a.png")
    if os.name != "nt":
        (tmp_path / "endless.png").symlink_to("/dev/zero")
        refused(read_photo, tmp_path / "endless.png")


def box(name: bytes, content: bytes, claimed: int | None = None) -> bytes:
    """A part of an MP4 file; `claimed`: its size as a file of more than 4 GB tells it."""
    if claimed is None:
        return struct.pack(">I", 8 + len(content)) + name + content
    return struct.pack(">I", 1) + name + struct.pack(">Q", claimed) + content


def test_a_film_that_shows_a_picture_for_years_is_read_at_a_usual_rate(tmp_path):
    """The fuzzer found that each fifteenth of a second of these years was looked at."""
    content = avi(tmp_path / "A.avi", 64, 48, 1).read_bytes()
    at = content.index(b"strh") + 28  # a picture lasts scale / rate seconds
    (tmp_path / "A.avi").write_bytes(content[:at] + struct.pack("<II", 2**31 - 1, 1) + content[at + 8 :])
    times = [t for _, t, _ in pictures.sample(tmp_path / "A.avi", 15)]
    assert times and max(times) < 1000


def test_a_film_whose_times_jump_is_left_out(monkeypatch, tmp_path):
    """Without a limit, each fifteenth of a second of the years between two frames would be looked at."""
    mp4(tmp_path / "A.mp4")
    stamps, open_video = iter([0.0, 66.0, 1e12, 1e12 + 66]), cv2.VideoCapture

    class Jumping:  # holds a video, for OpenCV frees a subclass of its own types wrongly
        def __init__(self, path):
            self.video = open_video(path)

        def __getattr__(self, name):
            return getattr(self.video, name)

        def get(self, what):
            return next(stamps) if what == cv2.CAP_PROP_POS_MSEC else self.video.get(what)

    monkeypatch.setattr(pictures.cv2, "VideoCapture", Jumping)
    with pytest.raises(EOFError, match="times that jump"):
        list(pictures.sample(tmp_path / "A.mp4", 15))


@pytest.mark.parametrize(
    "content",
    [
        b"",
        b"#EXTM3U\n#EXTINF:1,\nfile:///etc/passwd\n#EXT-X-ENDLIST\n",
        b"ffconcat version 1.0\nfile '/etc/passwd'\n",
        box(b"ftyp", b"isom") + box(b"moov", b"", 2**64 - 1),
        box(b"ftyp", b"isom") + box(b"free", b"", 2**63) + bytes(99),
        box(b"ftyp", b"isom") + box(b"free", b"", 2**62) + box(b"free", b"", 2**62) + bytes(99),
        box(b"moov", b"") * 1000,
        bytes(10_000),
    ],
    ids=["empty", "playlist", "list of files", "endless box", "far box", "far boxes", "boxes", "zeros"],
)
def test_what_is_no_film_is_told_of_in_words(tmp_path, content):
    (tmp_path / "A.mp4").write_bytes(content)
    with pytest.raises(EOFError):
        list(pictures.sample(tmp_path / "A.mp4", 15))
    assert pictures._movie_ms(tmp_path / "A.mp4") >= 0


def line(*cells: object) -> str:
    return ",".join(map(str, cells)) + "\n"


@pytest.mark.parametrize(
    "content",
    [b"", b"words", b"\xff\xfe", b"frame\n" + b"1," * 50_000, b"nan", b"frame twice", b"far", b"no number"],
    ids=["empty", "words", "noise", "long", "nan", "twice", "far", "text"],
)
def test_a_table_beside_a_film_that_is_not_its_own_is_refused(tmp_path, content):
    names = ["frame", "t_ms", "letter", "inside", "handedness", *(f"t{name}" for name in COORDINATES)]
    rows = [[number, 0.0, "A", 1, "Right", *[0.5] * 63] for number in (0, 1)]
    honest = "".join(line(*row) for row in (names, *rows)).encode()
    mp4(tmp_path / "A.mp4")
    (tmp_path / "A.csv").write_bytes(honest)
    assert len(open_film(tmp_path / "A.mp4").hands) == 2
    wrong = {b"nan": b"nan", b"far": b"1e300", b"no number": b"near"}
    if content in wrong:
        content = honest.replace(b"0.5", wrong[content], 1)
    elif content == b"frame twice":
        content = honest.replace(b"\n1,", b"\n0,")
    (tmp_path / "A.csv").write_bytes(content)
    assert "A.csv is no table" in refused(open_film, tmp_path / "A.mp4")


@pytest.mark.skipif(os.name == "nt", reason="Windows allows no such names")
def test_a_films_name_is_a_name_only(tmp_path, monkeypatch):
    mp4(tmp_path / "x.mp4")
    (tmp_path / "concat:x.mp4|x.mp4").write_bytes(b"no film")
    monkeypatch.chdir(tmp_path)
    assert len(list(pictures.sample(Path("x.mp4"), 15))) == 4
    with pytest.raises(EOFError):
        list(pictures.sample(Path("concat:x.mp4|x.mp4"), 15))


def test_parts_that_are_none_are_made_again(hand_photo, tmp_path, monkeypatch):
    """What another program left beside the CSV is not copied into it."""
    (tmp_path / "B").mkdir()
    for i in range(3):
        hand_photo("B", tmp_path / "B" / f"{i}.png", i)
    monkeypatch.setattr(extract, "CHUNK", 1)
    first = extract.read_part
    monkeypatch.setattr(extract.shutil, "rmtree", lambda *_, **__: None)  # the parts stay
    extract.extract_images(tmp_path, tmp_path / "o.csv")
    expected = (tmp_path / "o.csv").read_bytes()
    parts = sorted(tmp_path.glob(".o.csv.work/**/*.json"))
    assert len(parts) == 3 and first(parts[0], len(extract.COLUMNS)) is not None
    parts[0].write_text('[[["=cmd"]], []]', "utf-8")
    parts[1].write_text("[" * 100_000, "utf-8")
    parts[2].unlink()
    parts[2].mkdir()
    with pytest.raises(UserError) as error:
        extract.extract_images(tmp_path, tmp_path / "o.csv")
    assert one_sentence(str(error.value)) and (tmp_path / "o.csv").read_bytes() == expected
    parts[2].rmdir()
    extract.extract_images(tmp_path, tmp_path / "o.csv")
    assert (tmp_path / "o.csv").read_bytes() == expected
