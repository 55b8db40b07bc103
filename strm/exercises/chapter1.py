"""Checks of the exercises of chapter 1: the picture's shape, a hand's size, what moves, who judges."""

from collections.abc import Callable, Collection
from typing import Any

import numpy as np

from strm.alphabet import ASL
from strm.exercises import NOT_YET, RIGHT, WRONG, exercise
from strm.landmarks import KNUCKLES
from strm.studio.poses import forms
from strm.studio.skeleton import AVERAGE, joints, landmarks, rotation

WIDTH, HEIGHT = 480, 640  # of a picture that stands upright
SMALL = 1e-3  # a difference that is no more than rounding, in parts
BENT = 0.02  # a bone does not change its length by so much


def _empty(value: Any) -> bool:
    return value is None or value is ...


def _some_points() -> np.ndarray:
    return np.random.default_rng(0).uniform(0.1, 0.9, (21, 3))


@exercise("1.1")
def in_heights(answer: Callable) -> str:
    """Step 1 in picture heights: x and z times width / height."""
    points = _some_points()
    found = answer(points.copy(), WIDTH, HEIGHT)
    if _empty(found):
        return NOT_YET
    ratio = WIDTH / HEIGHT
    known = {
        RIGHT: [ratio, 1, ratio],
        "inverted": [1 / ratio, 1, 1 / ratio],
        "pixels": [WIDTH, HEIGHT, WIDTH],
        "depth": [ratio, 1, 1],
        "depth with y": [WIDTH, HEIGHT, HEIGHT],
        "y": [1, 1 / ratio, 1],
        "nothing": [1, 1, 1],
    }
    for name, factors in known.items():
        if np.shape(found) == points.shape and np.allclose(found, points * factors, rtol=SMALL):
            return name
    return WRONG


def _hands() -> list[np.ndarray]:
    """One person's hand in every still letter's shape, [21, 3] each, in no unit that matters."""
    first = [forms(letter)[0] for letter in ASL.still]
    return [100 * landmarks(joints(form.fingers, form.thumb, AVERAGE)) for form in first]


@exercise("1.2")
def size(answer: Callable[[np.ndarray], Any]) -> str:
    """A measure of the hand that does not bend, move or turn, and that grows as the hand does."""
    hands = _hands()
    if _empty(measured := answer(hands[0])):
        return NOT_YET
    if np.ndim(measured):
        return "many numbers"
    sizes = np.array([answer(hand) for hand in hands], float)
    if not np.isfinite(sizes).all() or (sizes <= 0).any():
        return WRONG
    hand, own = hands[0], sizes[0]

    def same(value: Any, wanted: float) -> bool:
        return bool(abs(float(value) - wanted) <= SMALL * wanted)

    if not same(answer(hand + np.array([300.0, -200.0, 50.0])), own):
        return "moves"
    if not same(answer(3 * hand), 3 * own):
        return "no length"
    if np.ptp(sizes) > BENT * sizes.mean():
        return "bends"
    turns = [rotation(axis, 60) for axis in "xyz"]
    if not all(same(answer(hand @ turn.T), own) for turn in turns):
        return "flat"
    palms = [np.linalg.norm(hand[list(KNUCKLES)] - hand[0], axis=1).mean() for hand in hands]
    return "palm" if np.allclose(sizes, palms, rtol=SMALL) else RIGHT


def _places(answer: Any) -> set[int]:
    values = answer if isinstance(answer, Collection) else np.atleast_1d(answer)
    return {int(value) for value in values}


@exercise("1.3")
def what_moves(answer: Any) -> str:
    """Which of the 63 numbers tell that a hand slides."""
    ways = {
        RIGHT: {0, 1},
        "none": set(),
        "depth": {0, 1, 2},
        "from one": {1, 2},
        "one": {0},
        "all": {i for i in range(63) if i % 3 < 2},
        "everything": set(range(63)),
    }
    found = _places(answer)
    return next((name for name, places in ways.items() if found == places), WRONG)


@exercise("1.4")
def what_turns(answer: Any) -> str:
    """How many of the 63 and of the 102 numbers change when a hand turns in the picture's plane."""
    if np.shape(answer) != (2,):
        return "pair"
    ours, features = (int(value) for value in answer)
    if (ours, features) == (0, 40):
        return "swapped"
    if ours == 40:
        if features == 0:
            return RIGHT
        return "not upright" if features in (40, 42) else "rounding"
    return {60: "depth", 63: "everything", 42: "wrist", 62: "wrist", 20: "points", 0: "no turn"}.get(
        ours, WRONG
    )


@exercise("1.5")
def split(answer: Callable) -> str:
    """A split by signer: no row lost, nobody on both sides, names compared as a whole."""
    signers = np.array(["s1", "s2", "s12", "s1", "s3", "s12", "s2", "s1"])
    judges = ["s1", "s3"]
    found = answer(signers.copy(), list(judges))
    if _empty(found):
        return NOT_YET
    if len(found) != 2:
        return "two"
    parts = [np.asarray(part) for part in found]
    if all(part.dtype == bool and part.shape == signers.shape for part in parts):
        return "masks"
    learn, judged = (sorted(int(row) for row in part) for part in parts)
    wanted = np.isin(signers, judges)
    rows = sorted([*np.flatnonzero(~wanted).tolist()]), sorted(np.flatnonzero(wanted).tolist())
    if (learn, judged) == rows:
        return RIGHT
    if (judged, learn) == rows:
        return "swapped"
    if set(learn) & set(judged):
        return "row on both sides"
    if set(learn) | set(judged) != set(range(len(signers))):
        return "lost"
    if "s12" in signers[judged]:
        return "prefix"
    return "person on both sides" if set(signers[learn]) & set(signers[judged]) else WRONG


@exercise("1.6")
def fit_scaler(answer: Callable) -> str:
    """Mean and standard deviation of each number, the latter with a floor."""
    x = np.random.default_rng(0).normal(2.0, 1.0, (50, 63)) * np.linspace(0.5, 2, 63)
    x[:, 2] *= 1e-7
    x[:, 5] = 4.0
    found = [answer(x.copy(), floor) for floor in (0.1, 0.7)]
    if _empty(found[0]):
        return NOT_YET
    if len(found[0]) != 2:
        return "two"
    mean, scale = (np.asarray(value, float) for value in found[0])
    if mean.shape != (63,) or scale.shape != (63,):
        return "each"
    spread = x.std(0)
    known = {
        RIGHT: np.maximum(spread, 0.1),
        "no floor": spread,
        "ceiling": np.minimum(spread, 0.1),
        "added": spread + 0.1,
        "variance": np.maximum(x.var(0), 0.1),
    }
    # Who divides by N - 1 is right, too.
    name = next(
        (name for name, value in known.items() if np.allclose(scale, value, rtol=0.015, atol=1e-9)), WRONG
    )
    if name == RIGHT and not np.allclose(found[1][1], np.maximum(spread, 0.7), rtol=0.015):
        return "own floor"
    return name if np.allclose(mean, x.mean(0)) else WRONG
