"""`strm images` and `strm videos`: every picture is either a row or on the list of those that are not."""

import csv
import dataclasses
import shutil

import cv2
import numpy as np
import pandas as pd
import pytest

from strm import cli, extract, pictures, studio
from strm.extract import COLUMNS, extract_images, extract_videos, missed_path
from strm.files import UserError
from strm.pictures import read_picture, sample

SIZE = 192


@pytest.fixture(scope="session")
def shots() -> dict[str, studio.Render]:
    """A right hand for each of a few letters, and a left one under 'left'."""
    person = studio.random_signer(np.random.default_rng(1))
    right, left = (dataclasses.replace(person, handedness=side) for side in ("Right", "Left"))
    made = {letter: studio.sample(letter, np.random.default_rng(4), SIZE, right) for letter in "BLVY"}
    return made | {"left": studio.sample("B", np.random.default_rng(4), SIZE, left)}


def save(picture: np.ndarray, path) -> None:
    """Write an RGB picture, whatever the name (cv2.imwrite cannot write every one on Windows)."""
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(cv2.imencode(path.suffix, cv2.cvtColor(picture, cv2.COLOR_RGB2BGR))[1].tobytes())


def film(frames, path, fps=30.0, code="MJPG") -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    plain = path.with_name(f"film{path.suffix}")  # like imwrite, the writer does not know every name
    height, width = frames[0].shape[:2]
    writer = cv2.VideoWriter(str(plain), cv2.VideoWriter_fourcc(*code), fps, (width, height))
    assert writer.isOpened()
    for frame in frames:
        writer.write(cv2.cvtColor(frame, cv2.COLOR_RGB2BGR))
    writer.release()
    plain.replace(path)


def greys(count: int):
    """Frames that say which they are, by how bright they are."""
    return [np.full((48, 64, 3), 2 * i, np.uint8) for i in range(count)]


BLANK = np.full((SIZE, SIZE, 3), 128, np.uint8)


def table(path) -> pd.DataFrame:
    return pd.read_csv(path, keep_default_na=False)


def missed(path) -> list[list[str]]:
    with open(missed_path(path), encoding="utf-8", newline="") as file:
        return list(csv.reader(file, delimiter="\t"))[1:]


def leftovers(folder) -> list[str]:
    return [path.name for path in folder.iterdir() if path.name.startswith(".")]


# --- photos


def test_photos_become_rows(shots, tmp_path):
    root, out = tmp_path / "album", tmp_path / "out" / "photos.csv"
    save(shots["L"].image, root / "l" / "one.JPG")
    save(shots["B"].image, root / "B" / "two.png")
    save(shots["left"].image, root / "B" / "deux été 手.bmp")
    summary = extract_images(root, out)
    rows = table(out)
    assert tuple(rows.columns) == COLUMNS and len(COLUMNS) == 73
    assert out.read_bytes().count(b"\n") == 4 and b"\r" not in out.read_bytes()
    assert rows["label"].tolist() == ["B", "B", "L"], "a folder's l is the letter L"
    assert rows["clip"].tolist() == ["B/deux été 手", "B/two", "l/one"]
    assert rows["handedness"].tolist() == ["Left", "Right", "Right"]
    assert set(rows["source"]) == {"album"} and set(rows["signer"]) == {""}
    assert set(rows["frame"]) == {0} and set(rows["t_ms"]) == {""}, "a photo has no time"
    assert set(rows["width"]) == set(rows["height"]) == {SIZE}
    assert rows["score"].between(0.3, 1).all()
    found = rows.loc[1, list(COLUMNS[10:])].to_numpy(float).reshape(21, 3)
    off = np.linalg.norm((found - shots["B"].points)[:, :2], axis=-1).mean()
    assert off < 0.15 * np.linalg.norm((shots["B"].points[9] - shots["B"].points[0])[:2])
    assert (summary.files, summary.rows, summary.no_hand, summary.unreadable) == (3, 3, 0, 0)
    assert missed(out) == [] and not leftovers(out.parent)


def test_numbers_have_five_decimals(shots, tmp_path):
    save(shots["B"].image, tmp_path / "B" / "one.png")
    extract_images(tmp_path, tmp_path / "out.csv")
    line = (tmp_path / "out.csv").read_text(encoding="utf-8").splitlines()[1].split(",")
    for number in [line[7], *line[10:]]:
        assert len(number.rpartition(".")[2]) == 5
    assert "-0.00000" not in line


def test_what_gives_no_row_is_listed_and_the_others_go_on(shots, tmp_path, capsys):
    root, out = tmp_path / "album", tmp_path / "photos.csv"
    save(shots["B"].image, root / "B" / "3.png")
    save(BLANK, root / "B" / "2.png")
    (root / "B" / "1.jpg").write_text("these are words", encoding="utf-8")
    (root / "B" / "0.png").touch()
    (root / "B" / "notes.txt").write_text("not of interest", encoding="utf-8")
    (root / "B" / "._3.png").write_bytes(b"what a Mac leaves on a stick")
    summary = extract_images(root, out)
    assert table(out)["clip"].tolist() == ["B/3"], "no row of zeros for the others"
    assert missed(out) == [
        ["B/0.png", "", "", "cannot be read"],
        ["B/1.jpg", "", "", "cannot be read"],
        ["B/2.png", "", "", "no hand"],
    ]
    assert (summary.files, summary.rows, summary.no_hand, summary.unreadable) == (4, 1, 1, 2)
    said = capsys.readouterr().out
    assert "photos 4, rows 1, labels 1" in said and "Without a hand: photos 1" in said
    assert "Cannot be used: photos 2" in said and missed_path(out).name in said


def test_at_most_so_many_of_a_letter_evenly_over_the_sources(tmp_path, monkeypatch):
    looked = []
    monkeypatch.setattr(extract, "read_picture", lambda path: looked.append(path))
    for source in ("ann", "ben"):
        for letter, count in (("B", 10), ("L", 2)):
            for i in range(count):
                save(BLANK[:8, :8], tmp_path / source / letter / f"{i:02}.png")
    with pytest.raises(UserError, match="can be used"):
        extract_images(tmp_path, tmp_path / "out.csv", max_per_class=5)
    names = [path.relative_to(tmp_path).with_suffix("").as_posix() for path in looked]
    assert names == [
        *("ann/B/00", "ann/B/05", "ben/B/00", "ben/B/04", "ben/B/09"),
        *("ann/L/00", "ann/L/01", "ben/L/00", "ben/L/01"),
    ]


def test_sources_and_signers_come_from_folders(tmp_path):
    for path in ("set/ann/B/1.png", "set/ben/B/1.png", "set/ben/l/1.png"):
        save(BLANK[:8, :8], tmp_path / path)
    items = pictures.find(tmp_path, videos=False, signer_level=1)
    assert [(i.label, i.source, i.signer, i.clip) for i in items] == [
        ("B", "set/ann", "ann", "set/ann/B/1"),
        ("B", "set/ben", "ben", "set/ben/B/1"),
        ("L", "set/ben", "ben", "set/ben/l/1"),
    ]
    assert {i.signer for i in pictures.find(tmp_path, videos=False, signer="zoé")} == {"zoé"}
    inside = pictures.find(tmp_path / "set" / "ann" / "B", videos=False)
    assert [(i.label, i.source, i.clip) for i in inside] == [("B", "B", "1")], "the root may be the letter"
    with pytest.raises(UserError, match="no folder at level 2"):
        pictures.find(tmp_path, videos=False, signer_level=2)


def test_a_clips_name_is_unique(tmp_path):
    for name in ("1.png", "1.jpg", "2.png"):
        save(BLANK[:8, :8], tmp_path / "B" / name)
    assert [i.clip for i in pictures.find(tmp_path, videos=False)] == ["B/1.jpg", "B/1.png", "B/2"]


def test_a_name_cannot_be_a_formula(shots, tmp_path):
    """A spreadsheet runs what begins with =, +, - or @."""
    root = tmp_path / "album"
    save(shots["B"].image, root / "@sum" / "B" / "1.png")
    extract_images(root, tmp_path / "out.csv", signer="=1+1")
    row = table(tmp_path / "out.csv").loc[0]
    assert (row["source"], row["signer"], row["clip"]) == ("'@sum", "'=1+1", "'@sum/B/1")


def test_a_photo_is_turned_as_its_camera_says(tmp_path):
    """Telephones store photos lying down, with a note (EXIF) of how to turn them."""
    image = pytest.importorskip("PIL.Image")
    lying = np.zeros((40, 60, 3), np.uint8)
    lying[:, :20] = [250, 0, 0]
    exif = image.Exif()
    exif[0x0112] = 6  # to be shown turned clockwise by a quarter
    path = tmp_path / "phone.jpg"
    image.fromarray(lying).save(path, exif=exif, quality=95)
    upright = read_picture(path)
    assert upright.shape == (60, 40, 3)
    assert upright[5, 20, 0] > 200 and upright[55, 20, 0] < 50, "what was left is on top"


@pytest.mark.parametrize("depth", ["grey", "alpha", "16 bits"])
def test_any_common_picture_is_read_as_rgb(tmp_path, depth):
    picture = {
        "grey": np.full((8, 9), 200, np.uint8),
        "alpha": np.full((8, 9, 4), 200, np.uint8),
        "16 bits": np.full((8, 9, 3), 200 * 257, np.uint16),
    }[depth]
    path = tmp_path / "p.png"
    path.write_bytes(cv2.imencode(".png", picture)[1].tobytes())
    read = read_picture(path)
    assert read.dtype == np.uint8 and read.shape == (8, 9, 3) and (read == 200).all()


# --- going on after an interruption


@pytest.fixture
def album(shots, tmp_path):
    for i, letter in enumerate("BBLLVVYY"):
        save(shots[letter].image, tmp_path / "album" / letter / f"{i}.png")
    return tmp_path / "album"


def test_interrupted_work_goes_on_where_it_was(album, tmp_path, monkeypatch):
    extract_images(album, tmp_path / "at once.csv")
    monkeypatch.setattr(extract, "CHUNK", 2)
    looked, out = [], tmp_path / "photos.csv"

    def read(path):
        if len(looked) == 5:
            looked.append(None)
            raise KeyboardInterrupt
        looked.append(path.name)
        return read_picture(path)

    monkeypatch.setattr(extract, "read_picture", read)
    with pytest.raises(KeyboardInterrupt):
        extract_images(album, out)
    assert not out.exists(), "half a file is no file"
    extract_images(album, out)
    assert looked == ["0.png", "1.png", "2.png", "3.png", "4.png", None, "4.png", "5.png", "6.png", "7.png"]
    assert out.read_bytes() == (tmp_path / "at once.csv").read_bytes()
    assert not leftovers(tmp_path), "the parts are cleared away"


@pytest.mark.parametrize("change", ["a photo", "the signer"])
def test_interrupted_work_of_another_kind_is_not_gone_on_with(album, tmp_path, monkeypatch, change, shots):
    monkeypatch.setattr(extract, "CHUNK", 2)
    monkeypatch.setattr(extract, "_write", lambda *_: (_ for _ in ()).throw(KeyboardInterrupt()))
    with pytest.raises(KeyboardInterrupt):
        extract_images(album, tmp_path / "photos.csv")
    monkeypatch.undo()
    if change == "a photo":
        save(shots["left"].image, album / "B" / "0.png")
    extract_images(album, tmp_path / "photos.csv", signer="ann" if change == "the signer" else None)
    rows = table(tmp_path / "photos.csv")
    if change == "a photo":
        assert rows["handedness"][0] == "Left"
    else:
        assert set(rows["signer"]) == {"ann"}


def test_several_processes_give_the_same_file(album, tmp_path, monkeypatch):
    monkeypatch.setattr(extract, "CHUNK", 2)
    extract_images(album, tmp_path / "one.csv", jobs=1)
    extract_images(album, tmp_path / "two.csv", jobs=2)
    assert (tmp_path / "one.csv").read_bytes() == (tmp_path / "two.csv").read_bytes()


# --- videos


def test_a_rate_beyond_any_video_takes_every_frame_and_comes_to_an_end(tmp_path):
    film(np.zeros((6, 48, 64, 3), np.uint8), tmp_path / "v.avi", 15)
    assert [n for n, *_ in sample(tmp_path / "v.avi", 1e300)] == list(range(6))


@pytest.mark.parametrize(
    "rate, fps, seconds",
    [(30, 15, 1), (29.97, 15, 3), (60, 15, 1), (25, 15, 2), (29.97, 29.97, 1), (24, 10, 2)],
)
def test_frames_are_sampled_by_their_time(tmp_path, rate, fps, seconds):
    film(greys(round(rate * seconds)), tmp_path / "v.avi", rate)
    seen = list(sample(tmp_path / "v.avi", fps))
    numbers, times = [n for n, *_ in seen], np.array([t for _, t, _ in seen])
    ticks = np.arange(0, (round(rate * seconds) - 0.5) * 1000 / rate, 1000 / fps)
    expected = [int(np.argmin(np.abs(np.arange(round(rate * seconds)) * 1000 / rate - t))) for t in ticks]
    assert numbers == expected, "the nearest frame to each tick"
    np.testing.assert_allclose(times, np.array(numbers) * 1000 / rate, atol=1), "its own time, not the tick's"
    for n, _, picture in seen:
        assert abs(picture.mean() - 2 * n) < 4, "and it is that frame which is handed out"


@pytest.mark.parametrize("rate", [8, 10, 15])
def test_a_slow_video_gives_each_frame_once(tmp_path, rate):
    film(greys(20), tmp_path / "v.avi", rate)
    assert [n for n, *_ in sample(tmp_path / "v.avi", 15)] == list(range(20))


class Uneven:
    """Stands in for cv2.VideoCapture: frames at the times given, as a telephone in poor light takes them."""

    count = -1.0  # frames, where the file says so

    def __init__(self, times, rate=30.0):
        self.times, self.n, self.rate = times, -1, rate

    def isOpened(self):
        return True

    def release(self):
        pass

    def read(self):
        self.n += 1
        more = self.n < len(self.times)
        return more, np.zeros((4, 4, 3), np.uint8) if more else None

    def get(self, what):
        return {cv2.CAP_PROP_FPS: self.rate, cv2.CAP_PROP_FRAME_COUNT: self.count}.get(what) or self.times[
            self.n
        ]


def test_a_variable_rate_is_followed(monkeypatch, tmp_path):
    times = [1000, 1033, 1066, 1100, 1133, 1400, 1401, 1466, 1470, 1500, 1533]  # a pause, and two at once
    monkeypatch.setattr(cv2, "VideoCapture", lambda _: Uneven(times))
    (tmp_path / "v.mp4").touch()
    seen = [(n, t) for n, t, _ in sample(tmp_path / "v.mp4", 15)]
    assert seen == [(0, 0), (2, 66), (4, 133), (5, 400), (7, 466), (10, 533)], (
        "from the first frame's time on"
    )


@pytest.mark.parametrize("times", [[0.0] * 12, [0.0, 33.3, 66.7, 0.0, 0.0, 0.0]])
def test_without_usable_times_the_rate_must_do(monkeypatch, tmp_path, times):
    monkeypatch.setattr(cv2, "VideoCapture", lambda _: Uneven(times))
    (tmp_path / "v.avi").touch()
    seen = [(n, t) for n, t, _ in sample(tmp_path / "v.avi", 15)]
    assert [n for n, _ in seen] == list(range(0, len(times), 2))
    np.testing.assert_allclose([t for _, t in seen], np.arange(0, len(times), 2) * 1000 / 30, atol=0.1)


def glide(picture: np.ndarray, frames: int) -> list[np.ndarray]:
    """A hand that moves to the right, a little in each frame."""
    return [
        cv2.warpAffine(
            picture, np.float32([[1, 0, i], [0, 1, 0]]), picture.shape[1::-1], borderMode=cv2.BORDER_REPLICATE
        )
        for i in range(frames)
    ]


def test_videos_become_rows(shots, tmp_path):
    root, out = tmp_path / "films", tmp_path / "clips.csv"
    film(glide(shots["B"].image, 24), root / "ann" / "B" / "prise à 手.avi", 29.97)
    film([BLANK] * 6 + glide(shots["left"].image, 18), root / "ben" / "b_002.mp4", 30, "mp4v")
    summary = extract_videos(root, out, signer_level=0)
    rows = table(out)
    assert tuple(rows.columns) == COLUMNS
    ann, ben = rows[rows["signer"] == "ann"], rows[rows["signer"] == "ben"]
    assert set(rows["label"]) == {"B"}, "by folder, or by name"
    assert set(ann["clip"]) == {"ann/B/prise à 手"} and set(ben["clip"]) == {"ben/b_002"}
    assert set(ann["source"]) == {"ann"} and set(ben["source"]) == {"ben"}
    assert ann["frame"].tolist() == list(range(0, 24, 2))
    np.testing.assert_allclose(ann["t_ms"].astype(float), np.arange(12) * 2000 / 29.97, atol=0.1)
    assert set(ann["handedness"]) == {"Right"} and set(ben["handedness"]) == {"Left"}
    moved = (ann["x9"].iloc[-1] - ann["x9"].iloc[0]) * SIZE
    assert moved == pytest.approx(22, abs=4), (
        "a pixel a frame, as well as the video's compression lets it be seen"
    )
    assert missed(out) == [["ben/b_002.mp4", str(n), f"{n * 1000 / 30:.5f}", "no hand"] for n in (0, 2, 4)]
    assert (summary.files, summary.rows, summary.no_hand, summary.unreadable) == (2, 21, 3, 0)


def test_a_clip_has_one_side(monkeypatch, shots, tmp_path):
    """The detector may change its mind about the side within a clip; the hand is the same."""
    said = iter(["Left", "Right", "Right", "Left", "Right", "Right"])

    class Wavering:
        def __init__(self, video):
            assert video

        def __enter__(self):
            return self

        def __exit__(self, *_):
            pass

        def detect(self, rgb, t_ms):
            return extract.Hand(shots["B"].points, next(said), 0.9, SIZE, SIZE)

    monkeypatch.setattr(extract, "HandDetector", Wavering)
    film([BLANK] * 6, tmp_path / "B" / "v.avi", 15)
    extract_videos(tmp_path, tmp_path / "out.csv")
    assert table(tmp_path / "out.csv")["handedness"].tolist() == ["Right"] * 6


@pytest.mark.parametrize(
    "suffix, code, why", [(".mp4", "mp4v", "cannot be read"), (".avi", "MJPG", "ends too early")]
)
def test_a_truncated_video_is_left_out_whole(shots, tmp_path, suffix, code, why):
    root, out = tmp_path / "films", tmp_path / "clips.csv"
    film(glide(shots["B"].image, 8), root / "B" / "whole.avi", 15)
    film(glide(shots["B"].image, 30), root / "B" / f"cut{suffix}", 15, code)
    data = (root / "B" / f"cut{suffix}").read_bytes()
    (root / "B" / f"cut{suffix}").write_bytes(data[: len(data) // 2])
    summary = extract_videos(root, out)
    assert set(table(out)["clip"]) == {"B/whole"}
    assert missed(out) == [[f"B/cut{suffix}", "", "", why]]
    assert summary.unreadable == 1 and summary.rows == 8


def box(name: bytes, body: bytes, large: bool = False) -> bytes:
    """A box of an MP4 file."""
    size = len(body) + (16 if large else 8)
    return (
        (1 if large else size).to_bytes(4, "big") + name + (size.to_bytes(8, "big") if large else b"") + body
    )


@pytest.mark.parametrize("large", [False, True])
@pytest.mark.parametrize("version", [0, 1])
def test_a_trimmed_video_is_whole(monkeypatch, tmp_path, version, large):
    """A telephone trims a video by a note of what to show: the frames it hides are still counted."""
    wide = 8 if version else 4
    times = [bytes(2 * wide), (600).to_bytes(4, "big"), (600).to_bytes(wide, "big"), bytes(80)]
    movie = box(b"moov", box(b"mvhd", bytes([version, 0, 0, 0]) + b"".join(times)))  # 600 ticks of 1/600 s
    path = tmp_path / "v.mp4"
    path.write_bytes(box(b"ftyp", b"isom") + box(b"mdat", bytes(1000), large) + movie)
    frames = [i * 1000 / 30 for i in range(30)]
    monkeypatch.setattr(Uneven, "count", 60.0)
    monkeypatch.setattr(cv2, "VideoCapture", lambda _: Uneven(frames))
    assert len(list(sample(path, 15))) == 15
    monkeypatch.setattr(cv2, "VideoCapture", lambda _: Uneven(frames[:20]))
    with pytest.raises(EOFError, match="ends too early"):
        list(sample(path, 15))


@pytest.mark.parametrize(
    "name, label",
    [("J_001.mp4", "J"), ("z-take 2.mp4", "Z"), ("B.mp4", "B"), ("Y12.mp4", "Y"), ("del_3.mp4", "del")],
)
def test_a_videos_name_tells_its_letter(tmp_path, name, label):
    (tmp_path / name).touch()
    assert [item.label for item in pictures.find(tmp_path, videos=True)] == [label]


def test_a_videos_folder_goes_before_its_name(tmp_path):
    (tmp_path / "Z").mkdir()
    (tmp_path / "Z" / "a_take.mp4").touch()
    assert [item.label for item in pictures.find(tmp_path, videos=True)] == ["Z"]


# --- a user's mistakes: one sentence, exit code 2, and nothing is written


def words(folder, name):
    folder.mkdir(parents=True, exist_ok=True)
    (folder / name).write_text("these are words", encoding="utf-8")


@pytest.mark.parametrize(
    "make, message",
    [
        (lambda root: None, "There is no folder"),
        (lambda root: root.mkdir(), "holds no "),
        (lambda root: (root / "B").mkdir(parents=True), "holds no "),
        (lambda root: words(root / "B", "notes.txt"), "holds no "),
        (lambda root: [words(root / "B", f"1.{kind}") for kind in ("jpg", "mp4")], "can be used: B/1"),
        (
            lambda root: [words(root / "hands", f"1.{kind}") for kind in ("jpg", "mp4")],
            "'hands', which is no letter",
        ),
        (
            lambda root: save(BLANK, root / "B" / "1.jpg") or film([BLANK] * 3, root / "B" / "1.avi"),
            "No hand was found",
        ),
    ],
    ids=["no folder", "empty", "empty letter", "no pictures", "text named .jpg", "no letter", "no hand"],
)
@pytest.mark.parametrize(
    "command", ["images --root {} --out_csv {}", "videos --input_dir {} --output_csv {}"]
)
def test_bad_input_is_one_sentence(tmp_path, capsys, command, make, message):
    make(tmp_path / "album")
    places = {"{}": iter([tmp_path / "album", tmp_path / "out" / "o.csv"])}
    argv = [str(next(places[word])) if word in places else word for word in command.split()]
    assert cli.main([*argv, "--jobs", "1"]) == 2
    error = capsys.readouterr().err.splitlines()[-1]
    assert message in error and error.endswith(".")
    out = tmp_path / "out"
    assert not out.exists() or not list(out.iterdir())


def test_a_truncated_video_alone_is_one_sentence(shots, tmp_path, capsys):
    film(glide(shots["B"].image, 20), tmp_path / "J_001.avi", 15)
    data = (tmp_path / "J_001.avi").read_bytes()
    (tmp_path / "J_001.avi").write_bytes(data[: len(data) // 2])
    argv = ["videos", "--input_dir", str(tmp_path), "--output_csv", str(tmp_path / "o.csv"), "--jobs", "1"]
    assert cli.main(argv) == 2
    assert "J_001.avi ends too early" in capsys.readouterr().err
    assert not (tmp_path / "o.csv").exists()


def test_a_place_that_cannot_be_written_to_is_one_sentence(album, tmp_path):
    shutil.copy(album / "B" / "0.png", tmp_path / "file")
    with pytest.raises(UserError, match="file"):
        extract_images(album, tmp_path / "file" / "o.csv")
    (tmp_path / "folder.csv").mkdir()
    with pytest.raises(UserError, match=r"folder\.csv is a folder"):
        extract_images(album, tmp_path / "folder.csv")
    assert not leftovers(tmp_path), "said before any work"
