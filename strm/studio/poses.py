"""Which joint angles make a letter: the table in poses.json, and how much a person strays from it."""

import json
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from strm.alphabet import ASL
from strm.files import UserError
from strm.studio.skeleton import FINGERS

# Standard deviations in degrees. Fingers may hardly lean: U and R differ by little else.
FINGER_JITTER = np.array([6.0, 1.8, 6.0, 5.0])
FIST_JITTER = 4.0  # the knuckles of all fingers together
THUMB_JITTER = np.array([5.0, 5.0, 7.0, 6.0, 8.0])
VIEW_JITTER = np.array([11.0, 13.0, 9.0])
LEAST_BEND = -3.0  # a finger bends backwards no further


@dataclass(frozen=True)
class Pose:
    """One form of a letter. All angles are in degrees; poses.json says what each one means."""

    fingers: np.ndarray  # [4, 4] index to little finger
    thumb: np.ndarray  # [5]
    views: np.ndarray  # [V, 3] tilt, turn and roll of the hand as people show this letter


def _load() -> dict[str, list[Pose]]:
    table = json.loads(Path(__file__).with_name("poses.json").read_text("utf-8"))
    poses: dict[str, list[Pose]] = {letter: [] for letter in (*ASL.still, *ASL.moving)}
    for key, angles in table.items():
        if not key.startswith("_"):
            fingers = np.array([angles[finger] for finger in FINGERS], float)
            pose = Pose(fingers, np.array(angles["thumb"], float), np.array(angles["views"], float))
            poses[key[0]].append(pose)
    return poses


POSES = _load()  # every letter's forms, the still ones first


def forms(letter: str) -> list[Pose]:
    """Return the ways to show a still letter, or moments of a moving one. UserError for an unknown one."""
    if letter not in POSES:
        raise UserError(f"The studio draws no {letter!r}: its letters are {', '.join(POSES)}.")
    return POSES[letter]


def stray(pose: Pose, rng: np.random.Generator, amount: float = 1.0) -> Pose:
    """Return the pose as somebody would hold it: every joint and the view some degrees off."""
    off = rng.normal(0, 1, (4, 4)) * FINGER_JITTER
    off[:, 0] += rng.normal(0, FIST_JITTER)
    fingers = pose.fingers + amount * off
    fingers[:, [0, 2]] = np.maximum(fingers[:, [0, 2]], LEAST_BEND)
    thumb = pose.thumb + amount * rng.normal(0, THUMB_JITTER)
    return Pose(fingers, thumb, pose.views + amount * rng.normal(0, VIEW_JITTER))
