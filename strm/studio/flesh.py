"""The drawn hand's body: round cones along the bones, blended into one signed distance field.

The field says how far each cell of a grid is from the skin, negative inside. Everything is in
centimetres, in the camera's frame: x to the right, y up, z towards the viewer.
"""

from dataclasses import dataclass

import numpy as np

from strm.studio.skeleton import THUMB, HandShape

PALM, FOREARM = 5, 6  # the groups after the five chains
FAR = np.float32(1.2)  # the field's value where nothing is near; cells beyond it are not computed
CELL, DEPTH_CELL = 0.13, 0.20
REACH = 0.7 * float(FAR)
MARGIN = 0.6


@dataclass
class Cone:
    """A round cone from `start` to `end`, part of a finger, the thumb, the palm or the forearm."""

    start: np.ndarray  # [3]
    end: np.ndarray  # [3]
    start_radius: float
    end_radius: float
    group: int

    def box(self) -> tuple[np.ndarray, np.ndarray]:
        low = np.minimum(self.start - self.start_radius, self.end - self.end_radius)
        return low, np.maximum(self.start + self.start_radius, self.end + self.end_radius)


@dataclass(frozen=True)
class Field:
    """values: float32 [X, Y, Z] distance to the skin; axes: the cells' x, y and z."""

    values: np.ndarray
    axes: tuple[np.ndarray, np.ndarray, np.ndarray]


def cones(placed: np.ndarray, shape: HandShape) -> list[Cone]:
    """Clothe the joints [5, 4, 3] of `skeleton.joints` in flesh."""
    body = []
    for finger in range(4):
        points, radii = placed[finger], shape.radii[finger]
        # A landmark marks the tip of the finger, so that the last cone's round end stops a little before it.
        tip = points[3] - 0.3 * radii[3] * (points[3] - points[2]) / shape.bones[finger, 2]
        for k, end in enumerate((points[1], points[2], tip)):
            body.append(Cone(points[k], end, radii[k], radii[k + 1], finger))
    thumb, radii = placed[THUMB], shape.thumb_radii
    tip = thumb[3] - 0.3 * radii[3] * (thumb[3] - thumb[2]) / shape.thumb_bones[2]
    body.append(Cone(thumb[1], thumb[2], radii[1], radii[2], THUMB))
    body.append(Cone(thumb[2], tip, radii[2], radii[3], THUMB))
    return body + _palm(thumb, shape) + _forearm()


def _palm(thumb: np.ndarray, shape: HandShape) -> list[Cone]:
    wrist = ((1.6, 0.9, 0.0), (0.6, 0.8, 0.0), (-0.6, 0.7, 0.0), (-1.7, 1.0, 0.0))
    parts = [
        (np.array(wrist[k]), shape.knuckles[k] - [0, 0.25, 0.15], 1.25, 1.12 * shape.radii[k, 0])
        for k in range(4)
    ]
    ball = 0.35 * thumb[0] + 0.65 * thumb[1]
    heel = shape.knuckles[3] * [0.9, 0.75, 0] + [0, 0, 0.6]
    web = shape.knuckles[0] - [0.1, 1.6, -0.1]
    parts += [
        (thumb[0], thumb[1], 1.45, 1.05 * shape.thumb_radii[1]),  # the thumb's bone in the palm
        (np.array([1.3, 2.2, 0.9]), ball, 1.2, 1.15),  # the ball of the thumb
        (np.array([-1.9, 1.8, 0.7]), heel, 1.25, 0.95),  # the heel of the hand
        (web, 0.4 * thumb[0] + 0.6 * thumb[1], 0.8, 0.8),  # the web between thumb and index finger
    ]
    return [Cone(*part, PALM) for part in parts]


def _forearm() -> list[Cone]:
    return [
        Cone(np.array([0.45, 0.6, 0.0]), np.array([0.5, -9.0, -0.2]), 1.65, 2.3, FOREARM),
        Cone(np.array([-0.65, 0.6, 0.0]), np.array([-0.7, -9.0, -0.2]), 1.6, 2.2, FOREARM),
    ]


def field(body: list[Cone], roots: np.ndarray) -> Field:
    """Blend the cones into one surface. roots: [5, 3], where each finger and the thumb leave the palm."""
    boxes = np.array([cone.box() for cone in body])
    low, high = boxes[:, 0].min(0) - MARGIN, boxes[:, 1].max(0) + MARGIN
    x, y, z = (
        np.arange(low[i], high[i], cell, np.float32) for i, cell in enumerate((CELL, CELL, DEPTH_CELL))
    )
    axes = (x, y, z)
    values = np.full([len(axis) for axis in axes], FAR, np.float32)
    for group in (FOREARM, PALM, THUMB, 3, 2, 1, 0):
        members = [i for i, cone in enumerate(body) if cone.group == group]
        near = _cells(axes, boxes[members, 0].min(0), boxes[members, 1].max(0))
        part = np.full(values[near].shape, FAR, np.float32)
        softness = {PALM: 1.3, FOREARM: 1.5}.get(group, 0.35)
        for i in members:
            here = _cells(axes, *boxes[i])
            inner = tuple(slice(a.start - b.start, a.stop - b.start) for a, b in zip(here, near, strict=True))
            part[inner] = _blend(part[inner], _distance(body[i], axes, here), np.float32(softness))
        if group == FOREARM:
            values[near] = np.minimum(values[near], part)
        elif group == PALM:
            values[near] = _blend(values[near], part, np.float32(1.2))
        else:
            # A finger grows out of the palm at its root; elsewhere it only touches the others.
            squared = sum(d * d for d in _offsets(axes, near, roots[group]))
            spread = np.float32(3.0 if group == THUMB else 2.2)
            values[near] = _blend(values[near], part, np.float32(0.9) * np.exp(-squared / spread) + 0.06)
    return Field(values, axes)


def _cells(axes, low: np.ndarray, high: np.ndarray) -> tuple[slice, ...]:
    """The part of the grid within reach of a box."""
    starts = [int(np.searchsorted(axis, low[i] - REACH)) for i, axis in enumerate(axes)]
    stops = [int(np.searchsorted(axis, high[i] + REACH)) for i, axis in enumerate(axes)]
    return tuple(slice(start, stop) for start, stop in zip(starts, stops, strict=True))


def _offsets(axes, cells: tuple[slice, ...], point: np.ndarray) -> list[np.ndarray]:
    point = point.astype(np.float32)
    x, y, z = (axis[part] - point[i] for i, (axis, part) in enumerate(zip(axes, cells, strict=True)))
    return [x[:, None, None], y[None, :, None], z[None, None, :]]


def _distance(cone: Cone, axes, cells: tuple[slice, ...]) -> np.ndarray:
    x, y, z = _offsets(axes, cells, cone.start)
    bone = (cone.end - cone.start).astype(np.float32)
    ex, ey, ez = bone / (bone @ bone)
    along = np.clip(x * ex + y * ey + z * ez, 0, 1)  # where on the bone the nearest point lies, 0 to 1
    squared = (x - along * bone[0]) ** 2 + (y - along * bone[1]) ** 2 + (z - along * bone[2]) ** 2
    thickness = np.float32(cone.start_radius) + np.float32(cone.end_radius - cone.start_radius) * along
    return np.sqrt(squared) - thickness


def _blend(a: np.ndarray, b: np.ndarray, softness) -> np.ndarray:
    """The smaller of two distances, rounded off where they are about equal."""
    gap = np.maximum(softness - np.abs(a - b), 0)
    return np.minimum(a, b) - gap * gap / (4 * softness)
