"""A hand in motion, and two ways to see it: `film` renders its pictures, `trace` only its landmarks.

The second is hundreds of times faster, and knows nothing of the detector (see `strm.studio.noise`).
"""

from dataclasses import dataclass, replace

import cv2
import numpy as np

from strm.studio import Render, Signer, random_look
from strm.studio.poses import Pose
from strm.studio.render import CENTRE, Camera, render
from strm.studio.skeleton import joints, landmarks

PHASES = ("enter", "hold", "transition", "stroke", "rest", "leave")
BORDER = 0.04  # of the picture's width, which the camera leaves free about the movement
EXPOSURE_MS = 10.0  # the longest that a shutter is open
FLICKER_MS = 700.0  # how long light stays about the same
VIEW_NONE = np.zeros((1, 3))  # a pose's own views do not count in a motion: its turns do


@dataclass(frozen=True)
class Motion:
    """How a right hand moves, frame by frame; a left-hander's is mirrored when it is seen.

    t_ms: [S] milliseconds from the first frame. fingers: [S, 4, 4] and thumb: [S, 5] degrees, as a `Pose`
    has them. turn: [S, 3, 3] rotation from the hand's frame to the camera's. at: [S, 2] where the hand's
    middle (`render.CENTRE`) is, in centimetres, x to the viewer's right, y up. labels: the letter that each
    frame shows, or the alphabet's 'nothing'. phases: one of PHASES for each frame. inside: [S] bool,
    whether the hand is where the camera looks; one that comes or leaves may be seen in part.
    """

    t_ms: np.ndarray
    fingers: np.ndarray
    thumb: np.ndarray
    turn: np.ndarray
    at: np.ndarray
    labels: tuple[str, ...]
    phases: tuple[str, ...]
    inside: np.ndarray

    def __len__(self) -> int:
        return len(self.t_ms)


def trace(motion: Motion, signer: Signer, camera: Camera) -> np.ndarray:
    """Return the true landmarks, float32 [S, 21, 3], as a `Render` has them, mirrored for a left hand.

    camera: the motion has its own turns, so the camera's does not count; its scale is in parts of the
    picture's width a centimetre, and `at` is where the place (0, 0) of the motion is seen.
    """
    hand = landmarks(joints(motion.fingers, motion.thumb, signer.shape))
    turned = (hand - CENTRE) @ np.swapaxes(motion.turn, -1, -2)
    nearer = camera.distance / (camera.distance - turned[..., 2:])
    flat = turned[..., :2] * nearer + motion.at[:, None]
    points = np.concatenate([flat, turned[..., 2:]], -1) * [1, -1, -1] * camera.scale
    points[..., :2] += camera.at
    points[..., 2] -= points[:, :1, 2]
    if signer.handedness == "Left":
        points = points * [-1, 1, 1] + [1, 0, 0]
    return points.astype(np.float32)


def camera_for(motion: Motion, signer: Signer, rng: np.random.Generator) -> Camera:
    """Put a camera where it sees all of a motion, from near or far; its scale is as `trace` wants it."""
    camera = Camera(np.eye(3), rng.uniform(32, 80), rng.uniform(7, 14) / 320, (0.0, 0.0))
    shown = trace(motion, replace(signer, handedness="Right"), camera)[motion.inside]
    flat = shown.reshape(-1, 3)[:, :2] if len(shown) else np.zeros((1, 2))
    low, high = flat.min(0), flat.max(0)
    shrink = min(1.0, (1 - 2 * BORDER) / max(*(high - low), 1e-6))
    free = 1 - 2 * BORDER - shrink * (high - low)
    at = BORDER + free * rng.uniform(0.2, 0.8, 2) - shrink * low
    return replace(camera, scale=camera.scale * shrink, at=(float(at[0]), float(at[1])))


def film(motion: Motion, signer: Signer, rng: np.random.Generator, size: int = 256) -> list[Render]:
    """Render the motion's frames, size x size pixels, in one room, in changing light, by one camera.

    A frame that the hand has not reached yet is a picture of the room, with the landmarks outside.
    """
    camera = camera_for(motion, signer, rng)
    points = trace(motion, signer, camera)
    look = random_look(signer, rng, size)
    # Somebody passes the lamp, a cloud the sun, and the camera answers.
    light = look.light + 0.25 * wandering(motion.t_ms, FLICKER_MS, 3, rng)
    bright = np.exp(rng.choice([0.0, 0.04, 0.1]) * wandering(motion.t_ms, FLICKER_MS, 1, rng))[:, 0]
    # While the shutter is open the hand goes on: [S, 2] pixels.
    exposure = rng.uniform(0, EXPOSURE_MS)
    hands = trace(motion, replace(signer, handedness="Right"), camera)[..., :2].mean(1) * size
    ways = exposure * np.gradient(hands, motion.t_ms, axis=0) if len(motion) > 1 else np.zeros((1, 2))
    renders = []
    for s in range(len(motion)):
        pose = Pose(motion.fingers[s], motion.thumb[s], VIEW_NONE)
        x, y = motion.at[s] * camera.scale
        here = replace(
            camera,
            turn=motion.turn[s],
            scale=camera.scale * size,
            at=(camera.at[0] + x - 0.5 / size, camera.at[1] - y - 0.5 / size),
        )
        lit = replace(look, light=light[s])
        image = render(pose, signer.shape, here, lit, rng)[0]
        image = np.clip(_smeared(image, ways[s]) * bright[s], 0, 255).astype(np.uint8)
        if signer.handedness == "Left":
            image = np.ascontiguousarray(image[:, ::-1])
        renders.append(
            Render(image, points[s], signer.handedness, motion.labels[s], signer.tone, motion.turn[s])
        )
    return renders


def _smeared(picture: np.ndarray, way: np.ndarray) -> np.ndarray:
    """Blur a picture along a way of some pixels, as movement does."""
    x, y = way / 2
    reach = int(np.ceil(max(abs(x), abs(y))))
    if reach < 1:
        return picture
    kernel = np.zeros((2 * reach + 1, 2 * reach + 1), np.float32)
    ends = [(round(reach + k * x), round(reach + k * y)) for k in (-1, 1)]
    cv2.line(kernel, ends[0], ends[1], 1.0)
    return cv2.filter2D(picture, -1, kernel / kernel.sum())


def wandering(t_ms: np.ndarray, slow_ms: float, width: int, rng: np.random.Generator) -> np.ndarray:
    """Draw values [S, width] that wander about 0 with a standard deviation of 1 and forget within slow_ms."""
    fresh = rng.normal(size=(len(t_ms), width))
    for s in range(1, len(t_ms)):
        keep = np.exp(-(t_ms[s] - t_ms[s - 1]) / slow_ms)
        fresh[s] = keep * fresh[s - 1] + np.sqrt(1 - keep**2) * fresh[s]
    return fresh
