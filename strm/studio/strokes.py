"""The letters that are movements: where the fingertip goes, and how arm, forearm and wrist take it there.

A stroke is a few straight legs, each with a gentle start and stop, that overlap in time: so people's
arms move, and so corners become round. Lengths are in hands (wrist to middle knuckle); in the picture,
as a camera sees a right hand, x points right and y down.
"""

from dataclasses import dataclass, replace

import numpy as np

from strm.studio.reach import swing
from strm.studio.skeleton import HandShape, finger_joints, rotation

DRAWS = {"hook": 3, "zigzag": 0}  # the finger that draws each path: the little and the index finger
FIST = np.array([76.0, 0.0, 100.0, 60.0])  # a finger that is out of the way, degrees
ACROSS = np.array([18.0, 34.0, -66.0, 45.0, 43.0])  # a thumb that lies over such fingers
LOWEST = 0.2  # hands below the wrist
STRAIGHT = 40.0  # a finger whose first bend is less points


@dataclass(frozen=True)
class Stroke:
    """One person's way to draw a path.

    corners: [K, 2] hands, from the first leg's end on. overlap: the part of a leg in which the next one
    has begun. seconds: how long it takes. carried: the part of the way that the arm carries the wrist
    along. wander: [2] hands that the wrist moves besides. twist: degrees that the forearm turns.
    bend: [3] degrees that the drawing finger is bent at its knuckle at the beginning, more on the way, and
    more at the end. view: [3] the hand's tilt, turn and roll before it begins, as a `Pose` has them.
    finger: which one draws, 0 (index) to 3.
    """

    corners: np.ndarray
    overlap: float
    seconds: float
    carried: float
    wander: np.ndarray
    twist: float
    bend: np.ndarray
    view: np.ndarray
    finger: int


def gently(u: np.ndarray) -> np.ndarray:
    """The way from 0 to 1 with the least jerk: how people move from rest to rest."""
    u = np.clip(u, 0, 1)
    return u**3 * (10 - 15 * u + 6 * u**2)


def way(corners: np.ndarray, overlap: float, u: np.ndarray) -> np.ndarray:
    """Return where a path is at u [S] of its time, 0 to 1: [S, 2], from the origin."""
    legs = np.diff(np.vstack([np.zeros(2), corners]), axis=0)
    # Of a leg's time, the next one lets so much pass. The last leg ends at 1.
    later = 1 - overlap
    begun = np.asarray(u)[:, None] * (1 + later * (len(legs) - 1)) - later * np.arange(len(legs))
    return gently(begun) @ legs


def pointing(fingers: np.ndarray, thumb: np.ndarray, share: float) -> tuple[np.ndarray, np.ndarray]:
    """Close the fingers that do not point, [4, 4] and the thumb [5], by a share of their way to a fist.

    A hand that draws is often closed more tightly than the one that holds the letter which it starts from.
    """
    away = (fingers[:, :1] > STRAIGHT) * share
    return fingers + away * (FIST - fingers), thumb + share * (ACROSS - thumb)


def random_stroke(path: str, rng: np.random.Generator, mirrored: bool = False) -> Stroke:
    """Draw a person's way to draw a path, 'hook' or 'zigzag'. Sizes, times and shares are as measured."""
    stroke = _hook(rng) if path == "hook" else _zigzag(rng)
    if not mirrored:
        return stroke
    flip = np.array([-1, 1])
    # A forearm turns no further outwards: who draws the mirror image of a hook, draws it with the arm.
    twist, carried = -0.2 * stroke.twist, max(stroke.carried, 0.6)
    return replace(
        stroke,
        corners=stroke.corners * flip,
        carried=carried,
        wander=stroke.wander * flip,
        twist=twist,
        view=stroke.view * [1, 1, -1],
    )


def again(stroke: Stroke, rng: np.random.Generator) -> Stroke:
    """Return the stroke as the same person draws it another time."""
    return replace(
        stroke,
        corners=stroke.corners * rng.normal(1, 0.08, stroke.corners.shape),
        seconds=stroke.seconds * np.exp(rng.normal(0, 0.15)),
        wander=stroke.wander + rng.normal(0, 0.12, 2),
        twist=stroke.twist + rng.normal(0, 8),
        view=stroke.view + rng.normal(0, 6, 3),
    )


def _hook(rng: np.random.Generator) -> Stroke:
    depth, bulge, bottom = 1.0, rng.uniform(0.0, 0.8), rng.uniform(0.0, 0.5)
    rise = rng.uniform(0.0, 1.1)
    right = bottom + rng.uniform(0.4, 0.9)
    shape = [[-bulge, 0.5], [bottom, depth], [right, depth - 0.3 * rise], [right, depth - rise]]
    overlap = rng.uniform(0.35, 0.6)
    by_arm = rng.random() < 0.15
    return Stroke(
        corners=_sized(shape, overlap, _about(rng, 1.5, 1.3), _about(rng, 1.45, 1.28)),
        overlap=overlap,
        seconds=_about(rng, 0.5, 1.35),
        carried=rng.uniform(0.8, 1.0) if by_arm else rng.uniform(0.0, 0.3),
        wander=rng.normal([-0.35, -0.1], 0.3),
        twist=rng.uniform(0, 25) if by_arm else float(np.clip(rng.normal(138, 30), 70, 175)),
        bend=rng.uniform(0, [0, 40, 10]),
        view=rng.normal([8, 10, -5], [8, 14, 18]),
        finger=DRAWS["hook"],
    )


def _zigzag(rng: np.random.Generator) -> Stroke:
    back, last = rng.uniform(-0.15, 0.15), rng.uniform(0.7, 1.1)
    slope, end = rng.normal(0.05, 0.1), rng.normal(0.0, 0.12)
    shape = [[-1.0, slope], [back, 1.0], [back - last, 1.0 + end]]
    overlap = rng.uniform(0.15, 0.4)
    carried = rng.uniform(0.25, 0.72)
    forward = rng.random() < 0.25  # some point at the viewer all the time
    tilt = rng.uniform(20, 75) if forward else rng.normal(10, 8)
    height = rng.uniform(0.5, 1.0) if rng.random() < 0.15 else _about(rng, 1.55, 1.3)  # some draw it flat
    return Stroke(
        corners=_sized(shape, overlap, _about(rng, 2.2, 1.27), height),
        overlap=overlap,
        seconds=_about(rng, 0.72, 1.3),
        carried=carried,
        wander=rng.normal([0.0, 0.0], 0.15),
        twist=0.0,
        bend=rng.uniform(0, [60 if forward else 10, 20, 25]),
        # What the wrist does not carry the hand has to sweep, from the one side to the other.
        view=np.array([tilt, rng.normal(18, 12), rng.normal(0, 8) - rng.uniform(0, 50) * (1 - carried)]),
        finger=DRAWS["zigzag"],
    )


def _about(rng: np.random.Generator, median: float, factor: float) -> float:
    """A size around a median; two in three are within the factor, up or down."""
    return float(median * factor ** np.clip(rng.normal(), -2.5, 2.5))


def _sized(corners: list[list[float]], overlap: float, width: float, height: float) -> np.ndarray:
    """Stretch a path to a width and a height, which its round corners would else fall short of."""
    span = np.ptp(way(np.array(corners), overlap, np.linspace(0, 1, 60)), axis=0)
    return np.array(corners) * np.array([width, height]) / span


def draw(
    stroke: Stroke, u: np.ndarray, fingers: np.ndarray, turn: np.ndarray, shape: HandShape
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Say how a right hand draws, at u [S] of a stroke's time, 0 to 1.

    fingers: [4, 4] degrees and turn: [3, 3], how the hand is held at the beginning. Returns the fingers
    [S, 4, 4], the hand's rotations [S, 3, 3] and the wrist's way [S, 2] in centimetres, y up.
    """
    hand = np.linalg.norm(shape.knuckles[1])
    up = np.array([hand, -hand])
    bent = np.repeat(fingers[None], len(u), 0)
    _, more, end = stroke.bend
    bent[:, stroke.finger, 0] += more * np.sin(np.pi * gently(u)) ** 2 + end * gently(u)
    tips = finger_joints(bent, shape)[:, stroke.finger, 3]
    # The forearm turns about itself while the hand comes down and hooks; this is chosen, the swing solved.
    twisted = turn @ rotation("y", stroke.twist * gently((u - 0.1) / 0.8))
    start = (turn @ finger_joints(fingers, shape)[stroke.finger, 3])[:2]
    path = way(stroke.corners, stroke.overlap, u) * up
    # Nobody points below their own wrist: for a path that goes so deep, the arm comes down.
    depth = hand * stroke.corners[:, 1].max()
    share = max(stroke.carried, 1 - (start[1] + LOWEST * hand) / depth)
    carried = share * path + gently(u)[:, None] * stroke.wander * up
    turned = swing((twisted @ tips[..., None])[..., 0], start + path - carried) @ twisted
    # Where the swing fell short, the arm helps: the fingertip is on its path.
    return bent, turned, start + path - (turned @ tips[..., None])[:, :2, 0]
