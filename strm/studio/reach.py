"""Angles from places: a thumb that keeps its contact, and a hand whose fingertip is where a path wants it."""

import numpy as np
from scipy.optimize import least_squares

from strm.studio.poses import Pose
from strm.studio.skeleton import AVERAGE, THUMB_LIMITS, HandShape, finger_frames, joints, thumb_joints

STIFFNESS = 0.02  # centimetres a degree: how little the thumb's own angles weigh against its contact
RIM = 0.98  # of its length, a hand spans at most so much in the picture when it swings
NEAR = 1.8  # the thumb goes with what is nearer than the two thicknesses, times this


def touch(pose: Pose, strayed: Pose, shape: HandShape) -> np.ndarray:
    """Return the strayed hand's thumb [5], degrees, so that its tip meets what the pose's thumb meets.

    pose is a letter's form on the average hand. Where its thumb's tip touches a finger's bone, the strayed
    thumb's tip comes to the same place of the same bone on this shape's hand; a free thumb stays as it is.
    """
    placed = joints(pose.fingers, pose.thumb, AVERAGE)
    tip, starts, bones = placed[4, 3], placed[:4, :3], np.diff(placed[:4], axis=1)
    along = np.clip(((tip - starts) * bones).sum(-1) / (bones**2).sum(-1), 0, 1)  # [4, 3] of each bone
    distance = np.linalg.norm(starts + along[..., None] * bones - tip, axis=-1)
    thick = _thickness(AVERAGE, along)
    # The bone that is met is the one whose skin is nearest.
    finger, bone = np.unravel_index(np.argmin(distance - thick), distance.shape)
    here = finger, bone
    if distance[here] > NEAR * thick[here]:
        return strayed.thumb
    frames = finger_frames(pose.fingers, AVERAGE)
    off = frames[here].T @ (tip - starts[here] - along[here] * bones[here])
    off *= _thickness(shape, along)[here] / thick[here]
    placed = joints(strayed.fingers, strayed.thumb, shape)
    start, end = placed[finger, bone], placed[finger, bone + 1]
    target = start + along[here] * (end - start) + finger_frames(strayed.fingers, shape)[here] @ off

    def miss(thumb: np.ndarray) -> np.ndarray:
        return np.append(thumb_joints(thumb, shape)[3] - target, STIFFNESS * (thumb - strayed.thumb))

    def slope(thumb: np.ndarray) -> np.ndarray:
        nudged = thumb_joints(thumb + np.vstack([np.zeros(5), 0.01 * np.eye(5)]), shape)[:, 3]
        return np.vstack([(nudged[1:] - nudged[0]).T / 0.01, STIFFNESS * np.eye(5)])

    low, high = THUMB_LIMITS.T
    begin = np.clip(strayed.thumb, low + 0.1, high - 0.1)
    return least_squares(miss, begin, slope, bounds=(low, high), ftol=1e-3, xtol=1e-3).x


def _thickness(shape: HandShape, along: np.ndarray) -> np.ndarray:
    """How far the thumb's tip is from each bone [4, 3] when their skins touch at `along` [4, 3]."""
    return shape.radii[:, :-1] * (1 - along) + shape.radii[:, 1:] * along + shape.thumb_radii[3]


def swing(tip: np.ndarray, target: np.ndarray, limit: float = 100.0) -> np.ndarray:
    """Return the rotations [S, 3, 3] about the wrist that bring a fingertip before a target in the picture.

    tip: [S, 3] from the wrist to the fingertip, in the camera's frame. target: [S, 2] from the wrist to where
    the picture should show the tip. Of all rotations it is the shortest, and by no more than `limit` degrees.
    A target that is out of reach is approached: what is left to go, the wrist must carry.
    """
    length = np.linalg.norm(tip, axis=-1, keepdims=True)
    flat = target / length
    far = np.linalg.norm(flat, axis=-1, keepdims=True)
    # The tip stays on its sphere about the wrist, on the half that faces the viewer, and not at its very rim,
    # where a small step in the picture is a large one in depth.
    flat = flat * (RIM / np.maximum(far, RIM))
    wanted = np.concatenate([flat, np.sqrt(np.maximum(0.0, 1 - (flat**2).sum(-1, keepdims=True)))], -1)
    return between(tip / length, wanted, limit)


def between(start: np.ndarray, end: np.ndarray, limit: float = 180.0) -> np.ndarray:
    """Return the shortest rotations [..., 3, 3] of directions [..., 3] to others, `limit` degrees at most."""
    axis = np.cross(start, end)
    sine = np.linalg.norm(axis, axis=-1, keepdims=True)
    angle = np.minimum(np.arctan2(sine[..., 0], (start * end).sum(-1)), np.radians(limit))
    x, y, z = np.moveaxis(axis / np.maximum(sine, 1e-12), -1, 0)
    o = np.zeros_like(x)
    cross = np.stack([o, -z, y, z, o, -x, -y, x, o], -1).reshape(*x.shape, 3, 3)
    sine, rest = np.sin(angle)[..., None, None], 1 - np.cos(angle)[..., None, None]
    return np.eye(3) + sine * cross + rest * cross @ cross  # Rodrigues' formula
