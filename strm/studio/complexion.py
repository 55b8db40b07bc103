"""What the drawn hand's skin looks like where: back and palm, nails, the palm's lines.

They are not for beauty. By nails and lines a viewer, and a detector, tells the palm of a right hand
from the back of a left one.
"""

from dataclasses import dataclass

import numpy as np

from strm.studio.skeleton import THUMB, HandShape, finger_frames, thumb_frames

# The Monk Skin Tone Scale, from light (1) to dark (10), RGB.
TONES = "f6ede4 f3e7db f7ead0 eadaba d7bd96 a07e56 825c43 604134 3a312a 292420"
MONK = np.array([list(bytes.fromhex(tone)) for tone in TONES.split()], float)
# The scale was made of faces. Hands are pinker, for the blood shows, and palms are nearer to each other.
FLESH, PINK_BACK, PINK_PALM = np.array([205.0, 130.0, 95.0]), 0.35, 0.55
NAIL = np.array([240.0, 205.0, 195.0])
CREASE, CREASE_WIDTH = 0.75, 0.12  # how much light a line gives back; centimetres
# The three great lines of a palm: in parts of the way across (from the little finger's side to the index
# finger's) and up (from the wrist to the knuckles).
LINES = (
    ((0.00, 0.70), (0.35, 0.72), (0.62, 0.82), (0.74, 0.96)),
    ((0.08, 0.48), (0.40, 0.60), (0.75, 0.72), (1.00, 0.78)),
    ((1.00, 0.78), (0.72, 0.66), (0.58, 0.42), (0.60, 0.10)),
)


def skin(tone: int) -> np.ndarray:
    """Return the colours of a hand of a Monk tone, 1 to 10: RGB [2, 3], the back's and the palm's."""
    pink = np.array([[PINK_BACK], [PINK_PALM]])
    return (1 - pink) * MONK[tone - 1] + pink * FLESH


@dataclass(frozen=True)
class Bones:
    """What lies under the skin, in the hand's frame: three bones a chain, then the palm's four."""

    start: np.ndarray  # [19, 3]
    length: np.ndarray  # [19]
    frame: np.ndarray  # [19, 3, 3] rows that point sidewards, along the bone, and to the palm's side
    radius: np.ndarray  # [19]


def bones(fingers: np.ndarray, thumb: np.ndarray, placed: np.ndarray, shape: HandShape) -> Bones:
    """Return the bones of one hand: angles [4, 4] and [5], joints [5, 4, 3] (`skeleton.joints`)."""
    frames = np.concatenate([finger_frames(fingers, shape), thumb_frames(thumb)[None]]).reshape(15, 3, 3)
    wrist = shape.knuckles * [0.45, 0.1, 0]
    start = np.concatenate([placed[:, :3].reshape(15, 3), wrist])
    end = np.concatenate([placed[:, 1:].reshape(15, 3), shape.knuckles])
    radii = np.vstack([shape.radii, shape.thumb_radii])[:, 1:].ravel()
    return Bones(
        start,
        np.linalg.norm(end - start, axis=1),
        np.concatenate([frames.transpose(0, 2, 1), np.tile(np.eye(3), (4, 1, 1))]),
        np.concatenate([radii, shape.radii[:, 0]]),
    )


def complexion(points: np.ndarray, normals: np.ndarray, body: Bones, colours: np.ndarray) -> np.ndarray:
    """Return the skin's own colour, RGB [N, 3], where the surface has these points and unit normals [N, 3].

    points: in the hand's frame, in centimetres. colours: [2, 3], the back's and the palm's.
    """
    points, normals = points.astype(np.float32), normals.astype(np.float32)
    bone, up = _nearest(points, body)
    inwards = (normals * body.frame[bone, 2]).sum(1)  # 1: faces where the palm does
    palm = np.clip(0.4 + 1.5 * inwards, 0, 1)[:, None]
    colour = (1 - palm) * colours[0] + palm * colours[1]

    part, finger = bone % 3, bone < 3 * (THUMB + 1)
    sidewards = np.abs(((points - body.start[bone]) * body.frame[bone, 0]).sum(1)) / body.radius[bone]
    nail = finger & (part == 2) & (inwards < -0.4) & (up > 0.45) & (up < 0.98) & (sidewards < 0.68)
    colour[nail] = 0.5 * colour[nail] + 0.5 * NAIL * (colours[1].max() / 255)
    colour[~finger & (inwards > 0.3) & _on_a_line(points, body)] *= CREASE
    return colour


def _nearest(points: np.ndarray, body: Bones) -> tuple[np.ndarray, np.ndarray]:
    """The bone [N] that each point belongs to, and how far up it lies, 0 to 1 between the bone's ends [N]."""
    start, along = body.start.astype(np.float32), body.frame[:, 1].astype(np.float32)
    length = body.length.astype(np.float32)
    up = points @ along.T - (start * along).sum(1)  # [N, 19] centimetres
    off_axis = (points**2).sum(1)[:, None] - 2 * points @ start.T + (start**2).sum(1) - up**2
    beyond = up - np.clip(up, 0, length)
    far = np.sqrt(np.maximum(off_axis + beyond**2, 0)) - body.radius
    bone = far.argmin(1)
    return bone, up[np.arange(len(points)), bone] / length[bone]


def _on_a_line(points: np.ndarray, body: Bones) -> np.ndarray:
    knuckles = body.start[-4:] + body.frame[-4:, 1] * body.length[-4:, None]
    right, left = knuckles[0, 0] + 0.8, knuckles[3, 0] - 0.8
    top = np.interp(points[:, 0], knuckles[::-1, 0], knuckles[::-1, 1])
    place = np.stack([(points[:, 0] - left) / (right - left), points[:, 1] / top], 1)
    near: np.ndarray = np.zeros(len(points), bool)
    for line in LINES:
        for a, b in zip(np.array(line[:-1]), np.array(line[1:]), strict=True):
            u = np.clip((place - a) @ (b - a) / ((b - a) @ (b - a)), 0, 1)[:, None]
            off = (place - a - u * (b - a)) * [right - left, knuckles[1, 1]]
            near |= (off**2).sum(1) < CREASE_WIDTH**2
    return near
