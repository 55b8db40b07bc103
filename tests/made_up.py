"""Made-up hands for tests: every label has its own pose, every person their own proportions."""

from pathlib import Path

import numpy as np
import pandas as pd

from strm.data import COORDINATES, read_table

SIZE = 200  # of the square pictures, in pixels


def pose(label: str, person: int = 0) -> np.ndarray:
    """A right hand [21, 3] as a detector gives it; which fingers are bent says which label it is."""
    rng = np.random.default_rng([7, person])
    length = 0.06 * rng.uniform(0.85, 1.15, 5)
    number = (1 + "ABCDEFGHIJKLMNOPQRSTUVWXYZ".index(label)) if len(label) == 1 else len(label)
    hand = np.zeros((21, 3))
    hand[0] = 0.5, 0.8, 0
    for finger in range(5):
        straight = number >> finger & 1
        base = np.array([0.36 + 0.06 * finger, 0.74 if finger == 0 else 0.58, -0.02])
        up = np.array([0, -1, -0.1]) * length[finger]
        for joint in range(4):
            steps = joint if straight or joint < 2 else 2 - joint  # a bent finger comes back
            hand[1 + 4 * finger + joint] = base + steps * up
    angle = rng.normal(0, 0.06)
    hand[:, :2] = (hand[:, :2] - 0.5) @ [
        [np.cos(angle), np.sin(angle)],
        [-np.sin(angle), np.cos(angle)],
    ] + 0.5
    return hand


def rows(points: np.ndarray, label: str, **columns) -> pd.DataFrame:
    """A table of frames [N, 21, 3]; `columns` are scalars or lists: signer, clip, frame, t_ms, …"""
    table = pd.DataFrame(np.reshape(points, (-1, 63)), columns=COORDINATES)
    table.insert(0, "label", label)
    return table.assign(**({"width": SIZE, "height": SIZE, "handedness": "Right"} | columns))


def photos(labels: str | list[str], people: int, each: int = 4, start: int = 0) -> pd.DataFrame:
    """Single photos of signers p0, p1, …"""
    rng, out = np.random.default_rng([5, start]), []
    for person in range(start, start + people):
        for label in labels:
            points = pose(label, person) + rng.normal(0, 0.004, (each, 21, 3))
            names = [f"p{person}/{label}{i}" for i in range(each)]
            out.append(rows(points, label, signer=f"p{person}", clip=names, frame=0))
    return pd.concat(out, ignore_index=True)


def clip(
    label: str, person: int, path: np.ndarray, name: str, fps: float = 15, shape: str = ""
) -> pd.DataFrame:
    """A clip in which the hand goes along path [S, 2] (shares of the picture), in the pose of `shape`."""
    rng = np.random.default_rng([3, person, len(path)])
    points = pose(label, person) + rng.normal(0, 0.002, (len(path), 21, 3))
    points[..., :2] += path[:, None]
    times = np.arange(len(path)) * 1000 / fps
    return rows(points, label, signer=f"p{person}", clip=name, frame=np.arange(len(path)), t_ms=times)


def still_path(frames: int, seed: int = 0) -> np.ndarray:
    return np.cumsum(np.random.default_rng([2, seed]).normal(0, 0.001, (frames, 2)), 0)


def stroke(frames: int, down: float = 0.3, side: float = 0.0) -> np.ndarray:
    """One straight stroke from the top to the bottom of the clip."""
    return np.linspace(0, 1, frames)[:, None] * [side, down]


def read(table: pd.DataFrame | list[pd.DataFrame], folder: Path, **options) -> pd.DataFrame:
    """Write one table or several as CSV files and read them as the package does."""
    tables = table if isinstance(table, list) else [table]
    paths = [folder / f"made_up_{number}.csv" for number in range(len(tables))]
    for path, one in zip(paths, tables, strict=True):
        one.to_csv(path, index=False)
    return read_table(paths, **options)
