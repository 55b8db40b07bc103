"""Chapter 1: what it builds by hand is the package's, its exercises know the mistakes that students make."""

import json
from pathlib import Path

import numpy as np
import pytest
from test_book import code_cells, functions, read, source

from strm import exercises
from strm.alphabet import ASL
from strm.data import photo_features, read_table, split_by_signer
from strm.exercises import chapter1
from strm.landmarks import Hand, features102, normalise
from strm.trainer import FLOOR

ROOT = Path(__file__).parents[1]
CHAPTER = ROOT / "book" / "01_landmarks.ipynb"


@pytest.fixture(scope="module")
def photos():
    table = read_table(ROOT / "data" / "studio" / "photos.csv.gz")
    return table[table["label"].isin(ASL.still)]


@pytest.fixture(scope="module")
def hand() -> Hand:
    points = np.random.default_rng(0).uniform(0.2, 0.8, (21, 3)).astype(np.float32)
    return Hand(points, "Right", 1.0, 640, 480)


# What the chapter builds by hand


def test_its_features_are_the_packages_row_by_row(photos):
    from strm.data import COORDINATES

    by_hand = functions(CHAPTER)
    by_hand |= {"COORDINATES": COORDINATES, "features102": features102}
    some = photos.iloc[::400].assign(width=640, height=480)
    for row, found in zip(some.itertuples(), by_hand["features"](some), strict=True):
        points = np.array([getattr(row, name) for name in COORDINATES], np.float32).reshape(21, 3)
        np.testing.assert_allclose(
            found, features102(points, row.width, row.height, row.handedness), atol=1e-5
        )


def test_its_flip_is_a_mirror_and_a_side_asked_again_undoes_it(photos):
    flip = functions(CHAPTER)["flip"]
    some = photos.iloc[::100]
    mirrored = flip(some)
    np.testing.assert_allclose(mirrored["x8"], 1 - some["x8"])
    assert (mirrored["y8"] == some["y8"]).all()
    asked = mirrored.assign(handedness=some["handedness"].map({"Left": "Right", "Right": "Left"}))
    np.testing.assert_allclose(photo_features(asked), photo_features(some), atol=1e-4)
    assert np.abs(photo_features(mirrored) - photo_features(some)).mean() > 0.1, "a side from before is wrong"


def test_its_floor_is_the_trainers():
    (cell,) = [source(cell) for cell in code_cells(read(CHAPTER)) if cell["id"] == "ours"]
    assert f"np.maximum(self.scale_, {FLOOR})" in cell


def test_its_judges_are_drawn_whole():
    kept_for_judging = functions(CHAPTER)["kept_for_judging"]
    keys = np.repeat([f"s{i}" for i in range(10)], 7)
    kept = kept_for_judging(keys, 0)
    assert kept.sum() == 14 and len(set(keys[kept])) == 2 and not set(keys[kept]) & set(keys[~kept])
    assert (kept_for_judging(keys, 1) != kept).any()


# The exercises: answers that students give


def size_of(first: int, second: int, axes: int = 3):
    return lambda points: np.linalg.norm((points[first] - points[second])[:axes])


MASK = np.array([1, 0, 0, 1, 1, 0, 0, 1], bool)


def starts(signers, judges):
    kept = np.array([any(s.startswith(j) for j in judges) for s in signers])
    return np.flatnonzero(~kept), np.flatnonzero(kept)


def scaler(scale, mean=lambda x: x.mean(0)):
    return lambda x, floor=0.1: (mean(x), scale(x, floor))


ANSWERS = {
    "1.1": {
        "right": lambda p, w, h: np.stack([p[:, 0] * w / h, p[:, 1], p[:, 2] * w / h], 1),
        "inverted": lambda p, w, h: p * [h / w, 1, h / w],
        "pixels": lambda p, w, h: p * [w, h, w],
        "depth": lambda p, w, h: p * [w / h, 1, 1],
        "depth with y": lambda p, w, h: p * [w, h, h],
        "y": lambda p, w, h: p * [1, h / w, 1],
        "nothing": lambda p, w, h: p,
        "wrong": lambda p, w, h: p * w,
        "not yet": lambda p, w, h: ...,
    },
    "1.2": {
        "right": size_of(0, 9),
        "palm": lambda p: np.linalg.norm(p[[5, 9, 13, 17]] - p[0], axis=1).mean(),
        "bends": size_of(9, 12),
        "moves": lambda p: np.linalg.norm(p[9]),
        "flat": size_of(0, 9, axes=2),
        "no length": lambda p: ((p[9] - p[0]) ** 2).sum(),
        "many numbers": lambda p: np.linalg.norm(p - p[0], axis=1),
        "wrong": lambda p: p[0, 0] - p[9, 0] - 1e9,
        "not yet": lambda p: None,
    },
    "1.3": {
        "right": [1, 0],
        "none": [],
        "depth": (0, 1, 2),
        "from one": np.array([1, 2]),
        "one": 0,
        "all": [i for i in range(63) if i % 3 != 2],
        "everything": range(63),
        "wrong": [60, 61],
    },
    "1.4": {
        "right": (40, 0),
        "pair": 40,
        "swapped": [0, 40],
        "depth": (60, 0),
        "wrist": (42, 0),
        "everything": (63, 102),
        "points": (20, 0),
        "no turn": (0, 0),
        "not upright": (40, 42),
        "rounding": (40, 97),
        "wrong": (7, 0),
    },
    "1.5": {
        "right": lambda s, j: (
            [i for i, n in enumerate(s) if n not in j],
            [i for i, n in enumerate(s) if n in j],
        ),
        "two": lambda s, j: np.flatnonzero(MASK),
        "masks": lambda s, j: (~MASK, MASK),
        "swapped": lambda s, j: (np.flatnonzero(MASK), np.flatnonzero(~MASK)),
        "row on both sides": lambda s, j: (np.arange(len(s)), np.flatnonzero(MASK)),
        "lost": lambda s, j: (np.flatnonzero(~MASK), np.flatnonzero(s == j[0])),
        "prefix": starts,
        "person on both sides": lambda s, j: (np.arange(6), np.arange(6, 8)),
        "not yet": lambda s, j: ...,
    },
    "1.6": {
        "right": scaler(lambda x, floor: np.maximum(x.std(0, ddof=1), floor)),
        "no floor": scaler(lambda x, floor: x.std(0)),
        "ceiling": scaler(lambda x, floor: np.minimum(x.std(0), floor)),
        "added": scaler(lambda x, floor: x.std(0) + floor),
        "variance": scaler(lambda x, floor: np.maximum(x.var(0), floor)),
        "own floor": scaler(lambda x, floor: np.maximum(x.std(0), 0.1)),
        "each": scaler(lambda x, floor: max(x.std(), floor)),
        "two": lambda x, floor=0.1: np.maximum(x.std(0), floor),
        "wrong": scaler(lambda x, floor: np.maximum(x.std(0), floor), mean=lambda x: x.mean(0) * 0),
        "not yet": lambda x, floor=0.1: ...,
    },
}


@pytest.mark.parametrize("name", ANSWERS)
def test_each_answer_gets_its_word(name):
    for mistake, answer in ANSWERS[name].items():
        assert exercises.judge(name, answer) == mistake, f"{name}: {mistake}"


@pytest.mark.parametrize("name", ANSWERS)
def test_every_hint_can_be_met_and_gives_nothing_away(name):
    said = exercises.texts(name)
    assert set(said) - {"not yet", "wrong"} <= set(ANSWERS[name])
    for mistake, text in said.items():
        assert mistake in ("right", "not yet") or ("(40, 0)" not in text and "[0, 1]" not in text)


def test_what_the_checks_hold_right_is_what_the_package_does(hand, photos):
    """1.3, 1.4 and 1.5 know their answers by heart: the package has to agree."""
    slide = np.repeat(hand.points[None], 15, axis=0)
    slide[:, :, :2] += np.linspace(0, 0.2, 15, dtype=np.float32)[:, None, None]
    x, _ = normalise(slide, hand.width, hand.height)
    moved = np.flatnonzero(np.abs(x[-1] - x[0]) > 1e-3)
    assert chapter1.what_moves(moved) == "right"

    c, s = np.cos(0.5), np.sin(0.5)
    turned = (hand.points - hand.points[0]) @ np.array([[c, s, 0], [-s, c, 0], [0, 0, 1]]) + hand.points[0]
    counts = [
        int((np.abs(numbers(turned) - numbers(hand.points)) > 1e-4).sum())
        for numbers in (lambda p: normalise(p)[0], features102)
    ]
    assert chapter1.what_turns(counts) == "right"

    judges = ["studio/judge/004", "studio/judge/009"]
    learn, judged = ANSWERS["1.5"]["right"](photos["signer"], judges)
    ours = split_by_signer(photos, judges)
    assert [len(learn), len(judged)] == [len(part) for part in ours]
    assert (photos["signer"].to_numpy()[judged] == ours[1]["signer"].to_numpy()).all()


def test_its_quiz_has_an_answer_for_every_question():
    quiz = json.loads((ROOT / "book" / "quiz" / "chapter1.en.json").read_text("utf-8"))
    assert 4 <= len(quiz) <= 5
    for item in quiz:
        assert 0 <= item["answer"] < len(item["choices"]) == len(set(item["choices"])) and item["why"]
