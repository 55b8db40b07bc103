"""The drawn hand's bones: their lengths, how joint angles place them, and the 21 landmarks.

Centimetres. The frame is that of a right hand at rest, palm to the viewer: x to the viewer's right
(the thumb's side), y up along the fingers, z towards the viewer, the wrist at the origin.
"""

from dataclasses import dataclass, replace

import numpy as np

FINGERS = ("index", "middle", "ring", "little")
THUMB = 4  # the thumb's place among the five chains, after the fingers


# The least and the most that joints bend, degrees; people's, with a little to spare.
FINGER_LIMITS = np.array([[-15.0, 100.0], [-25.0, 25.0], [-10.0, 120.0], [-20.0, 90.0]])
THUMB_LIMITS = np.array([[-25.0, 80.0], [-5.0, 85.0], [-110.0, 5.0], [-20.0, 75.0], [-20.0, 90.0]])


def rotation(axis: str, degrees) -> np.ndarray:
    """Return the matrices [..., 3, 3] that turn by `degrees` [...] about the axis 'x', 'y' or 'z'."""
    first, second = {"x": (1, 2), "y": (2, 0), "z": (0, 1)}[axis]
    angle = np.radians(degrees)
    matrix = np.zeros((*np.shape(angle), 3, 3))
    matrix[..., 3 - first - second, 3 - first - second] = 1.0
    matrix[..., first, first] = matrix[..., second, second] = np.cos(angle)
    matrix[..., second, first] = np.sin(angle)
    matrix[..., first, second] = -matrix[..., second, first]
    return matrix


def limited(fingers: np.ndarray, thumb: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Return the angles, [..., 4, 4] and [..., 5] degrees, held back to what joints can do."""
    return np.clip(fingers, *FINGER_LIMITS.T), np.clip(thumb, *THUMB_LIMITS.T)


@dataclass(frozen=True)
class HandShape:
    """One person's hand: where the fingers start, how long their bones are, how thick they are."""

    knuckles: np.ndarray  # [4, 3] index to little finger
    bones: np.ndarray  # [4, 3] lengths from the knuckle outwards
    radii: np.ndarray  # [4, 4] thickness at the knuckle, both joints and the tip
    splay: np.ndarray  # [4] how far each straight finger leans to the little finger's side, degrees
    thumb_base: np.ndarray  # [3]
    thumb_bones: np.ndarray  # [3]
    thumb_radii: np.ndarray  # [4]


AVERAGE = HandShape(
    knuckles=np.array([[2.35, 8.9, 0.0], [0.35, 9.1, 0.15], [-1.55, 8.5, 0.05], [-3.2, 7.5, -0.15]]),
    bones=np.array([[4.5, 2.6, 2.3], [4.9, 3.1, 2.4], [4.5, 2.9, 2.4], [3.5, 2.1, 2.1]]),
    radii=np.array(
        [
            [1.00, 0.88, 0.78, 0.62],
            [1.00, 0.90, 0.80, 0.64],
            [0.95, 0.85, 0.75, 0.60],
            [0.85, 0.73, 0.65, 0.53],
        ]
    ),
    splay=np.array([-6.0, 0.0, 5.0, 11.0]),
    thumb_base=np.array([2.0, 1.9, 0.5]),
    thumb_bones=np.array([4.3, 3.4, 2.7]),
    thumb_radii=np.array([1.35, 1.15, 1.00, 0.72]),
)


def random_shape(rng: np.random.Generator) -> HandShape:
    """Draw another person's hand: broader or narrower, longer or shorter, thicker or thinner."""
    length, thickness = rng.normal(1, 0.06), rng.normal(1, 0.10)
    return replace(
        AVERAGE,
        knuckles=AVERAGE.knuckles * rng.normal(1, [0.07, 0.05, 0.30]),
        bones=AVERAGE.bones * length * rng.normal(1, 0.04, (4, 1)) * rng.normal(1, 0.03, (4, 3)),
        radii=AVERAGE.radii * thickness * rng.normal(1, 0.03, (4, 1)),
        thumb_base=AVERAGE.thumb_base * rng.normal(1, 0.05),
        thumb_bones=AVERAGE.thumb_bones * (length + 1) / 2 * rng.normal(1, 0.04, 3),
        thumb_radii=AVERAGE.thumb_radii * thickness * rng.normal(1, 0.04),
    )


def joints(fingers: np.ndarray, thumb: np.ndarray, shape: HandShape) -> np.ndarray:
    """Place the joints: [..., 5, 4, 3], index to little finger, then the thumb, each from base to tip.

    fingers: [..., 4, 4] degrees: bend at the knuckle, lean to the thumb's side, bend at the two joints.
    thumb: [..., 5] degrees: away from the hand, across the palm, twist, bend at the two joints.
    """
    placed = finger_joints(fingers, shape)
    return np.concatenate([placed, thumb_joints(thumb, shape)[..., None, :, :]], -3)


def finger_joints(fingers: np.ndarray, shape: HandShape) -> np.ndarray:
    """Place the fingers' joints alone: angles [..., 4, 4] -> [..., 4, 4, 3]."""
    return _chain(shape.knuckles, shape.bones, finger_frames(fingers, shape))


def finger_frames(fingers: np.ndarray, shape: HandShape) -> np.ndarray:
    """Return each finger bone's frame [..., 4, 3, 3, 3]: its columns point sidewards, along it, and out."""
    bend, lean, middle, tip = np.moveaxis(np.asarray(fingers, float), -1, 0)
    # A finger that bends at the knuckle loses its natural lean.
    lean = shape.splay * np.maximum(0.0, np.cos(np.radians(bend))) - lean
    return _bent(rotation("z", lean) @ rotation("x", bend), middle, tip)


def thumb_joints(thumb: np.ndarray, shape: HandShape) -> np.ndarray:
    """Place the thumb's joints alone: angles [..., 5] -> [..., 4, 3]."""
    return _chain(shape.thumb_base, shape.thumb_bones, thumb_frames(thumb))


def thumb_frames(thumb: np.ndarray) -> np.ndarray:
    """Return the frames of the thumb's bones [..., 3, 3, 3], as `finger_frames` does."""
    away, across, twist, middle, tip = np.moveaxis(np.asarray(thumb, float), -1, 0)
    frame = rotation("z", -away) @ rotation("x", across) @ rotation("y", twist)
    return _bent(frame, middle, tip)


def _bent(frame: np.ndarray, middle: np.ndarray, tip: np.ndarray) -> np.ndarray:
    """A chain's frames [..., 3, 3, 3] from that of its first bone and the bends at the two joints."""
    second = frame @ rotation("x", middle)
    return np.stack([frame, second, second @ rotation("x", tip)], -3)


def _chain(base: np.ndarray, bones: np.ndarray, frames: np.ndarray) -> np.ndarray:
    steps = frames[..., :, 1] * bones[..., None]  # the second column is the bone's direction
    start = np.broadcast_to(base, steps[..., 0, :].shape)[..., None, :]
    return np.cumsum(np.concatenate([start, steps], -2), -2)


def landmarks(placed: np.ndarray) -> np.ndarray:
    """Return the landmarks [..., 21, 3] of joints [..., 5, 4, 3] in MediaPipe's order, the wrist first."""
    thumb_first = np.concatenate([placed[..., THUMB:, :, :], placed[..., :THUMB, :, :]], -3)
    flat = thumb_first.reshape(*placed.shape[:-3], 20, 3)
    return np.concatenate([np.zeros_like(flat[..., :1, :]), flat], -2)
