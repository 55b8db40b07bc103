"""The drawn hand's bones: their lengths, how joint angles place them, and the 21 landmarks.

Centimetres. The frame is that of a right hand at rest, palm to the viewer: x to the viewer's right
(the thumb's side), y up along the fingers, z towards the viewer, the wrist at the origin.
"""

from dataclasses import dataclass, replace

import numpy as np

FINGERS = ("index", "middle", "ring", "little")
THUMB = 4  # the thumb's place among the five chains, after the fingers


def rotation(axis: str, degrees: float) -> np.ndarray:
    """Return the [3, 3] matrix that turns by `degrees` about the axis 'x', 'y' or 'z'."""
    first, second = {"x": (1, 2), "y": (2, 0), "z": (0, 1)}[axis]
    matrix, angle = np.eye(3), np.radians(degrees)
    matrix[first, first] = matrix[second, second] = np.cos(angle)
    matrix[second, first] = np.sin(angle)
    matrix[first, second] = -matrix[second, first]
    return matrix


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
    """Place the joints: [5, 4, 3], index to little finger, then the thumb, each from its base to its tip.

    fingers: [4, 4] degrees: bend at the knuckle, lean to the thumb's side, bend at the two joints.
    thumb: [5] degrees: away from the hand, across the palm, twist, bend at the two joints.
    """
    placed = np.empty((5, 4, 3))
    for i, (bend, lean, middle, tip) in enumerate(fingers):
        # A finger that bends at the knuckle loses its natural lean.
        lean = shape.splay[i] * max(0.0, np.cos(np.radians(bend))) - lean
        frame = rotation("z", lean) @ rotation("x", bend)
        placed[i] = _chain(shape.knuckles[i], shape.bones[i], frame, middle, tip)
    away, across, twist, middle, tip = thumb
    frame = rotation("z", -away) @ rotation("x", across) @ rotation("y", twist)
    placed[THUMB] = _chain(shape.thumb_base, shape.thumb_bones, frame, middle, tip)
    return placed


def _chain(base: np.ndarray, bones: np.ndarray, frame: np.ndarray, middle: float, tip: float) -> np.ndarray:
    points = [base]
    for bone, bend in zip(bones, (0.0, middle, tip), strict=True):
        frame = frame @ rotation("x", bend)
        points.append(points[-1] + frame[:, 1] * bone)
    return np.array(points)


def landmarks(placed: np.ndarray) -> np.ndarray:
    """Return the 21 landmarks [21, 3] in MediaPipe's order: wrist, thumb, index to little finger."""
    return np.vstack([np.zeros((1, 3)), placed[THUMB], *placed[:THUMB]])
