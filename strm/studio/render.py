"""The drawn hand's picture: light and shadow on the field, put before a background by a camera."""

from dataclasses import dataclass

import cv2
import numpy as np

from strm.studio.complexion import Bones, bones, complexion
from strm.studio.flesh import CELL, DEPTH_CELL, FAR, Cone, Field, cones, field
from strm.studio.poses import Pose
from strm.studio.skeleton import THUMB, HandShape, joints, landmarks

CENTRE = np.array([0.0, 6.0, 0.0])  # the middle of the hand, which the camera looks at


@dataclass(frozen=True)
class Camera:
    """Where the hand is seen from."""

    turn: np.ndarray  # [3, 3] rotation of the hand
    distance: float = 45.0  # cm; nearer means a stronger perspective
    scale: float = 11.0  # pixels a centimetre
    at: tuple[float, float] = (0.5, 0.5)  # where the hand's middle is in the picture, 0 to 1


@dataclass(frozen=True)
class Look:
    """What the hand looks like: skin and light, and the picture around it."""

    background: np.ndarray  # [size, size, 3] float, RGB 0 to 255
    skin: np.ndarray  # [2, 3] RGB, the back's and the palm's (`complexion.skin`)
    light: np.ndarray  # [3] direction to the light
    ambient: float = 0.45  # the share of light that comes from everywhere
    shadow: float = 0.6  # how dark shadows are, 0 to 1
    noise: float = 0.0  # standard deviation, 0 to 255
    blur: float = 0.0  # pixels


def random_background(rng: np.random.Generator, size: int) -> np.ndarray:
    """Draw a wall, a blurred room or some furniture: float32 [size, size, 3]."""
    kind = rng.integers(3)
    # Rooms are mostly grey: a shade that all channels share, and a little colour.
    wall = rng.uniform(30, 225) + rng.normal(0, 22, 3)
    picture: np.ndarray = np.broadcast_to(wall, (size, size, 3)).astype(np.float32)
    if kind:
        cells = int(rng.integers(2, 9))
        patches = rng.normal(0, 22 * kind, (cells, cells, 1)) + rng.normal(0, 9 * kind, (cells, cells, 3))
        picture = picture + cv2.resize(patches, (size, size), interpolation=cv2.INTER_CUBIC)
    if kind == 2:
        for _ in range(rng.integers(1, 6)):
            left, top, right, bottom = (int(v) for v in rng.integers(0, size, 4))
            colour = tuple(float(v) for v in rng.uniform(20, 230) + rng.normal(0, 25, 3))
            cv2.rectangle(picture, (left, top), (right, bottom), colour, -1)
    return cv2.GaussianBlur(np.clip(picture, 0, 255), (0, 0), rng.uniform(0.5, 3))


def render(
    pose: Pose, shape: HandShape, camera: Camera, look: Look, rng: np.random.Generator
) -> tuple[np.ndarray, np.ndarray]:
    """Picture a right hand: uint8 RGB [size, size, 3], and its true landmarks [21, 3] in pixels.

    The landmarks' y points down and their z away from the camera, on the scale of x.
    """
    size = len(look.background)
    placed = joints(pose.fingers, pose.thumb, shape)
    body = [_seen(cone, camera) for cone in cones(placed, shape)]
    roots = np.vstack([shape.knuckles, placed[THUMB, 1]])
    volume = field(body, _project(roots, camera)[0])
    colour, cover = shade(volume, bones(pose.fingers, pose.thumb, placed, shape), camera, look)
    left, top = volume.axes[0][0], volume.axes[1][-1]
    place = np.array(
        [
            [CELL * camera.scale, 0, size * camera.at[0] + left * camera.scale],
            [0, CELL * camera.scale, size * camera.at[1] - top * camera.scale],
        ]
    )
    layers = cv2.warpAffine(
        np.dstack([colour, cover, cover > 0]).astype(np.float32), place, (size, size), flags=cv2.INTER_LINEAR
    )
    hand, mask, drawn = layers[..., :3], layers[..., 3:4], layers[..., 4:]
    picture = hand / np.maximum(drawn, 1e-3) * mask + look.background * (1 - mask)
    if look.blur:
        picture = cv2.GaussianBlur(picture, (0, 0), look.blur)
    if look.noise:
        picture = picture + rng.normal(0, look.noise, picture.shape).astype(np.float32)
    points = _project(landmarks(placed), camera)[0] * [1, -1, -1] * camera.scale
    points[:, :2] += size * np.array(camera.at) + 0.5  # from a pixel's number to its middle
    return np.clip(picture, 0, 255).astype(np.uint8), points


def _project(points: np.ndarray, camera: Camera) -> tuple[np.ndarray, np.ndarray]:
    """Turn points [..., 3] into the camera's frame; also how much larger they look by being near."""
    turned = (points - CENTRE) @ camera.turn.T
    nearer = camera.distance / (camera.distance - turned[..., 2:])
    return np.concatenate([turned[..., :2] * nearer, turned[..., 2:]], -1), nearer[..., 0]


def _unproject(points: np.ndarray, camera: Camera) -> np.ndarray:
    """The way back from `_project`: points [N, 3] in the hand's frame."""
    further = (camera.distance - points[:, 2:]) / camera.distance
    return np.concatenate([points[:, :2] * further, points[:, 2:]], 1) @ camera.turn + CENTRE


def _seen(cone: Cone, camera: Camera) -> Cone:
    ends, nearer = _project(np.stack([cone.start, cone.end]), camera)
    return Cone(ends[0], ends[1], cone.start_radius * nearer[0], cone.end_radius * nearer[1], cone.group)


def shade(volume: Field, body: Bones, camera: Camera, look: Look) -> tuple[np.ndarray, np.ndarray]:
    """Light the skin: RGB float32 [Y, X, 3] and how much each pixel is covered [Y, X]; row 0 is the top."""
    values, (x, y, z) = volume.values, volume.axes
    width, height, depth = values.shape
    inside = np.less(values, 0)
    hit = inside.any(2)
    cover = np.clip(0.5 - values.min(2) / (1.2 * CELL), 0, 1)
    # Each covered pixel looks at the first cell within the hand, or at the one that comes nearest.
    front = np.where(hit, depth - 1 - inside[:, :, ::-1].argmax(2), values.argmin(2))
    i, j = np.nonzero(cover > 0)
    k = np.clip(front[i, j], 1, depth - 2)
    within, before = values[i, j, k], values[i, j, k + 1]
    step = np.where(hit[i, j], np.clip(within / (within - before + 1e-9), 0, 1), 0).astype(np.float32)[
        :, None
    ]
    i1, j1 = np.clip(i, 1, width - 2), np.clip(j, 1, height - 2)

    def slope(k: np.ndarray) -> np.ndarray:
        k = np.clip(k, 1, depth - 2)
        across = (values[i1 + 1, j1, k] - values[i1 - 1, j1, k]) / (2 * CELL)
        up = (values[i1, j1 + 1, k] - values[i1, j1 - 1, k]) / (2 * CELL)
        near = (values[i1, j1, k + 1] - values[i1, j1, k - 1]) / (2 * DEPTH_CELL)
        return np.stack([across, up, near], 1)

    normal = slope(k) * (1 - step) + slope(k + 1) * step
    normal /= np.linalg.norm(normal, axis=1, keepdims=True) + 1e-6
    skin_at = np.stack([x[i], y[j], z[k] + step[:, 0] * DEPTH_CELL], 1)
    colour = np.zeros((width, height, 3), np.float32)
    own = complexion(_unproject(skin_at, camera), normal @ camera.turn, body, look.skin)
    colour[i, j] = _lit(volume, skin_at, normal, own, look)
    return colour.transpose(1, 0, 2)[::-1], cover.T[::-1]


def _lit(volume: Field, skin_at: np.ndarray, normal: np.ndarray, own: np.ndarray, look: Look) -> np.ndarray:
    """The colour [N, 3] of points of the skin, whose normals and own colours are known."""
    light = (look.light / np.linalg.norm(look.light)).astype(np.float32)
    origin = np.array([axis[0] for axis in volume.axes], np.float32)
    cell = np.array([CELL, CELL, DEPTH_CELL], np.float32)
    last = np.array(volume.values.shape) - 1

    def distance(points: np.ndarray) -> np.ndarray:
        index = np.rint((points - origin) / cell).astype(np.intp)
        known = ((index >= 0) & (index <= last)).all(1)
        index = np.clip(index, 0, last)
        return np.where(known, volume.values[index[:, 0], index[:, 1], index[:, 2]], FAR)

    # In a fold, the field grows more slowly than the way out of the skin: less light arrives there.
    open_sky = 0.5 * np.clip(distance(skin_at + 0.5 * normal) / 0.5, 0, 1)
    open_sky += 0.5 * np.clip(distance(skin_at + normal), 0, 1)
    lit: np.ndarray = np.ones(len(skin_at), np.float32)
    if look.shadow:
        for way in (0.5, 0.9, 1.4, 2.0, 2.8, 3.8):
            near = distance(skin_at + 0.25 * normal + way * light)
            lit = np.minimum(lit, np.clip(near / (0.22 * way) + 0.3, 0, 1))
    facing = np.clip((normal @ light + 0.15) / 1.15, 0, 1) * (1 - look.shadow * (1 - lit))
    bright = look.ambient * (0.35 + 0.65 * open_sky) + (1 - look.ambient) * facing
    # A camera answers to the power of 1/2.2; skin tones are what it shows of skin in full light.
    bright = np.clip(bright, 0, 1) ** np.float32(0.6)
    # Skin in shade is redder; skin that faces both light and camera shines; its rim is darker.
    redder = 1 + (1 - bright)[:, None] * np.array([0.05, -0.18, -0.30])
    colour = own * bright[:, None] * redder
    halfway = light + np.array([0, 0, 1], np.float32)
    halfway = halfway / np.linalg.norm(halfway)
    colour += (45 * np.clip(normal @ halfway, 0, 1) ** 18 * lit)[:, None]
    rim = (1 - np.clip(normal[:, 2], 0, 1)) ** 3
    return (colour * (1 - 0.25 * rim)[:, None]).astype(np.float32)
