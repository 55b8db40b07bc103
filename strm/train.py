"""Teach a model: single photos, or streams by true backpropagation through time."""

import copy
import json
import sys
from collections.abc import Callable
from contextlib import nullcontext
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import torch
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn
from torch import Tensor, nn

from strm import __version__, checkpoint
from strm.alphabet import ASL
from strm.augment import splice, vary
from strm.bundle import Bundle, describe
from strm.curriculum import Curriculum
from strm.data import is_moving, people, read_table, split_by_signer
from strm.evaluate import evaluate, model_input, one_thread
from strm.files import UserError, replacing
from strm.loss import DeepSupervisionLoss
from strm.model import TRM

LOOKS = 2  # a photo is looked at twice, so that its second look trains the memory too
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
    per_letter: int = 60  # photos of each person and letter an epoch: people count, not photos
    weight_decay: float = 0.01  # of AdamW
    loss_decay: float = 0.9  # lambda of deep supervision
    label_smoothing: float = 0.1
    ema: float = 0.999  # of the weights, less at the beginning
    patience: int = 15  # epochs without a better macro-F1 of the validation signers
    motion: bool = True  # the wrist's slot carries its movement


def device_of(name: str) -> torch.device:
    """Return the device called cpu, cuda, mps or auto; UserError where this machine has none."""
    found = {"cuda": torch.cuda.is_available(), "mps": torch.backends.mps.is_available(), "cpu": True}
    if name == "auto":
        name = next(kind for kind in found if found[kind])
    if not found.get(name, False):
        raise UserError(f"This machine has no {name} device for PyTorch: choose --device cpu or auto.")
    return torch.device(name)


class Trainer:
    """A training in progress: the model, its averaged weights, and what an epoch needs.

    Everything random in an epoch comes from (seed, epoch), so that an interrupted training repeats exactly.
    """

    def __init__(self, table: pd.DataFrame, settings: Settings, net: Callable[..., nn.Module] | None):
        self.settings, self.device = settings, device_of(settings.device)
        torch.manual_seed(settings.seed)
        frames = settings.seq_len if settings.sequence_mode else 1
        self.lessons = Curriculum(table, frames, settings.per_letter)
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
        # A movement, and a pose that might still become one, show what they are only in the end.
        self.slow = np.array([label in ASL.moving or label == ASL.nothing for label in self.classes])
        x, y = self.lessons.epoch(np.random.default_rng([settings.seed, 0]))
        self._fit_scaler(x)
        self.model.to(self.device)
        self.steps = max(1, len(y) // settings.batch_size)
        weights, total = self.model.parameters(), settings.epochs * self.steps
        self.optimiser = torch.optim.AdamW(weights, lr=settings.lr, weight_decay=settings.weight_decay)
        self.schedule = torch.optim.lr_scheduler.OneCycleLR(self.optimiser, settings.lr, total)
        self.loss = DeepSupervisionLoss(len(self.classes), settings.loss_decay, settings.label_smoothing)
        self.average = {name: value.detach().clone() for name, value in self.model.state_dict().items()}

    def lesson(self, x: np.ndarray, y: np.ndarray, rng: np.random.Generator) -> tuple[Tensor, Tensor, Tensor]:
        """Return one batch, augmented: numbers [B, S, 63], targets [B, S], weights [B, S]."""
        if self.settings.sequence_mode:
            x, targets, weights = splice(vary(x, rng), y, self.slow[y], rng)
        else:
            x = np.repeat(vary(x, rng), LOOKS, 1)
            targets, weights = np.repeat(y[:, None], LOOKS, 1), np.ones((len(y), LOOKS), np.float32)
        return model_input(x, self.settings.motion), torch.from_numpy(targets), torch.from_numpy(weights)

    def _fit_scaler(self, x: np.ndarray) -> None:
        """Set mean and scale of the 63 numbers from what training will show, and from nothing else."""
        rng = np.random.default_rng([self.settings.seed, 0])
        some = rng.permutation(len(x))[:2000]
        numbers = self.lesson(x[some], np.zeros(len(some), int), rng)[0].flatten(0, 1)
        self.model.mean.copy_(numbers.mean(0))
        self.model.scale.copy_(numbers.std(0).clamp_min(FLOOR))

    def epoch(self, number: int, tell: Callable[[float], None]) -> float:
        """Train one epoch; `tell` hears the mean loss after each step. Returns the epoch's."""
        rng, size = np.random.default_rng([self.settings.seed, number]), self.settings.batch_size
        torch.manual_seed(self.settings.seed * 100_003 + number)
        x, y = self.lessons.epoch(rng)
        order, total = rng.permutation(len(y)), 0.0
        self.model.train()
        for step in range(self.steps):
            batch = order[step * size : (step + 1) * size]
            numbers, targets, weights = (
                part.to(self.device) for part in self.lesson(x[batch], y[batch], rng)
            )
            logits, _ = self.model.forward_sequence(numbers, return_all_outputs=True)
            loss = self.loss(logits, targets, weights)
            self.optimiser.zero_grad(set_to_none=True)
            loss.backward()
            nn.utils.clip_grad_norm_(self.model.parameters(), 1.0)
            self.optimiser.step()
            self.schedule.step()
            self._average(number * self.steps + step)
            total += loss.item()
            tell(total / (step + 1))
        return total / self.steps

    @torch.no_grad()
    def _average(self, step: int) -> None:
        decay = min(self.settings.ema, (1 + step) / (10 + step))  # early weights are soon forgotten
        for name, value in self.model.state_dict().items():
            self.average[name].lerp_(value, 1 - decay)

    def state(self) -> dict[str, Any]:
        """Return all that changes while training."""
        parts = {name: getattr(self, name).state_dict() for name in ("model", "optimiser", "schedule")}
        return parts | {"average": self.average}

    def go_on(self, state: dict[str, Any]) -> None:
        """Take up the state of an interrupted training."""
        for name in ("model", "optimiser", "schedule"):
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


def fit(
    train: pd.DataFrame,
    settings: Settings,
    val: pd.DataFrame | None = None,
    progress: bool = True,
    resume: Path | None = None,
    net: Callable[..., nn.Module] | None = None,
) -> Bundle:
    """Train on a table (`strm.data.read_table`) and return the model as a Bundle.

    val: people who choose the best epoch and stop the training; without them the number of epochs is fixed.
    resume: a file written after every epoch; where it exists and fits, training goes on from there.
    net: called with num_classes; by default the S-TRM of the settings. Same seed, same machine, same model.
    """
    trainer = Trainer(train, settings, net)
    if val is not None and not set(val["label"]) & set(trainer.classes):
        raise UserError("The validation signers show no letter that the others do: choose other ones.")
    mark = checkpoint.fingerprint(settings, train, val)
    history: list[dict[str, float]] = []
    best: dict[str, Any] = {"f1": -1.0, "epoch": 0, "weights": None}
    if saved := checkpoint.load(resume, mark):
        trainer.go_on(saved["trainer"])
        history, best = saved["history"], saved["best"]
    columns = [TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn()]
    bar = Progress(*columns, TextColumn("loss {task.fields[loss]:.3f}"), TimeRemainingColumn())
    with one_thread(), bar if progress else nullcontext():
        done = len(history) * trainer.steps
        task = bar.add_task("training", total=settings.epochs * trainer.steps, completed=done, loss=0.0)
        for number in range(len(history), settings.epochs):
            if val is not None and number - best["epoch"] >= settings.patience:
                break
            loss = trainer.epoch(number, lambda mean: bar.update(task, advance=1, loss=mean))
            history.append({"epoch": number + 1, "loss": loss})
            if val is not None:
                f1 = evaluate(trainer.bundle(trainer.average, {}), val, settings.sequence_mode)["macro_f1"]
                history[-1]["val_macro_f1"] = f1
                if f1 > best["f1"]:
                    weights = {name: value.cpu().clone() for name, value in trainer.average.items()}
                    best = {"f1": f1, "epoch": number + 1, "weights": weights}
            if resume is not None:
                state = {"trainer": trainer.state(), "history": history, "best": best}
                checkpoint.save(resume, mark, state)
    provenance = {
        "strm": __version__,
        "torch": torch.__version__.split("+")[0],
        "settings": asdict(settings),
        "rows": len(train),
        "people": sorted(set(people(train))),
        "epochs_trained": len(history),
    }
    bundle = trainer.bundle(best["weights"] or trainer.average, provenance)
    bundle.history = history
    return bundle


def run(
    csv: list[str],
    settings: Settings,
    val_signers: list[str],
    out_dir: str | Path = "outputs/models",
    fps: float = 30.0,
) -> Bundle:
    """Do what `strm train` does: read, split, fit, save the three files and metrics.json into `out_dir`."""
    device_of(settings.device)  # say so before reading a large file
    train, val = read_table(csv, fps), None
    if val_signers:
        train, val = split_by_signer(train, val_signers)
    if settings.sequence_mode and not is_moving(train).any():
        print("No clips, only photos: training on held streams and drawn strokes of them.", file=sys.stderr)
    out_dir, unfinished = Path(out_dir), Path(out_dir) / "checkpoint.pt"
    bundle = fit(train, settings, val, resume=unfinished)
    metrics: dict[str, Any] = {"train_rows": len(train), "people": sorted(set(people(train)))}
    metrics["history"] = bundle.history
    if val is not None:
        metrics["val_signers"] = val_signers
        metrics["val"] = evaluate(bundle, val, settings.sequence_mode)
        bundle.config["metrics"] = {key: metrics["val"][key] for key in ("n", "accuracy", "macro_f1")}
    bundle.save(out_dir)
    with replacing(out_dir / "metrics.json") as path:
        path.write_text(json.dumps(metrics, indent=1) + "\n", encoding="utf-8")
    unfinished.unlink(missing_ok=True)
    print(f"Saved a model of {len(bundle.class_names)} classes in {out_dir}.")
    return bundle
