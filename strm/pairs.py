"""Minimal pairs: the same pose moving and still. The test that only memory passes.

A moment from the middle of a stroke looks like no other letter, so a net without any memory reads recorded
strokes well, and types a moving letter at a hand that only stands there. Here each stroke of a person is
paired with poses of the same person that stand still, and must not be read as a movement.
"""

from collections import defaultdict
from collections.abc import Iterable
from typing import Any, NamedTuple

import numpy as np

from strm.alphabet import ASL
from strm.augment import hand_size
from strm.bundle import Bundle
from strm.data import Clip, sample_at
from strm.evaluate import clip_probabilities
from strm.landmarks import FPS, KNUCKLES

SECONDS = 1.0  # how long a still pose is shown
DRIFT = (0.15, 0.6)  # hand sizes: how far people's held hands wander in a second
TREMOR = 0.006  # hand sizes
KINDS = ("stopped", "turned", "start", "photo")


class Trial(NamedTuple):
    """Something to read: of which moving letter, by whom, 'moving' or one of KINDS, and the hands [S, 21, 3].

    stopped: a moment of the stroke's second half. turned: the hand of its beginning, turned as at its end.
    start: the pose it began with. photo: a picture that was labelled as the moving letter.
    """

    letter: str
    person: str
    kind: str
    hands: np.ndarray


def trials(clips: Iterable[Clip], rng: np.random.Generator) -> list[Trial]:
    """Make the pairs of all strokes, and still ones of all photos (clips of one frame), of moving letters."""
    out = []
    for clip in clips:
        if clip.label not in ASL.moving:
            continue
        x, who = clip.hands, (clip.label, clip.person)
        if len(x) == 1:
            out.append(Trial(*who, "photo", still(x[0], rng)))
            continue
        out.append(Trial(*who, "moving", x))
        out.append(Trial(*who, "stopped", still(x[rng.integers(len(x) // 2, len(x))], rng)))
        out.append(Trial(*who, "turned", still(_turned(x), rng)))
        out.append(Trial(*who, "start", still(x[0], rng)))
    return out


def still(hand: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """Hold one hand [21, 3] as people do: it wanders slowly along a curve, tilts a little, trembles."""
    frames = round(SECONDS * FPS)
    knots = rng.normal(size=(4, 3))  # sideways, up and down, roll
    curve = sample_at(knots.astype(np.float32), _smooth(frames) * (len(knots) - 1))
    curve -= curve[0]
    far = np.linalg.norm(curve[:, :2], axis=1).max() + 1e-6
    path = curve[:, :2] / far * rng.uniform(*DRIFT) * SECONDS
    roll = 0.05 * curve[:, 2]
    turn = np.stack([np.cos(roll), -np.sin(roll), np.sin(roll), np.cos(roll)], -1).reshape(-1, 2, 2)
    size = float(hand_size(hand)[0, 0])
    x = np.repeat(hand[None] - hand[:1], frames, 0)
    x[..., :2] = x[..., :2] @ np.swapaxes(turn, 1, 2)
    x[..., :2] += size * path[:, None]
    return (x + hand[:1] + size * TREMOR * rng.normal(size=x.shape)).astype(np.float32)


def _smooth(frames: int) -> np.ndarray:
    u = np.linspace(0, 1, frames)
    return u * u * (3 - 2 * u)


def _turned(x: np.ndarray) -> np.ndarray:
    """Turn the hand that a stroke [S, 21, 3] began with as the palm is turned at its end: [21, 3]."""
    first, last = x[0] - x[0, :1], x[-1] - x[-1, :1]
    # The rotation that takes one palm nearest to the other (Kabsch).
    u, _, vt = np.linalg.svd(first[list(KNUCKLES)].T @ last[list(KNUCKLES)])
    rotation = u @ np.diag([1, 1, np.sign(np.linalg.det(u @ vt))]) @ vt
    return (first @ rotation + x[0, :1]).astype(np.float32)


def judge(bundle: Bundle, todo: list[Trial]) -> dict[str, Any]:
    """Read all trials. Per person and letter: the share of right answers of each kind, and balanced accuracy.

    Moving ones must be read as their letter, still ones as anything but a moving letter; balanced accuracy
    is the mean of 'moving' and 'stopped'. `as_start`: how often the start is read as the letter it shows.
    `balanced` is the mean over persons and letters who moved.
    """
    names = np.array(bundle.class_names, dtype=object)
    read = names[clip_probabilities(bundle, [trial.hands for trial in todo]).argmax(1)]
    right: dict[tuple[str, str, str], list[bool]] = defaultdict(list)
    for trial, letter in zip(todo, read, strict=True):
        person, stroke = trial.person, trial.letter
        moves = letter in ASL.moving
        right[person, stroke, trial.kind].append(
            letter == trial.letter if trial.kind == "moving" else not moves
        )
        if trial.kind == "start":
            right[person, stroke, "as_start"].append(letter == ASL.moving[trial.letter])
    people: dict[str, dict[str, dict[str, float]]] = {}
    for (person, letter, kind), good in right.items():
        people.setdefault(person, {}).setdefault(letter, {})[kind] = float(np.mean(good))
    balanced = []
    for shares in (shares for letters in people.values() for shares in letters.values()):
        if "moving" in shares:
            shares["balanced"] = (shares["moving"] + shares["stopped"]) / 2
            balanced.append(shares["balanced"])
    return {"balanced": float(np.mean(balanced)) if balanced else None, "per_person": people}
