"""One pupil of nine teachers: a net that learns from lessons, and from how sure others are about them.

Three S-TRMs, three GRUs and three convolutions, those of `strm.strangers`, look at each frame of each lesson,
and what they think together is most of what the pupil is asked for (Hinton, Vinyals and Dean, "Distilling the
Knowledge in a Neural Network", 2015, arXiv:1503.02531). Teachers know nobody who judges the pupil.
Writes data/results/taught.json.
"""

from collections.abc import Callable, Sequence
from dataclasses import asdict, replace
from functools import partial
from typing import Any

import pandas as pd
import torch
from torch import Tensor, nn

from strm.bundle import Bundle
from strm.loss import DeepSupervisionLoss
from strm.qualities import calibration, sureness, tones
from strm.strangers import FOLDS, contestant, judged, read_by_all, summary, without
from strm.train import fit
from strm.trainer import Settings, Trainer
from strm.trials import NETS, STREAMS, everyone, run_all

TEACHERS, TEACHER_SEEDS = ("strm", "gru", "conv"), 3
PUPILS = ("strm", "gru")
SHARE = 0.7  # of the loss that is the teachers' opinion; the rest is what the lessons say


class Together(nn.Module):
    """Several nets as one: the mean of their probabilities, each net with a state of its own."""

    def __init__(self, nets: Sequence[nn.Module]):
        super().__init__()
        self.nets: Any = nn.ModuleList(nets)

    def forward_sequence(self, x, state=None, lengths=None, reset=None, return_all_outputs=False):
        """Read x [B, S, 63] as `TRM.forward_sequence` does; there is one answer only, its logarithm."""
        states = [None] * len(self.nets) if state is None else state
        read = [
            net.forward_sequence(x, own, lengths, reset) for net, own in zip(self.nets, states, strict=True)
        ]
        logits = torch.stack([logits.softmax(-1) for logits, _ in read]).mean(0).clamp_min(1e-9).log()
        return ([logits] if return_all_outputs else logits), [own for _, own in read]


class Pupil(Trainer):
    """A training in which teachers say, frame by frame, what they think of the lesson."""

    def __init__(
        self,
        table: pd.DataFrame,
        settings: Settings,
        net: Callable[..., nn.Module] | None,
        teachers: Any,
    ):
        super().__init__(table, settings, net)
        self.teachers = teachers.to(self.device).eval()
        # What the teachers say is smooth already.
        self.opinion = DeepSupervisionLoss(len(self.classes), settings.loss_decay, label_smoothing=0.0)

    def _loss(self, numbers: Tensor, targets: Tensor, weights: Tensor, **start: Any) -> tuple[Tensor, Any]:
        logits, ended = self.model.forward_sequence(numbers, return_all_outputs=True, **start)
        with torch.no_grad():  # teachers see a photo that comes amid a stream on its own: what it is
            thought = self.teachers.forward_sequence(numbers)[0].exp()
        told, taught = self.loss(logits, targets, weights), self.opinion(logits, thought, weights)
        return (1 - SHARE) * told + SHARE * taught, ended


def teachers_of(train: Callable[[str, int], Bundle]) -> Bundle:
    """Return all teachers as one model; `train` is asked for each, by the net's name and seed."""
    bundles = [train(net, seed) for net in TEACHERS for seed in range(TEACHER_SEEDS)]
    return Bundle(Together([bundle.model for bundle in bundles]).eval(), bundles[0].config)  # type: ignore[arg-type]


def pupil(table: pd.DataFrame, teachers: Bundle, net: str = "strm", seed: int = 0, **options: Any) -> Bundle:
    """Train a net by the recipe of all, and by these teachers. options: as `fit` takes them."""
    settings = replace(STREAMS, seed=TEACHER_SEEDS + seed)  # it draws other lessons than they did
    taught: Any = partial(Pupil, teachers=teachers.model)
    return fit(table, settings, net=NETS[net], trainer=taught, **options)


def _task(net: str, fold: tuple[str, ...], seed: int) -> dict[str, Any]:
    teachers = teachers_of(lambda name, number: contestant(name, True, fold, number))
    bundle = teachers if net == "teachers" else pupil(without(fold), teachers, net, seed, progress=False)
    out = {
        "parameters": sum(p.numel() for p in bundle.model.parameters()),
        "people": judged(bundle, fold, seed),
    }
    if net == "strm":
        out["calibration"], out["tones"] = calibration(bundle, everyone(), fold), tones(bundle)
    return out


def taught_table(seeds: int, workers: int) -> dict[str, Any]:
    """Everything that data/results/taught.json tells, what teachers read, and pupils alone, too."""
    every = {net: range(seeds) for net in PUPILS} | {"teachers": range(1)}
    jobs = [(net, fold, seed) for net, numbers in every.items() for seed in numbers for fold in FOLDS]
    done = dict(zip(jobs, run_all("taught", _task, jobs, workers), strict=True))
    out: dict[str, Any] = {"settings": asdict(STREAMS), "share": SHARE, "seeds": seeds, "folds": FOLDS}
    out["alone"] = read_by_all([(net, True) for net in PUPILS], seeds, workers)
    out["nets"] = {}
    for net, numbers in every.items():
        runs = [[done[net, fold, seed] for fold in FOLDS] for seed in numbers]
        people = [{p: r for part in run for p, r in part["people"].items()} for run in runs]
        out["nets"][net] = {"parameters": runs[0][0]["parameters"]} | summary(people)
    ours = [[done["strm", fold, seed] for fold in FOLDS] for seed in range(seeds)]
    return out | sureness(ours)
