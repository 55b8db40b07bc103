"""The studio: the hand that the book renders for itself, so that nobody's photo has to be shipped.

`sample` draws a letter as a random person would show it to a random camera. Its pictures are made
for the real detector, and the truth about them (side, landmarks, letter) is known.
"""

from dataclasses import dataclass, replace

import numpy as np

from strm.studio.poses import POSES, VIEW_JITTER, forms, stray
from strm.studio.render import Camera, Look, random_background, random_skin, render
from strm.studio.skeleton import AVERAGE, HandShape, random_shape, rotation

__all__ = ["AVERAGE", "LETTERS", "HandShape", "Render", "Signer", "burst", "random_signer", "sample"]

LETTERS = tuple(POSES)
SIDES = ("Right", "Left")
TREMBLE = 0.1  # of what separates two pictures taken on different days


@dataclass(frozen=True)
class Render:
    """A rendered photo and the truth about it.

    image: uint8 RGB [size, size, 3]. points: float32 [21, 3] as a `Hand` has them: x over width,
    y over height, z on x's scale, relative to the wrist, away from the camera. handedness: the
    drawn signer's true hand, 'Left' or 'Right'. letter: what it shows.
    """

    image: np.ndarray
    points: np.ndarray
    handedness: str
    letter: str


@dataclass(frozen=True)
class Signer:
    """A drawn person: what stays the same from one picture to the next."""

    shape: HandShape
    skin: np.ndarray  # [3] RGB
    handedness: str


def random_signer(rng: np.random.Generator) -> Signer:
    """Draw a person: the shape of a hand, a skin tone, and the hand that signs."""
    return Signer(random_shape(rng), random_skin(rng), SIDES[rng.integers(2)])


def sample(letter: str, rng: np.random.Generator, size: int = 256, signer: Signer | None = None) -> Render:
    """Render a still letter in a picture of size x size pixels: pose, view, light and room at random.

    signer: who shows it; a new person each time without one. The same rng state gives the same
    picture. Raises UserError for a letter that the studio has no pose for, or that is a movement.
    """
    return burst(letter, rng, 1, size, signer)[0]


def burst(
    letter: str, rng: np.random.Generator, frames: int, size: int = 256, signer: Signer | None = None
) -> list[Render]:
    """Render some frames of one moment, such as a camera takes in a second: a still hand, trembling a little."""
    choices = forms(letter)
    signer = signer or random_signer(rng)
    held = stray(choices[rng.integers(len(choices))], rng)
    view = held.views[rng.integers(len(held.views))] + rng.normal(0, VIEW_JITTER)
    camera = Camera(
        turn=np.eye(3),
        distance=rng.uniform(32, 80),
        scale=rng.uniform(7, 14) * size / 320,
        at=(rng.uniform(0.42, 0.58), rng.uniform(0.42, 0.58)),
    )
    look = Look(
        background=random_background(rng, size),
        skin=signer.skin,
        light=rng.normal([-0.2, 0.5, 0.9], [0.6, 0.4, 0.2]),
        ambient=rng.uniform(0.3, 0.65),
        shadow=rng.uniform(0.2, 0.8),
        noise=rng.uniform(0, 6),
        blur=rng.uniform(0, 0.8),
    )
    renders = []
    for frame in range(frames):
        tremble = TREMBLE if frame else 0.0
        pose = stray(held, rng, tremble)
        tilt, turn, roll = view + rng.normal(0, VIEW_JITTER * tremble)
        turned = rotation("z", roll) @ rotation("x", tilt) @ rotation("y", turn)
        image, points = render(pose, signer.shape, replace(camera, turn=turned), look, rng)
        renders.append(_as_seen(letter, signer, image, points / size))
    return renders


def _as_seen(letter: str, signer: Signer, image: np.ndarray, points: np.ndarray) -> Render:
    points[:, 2] -= points[0, 2]
    if signer.handedness == "Left":
        image, points = np.ascontiguousarray(image[:, ::-1]), points * [-1, 1, 1] + [1, 0, 0]
    return Render(image, points.astype(np.float32), signer.handedness, letter)
