"""The studio: the hand that the book renders for itself, so that nobody's photo has to be shipped.

`sample` draws a letter as a person would show it to some camera. Its pictures are made for the
real detector, and the truth about them (side, landmarks, letter, skin tone) is known.
"""

from dataclasses import dataclass, replace

import numpy as np

from strm.studio.complexion import MONK, skin
from strm.studio.poses import POSES, Pose, forms, stray
from strm.studio.render import Camera, Look, random_background, render
from strm.studio.skeleton import AVERAGE, HandShape, random_shape, rotation

__all__ = ["AVERAGE", "LETTERS", "MONK", "HandShape", "Render", "Signer", "burst", "random_signer", "sample"]

LETTERS = tuple(POSES)  # the moving ones come last
SIDES = ("Right", "Left")
# How far a pose strays from the table, in parts of what people stray altogether: squared, they make 1.
HABIT, DAY = 0.8, 0.6
TREMBLE = 0.1  # within one moment


@dataclass(frozen=True)
class Signer:
    """A drawn person: what stays the same from one picture to the next."""

    shape: HandShape
    tone: int  # of the skin, 1 (light) to 10 (dark) on the Monk scale
    handedness: str  # the hand that signs, 'Left' or 'Right'
    manner: int = 0  # the seed of this person's way to form each letter and to hold it before a camera

    def habit(self, letter: str) -> Pose:
        """Return the form of a letter that this person uses, as they hold it, and their only view of it.

        Of a moving letter it is a moment. Raises UserError for a letter that the studio has no pose for.
        """
        choices = forms(letter)
        rng = np.random.default_rng([self.manner, LETTERS.index(letter)])
        pose = stray(choices[rng.integers(len(choices))], rng, HABIT)
        return replace(pose, views=pose.views[rng.integers(len(pose.views))][None])


@dataclass(frozen=True)
class Render:
    """A rendered photo and the truth about it.

    image: uint8 RGB [size, size, 3]. points: float32 [21, 3] as a `Hand` has them: x over width,
    y over height, z on x's scale, relative to the wrist, away from the camera. handedness: the
    signer's true hand, 'Left' or 'Right'. letter: what it shows. tone: the skin's, 1 to 10 (Monk).
    turn: [3, 3] how a right hand was turned to the camera (a left hand is its mirror image), where known.
    """

    image: np.ndarray
    points: np.ndarray
    handedness: str
    letter: str
    tone: int
    turn: np.ndarray | None = None


def random_signer(rng: np.random.Generator) -> Signer:
    """Draw a person: a hand's shape, a skin tone (each as likely), the hand that signs, and a manner."""
    side = SIDES[rng.integers(2)]
    return Signer(random_shape(rng), int(rng.integers(1, len(MONK) + 1)), side, int(rng.integers(2**31)))


def sample(letter: str, rng: np.random.Generator, size: int = 256, signer: Signer | None = None) -> Render:
    """Render a letter in a picture of size x size pixels; pose, view, light and room vary at random.

    One picture cannot show a moving letter: what it shows is a moment of the movement.
    signer: who shows it; a new person each time without one. The same rng state gives the same
    picture. Raises UserError for a letter that the studio has no pose for.
    """
    return burst(letter, rng, 1, size, signer)[0]


def burst(
    letter: str, rng: np.random.Generator, frames: int, size: int = 256, signer: Signer | None = None
) -> list[Render]:
    """Render some frames of one moment, such as a camera takes in a second: a still, trembling hand."""
    signer = signer or random_signer(rng)
    held = stray(signer.habit(letter), rng, DAY)
    camera = Camera(
        turn=np.eye(3),
        distance=rng.uniform(32, 80),
        scale=rng.uniform(7, 14) * size / 320,
        at=(rng.uniform(0.42, 0.58), rng.uniform(0.42, 0.58)),
    )
    look = random_look(signer, rng, size)
    renders = []
    for frame in range(frames):
        pose = stray(held, rng, TREMBLE if frame else 0.0)
        tilt, turn, roll = pose.views[0]
        turned = rotation("z", roll) @ rotation("x", tilt) @ rotation("y", turn)
        image, points = render(pose, signer.shape, replace(camera, turn=turned), look, rng)
        renders.append(replace(_as_seen(letter, signer, image, points / size), turn=turned))
    return renders


def random_look(signer: Signer, rng: np.random.Generator, size: int) -> Look:
    """Draw a room of size x size pixels, its light, and the camera's exposure and grain."""
    return Look(
        background=random_background(rng, size),
        skin=skin(signer.tone) * rng.uniform(0.9, 1.1),  # exposure differs, too
        light=rng.normal([-0.2, 0.5, 0.9], [0.6, 0.4, 0.2]),
        ambient=rng.uniform(0.3, 0.65),
        shadow=rng.uniform(0.2, 0.8),
        noise=rng.uniform(0, 6),
        blur=rng.uniform(0, 0.8),
    )


def _as_seen(letter: str, signer: Signer, image: np.ndarray, points: np.ndarray) -> Render:
    points[:, 2] -= points[0, 2]
    if signer.handedness == "Left":
        image, points = np.ascontiguousarray(image[:, ::-1]), points * [-1, 1, 1] + [1, 0, 0]
    return Render(image, points.astype(np.float32), signer.handedness, letter, signer.tone)
