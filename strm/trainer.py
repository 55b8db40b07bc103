"""One training: what an epoch shows, and the steps that learn from it."""

import copy
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, nullcontext, suppress
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd
import torch
from torch import Tensor, nn

from strm.alphabet import ASL
from strm.augment import splice, vary
from strm.bundle import Bundle, describe
from strm.checkpoint import alike
from strm.curriculum import Curriculum
from strm.device import device_of, precision_of
from strm.evaluate import model_input
from strm.loss import DeepSupervisionLoss
from strm.model import TRM
from strm.team import Team

LOOKS = 2  # a photo is looked at twice, so that its second look trains the memory too
ALBUM_PER_LETTER = 60  # photos of each person and letter, each time the album is turned over
FLOOR = 0.1  # palm sizes: a number that hardly varies is not blown up to unit variance


@dataclass(frozen=True)
class Settings:
    """How to train. The names are the flags of `strm train`; the rest has the reason beside it."""

    epochs: int = 100
    batch_size: int = 64
    lr: float = 1e-3  # the peak of a one-cycle schedule
    sequence_mode: bool = False
    seq_len: int = 16  # about a second at 15 frames a second: a whole stroke
    n_latent: int = 6
    T_deep: int = 3
    dropout: float = 0.1
    seed: int = 0
    device: str = "cpu"
    precision: str = "auto"  # of products: mixed on a GPU made for it, else float32
    per_letter: int = 60  # photos of each person and letter an epoch: people count, not photos
    weight_decay: float = 0.01  # of AdamW
    loss_decay: float = 0.9  # lambda of deep supervision
    label_smoothing: float = 0.1
    ema: float = 0.999  # of the weights, less at the beginning
    patience: int = 15  # epochs without a better macro-F1 of the validation signers
    motion: bool = True  # the wrist's slot carries its movement
    album: int = 256  # photos beside each batch of streams, each looked at twice: a stream is not all
    amid: float = 0.5  # the share of them that come amid a stream: what is remembered must not spoil a photo
    drawn_streams: int = 0  # of drawn people, made anew for every epoch; they need no table


Lessons = tuple[np.ndarray, np.ndarray, np.ndarray]  # hands [B, S, 21, 3], class numbers, weights [B, S]
Batch = tuple[Tensor, Tensor, Tensor]  # numbers [B, S, 63], targets [B, S], weights [B, S]


class Trainer:
    """A training in progress: the model, its averaged weights, and what an epoch needs.

    Everything random in an epoch comes from (seed, epoch), so that an interrupted training repeats exactly.
    """

    curriculum = Curriculum
    kept = ("model", "optimiser", "schedule", "scaler")

    def __init__(self, table: pd.DataFrame, settings: Settings, net: Callable[..., nn.Module] | None):
        self.settings, self.team = settings, Team(device_of(settings.device))
        self.device = self.team.device
        self.precision = precision_of(settings.precision, self.device)
        torch.manual_seed(settings.seed)
        frames = settings.seq_len if settings.sequence_mode else 1
        self.lessons = self.curriculum(table, frames, settings.per_letter, settings.drawn_streams)
        self.classes = self.lessons.classes
        if net is None:
            self.model: Any = TRM(
                num_classes=len(self.classes),
                n_latent=settings.n_latent,
                T_deep=settings.T_deep,
                dropout=settings.dropout,
            )
        else:
            self.model = net(num_classes=len(self.classes))
            for part in self.model.modules():  # whatever is compared has the same regularisers
                if isinstance(part, nn.Dropout):
                    part.p = settings.dropout
        # Streams teach movement, an album of single photos what the still letters are.
        still = table[table["label"].isin(ASL.still)]
        self.album = None
        if settings.sequence_mode and settings.album and still["label"].nunique() > 1:
            self.album = Curriculum(still, 1, ALBUM_PER_LETTER)
            names = self.album.classes
            self.album_class = np.array([self.classes.index(name) for name in names])
        x, y, _ = self.lessons.epoch(np.random.default_rng([settings.seed, 0]))
        self._fit_scaler(x)
        self.model.load_state_dict(self.team.agreed(self.model.state_dict()))
        self.model.to(self.device)
        self.steps = max(1, len(y) // settings.batch_size)
        weights, total = self.model.parameters(), settings.epochs * self.steps
        self.optimiser = torch.optim.AdamW(weights, lr=settings.lr, weight_decay=settings.weight_decay)
        self.schedule = torch.optim.lr_scheduler.OneCycleLR(self.optimiser, settings.lr, total)
        # Small gradients would vanish in float16: they are scaled up, and back before the step.
        self.scaler = torch.amp.GradScaler(self.device.type, enabled=self.precision == torch.float16)
        self.loss = DeepSupervisionLoss(len(self.classes), settings.loss_decay, settings.label_smoothing)
        self.average = {name: value.detach().clone() for name, value in self.model.state_dict().items()}

    def lesson(self, lessons: Lessons, rng: np.random.Generator) -> Batch:
        """Return one batch, augmented: numbers [B, S, 63], targets [B, S], weights [B, S].

        Streams [B, S, 21, 3] are spliced; photos [B, 1, 21, 3] are looked at LOOKS times.
        """
        x, y, weights = lessons
        x = vary(x, rng)
        if x.shape[1] > 1:
            x, y, weights = splice(x, y, weights, rng)
        else:
            x, y, weights = (np.repeat(part, LOOKS, 1) for part in (x, y, weights))
        numbers = model_input(x, self.settings.motion).to(self.device)
        return numbers, torch.from_numpy(y).to(self.device), torch.from_numpy(weights).to(self.device)

    def _fit_scaler(self, x: np.ndarray) -> None:
        """Set mean and scale of the 63 numbers from what training will show, and from nothing else."""
        rng = np.random.default_rng([self.settings.seed, 0])
        some = rng.permutation(len(x))[:2000]
        unused = np.zeros((len(some), x.shape[1]))
        numbers = self.lesson((x[some], unused, unused), rng)[0].flatten(0, 1).cpu()
        self.model.mean.copy_(numbers.mean(0))
        self.model.scale.copy_(numbers.std(0).clamp_min(FLOOR))

    def epoch(self, number: int, tell: Callable[[float], None]) -> float:
        """Train one epoch; `tell` hears the mean loss after each step. Returns the epoch's."""
        rng, size = np.random.default_rng([self.settings.seed, number]), self.settings.batch_size
        # All processes of a team draw the same batches, and each its own dropout.
        torch.manual_seed(self.settings.seed * 100_003 + number + 1_000_000_007 * self.team.rank)
        x, y, weights = self.lessons.epoch(rng)
        order, total = rng.permutation(len(x)), 0.0
        photos = None if self.album is None else self._photos(self.album, rng)
        self.model.train()
        for step in range(self.steps):
            batch = order[step * size : (step + 1) * size]
            loss, ended = self._share(self.lesson((x[batch], y[batch], weights[batch]), rng))
            if photos is not None:
                page = self.lesson(next(photos), rng)
                loss = loss + self._share(page, ended, self._fresh(page[1].shape, rng))[0]
            self.optimiser.zero_grad(set_to_none=True)
            self.scaler.scale(loss).backward()
            self.team.add_gradients(self.model)
            self.scaler.unscale_(self.optimiser)
            nn.utils.clip_grad_norm_(self.model.parameters(), 1.0)
            self.scaler.step(self.optimiser)
            self.scaler.update()
            self.schedule.step()
            self._average(number * self.steps + step)
            total += self.team.sum(loss.detach()).item()
            tell(total / (step + 1))
        return total / self.steps

    def _products(self) -> AbstractContextManager:
        """Compute products in the precision that was asked for; weights and their sums stay float32."""
        mixed = self.precision != torch.float32
        return torch.autocast(self.device.type, self.precision) if mixed else nullcontext()

    def _fresh(self, shape: torch.Size, rng: np.random.Generator) -> Tensor | None:
        """Draw which looks [B, S] forget what came before: some of the first ones. None: all of these."""
        if not self.settings.amid:
            return None
        fresh = torch.zeros(shape, dtype=torch.bool)
        fresh[:, 0] = torch.from_numpy(rng.random(len(fresh)) >= self.settings.amid)
        return fresh.to(self.device)

    def _share(self, lesson: Batch, ended: Any = None, fresh: Tensor | None = None) -> tuple[Tensor, Any]:
        """Return what this process's rows add to the batch's loss, all of it where there is one process.

        And the states in which they ended. With `fresh` [B, S], they begin where the rows of another lesson
        have `ended`, but for who forgets it: a letter of a word comes when other letters have been read.
        (Where processes share a batch that they do not divide evenly, photos meet other streams' ends.)
        """
        mine, start = self.team.mine(*lesson), {}
        if fresh is not None:
            start = {"state": _cut(ended, len(mine[0])), "reset": self.team.mine(fresh)[0]}
        with self._products():
            loss, ended = self._loss(*mine, **start)
        return loss * (mine[2].sum() / lesson[2].sum()), ended

    def _loss(self, numbers: Tensor, targets: Tensor, weights: Tensor, **start: Any) -> tuple[Tensor, Any]:
        """Return the loss of a lesson that begins from `start`, and the states in which it ends."""
        logits, ended = self.model.forward_sequence(numbers, return_all_outputs=True, **start)
        return self.loss(logits, targets, weights), ended

    def _photos(self, album: Curriculum, rng: np.random.Generator) -> Iterator[Lessons]:
        """Turn over the album again and again, shuffled anew each time."""
        while True:
            x, y, weights = album.epoch(rng)
            order, size = rng.permutation(len(x)), min(self.settings.album, len(x))
            for start in range(0, len(x) - size + 1, size):
                page = order[start : start + size]
                yield x[page], self.album_class[y[page]], weights[page]

    @torch.no_grad()
    def _average(self, step: int) -> None:
        decay = min(self.settings.ema, (1 + step) / (10 + step))  # early weights are soon forgotten
        for name, value in self.model.state_dict().items():
            self.average[name].lerp_(value, 1 - decay)

    def state(self) -> dict[str, Any]:
        """Return all that changes while training."""
        parts = {name: getattr(self, name).state_dict() for name in self.kept}
        return parts | {"average": self.average}

    def go_on(self, state: dict[str, Any]) -> None:
        """Take up the state of an interrupted training; of another, take up nothing, and raise ValueError."""
        own, moments = self.state(), {}
        for number, weight in enumerate(self.model.parameters()):  # what AdamW has after its first step
            moments[number] = {"step": torch.zeros(()), "exp_avg": weight.data, "exp_avg_sq": weight.data}
        with suppress(KeyError, TypeError):  # then it is not like ours
            own["optimiser"]["state"] = {n: moments[n] for n in state["optimiser"]["state"]}
        if not alike(own, state):
            raise ValueError("this is the state of another training")
        for name in self.kept:
            getattr(self, name).load_state_dict(state[name])
        self.average = {name: value.to(self.device) for name, value in state["average"].items()}

    def bundle(self, weights: dict[str, Tensor], provenance: dict[str, Any]) -> Bundle:
        """Return a copy of the model with these weights, in eval mode on the CPU, and its configuration."""
        model = copy.deepcopy(self.model).cpu()
        model.load_state_dict({name: value.cpu() for name, value in weights.items()})
        if isinstance(model, TRM):
            config = describe(model, self.classes, self.settings.dropout, self.settings.motion, provenance)
        else:  # a rival is judged, never saved
            config = {"class_names": self.classes, "preprocessing": {"motion": self.settings.motion}}
        return Bundle(model.eval(), config)


def _cut(state: Any, count: int) -> Any:
    """Return `count` rows of a state, from its first on and round again; no gradient goes back through it."""
    if isinstance(state, Tensor):
        return state.detach()[torch.arange(count, device=state.device) % len(state)]
    return tuple(_cut(part, count) for part in state)
