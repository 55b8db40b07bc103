"""What a hand does, piece after piece: to hold still, to go over into another stance, to draw a stroke.

A `Script` is written in seconds, and played as a `Motion` at any frame rate. To what was written it adds
what nobody can help: the arm drifts, the hand sways and trembles.
"""

from collections.abc import Callable
from typing import NamedTuple

import numpy as np
from scipy.spatial.transform import Rotation

from strm.alphabet import ASL
from strm.studio.motion import Motion, wandering
from strm.studio.render import CENTRE
from strm.studio.skeleton import HandShape, limited
from strm.studio.strokes import Stroke, draw, gently, way

SEEN_CM = 6.0  # a hand that is farther from where it spells is not yet in view
DRIFT, DRIFT_SPREAD = 0.34, 1.8  # hands a second: the middle, and the factor that two in three are within
DRIFT_MS = 500.0  # how long a drift keeps its direction
TURN_SPEED = 500.0  # degrees a second, on average over a turn
HOME_MS = 2500.0  # how long the hand stays off its place
SWAY_DEGREES, SWAY_MS = 2.5, 900.0  # of the whole hand
TREMOR_CM, TREMOR_DEGREES, TREMOR_MS = 0.04, 0.7, 90.0


class Stance(NamedTuple):
    """How a hand is held: joint angles [4, 4] and [5], its rotation [3, 3], its wrist's place [2] in cm.

    A piece plays many of them at once, with the frames as a leading dimension.
    """

    fingers: np.ndarray
    thumb: np.ndarray
    turn: np.ndarray
    wrist: np.ndarray


class Piece(NamedTuple):
    seconds: float
    label: str
    phase: str
    play: Callable[[np.ndarray], Stance]  # from parts of its time [S], 0 to 1


class Script:
    """Pieces, one after another; `now` is the stance in which the last one ends."""

    def __init__(self, start: Stance, shape: HandShape) -> None:
        self.now, self.shape = start, shape
        self.pieces: list[Piece] = []

    @property
    def seconds(self) -> float:
        return sum(piece.seconds for piece in self.pieces)

    def hold(self, seconds: float, label: str, phase: str = "hold") -> None:
        self.pieces.append(Piece(seconds, label, phase, _still(self.now)))

    def carry(self, corners: np.ndarray, seconds: float, label: str) -> None:
        """Hold on while the arm carries the hand along corners [K, 2], in centimetres from here."""
        stance = self.now

        def play(u: np.ndarray) -> Stance:
            return _still(stance)(u)._replace(wrist=stance.wrist + way(corners, 0.3, u))

        self.pieces.append(Piece(seconds, label, "hold", play))
        self.now = stance._replace(wrist=stance.wrist + corners[-1])

    def go(self, stance: Stance, seconds: float, phase: str = "transition", until: float = 1.0) -> None:
        """Go over into another stance, gently, by the shortest way; `until` less than 1 stops on the way.

        It takes longer than `seconds` where the hand must turn far.
        """
        start = self.now
        around = Rotation.from_matrix(start.turn.T @ stance.turn).as_rotvec()

        def play(u: np.ndarray) -> Stance:
            part = until * gently(u)[:, None]
            return Stance(
                start.fingers + part[..., None] * (stance.fingers - start.fingers),
                start.thumb + part * (stance.thumb - start.thumb),
                start.turn @ Rotation.from_rotvec(part * around).as_matrix(),
                start.wrist + part * (stance.wrist - start.wrist),
            )

        turning = np.degrees(np.linalg.norm(around)) / TURN_SPEED
        self._then(max(seconds, turning), ASL.nothing, phase, play)

    def draw(self, stroke: Stroke, label: str, until: float = 1.0) -> None:
        """Draw a stroke; `until` less than 1 breaks off in the middle of it."""
        start = self.now

        def play(u: np.ndarray) -> Stance:
            fingers, turn, wrist = draw(stroke, until * u, start.fingers, start.turn, self.shape)
            return Stance(fingers, _still(start)(u).thumb, turn, start.wrist + wrist)

        self._then(stroke.seconds * until, label, "stroke", play)

    def _then(self, seconds: float, label: str, phase: str, play: Callable[[np.ndarray], Stance]) -> None:
        self.pieces.append(Piece(seconds, label, phase, play))
        self.now = Stance(*(part[0] for part in play(np.ones(1))))

    def play(self, fps: float, rng: np.random.Generator) -> Motion:
        """Return the whole script as a motion at fps frames a second."""
        t = np.arange(rng.uniform(0, 1 / fps), self.seconds, 1 / fps)
        ends = np.cumsum([piece.seconds for piece in self.pieces])
        which = np.minimum(np.searchsorted(ends, t, side="right"), len(ends) - 1)
        parts, inside = [], np.ones(len(t), bool)
        for i, piece in enumerate(self.pieces):
            here = which == i
            stances = piece.play(1 - (ends[i] - t[here]) / piece.seconds)
            parts.append(stances)
            if piece.phase in ("enter", "leave"):
                home = piece.play(np.array([float(piece.phase == "enter")])).wrist
                inside[here] = np.linalg.norm(stances.wrist - home, axis=-1) < SEEN_CM
        fingers, thumb, turn, wrist = (np.concatenate(part) for part in zip(*parts, strict=True))
        t_ms = 1000 * (t - t[0])
        fingers, thumb, turn, wrist = self._live(Stance(fingers, thumb, turn, wrist), t_ms, rng)
        pieces = [self.pieces[i] for i in which]
        return Motion(
            t_ms=t_ms,
            fingers=fingers,
            thumb=thumb,
            turn=turn,
            at=wrist + (turn @ CENTRE)[:, :2],
            labels=tuple(piece.label for piece in pieces),
            phases=tuple(piece.phase for piece in pieces),
            inside=inside,
        )

    def _live(self, stances: Stance, t_ms: np.ndarray, rng: np.random.Generator) -> Stance:
        """Add drift, sway and tremor."""
        pace = DRIFT * DRIFT_SPREAD ** rng.normal() * np.linalg.norm(self.shape.knuckles[1])
        steps = np.diff(t_ms, prepend=t_ms[0])[:, None] / 1000
        drift = pace * steps * wandering(t_ms, DRIFT_MS, 2, rng)
        for s in range(1, len(t_ms)):  # the eye leads the hand back to where it spells
            drift[s] += drift[s - 1] * np.exp(-1000 * steps[s] / HOME_MS)
        tremor = wandering(t_ms, TREMOR_MS, 23, rng)
        sway = SWAY_DEGREES * wandering(t_ms, SWAY_MS, 3, rng)
        fingers, thumb = limited(
            stances.fingers + TREMOR_DEGREES * tremor[:, :16].reshape(-1, 4, 4) * [1, 0.3, 1, 1],
            stances.thumb + TREMOR_DEGREES * tremor[:, 16:21],
        )
        turn = Rotation.from_rotvec(sway, degrees=True).as_matrix() @ stances.turn
        return Stance(fingers, thumb, turn, stances.wrist + drift + TREMOR_CM * tremor[:, 21:])


def _still(stance: Stance) -> Callable[[np.ndarray], Stance]:
    return lambda u: Stance(*(np.broadcast_to(part, (len(u), *part.shape)) for part in stance))
