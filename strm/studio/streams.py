"""Hands that move: a hand comes into view, spells, and leaves. Every frame knows what it shows.

A `Motion` is how joints, turn and place go on in time. It can be seen in two ways: `film` renders
its pictures, `trace` only says where its 21 landmarks are, which is hundreds of times faster.
"""

from dataclasses import dataclass

import numpy as np

from strm.landmarks import FPS
from strm.studio import Render, Signer
from strm.studio.render import Camera

PHASES = ("enter", "hold", "transition", "stroke", "rest", "leave")


@dataclass(frozen=True)
class Motion:
    """How a right hand moves, frame by frame; a left-hander's is mirrored when it is seen.

    t_ms: [S] milliseconds from the first frame. fingers: [S, 4, 4] and thumb: [S, 5] degrees, as a `Pose`
    has them. turn: [S, 3, 3] rotation from the hand's frame to the camera's. at: [S, 2] where the hand's
    middle (`render.CENTRE`) is, in centimetres, x to the viewer's right, y up. labels: the letter that each
    frame shows, or the alphabet's 'nothing'. phases: one of PHASES for each frame. inside: [S] bool,
    whether the hand is in view.
    """

    t_ms: np.ndarray
    fingers: np.ndarray
    thumb: np.ndarray
    turn: np.ndarray
    at: np.ndarray
    labels: tuple[str, ...]
    phases: tuple[str, ...]
    inside: np.ndarray


def word(
    text: str, signer: Signer, rng: np.random.Generator, fps: float = FPS, hurry: float | None = None
) -> Motion:
    """Spell a word: the hand comes into view, holds or draws each letter, and leaves.

    hurry: how fast, 1 as people do on average, 2 twice as fast; drawn at random without it.
    Raises UserError for a text without letters or with anything else than letters.
    """
    raise NotImplementedError


def lesson(label: str, signer: Signer, rng: np.random.Generator, fps: float = FPS) -> Motion:
    """One short clip (1 to 2 s) of a letter or of 'nothing', as a training set wants it.

    A still letter is held, and the arm may carry it about; a moving letter is its start, its stroke and
    a rest; 'nothing' is what looks like a letter and is none: poses from the middle of a stroke that
    stand still, hands that come into view, stopped transitions.
    Raises UserError for any other label.
    """
    raise NotImplementedError


def trace(motion: Motion, signer: Signer, camera: Camera) -> np.ndarray:
    """Return the true landmarks [S, 21, 3] as a `Render` has them, mirrored for a left hand.

    camera: its `turn` is not used (the motion has its own), its `scale` is in parts of the picture's
    width a centimetre.
    """
    raise NotImplementedError


def film(motion: Motion, signer: Signer, rng: np.random.Generator, size: int = 256) -> list[Render]:
    """Render the motion's frames in one room, in changing light, by a camera that sees all of it.

    Frames in which the hand is not in view are pictures of the room; `Motion.inside` tells them.
    """
    raise NotImplementedError
