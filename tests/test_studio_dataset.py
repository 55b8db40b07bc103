"""The studio's tables: repeatable, resumable, true; and what ships in data/studio is what the code makes."""

import csv
import gzip
import itertools
import json
from collections import Counter
from dataclasses import replace
from pathlib import Path

import cv2
import numpy as np
import pandas as pd
import pytest
from test_readme import filled

from strm import cli
from strm.alphabet import ASL
from strm.data import COORDINATES, clips, is_moving, people, read_table, split_by_signer
from strm.files import UserError
from strm.landmarks import HandDetector
from strm.studio import album, dataset, ship, takes
from strm.studio.dataset import make
from strm.studio.poses import forms
from strm.studio.skeleton import rotation
from strm.studio.takes import Plan, name_of, person

ROOT = Path(__file__).parents[1]
CARD, SHIPPED = ROOT / "data" / "README.md", ROOT / "data" / "studio"
TRUTH = [f"t{name}" for name in COORDINATES]
FAST = Plan(stills=1, clips=1, words=1, landmarks_only=True)
MB = 1_000_000


def raw(path: Path) -> pd.DataFrame:
    return pd.read_csv(path, dtype={"t_ms": float})


def points(table: pd.DataFrame, columns=COORDINATES) -> np.ndarray:
    return table[list(columns)].to_numpy(float).reshape(-1, 21, 3)


@pytest.fixture
def few(monkeypatch):
    """An alphabet of a few letters for what is rendered; a clip of each costs a second."""
    start = next(iter(ASL.moving.values()))
    monkeypatch.setattr(takes, "PHOTOGRAPHED", ("B", start, "Y"))
    monkeypatch.setattr(takes, "LABELS", ("Y", *list(ASL.moving)[:1]))


@pytest.fixture(scope="module")
def fast(tmp_path_factory):
    folder = tmp_path_factory.mktemp("fast")
    return folder, make(folder, 2, FAST)


# --- who is drawn


def test_people_are_balanced():
    fifty = [person(0, number) for number in range(50)]
    assert set(Counter(p.tone for p in fifty).values()) == {5}
    assert set(Counter(p.tone for p in fifty[:10]).values()) == {1}, "each ten have all ten tones"
    assert Counter(p.handedness for p in fifty) == {"Left": 25, "Right": 25}
    assert set(Counter((p.tone, p.handedness) for p in fifty).values()) == {2, 3}, (
        "no tone has a side of its own"
    )
    judges = [p for number, p in enumerate(fifty) if "/judge/" in name_of(number)]
    assert len(judges) == 10 and {p.tone for p in judges} == set(range(1, 11))
    assert Counter(p.handedness for p in judges) == {"Left": 5, "Right": 5}


def test_people_are_the_same_whoever_else_is_drawn():
    assert person(3, 7).shape.bones.tolist() == person(3, 7).shape.bones.tolist()
    assert person(3, 7).shape.bones.tolist() != person(4, 7).shape.bones.tolist()
    assert person(3, 7).manner != person(3, 8).manner


def test_random_words_have_movement_and_doubled_letters():
    rng = np.random.default_rng(0)
    words = [takes.spelling(rng) for _ in range(400)]
    assert {len(word) for word in words} == {3, 4, 5} and set("".join(words)) == set(ASL.letters)
    assert 0.25 < np.mean([any(letter in word for letter in ASL.moving) for word in words]) < 0.75
    assert 0.15 < np.mean([any(a == b for a, b in itertools.pairwise(w)) for w in words]) < 0.5


# --- the tables


def test_a_view_is_what_the_hand_was_turned_by():
    angles = np.random.default_rng(0).uniform([-89, -179, -179], [89, 179, 179], (50, 3))
    turned = np.stack([rotation("z", r) @ rotation("x", t) @ rotation("y", u) for t, u, r in angles])
    np.testing.assert_allclose(dataset.view(turned), angles, atol=1e-6)


@pytest.mark.parametrize(
    "value, text", [(0.5, "0.5"), (-0.00001, "0"), (0.12345, "0.1235"), (3.0, "3"), (10, "10")]
)
def test_numbers_are_short(value, text):
    assert dataset.short(value, 4) == text


def test_tables_are_read_as_the_project_reads_tables(fast):
    folder, summary = fast
    table = read_table([folder / "photos.csv.gz", folder / "clips.csv.gz"])
    assert set(table["label"]) == {*ASL.letters, ASL.nothing}
    photos = table[~is_moving(table)]
    assert len(photos) <= 2 * len(ASL.letters) == summary["photos"]["frames"]
    assert set(photos["label"]) == {*ASL.letters}, "of a moving letter, a moment"
    assert set(people(table)) == {"studio/learn/000", "studio/learn/001"} and set(table["source"]) == {
        "studio"
    }
    streams = clips(table[is_moving(table)])
    shown = {label: 4 if label in takes.MOVEMENT else 2 for label in (*ASL.letters, ASL.nothing)}
    assert Counter(clip.label for clip in streams) == shown, "two people; movement twice as often"
    assert all(0.5 < len(clip.hands) / 15 < 4 for clip in streams), "seconds"
    assert [*raw(folder / "photos.csv.gz").columns] == [*dataset.COLUMNS]


def test_judges_can_be_kept_apart_by_one_name(tmp_path):
    make(tmp_path, 5, Plan(stills=1, clips=0, words=0, landmarks_only=True))
    assert not (tmp_path / "clips.csv.gz").exists() and not (tmp_path / "words.csv.gz").exists()
    learn, judge = split_by_signer(read_table(tmp_path / "photos.csv.gz"), ["studio/judge"])
    assert set(people(judge)) == {"studio/judge/004"} and len(set(people(learn))) == 4


def test_words_know_what_each_frame_shows(fast):
    folder, _ = fast
    table = raw(folder / "words.csv.gz")
    for _, frames in table.groupby("clip"):
        word = frames["label"].iloc[0]
        shown = [letter for letter in frames["letter"] if letter != ASL.nothing]
        order = [letter for letter, before in zip(shown, ["", *shown], strict=False) if letter != before]
        spelt = "".join(ASL.moving.get(letter, "") + letter for letter in word)
        # A moving letter is its start first; a doubled one may be one run of frames.
        position = 0
        for letter in order:
            assert letter in spelt[position:], (word, order)
            position = spelt.index(letter, position)
        assert set(order) >= {*word}
        assert (np.diff(frames["t_ms"]) > 0).all()


def test_the_same_seed_is_the_same_files_whatever_the_processes(fast, tmp_path):
    folder, _ = fast
    make(tmp_path / "two", 2, FAST, jobs=2)
    for kind in takes.KINDS:
        name = f"{kind}.csv.gz"
        assert (folder / name).read_bytes() == (tmp_path / "two" / name).read_bytes()
    make(tmp_path / "other", 1, Plan(1, 0, 0, seed=1, landmarks_only=True))
    one = raw(folder / "photos.csv.gz")["x8"]
    assert not np.isclose(
        one[: len(ASL.still) // 2], raw(tmp_path / "other" / "photos.csv.gz")["x8"][: len(ASL.still) // 2]
    ).any()


def test_what_was_interrupted_goes_on(fast, tmp_path, monkeypatch):
    folder, _ = fast
    done, real = [], dataset._work

    def work(plan, number, kind, part):
        if len(done) == 3:
            raise KeyboardInterrupt
        done.append((kind, number))
        real(plan, number, kind, part)

    monkeypatch.setattr(dataset, "_work", work)
    with pytest.raises(KeyboardInterrupt):
        make(tmp_path, 2, FAST)
    assert done == [("photos", 0), ("photos", 1), ("clips", 0)]
    monkeypatch.setattr(dataset, "_work", lambda *rest: done.append(rest[2:0:-1]) or real(*rest))
    make(tmp_path, 2, FAST)
    assert done[3:] == [("clips", 1), ("words", 0), ("words", 1)], "nothing is made twice"
    for kind in takes.KINDS:
        assert (tmp_path / f"{kind}.csv.gz").read_bytes() == (folder / f"{kind}.csv.gz").read_bytes()
    assert not [path for path in tmp_path.iterdir() if path.name.startswith(".")]


def test_parts_of_another_plan_are_not_gone_on_with(tmp_path):
    work = dataset._work_folder(tmp_path, FAST)
    (work / "photos-0000.json").write_text("{}")
    assert (dataset._work_folder(tmp_path, FAST) / "photos-0000.json").exists()
    assert not (dataset._work_folder(tmp_path, Plan(seed=1)) / "photos-0000.json").exists()


def test_rendered_hands_are_found_and_their_truth_is_told(few, tmp_path):
    summary = make(tmp_path, 2, Plan(stills=2, clips=1, words=0))
    photos, streams = raw(tmp_path / "photos.csv.gz"), raw(tmp_path / "clips.csv.gz")
    for table in (photos, streams):
        palm = np.linalg.norm(points(table, TRUTH)[:, 9, :2] - points(table, TRUTH)[:, 0, :2], axis=-1)
        apart = np.linalg.norm(points(table)[..., :2] - points(table, TRUTH)[..., :2], axis=-1).mean(-1)
        assert np.median(apart / palm) < 0.15, "the detector's points are near the true ones"
        sides = table.groupby("signer")["handedness"].unique()
        assert [*sides["studio/learn/000"], *sides["studio/learn/001"]] == ["Right", "Left"]
        assert (table["seen_side"] == table["handedness"]).mean() > 0.7
        assert table.groupby("signer")["tone"].unique().str[0].tolist() == [1, 8]
    assert len(photos) == summary["photos"]["frames"] * summary["photos"]["found"]
    assert summary["photos"]["by_skin"].keys() == {"1-3", "8-10"} and summary["photos"]["frames"] == 12
    moving = streams[streams["label"].isin(ASL.moving)]
    assert {*moving["phase"]} >= {"stroke", "rest"} and {*moving["letter"]} >= {*moving["label"]}
    assert summary["ms_per_frame"] > 0


def test_a_detector_that_saw_another_stream_sees_this_one_alike():
    plan, signer = Plan(), person(0, 0)
    label = next(iter(ASL.moving))
    with HandDetector(video=True) as one, HandDetector(video=True) as other:
        watch = takes.Watch(one)
        takes.stream(plan, 0, signer, "B", 0, watch)
        second = takes.stream(plan, 0, signer, label, 0, watch)
        alone = takes.stream(plan, 0, signer, label, 0, takes.Watch(other))
    assert [hand is None for hand in second.hands] == [hand is None for hand in alone.hands]
    for a, b in zip(second.hands, alone.hands, strict=True):
        if a is not None:
            np.testing.assert_allclose(a.points, b.points, atol=1e-6)


def test_lost_hands_and_wrong_sides_count(few, tmp_path, monkeypatch):
    """A lost hand has no row. One seen as the other has, with its true side."""
    real = HandDetector.detect
    seen = []

    def detect(self, rgb, t_ms=None):
        seen.append(real(self, rgb, t_ms))
        return None if len(seen) % 2 or seen[-1] is None else replace(seen[-1], handedness="Left")

    monkeypatch.setattr(HandDetector, "detect", detect)
    photos = make(tmp_path, 1, Plan(stills=2, clips=0, words=0))["photos"]
    rows = raw(tmp_path / "photos.csv.gz")
    assert photos["frames"] == 6 and 0 < photos["found"] <= 0.5 and photos["right_side"] == 0
    assert len(rows) == round(6 * photos["found"])
    assert set(rows["handedness"]) == {"Right"} and set(rows["seen_side"]) == {"Left"}


@pytest.mark.parametrize(
    "flags, said", [("--stills 0 --clips 0 --words 0", "Nothing to draw"), ("", "is a file")]
)
def test_what_cannot_be_made_is_said(flags, said, tmp_path, capsys):
    out = tmp_path / "out"
    if not flags:
        out.write_text("")
    assert cli.main(["studio", "dataset", "--out_dir", str(out), *flags.split()]) == 2
    assert said in capsys.readouterr().err


# --- videos and pictures


def test_a_word_becomes_a_video_and_its_truth(tmp_path, capsys):
    start = next(iter(ASL.moving.values()))
    out, truth = tmp_path / "new" / "été.mp4", tmp_path / "truth.csv"
    album.word_video(start.lower(), out, 64, seed=2, tone=9, side="Left", truth=truth)
    video = cv2.VideoCapture(str(out))
    count = 0
    while video.read()[0]:
        count += 1
    assert (video.get(cv2.CAP_PROP_FRAME_WIDTH), video.get(cv2.CAP_PROP_FRAME_HEIGHT)) == (64, 64)
    assert video.get(cv2.CAP_PROP_FPS) == 30
    with open(truth, encoding="utf-8", newline="") as file:
        told = list(csv.DictReader(file))
    assert len(told) == count > 20 and {row["handedness"] for row in told} == {"Left"}
    assert {row["letter"] for row in told} == {start, ASL.nothing} and {row["tone"] for row in told} == {"9"}
    assert [path.name for path in (tmp_path / "new").iterdir()] == ["été.mp4"]


@pytest.mark.parametrize(
    "arguments, said",
    [
        (["", "--out", "{}/a.mp4"], "made of the letters A to Z"),
        (["A1", "--out", "{}/a.mp4"], "'1'"),
        (["AB", "--out", "{}/a.avi"], "end it in .mp4"),
        (["AB", "--out", "{}/a.mp4", "--csv", "{}/a.txt"], "end it in .csv"),
        (["AB", "--out", "{}/a.mp4", "--size", "65"], "even number"),
        (["AB", "--out", "{}/file/a.mp4", "--size", "32"], "another folder"),
    ],
)
def test_no_word_is_filmed_that_cannot_be(arguments, said, tmp_path, capsys, monkeypatch):
    (tmp_path / "file").write_text("")
    frame = np.zeros((32, 32, 3), np.uint8)
    monkeypatch.setattr(album, "film", lambda *rest: [type("Frame", (), {"image": frame})] * 3)
    assert cli.main(["studio", "word", *(text.format(tmp_path) for text in arguments)]) == 2
    err = capsys.readouterr().err
    assert said in err and err.count("\n") == 1
    assert [path.name for path in tmp_path.iterdir()] == ["file"]


def test_a_full_disk_is_a_sentence(tmp_path, monkeypatch):
    def replace(*names):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(album.os, "replace", replace)
    with pytest.raises(UserError, match="No space left on device"):
        album.save_picture(tmp_path / "a.png", np.zeros((8, 8, 3), np.uint8))
    assert not [*tmp_path.iterdir()]


def test_a_teacher_shows_what_the_table_says():
    one = album.teacher(0, 3, tone=9, side="Left")
    assert (one.tone, one.handedness) == (9, "Left")
    assert one.shape.bones.tolist() == person(0, 3).shape.bones.tolist()
    for letter in ASL.still:
        np.testing.assert_array_equal(one.habit(letter).fingers, forms(letter)[0].fingers)
        assert one.habit(letter).views.tolist() == forms(letter)[0].views[:1].tolist()


def test_the_grid_shows_all_letters_and_the_paths(tmp_path):
    album.grid(tmp_path / "grid.png", 48, tone=2)
    picture = cv2.imread(str(tmp_path / "grid.png"))
    assert picture.shape == (4 * 48, 7 * 48, 3)
    line = (
        (np.abs(picture.astype(int) - album.LINE[::-1]).sum(-1) < 60)
        .reshape(4, 48, 7, 48)
        .sum((1, 3))
        .ravel()
    )
    drawn = {ASL.letters[i] for i in np.flatnonzero(line[:26] > 45)}
    assert drawn == {*ASL.moving}


@pytest.mark.parametrize("letter", ASL.moving)
def test_a_moving_letters_portrait_is_its_stroke(letter):
    shown = album.portrait(letter, person(0, 0), np.random.default_rng(0), 64)
    assert shown.render.letter == letter and shown.path is not None and len(shown.path) > 5
    tip = {"hook": 20, "zigzag": 8}[ASL.paths[letter]]  # MediaPipe's number of the fingertip that draws
    assert (shown.path[len(shown.path) // 4 : -1] == shown.render.points[tip, :2]).all(1).any()
    size = np.linalg.norm(shown.render.points[9] - shown.render.points[0])
    assert 0.8 < np.ptp(shown.path[:, 1]) / size < 4, "as high as people draw it, in hand sizes, give or take"


# --- what ships


def test_the_shipped_cut_is_compact():
    sizes = [path.stat().st_size for path in SHIPPED.rglob("*") if path.is_file()]
    assert sum(sizes) + CARD.stat().st_size <= 8 * MB and max(sizes) < 5 * MB


def test_shipped_photos_are_what_the_code_makes():
    table = raw(SHIPPED / "photos.csv.gz")
    chosen = [*ASL.still[::7]]
    with HandDetector() as detector:
        for number in (0, 4):
            signer = person(0, number)
            for letter in chosen:
                made = takes.photo(ship.PLAN, number, signer, letter, 0, detector)
                _same(made, table[table["clip"] == made.name])


@pytest.mark.parametrize("label", [next(iter(ASL.moving)), ""])
def test_shipped_streams_are_what_the_code_makes(label):
    table = raw(SHIPPED / ("clips.csv.gz" if label else "words.csv.gz"))
    with HandDetector(video=True) as detector:
        made = takes.stream(ship.PLAN, 4, person(0, 4), label, 0, takes.Watch(detector))
    rows = table[table["clip"] == made.name]
    assert len(rows) > 0.7 * made.inside.sum()
    _same(made, rows)


def _same(made: takes.Take, rows: pd.DataFrame) -> None:
    """Compare a take with its rows: the truth to rounding, and what the detector saw as processors differ."""
    assert abs(sum(hand is not None for hand in made.hands) - len(rows)) <= 0.1 * len(made.hands)
    apart = [0.0]
    for row, found, truth in zip(rows.itertuples(), points(rows), points(rows, TRUTH), strict=True):
        i = row.frame
        assert (row.label, row.letter, row.phase) == (made.label, made.letters[i], made.phases[i])
        assert row.handedness == person(0, int(row.signer[-3:])).handedness
        if "/clip/" not in made.name:  # clips ship without it
            np.testing.assert_allclose(truth, made.truth[i], atol=6e-4)
        if made.hands[i] is not None:
            apart.append(np.abs(found - made.hands[i].points).max())
    assert np.median(apart) < 0.01, "parts of the picture"


def test_shipped_people_are_split():
    for kind in ("photos", "clips", "words"):
        with gzip.open(SHIPPED / f"{kind}.csv.gz", "rt") as file:
            names = {row["signer"] for row in csv.DictReader(file)}
        judges = {name for name in names if name.startswith("studio/judge/")}
        assert len(names) == json.loads((SHIPPED / "summary.json").read_text("utf-8"))["signers"]
        assert len(judges) * 5 == len(names)


def test_shipped_pictures_show_their_letters():
    table = pd.read_csv(SHIPPED / "stills" / "stills.csv")
    assert table["letter"].tolist() == [*ASL.letters]
    assert set(table["tone"]) == set(range(1, 11)) and set(table["handedness"]) == {"Left", "Right"}
    people = [person(0, number) for number in range(len(table))]
    assert [*zip(table["tone"], table["handedness"], strict=True)] == [(p.tone, p.handedness) for p in people]
    right = 0
    with HandDetector() as detector:
        for row in table.itertuples():
            picture = cv2.cvtColor(cv2.imread(str(SHIPPED / "stills" / row.file)), cv2.COLOR_BGR2RGB)
            hand = detector.detect(picture)
            right += hand is not None and hand.handedness == row.handedness
    assert right >= 25, "they were chosen so"


@pytest.mark.parametrize("text", [*ASL.moving, ship.WORD])
def test_shipped_videos_play_and_are_told(text):
    video, count = cv2.VideoCapture(str(SHIPPED / f"{text}.mp4")), 0
    while video.read()[0]:
        count += 1
    told = pd.read_csv(SHIPPED / f"{text}.csv")
    assert len(told) == count > 30 and set(told["letter"]) >= {*text, ASL.nothing}


def test_the_card_tells_what_was_measured():
    text = CARD.read_text("utf-8")
    assert filled(text) == text, "run `python tests/test_studio_dataset.py` and look at what changed"


def test_training_without_a_table_takes_what_ships(tmp_path, monkeypatch, capsys):
    monkeypatch.setattr(ship, "FOLDER", tmp_path)
    assert cli.main(["train", "--epochs", "1"]) == 2
    err = capsys.readouterr().err
    assert "photos.csv.gz is not there" in err and "strm studio dataset" in err and err.count("\n") == 1
    for kind in ("photos", "clips"):
        (tmp_path / f"{kind}.csv.gz").write_bytes(b"")
    assert [Path(path).name for path in ship.shipped()] == ["photos.csv.gz"]
    assert [Path(path).name for path in ship.shipped(sequence_mode=True)] == ["photos.csv.gz", "clips.csv.gz"]
    assert capsys.readouterr().err.count("learning from the studio's hands") == 2


def test_a_picture_has_a_pictures_name():
    with pytest.raises(UserError):
        album.check_name(Path("grid.bmp"), album.PICTURES)


if __name__ == "__main__":
    CARD.write_text(filled(CARD.read_text("utf-8")), "utf-8")
