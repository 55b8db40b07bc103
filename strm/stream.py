"""From a stream of hands to text: one camera frame in, letters out.

Three small machines, each with a state of constant size, work one behind the other:
`Resampler` turns the frames of any camera into hands at the model's own rate, `Recognizer` shows
these to the model and carries its state, and `strm.spell` decides when a letter was meant.
All times are in milliseconds.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
import torch

from strm.alphabet import ASL
from strm.files import UserError
from strm.landmarks import (
    FPS,
    LATEST,
    SMALLEST_PALM,
    WRIST,
    Hand,
    MotionState,
    isotropic,
    motion_features,
    palm_size,
)
from strm.spell import Speller

if TYPE_CHECKING:
    from strm.bundle import Bundle

LATCH_MS = 500.0  # how long a stream's frames vote on which hand it is
ROUNDING_MS = 1e-3
MIRROR = {"Right": np.ones(3, np.float32), "Left": np.array([-1, 1, 1], np.float32)}


@dataclass(frozen=True)
class Reading:
    """What a stream shows after one frame.

    letter: the likeliest class, None without a hand, below the confidence asked for, or if it is 'nothing'.
    confidence: its smoothed probability, 0 to 1. top3: the likeliest classes with theirs, best first.
    committed: the letter that this frame added to the text. replaced: the one whose place it took.
    text: everything so far.
    """

    letter: str | None
    confidence: float
    top3: list[tuple[str, float]]
    committed: str | None
    replaced: str | None
    text: str


class Resampler:
    """Frames at any rate in, right-handed points at the model's rate out, by linear interpolation in time.

    Which hand it is, is latched: a majority over the first half second, then fixed.
    """

    def __init__(self, fps: float) -> None:
        self.period = 1000 / fps
        self.reset()

    def reset(self) -> None:
        self.side = "Right"
        self._votes = 0
        self._points: np.ndarray | None = None  # [21, 3] of the newest frame, isotropic, not mirrored
        self._start = self._t_ms = 0.0
        self._ticks = 0  # how many have been given out

    def step(self, hand: Hand, t_ms: float) -> Iterator[tuple[np.ndarray, float]]:
        """Yield (points [21, 3], time) for each tick that this frame completes: several, one or none.

        Raises ValueError, before anything has changed, for points that are no hand.
        """
        points = isotropic(hand.points, hand.width, hand.height)
        if palm_size(points) < SMALLEST_PALM:
            raise ValueError("a hand has no size: its wrist and knuckles are one point.")
        if self._points is None:
            self._points, self._start, self._t_ms = points, t_ms, t_ms
        if t_ms - self._start <= LATCH_MS:
            self._votes += 1 if hand.handedness == "Right" else -1
            if self._votes:
                self.side = "Right" if self._votes > 0 else "Left"
        before, t_before, self._points, self._t_ms = self._points, self._t_ms, points, t_ms
        while (tick := self._start + self._ticks * self.period) <= t_ms + ROUNDING_MS:
            self._ticks += 1
            share = min((tick - t_before) / (t_ms - t_before), 1.0) if t_ms > t_before else 1.0
            between = before + np.float32(share) * (points - before)
            if palm_size(between) < SMALLEST_PALM:  # halfway between opposite hands there is none
                between = points
            yield between * MIRROR[self.side], tick


class Recognizer:
    """Read one stream of hands.

    bundle: the trained model. stateful: carry the model's state, or read each frame alone.
    smoothing: the newest frame's weight in the running average of probabilities, at 15 frames a second.
    confidence: what a letter's smoothed probability must reach. hold_ms: how long it must do so.
    moving_hold_ms: the same for letters that are a movement: these are known only when the stroke nears its
    end, and a stroke takes 0.3 to 0.8 s; nobody holds them. forget_ms: without a hand for longer than this,
    the stream begins anew (the text stays).
    """

    def __init__(
        self,
        bundle: Bundle,
        *,
        stateful: bool = True,
        smoothing: float = 0.5,
        confidence: float = 0.5,
        hold_ms: float = 200.0,
        moving_hold_ms: float = 130.0,
        forget_ms: float = 700.0,
    ) -> None:
        if not 0 < smoothing <= 1:
            raise ValueError(
                f"smoothing is the newest frame's weight, above 0 and at most 1, not {smoothing}."
            )
        fps = bundle.config.get("fps", FPS)
        self.model, self.names = bundle.model, bundle.class_names
        self.stateful, self.forget_ms = stateful, forget_ms
        # The model's ticks are evenly spaced whatever the camera does: a weight per tick is a time constant.
        self._weight = 1 - (1 - smoothing) ** (FPS / fps)
        self._resampler = Resampler(fps)
        self._motion_slot = bundle.config.get("preprocessing", {}).get("motion", True)
        alphabet = bundle.config.get("alphabet", {})
        moving, nothing = alphabet.get("moving", ASL.moving), alphabet.get("nothing", ASL.nothing)
        self._speller = Speller(moving, nothing, confidence, hold_ms, moving_hold_ms)
        self._now = -np.inf
        self.reset()

    def reset(self) -> None:
        """Forget the stream, its clock too; the text stays."""
        self._now = -np.inf
        self._seen = -np.inf  # when the hand was seen last
        self._resampler.reset()
        self._forget()

    def _forget(self) -> None:
        self._state: tuple[torch.Tensor, torch.Tensor] | None = None
        self._motion: MotionState | None = None
        self._probabilities: np.ndarray | None = None  # [classes], smoothed
        self._side = self._resampler.side
        self._speller.release()

    def step(self, hand: Hand | None, t_ms: float) -> Reading:
        """Read the next frame: what the detector found in it, and its time.

        Raises ValueError if time goes backwards, or where the hand is none (NaN, or no size), and UserError
        for a model that answers no numbers. The stream can go on.
        """
        if not t_ms >= self._now:
            raise ValueError(
                f"A frame at {t_ms} ms came after one at {self._now} ms: call reset() for a new stream."
            )
        if abs(t_ms) > LATEST:
            raise ValueError(f"{t_ms} is no time in milliseconds.")
        self._now = t_ms
        if t_ms - self._seen > self.forget_ms:
            self._resampler.reset()
            self._forget()
        committed = replaced = None
        if hand is not None:
            self._seen = t_ms
            for points, tick in self._resampler.step(hand, t_ms):
                if self._resampler.side != self._side:  # the votes turned: all so far was seen in a mirror
                    self._forget()
                news = self._think(points, tick)
                if news[0]:
                    committed, replaced = news
        return self._reading(committed, replaced)

    def _think(self, points: np.ndarray, t_ms: float) -> tuple[str | None, str | None]:
        """Show the model one tick; return what was (committed, replaced)."""
        x, self._motion = motion_features(points, t_ms, self._motion)
        moved = float(np.hypot(*x.reshape(-1, 3)[WRIST, :2]))
        if not self._motion_slot:  # a model that was trained without it
            x.reshape(-1, 3)[WRIST] = 0
        with torch.inference_mode():
            logits, state = self.model(torch.from_numpy(x)[None], prev_state=self._state, return_state=True)
        new = logits[0].softmax(-1).numpy()
        if not np.isfinite(new[0]):  # one answer that is no number makes none of them one
            raise UserError("This model answers with no numbers: train it again, or take another one.")
        self._state = state if self.stateful else None
        old = new if self._probabilities is None else self._probabilities
        self._probabilities = old + self._weight * (new - old)
        best = int(self._probabilities.argmax())
        return self._speller.step(self.names[best], float(self._probabilities[best]), moved, t_ms)

    def _reading(self, committed: str | None, replaced: str | None) -> Reading:
        if self._probabilities is None:
            return Reading(None, 0.0, [], committed, replaced, self.text)
        order = self._probabilities.argsort()[::-1][:3]
        top3 = [(self.names[i], float(self._probabilities[i])) for i in order]
        best, confidence = top3[0]
        sure = best != self._speller.nothing and confidence >= self._speller.confidence
        return Reading(best if sure else None, confidence, top3, committed, replaced, self.text)

    @property
    def text(self) -> str:
        return self._speller.text

    def space(self) -> None:
        self._speller.space()

    def write(self, words: str) -> None:
        """Add words to the text as they are, such as a suggestion that was taken."""
        self._speller.write(words)

    def backspace(self) -> None:
        self._speller.backspace()

    def clear(self) -> None:
        """Empty the text; the stream goes on."""
        self._speller.clear()
