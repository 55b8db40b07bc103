"""From a picture to 21 points, and from 21 points to the numbers that a model reads.

A `Hand` is what the detector found. `normalise` turns hands into the 63 numbers of the S-TRM,
`features102` into the 102 invariant features of the first generation (v1).
"""

from dataclasses import dataclass
from typing import NamedTuple

import numpy as np

POINTS = 21
FEATURES = 3 * POINTS
FPS = 15.0  # the rate at which the model lives; a state means the same everywhere
WRIST, MIDDLE_KNUCKLE = 0, 9
KNUCKLES = (5, 9, 13, 17)
WRIST_MS = 600.0  # time constant of the slow average that the wrist's movement is measured against
PALM_MS = 600.0  # time constant of the palm size that everything is divided by
SMALLEST_PALM = 1e-6  # pixels; below that there is no hand to measure


@dataclass(frozen=True)
class Hand:
    """One detected hand.

    points: float32 [21, 3] as MediaPipe returns them: x over width, y over height, z on x's scale.
    handedness: the signer's true hand, 'Left' or 'Right' (what the Tasks API says of an unmirrored picture).
    score: the detector's confidence in the side, 0 to 1. width, height: of the picture, in pixels.
    """

    points: np.ndarray
    handedness: str
    score: float
    width: int
    height: int


class MotionState(NamedTuple):
    """What `normalise` remembers between frames: two slow averages and the time of the last frame."""

    wrist: np.ndarray  # [..., 2] pixels, mirrored like the points
    palm: np.ndarray  # [...] pixels
    t_ms: np.ndarray  # [...]


def right_handed(points, width, height, handedness) -> np.ndarray:
    """Undo the aspect ratio and mirror left hands: [..., 21, 3] in pixels, as if of a right hand.

    width, height and handedness are scalars or arrays of the leading shape. A row whose z is all
    empty (NaN) is a hand of unknown depth, filled with 0. Raises ValueError for any other NaN or infinity.
    """
    points = np.asarray(points)
    if points.shape[-2:] != (POINTS, 3):
        raise ValueError(f"points must end in shape (21, 3), not {points.shape}: 21 landmarks of x, y, z.")
    points = points.astype(np.float32)
    unknown = np.isnan(points[..., 2]).all(-1)
    points[..., 2] = np.where(unknown[..., None], 0.0, points[..., 2])
    if not np.isfinite(points).all():
        raise ValueError("points hold NaN or infinity: leave out frames in which no hand was found.")
    width, height = (np.asarray(side, np.float32) for side in (width, height))
    sign = np.where(np.asarray(handedness) == "Left", -1.0, 1.0).astype(np.float32)
    return points * np.stack(np.broadcast_arrays(sign * width, height, width), -1)[..., None, :]


def normalise(points, width=1, height=1, handedness="Right", t_ms=None, state: MotionState | None = None):
    """Turn landmarks into the 63 numbers that the S-TRM reads; the same for a frame, a stream and a batch.

    points: [21, 3] (a frame), [S, 21, 3] (a sequence) or [B, S, 21, 3], as MediaPipe returns them.
    width, height, handedness: scalars, or arrays of the points' leading shape.
    t_ms: each frame's time in milliseconds, [S] or [B, S] (a scalar for a frame); without it, 15 a second.
    state: what the previous call returned; None at the start of a stream.

    Returns (x, state): x float32 of the leading shape + [63]. Each point is relative to the wrist and
    divided by the palm size (mean distance from the wrist to points 5, 9, 13, 17, slowly averaged).
    The wrist's own slot, else always zero, carries its displacement from its slow running average
    (x and y; zero for a single photo). Feeding a sequence frame by frame gives the same numbers.
    """
    return motion_features(right_handed(points, width, height, handedness), t_ms, state)


def motion_features(hands: np.ndarray, t_ms=None, state: MotionState | None = None):
    """Do the second half of `normalise`, on points that are isotropic and right-handed already."""
    frame = hands.ndim == 2
    if frame:
        hands = hands[None]
        t_ms = None if t_ms is None else np.asarray(t_ms)[None]
    lead, frames = hands.shape[:-3], hands.shape[-3]
    if t_ms is None:
        start = 0.0 if state is None else state.t_ms[..., None] + 1000 / FPS
        t_ms = start + np.arange(frames) * 1000 / FPS
    t_ms = np.broadcast_to(np.asarray(t_ms, np.float64), (*lead, frames))
    wrist = hands[..., WRIST, :2]
    palm = np.linalg.norm(hands[..., KNUCKLES, :] - hands[..., :1, :], axis=-1).mean(-1)
    if (palm < SMALLEST_PALM).any():
        raise ValueError("a hand has no size: its wrist and knuckles are one point.")
    if state is None:
        state = MotionState(wrist[..., 0, :], palm[..., 0], t_ms[..., 0])
    slow_wrist, slow_palm = np.empty_like(wrist), np.empty_like(palm)
    for s in range(frames):
        # An average that lives in time, not in frames: a long gap forgets, a fast camera changes nothing.
        dt = np.maximum(t_ms[..., s] - state.t_ms, 0.0)
        keep_wrist, keep_palm = (np.exp(-dt / ms).astype(np.float32) for ms in (WRIST_MS, PALM_MS))
        state = MotionState(
            wrist[..., s, :] + keep_wrist[..., None] * (state.wrist - wrist[..., s, :]),
            palm[..., s] + keep_palm * (state.palm - palm[..., s]),
            t_ms[..., s],
        )
        slow_wrist[..., s, :], slow_palm[..., s] = state.wrist, state.palm
    x = (hands - hands[..., :1, :]) / slow_palm[..., None, None]
    x[..., WRIST, :2] = (wrist - slow_wrist) / slow_palm[..., None]
    x[..., WRIST, 2] = 0.0
    x = x.reshape(*lead, frames, FEATURES)
    return (x[0] if frame else x), state
