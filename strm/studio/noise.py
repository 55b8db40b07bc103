"""How the detector errs: landmarks without pixels, as if it had seen them.

Its points differ from the true ones in four ways. It has its own idea of where in a hand a landmark is,
and blends the true points accordingly. It errs in a few typical ways: alike where the hand looks alike, so
that a held letter is seen wrongly, but steadily. Every point jitters. And now and then, the faster the
hand the more often, it loses the hand. The numbers are in noise.json; `strm.studio.measure` found them.
"""

import json
from functools import cache
from pathlib import Path
from typing import NamedTuple

import numpy as np
from scipy.spatial.distance import cdist

from strm.landmarks import FPS, KNUCKLES, POINTS
from strm.studio import Signer
from strm.studio.motion import Motion, camera_for, trace

TREMOR = 0.05  # palms
CONSTANTS = Path(__file__).with_name("noise.json")


class Noise(NamedTuple):
    """What was measured; lengths are in palms (mean distance from the wrist to points 5, 9, 13, 17).

    blend: [2, 21, 21] what each point gets of each other's way from the wrist: across the picture, in depth.
    ways: [K, 21, 3] the typical ways to err. near: how far the points go until the error is another one.
    spread: how much larger some errors are than others, on a log scale. jitter: [21, 3] standard deviations
    from frame to frame. lost: [3] the log-odds of losing a hand: of a still one, more for each palm a
    second, and more where it is lost already.
    """

    blend: np.ndarray
    ways: np.ndarray
    near: np.ndarray
    spread: np.ndarray
    jitter: np.ndarray
    lost: np.ndarray


@cache
def constants() -> Noise:
    table = json.loads(CONSTANTS.read_text("utf-8"))
    return Noise(**{name: np.array(table[name]) for name in Noise._fields})


def palm(points: np.ndarray) -> np.ndarray:
    """Return the size of hands [S, 21, 3]: [S, 1, 1]."""
    return np.linalg.norm(points[:, KNUCKLES] - points[:, :1], axis=-1).mean(-1)[:, None, None]


def speed(points: np.ndarray, t_ms: np.ndarray) -> np.ndarray:
    """Return how fast hands [S, 21, 3] move across the picture, palms a second: [S]."""
    if len(points) < 2:
        return np.zeros(len(points))
    middle = points[..., :2].mean(1)
    return 1000 * np.linalg.norm(np.gradient(middle, t_ms, axis=0), axis=-1) / palm(points)[:, 0, 0]


def seen(
    points: np.ndarray, rng: np.random.Generator, t_ms: np.ndarray | None = None, noise: Noise | None = None
) -> tuple[np.ndarray, np.ndarray]:
    """Return true landmarks [S, 21, 3] as the detector would give them, float32, and where it found any [S].

    t_ms: [S] the frames' times; without them, 15 a second. Points that were lost are given all the same.
    """
    noise = noise or constants()
    frames = len(points)
    t_ms = np.arange(frames) * 1000 / FPS if t_ms is None else t_ms
    # Frames [S, S] are alike, 0 to 1, by how near to each other their hands are; so then are their errors.
    alike = np.exp(-apart(points) / noise.near) + 1e-6 * np.eye(frames)
    drawn = np.linalg.cholesky(alike) @ rng.normal(size=(frames, len(noise.ways) + 1))
    amount = drawn[:, 1:] * np.exp(noise.spread * drawn[:, :1] - noise.spread**2)
    error = np.tensordot(amount, noise.ways, 1) + noise.jitter * rng.normal(size=(frames, POINTS, 3))
    off = blended(points, noise.blend) + palm(points) * error
    off[..., 2] -= off[:, :1, 2]
    still, faster, again = noise.lost
    odds, chance, found = still + faster * speed(points, t_ms), rng.random(frames), np.ones(frames, bool)
    for s in range(frames):
        lost_before = s > 0 and not found[s - 1]
        found[s] = chance[s] > 1 / (1 + np.exp(-odds[s] - again * lost_before))
    return (points + off).astype(np.float32), found


def apart(points: np.ndarray) -> np.ndarray:
    """How different hands [S, 21, 3] look, frame against frame: [S, S] palms, the mean over the points.

    Hands that differ by no more than tremor count as the same.
    """
    ways = ((points - points[:, :1]) / palm(points)).reshape(len(points), -1) / np.sqrt(POINTS)
    return np.hypot(cdist(ways, ways), TREMOR) - TREMOR


def blended(points: np.ndarray, blend: np.ndarray) -> np.ndarray:
    """How far the detector's idea of each point is from the true one: [S, 21, 3] -> [S, 21, 3]."""
    way = points - points[:, :1]
    return np.stack([way[..., axis] @ blend[axis // 2].T for axis in range(3)], -1)


def fast(motion: Motion, signer: Signer, rng: np.random.Generator) -> tuple[np.ndarray, np.ndarray]:
    """Return a motion's landmarks as the detector would give them, and where it found a hand: no pixels."""
    points = trace(motion, signer, camera_for(motion, signer, rng))
    points, found = seen(points, rng, motion.t_ms)
    return points, found & motion.inside
