"""Drawn strokes beside people's: how large, how long, how far the wrist goes, and along which path.

People's strokes enter as medians and quantiles over all of them, with each person counted alike; no single
one is shown. Writes data/results/movement.json and its figure.
"""

from collections import defaultdict
from typing import Any

import numpy as np

from strm.alphabet import ASL
from strm.augment import hand_size
from strm.data import Clip, clips, is_moving, sample_at
from strm.joined import moving_part
from strm.landmarks import FPS, WRIST
from strm.studio.ship import FOLDER
from strm.studio.strokes import DRAWS
from strm.trials import learners, real_tables

POINTS = 25  # along a path, at equal steps of its length: not everyone pauses in the same corner
QUANTILES = (0.1, 0.5, 0.9)
UNITS = {"width": "hands", "height": "hands", "path": "hands", "wrist_share": "", "seconds": "s"}


def traced(clip: Clip) -> tuple[dict[str, float], np.ndarray]:
    """Measure one stroke, in hand sizes; and return the fingertip's path from its start [POINTS, 2], y down.

    wrist_share: the way of the wrist over that of the fingertip.
    """
    start, end = moving_part(clip.hands)
    x = clip.hands[start:end, :, :2] / np.median(hand_size(clip.hands))
    tip, wrist = x[:, 8 + 4 * DRAWS[ASL.paths[clip.label]]], x[:, WRIST]
    length = {name: _length(way) for name, way in (("tip", tip), ("wrist", wrist))}
    width, height = np.ptp(tip, axis=0)
    measured = {
        "width": width,
        "height": height,
        "path": length["tip"],
        "wrist_share": length["wrist"] / length["tip"],
        "seconds": (len(x) - 1) / FPS,
    }
    gone = np.concatenate([[0], np.cumsum(np.linalg.norm(np.diff(tip, axis=0), axis=1))])
    frames = np.interp(np.linspace(0, gone[-1], POINTS), gone, np.arange(len(tip)))
    way = sample_at(tip - tip[0], frames)
    return {name: float(value) for name, value in measured.items()}, way


def _length(way: np.ndarray) -> float:
    # A tremor of a pixel a frame adds up to a way that nobody went: look at every second frame.
    return float(np.linalg.norm(np.diff(way[::2], axis=0), axis=1).sum())


def summary(strokes: list[Clip]) -> dict[str, Any]:
    """Return what strokes of one letter have in common: quantiles of each measure, and of the path.

    Each person weighs the same. path: {quantile: [POINTS, 2]}, of x and of y apart.
    """
    measured, ways = zip(*map(traced, strokes), strict=True)
    count: dict[str, int] = defaultdict(int)
    for clip in strokes:
        count[clip.person] += 1
    weights = np.array([1 / count[clip.person] for clip in strokes])
    out: dict[str, Any] = {"strokes": len(strokes), "people": len(count)}
    for name in UNITS:
        values = np.array([one[name] for one in measured])
        out[name] = dict(zip(map(str, QUANTILES), quantiles(values, weights).round(3).tolist(), strict=True))
    path = quantiles(np.stack(ways), weights).round(3)
    return out | {"path_of_tip": dict(zip(map(str, QUANTILES), path.tolist(), strict=True))}


def quantiles(values: np.ndarray, weights: np.ndarray) -> np.ndarray:
    """Return QUANTILES of values [N, …], each of which counts as its weight [N]: [3, …]."""
    order = np.argsort(values, 0)
    reached = np.cumsum(weights[order], 0) / weights.sum()
    at = [(reached < q - 1e-9).sum(0) for q in QUANTILES]
    return np.stack([np.take_along_axis(np.take_along_axis(values, order, 0), i[None], 0)[0] for i in at])


def movement_table(seeds: int, workers: int) -> dict[str, Any]:
    """Everything that data/results/movement.json tells; nothing is trained, so there are no seeds."""
    recorded = real_tables()[1]
    tables = {"drawn": learners(FOLDER, "clips"), "people": recorded[is_moving(recorded)]}
    out: dict[str, Any] = {}
    for name, table in tables.items():
        whole = clips(table[table["label"].isin(ASL.moving)])
        out[name] = {m: summary([clip for clip in whole if clip.label == m]) for m in ASL.moving}
    return out
