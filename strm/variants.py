"""Other ways to wire the memory, and other ways to teach: what was tried before the S-TRM became what it is.

None of them ships. `strm.search` trains and compares them; the book tells what came of it.
"""

from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from strm.alphabet import ASL
from strm.curriculum import Curriculum
from strm.model import TRM, State, norm
from strm.trainer import Batch, Lessons, Trainer


def rms_norm(v: Tensor) -> Tensor:
    """Divide by the root of the mean square, as the paper does."""
    return v * torch.rsqrt(v.square().mean(-1, keepdim=True) + 1e-5)


def no_norm(v: Tensor) -> Tensor:
    """Leave the state as it is: nothing bounds it."""
    return v


NORMS = {"layer": norm, "rms": rms_norm, "none": no_norm}


class Wired(TRM):
    """The S-TRM, wired in another way.

    memory: 'input' (ours: the state enters every update, gates write after the thinking); 'start' (the state
    is only where the thinking starts, through gates); 'before' (gates choose what of the state enters, and
    what was thought is the next state); 'ungated' (as ours, but what was thought is the next state).
    shared: one block does both updates, as in the paper. state_norm: one of NORMS.
    dropped: the share of states that training forgets at each frame.
    """

    def __init__(
        self,
        memory: str = "input",
        shared: bool = False,
        state_norm: str = "layer",
        dropped: float = 0.0,
        **sizes,
    ):
        super().__init__(**sizes)
        self.memory, self.shared, self.norm, self.dropped = memory, shared, NORMS[state_norm], dropped
        unused = {"start": ["remember"], "ungated": ["gate_y", "gate_z"]}.get(memory, [])
        for part in unused + ["deep"] * shared:
            setattr(self, part, nn.Identity())

    def think(self, seen: Tensor, state: State) -> tuple[list[Tensor], State]:
        """Think about one encoded frame [B, latent_dim]: T answers [B, latent_dim], and the next state."""
        y_prev, z_prev = state
        if self.training and self.dropped:
            keep = (torch.rand(len(seen), 1, device=seen.device) >= self.dropped).to(seen.dtype)
            y_prev, z_prev = y_prev * keep, z_prev * keep
        if self.memory == "start":
            e = seen
            y, z = _mixed(self.gate_y, y_prev, e), _mixed(self.gate_z, z_prev, e)
        elif self.memory == "before":
            open_y = torch.sigmoid(self.gate_y(torch.cat([y_prev, seen], -1)))
            open_z = torch.sigmoid(self.gate_z(torch.cat([z_prev, seen], -1)))
            e = seen + self.remember(open_y * y_prev)
            y, z = e, open_z * z_prev
        else:
            e = seen + self.remember(y_prev)
            y, z = e, z_prev
        answers = []
        for _ in range(self.T_deep):
            for _ in range(self.n_latent):
                z = self.norm(z + self.latent(e, y, z))
            y = self.norm(y + (self.latent(torch.zeros_like(e), y, z) if self.shared else self.deep(y, z)))
            answers.append(y)
        if self.memory == "input":
            return answers, (_mixed(self.gate_y, y_prev, y), _mixed(self.gate_z, z_prev, z))
        return answers, (y, z)


def _mixed(gate: nn.Module, old: Tensor, new: Tensor) -> Tensor:
    g = torch.sigmoid(gate(torch.cat([old, new], -1)))
    return g * old + (1 - g) * new


class CarriedSupervision(Trainer):
    """The paper's way: what was thought is thought on, from where it ended, with the gradient cut between."""

    def _loss(self, numbers: Tensor, targets: Tensor, weights: Tensor, **start: Any) -> tuple[Tensor, Any]:
        first, ended = Trainer._loss(self, numbers, targets, weights, **start)
        cut = tuple(part.detach() for part in ended)
        again, ended = Trainer._loss(self, numbers, targets, weights, state=cut)
        return (first + again) / 2, ended


class FlatRamps(Trainer):
    """Every frame of a stroke counts alike, its ambiguous beginning too."""

    def lesson(self, lessons: Lessons, rng: np.random.Generator) -> Batch:
        """Return one batch, as `Trainer.lesson`."""
        x, y, weights = lessons
        return super().lesson((x, y, (0.7 * (weights > 0)).astype(np.float32)), rng)


class StoppedIsStart(Curriculum):
    """A movement's pose that stands still is called the still letter it began with, not 'nothing'."""

    def _stopped(self, x: np.ndarray, letter: str) -> None:
        self._add(x, ASL.moving[letter])


class NoNothing(Trainer):
    """Taught without 'nothing' where a hand stops."""

    curriculum = StoppedIsStart
