"""From a picture to 21 points, and from 21 points to the numbers that a model reads.

A `Hand` is what the detector found. `normalise` turns hands into the 63 numbers of the S-TRM,
`features102` into the 102 invariant features of the first generation (v1).
"""

from dataclasses import dataclass
from itertools import combinations
from typing import NamedTuple

import numpy as np

from strm.handmodel import load_mediapipe, model_bundle, quiet

POINTS = 21
FEATURES = 3 * POINTS
FPS = 15.0  # the rate at which the model lives; a state means the same everywhere
WRIST, MIDDLE_KNUCKLE = 0, 9
KNUCKLES = (5, 9, 13, 17)
WRIST_MS = 600.0  # time constant of the slow average that the wrist's movement is measured against
PALM_MS = 600.0  # time constant of the palm size that everything is divided by
SMALLEST_PALM = 1e-6  # pixels; below that there is no hand to measure
FARTHEST = 1e7  # pixels; beyond it, nothing that a camera saw: as good as infinite
LATEST = 1e15  # milliseconds; a clock's that counts microseconds since 1970 are below it
CORNERS = (
    0,
    1,
    5,
    9,
    13,
    17,
    4,
    8,
    12,
    16,
    20,
)  # wrist, thumb base, knuckles, tips: v1 measured all pairs
CURLS = ((4, 1), (8, 5), (12, 9), (16, 13), (20, 17))  # tip to base of each finger


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

    handedness: as width and height a scalar or an array of the leading shape; the rest is `isotropic`'s.
    """
    points = isotropic(points, width, height)
    points[..., 0] *= np.where(np.asarray(handedness) == "Left", -1, 1).astype(np.float32)[..., None]
    return points


def isotropic(points, width, height) -> np.ndarray:
    """Undo the aspect ratio: float32 [..., 21, 3] in pixels, left hands still left.

    width and height are scalars or arrays of the leading shape. A hand whose z is all empty (NaN) is one
    of unknown depth, filled with 0. Raises ValueError for any other NaN or infinity, and for what is
    farther than FARTHEST.
    """
    points = np.asarray(points)
    if points.shape[-2:] != (POINTS, 3):
        raise ValueError(f"points must end in shape (21, 3), not {points.shape}: 21 landmarks of x, y, z.")
    points = points.astype(np.float32)
    points[np.isnan(points[..., 2]).all(-1), :, 2] = 0.0
    with np.errstate(over="ignore", invalid="ignore"):
        for axis, side in enumerate((width, height, width)):
            points[..., axis] *= np.asarray(side, np.float32)[..., None]
    if not (np.abs(points) <= FARTHEST).all():
        raise ValueError("points hold NaN or infinity: leave out frames in which no hand was found.")
    return points


def palm_size(hands: np.ndarray) -> np.ndarray:
    """Return the mean distance from the wrist to the knuckles, [...], of isotropic hands [..., 21, 3]."""
    from_wrist = hands[..., KNUCKLES, :] - hands[..., :1, :]
    return np.sqrt((from_wrist * from_wrist).sum(-1)).sum(-1) / len(KNUCKLES)


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
    if not (np.abs(t_ms) <= LATEST).all():
        raise ValueError("a frame's time is no number of milliseconds.")
    wrist = hands[..., WRIST, :2]
    palm = palm_size(hands)
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


def features102(points, width=1, height=1, handedness="Right") -> np.ndarray:
    """Turn landmarks into v1's 102 features, which moving, turning or resizing the hand leaves as they are.

    points [..., 21, 3] as MediaPipe returns them (z is not used); the rest scalars or arrays of the leading
    shape. Returns float32 [..., 102]: x and y of all points (the wrist at the origin, the bone to the middle
    knuckle pointing up with length 1), the 55 distances among CORNERS, the 5 of CURLS.
    Raises ValueError for a hand whose wrist and middle knuckle are one point.
    """
    flat = right_handed(points, width, height, handedness)[..., :2]
    flat = flat - flat[..., :1, :]
    bone = flat[..., MIDDLE_KNUCKLE, :]
    length = np.linalg.norm(bone, axis=-1)[..., None]
    if (length < SMALLEST_PALM).any():
        raise ValueError("a hand has no size: its wrist and middle knuckle are one point.")
    up = bone / length
    right = np.stack([-up[..., 1], up[..., 0]], -1)
    # Pictures count y downwards, so what lies along the bone gets a negative y.
    axes = np.stack([right, -up], -1)
    flat = flat @ axes / length[..., None]
    pairs = np.array([*combinations(CORNERS, 2), *CURLS])
    far = np.linalg.norm(flat[..., pairs[:, 0], :] - flat[..., pairs[:, 1], :], axis=-1)
    return np.concatenate([flat.reshape(*flat.shape[:-2], 2 * POINTS), far], -1)


class HandDetector:
    """Finds one hand in a picture with MediaPipe's Tasks API, on the CPU. A context manager.

    Images are single photos, or with `video=True` the frames of one camera: MediaPipe then follows the
    hand from frame to frame. confidence: how sure it must be, 0 to 1; photos need a low one.
    Pictures must not be mirrored, or the side is wrong.
    """

    def __init__(self, video: bool = False, confidence: float = 0.3) -> None:
        mediapipe = load_mediapipe()
        tasks, vision = mediapipe.tasks, mediapipe.tasks.vision
        mode = vision.RunningMode.VIDEO if video else vision.RunningMode.IMAGE
        options = vision.HandLandmarkerOptions(
            # The bytes, not the path: MediaPipe cannot open every path on Windows.
            base_options=tasks.BaseOptions(model_asset_buffer=model_bundle()),
            running_mode=mode,
            num_hands=1,
            min_hand_detection_confidence=confidence,
            min_hand_presence_confidence=confidence,
            min_tracking_confidence=confidence,
        )
        self._image, self._format = mediapipe.Image, mediapipe.ImageFormat.SRGB
        self._video, self._t_ms, self._stamp = video, -np.inf, -1
        with quiet():
            self._landmarker = vision.HandLandmarker.create_from_options(options)
            # Its nets are loaded, and tell of it, at their first picture.
            self.detect(np.zeros((64, 64, 3), np.uint8), t_ms=0.0)
        self._t_ms = -np.inf

    def detect(self, rgb: np.ndarray, t_ms: float | None = None) -> Hand | None:
        """Return the hand in a picture, uint8 [H, W, 3] RGB, or None.

        t_ms: the frame's time in milliseconds; video mode needs it, later in every frame than in the last.
        Raises ValueError for another shape or type, or a time that does not increase.
        """
        if rgb.dtype != np.uint8 or rgb.ndim != 3 or rgb.shape[2] != 3 or rgb.size == 0:
            raise ValueError(f"a picture is uint8 [height, width, 3] RGB, not {rgb.dtype} {list(rgb.shape)}.")
        image = self._image(image_format=self._format, data=np.ascontiguousarray(rgb))
        if self._video:
            if t_ms is None or not self._t_ms < t_ms < np.inf:
                raise ValueError(
                    f"video mode needs times that increase: {t_ms} ms came after {self._t_ms} ms."
                )
            # MediaPipe counts whole milliseconds, each of which may come once.
            self._t_ms, self._stamp = t_ms, max(self._stamp + 1, round(t_ms))
            found = self._landmarker.detect_for_video(image, self._stamp)
        else:
            found = self._landmarker.detect(image)
        if not found.hand_landmarks:
            return None
        points = np.array([(p.x, p.y, p.z) for p in found.hand_landmarks[0]], np.float32)
        side = found.handedness[0][0]
        return Hand(points, side.category_name, float(side.score), rgb.shape[1], rgb.shape[0])

    def close(self) -> None:
        self._landmarker.close()

    def __enter__(self) -> "HandDetector":
        return self

    def __exit__(self, *_: object) -> None:
        self.close()
