"""Teach a model: single photos, or streams by true backpropagation through time."""

import copy
import hashlib
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

from strm import __version__
from strm.alphabet import ASL
from strm.augment import splice, vary
from strm.bundle import Bundle, describe
from strm.curriculum import Curriculum
from strm.data import is_moving, people, read_table, split_by_signer
from strm.evaluate import evaluate
from strm.files import UserError, replacing
from strm.landmarks import motion_features
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
    available = {"cpu": True, "cuda": torch.cuda.is_available(), "mps": torch.backends.mps.is_available()}
    if name == "auto":
        name = next(kind for kind in ("cuda", "mps", "cpu") if available[kind])
    if not available.get(name, False):
        raise UserError(
            f"This machine has no {name} device that PyTorch can use: choose --device cpu or auto."
        )
    return torch.device(name)


def features(x: np.ndarray, motion: bool = True) -> Tensor:
    """Turn right-handed streams [B, S, 21, 3] into the model's numbers [B, S, 63]; without motion, slot 0 is 0."""
    numbers, _ = motion_features(x)
    if not motion:
        numbers[..., :3] = 0
    return torch.from_numpy(np.ascontiguousarray(numbers))


def fit(
    train: pd.DataFrame,
    settings: Settings,
    val: pd.DataFrame | None = None,
    progress: bool = True,
    checkpoint: Path | None = None,
    net: Callable[..., nn.Module] | None = None,
) -> Bundle:
    """Train on a table (`strm.data.read_table`) and return the model as a Bundle.

    val: people who choose the best epoch and stop the training; without them the number of epochs is fixed.
    checkpoint: a file written after every epoch; where it exists and fits, training goes on from there.
    net: called with num_classes; by default the S-TRM of the settings. Same seed, same machine, same model.
    """
    device = device_of(settings.device)
    torch.manual_seed(settings.seed)
    lessons = Curriculum(train, settings.seq_len if settings.sequence_mode else 1, settings.per_letter)
    classes = lessons.classes
    if len(classes) < 2:
        raise UserError(
            f"The training data has one class only ({classes[0]}): a classifier needs two or more."
        )
    if net is None:
        model: Any = TRM(
            num_classes=len(classes),
            n_latent=settings.n_latent,
            T_deep=settings.T_deep,
            dropout=settings.dropout,
        )
    else:
        model = net(num_classes=len(classes))
    # A movement, and a pose that might still become one, show what they are only in the end.
    slow = np.array([label in ASL.moving or label == ASL.nothing for label in classes])
    first = lessons.epoch(np.random.default_rng([settings.seed, 0]))
    _fit_scaler(model, first[0], settings)
    model.to(device)
    steps = max(1, len(first[1]) // settings.batch_size)
    optimiser = torch.optim.AdamW(model.parameters(), lr=settings.lr, weight_decay=settings.weight_decay)
    schedule = torch.optim.lr_scheduler.OneCycleLR(optimiser, settings.lr, settings.epochs * steps)
    loss_of = DeepSupervisionLoss(len(classes), settings.loss_decay, settings.label_smoothing)
    average = {name: value.detach().clone() for name, value in model.state_dict().items()}
    run: dict[str, Any] = {"epoch": 0, "history": [], "best": -1.0, "best_state": None}
    mark = _fingerprint(train, val, settings)
    if checkpoint is not None and checkpoint.is_file():
        saved = _resume(checkpoint, mark)
        if saved:
            model.load_state_dict(saved["model"])
            optimiser.load_state_dict(saved["optimiser"])
            schedule.load_state_dict(saved["schedule"])
            average, run = saved["average"], saved["run"]

    provenance = {
        "strm": __version__,
        "torch": torch.__version__.split("+")[0],
        "settings": asdict(settings),
        "rows": len(train),
        "people": sorted(set(people(train))),
    }

    def as_bundle(state: dict[str, Tensor]) -> Bundle:
        out = _copy_of(model, state)
        if isinstance(out, TRM):
            config = describe(out, classes, settings.dropout, settings.motion, provenance)
        else:  # a rival
            config = {"class_names": classes, "preprocessing": {"motion": settings.motion}, "metrics": {}}
        return Bundle(out, config, run["history"])

    bar = _bar() if progress else nullcontext()
    with bar as shown:
        task = shown.add_task("training", total=settings.epochs * steps, loss=0.0) if shown else None
        if shown:
            shown.update(task, completed=run["epoch"] * steps)
        while run["epoch"] < settings.epochs:
            epoch = run["epoch"]
            # Everything random in an epoch comes from (seed, epoch): an interrupted run repeats exactly.
            rng = np.random.default_rng([settings.seed, epoch])
            torch.manual_seed(settings.seed * 100_003 + epoch)
            x, y = lessons.epoch(rng)
            order, total = rng.permutation(len(y)), 0.0
            model.train()
            for step in range(steps):
                batch = order[step * settings.batch_size : (step + 1) * settings.batch_size]
                numbers, targets, weights = _lesson(x[batch], y[batch], slow[y[batch]], settings, rng)
                logits, _ = model.forward_sequence(numbers.to(device), return_all_outputs=True)
                loss = loss_of(logits, targets.to(device), weights.to(device))
                optimiser.zero_grad(set_to_none=True)
                loss.backward()
                nn.utils.clip_grad_norm_(model.parameters(), 1.0)
                optimiser.step()
                schedule.step()
                _average(average, model, settings.ema, epoch * steps + step)
                total += loss.item()
                if shown:
                    shown.update(task, advance=1, loss=total / (step + 1))
            run["epoch"] += 1
            record = {"epoch": run["epoch"], "loss": total / steps}
            if val is not None:
                record["val_macro_f1"] = evaluate(as_bundle(average), val, settings.sequence_mode)["macro_f1"]
                if record["val_macro_f1"] > run["best"]:
                    run["best"], run["best_epoch"] = record["val_macro_f1"], run["epoch"]
                    run["best_state"] = {name: value.clone() for name, value in average.items()}
            run["history"].append(record)
            if checkpoint is not None:
                with replacing(checkpoint) as path:
                    torch.save(
                        {
                            "mark": mark,
                            "model": model.state_dict(),
                            "optimiser": optimiser.state_dict(),
                            "schedule": schedule.state_dict(),
                            "average": average,
                            "run": run,
                        },
                        path,
                    )
            if val is not None and run["epoch"] - run["best_epoch"] >= settings.patience:
                break
    bundle = as_bundle(run["best_state"] or average)
    bundle.config["provenance"] = provenance | {"epochs_trained": run["epoch"]}
    return bundle


def _copy_of(model: nn.Module, state: dict[str, Tensor]) -> Any:
    out = copy.deepcopy(model).cpu()
    out.load_state_dict({name: value.cpu() for name, value in state.items()})
    return out.eval()


def _lesson(
    x: np.ndarray, y: np.ndarray, slow: np.ndarray, settings: Settings, rng: np.random.Generator
) -> tuple[Tensor, Tensor, Tensor]:
    """Return one batch, augmented: numbers [B, S, 63], targets [B, S], weights [B, S]."""
    if settings.sequence_mode:
        x, targets, weights = splice(vary(x, rng), y, slow, rng)
    else:
        x = np.repeat(vary(x, rng), LOOKS, 1)
        targets, weights = np.repeat(y[:, None], LOOKS, 1), np.ones((len(y), LOOKS), np.float32)
    return features(x, settings.motion), torch.from_numpy(targets), torch.from_numpy(weights)


def _fit_scaler(model: nn.Module, x: np.ndarray, settings: Settings) -> None:
    """Set mean and scale of the 63 numbers from what training will show; a floor keeps noise small."""
    rng = np.random.default_rng([settings.seed, 0])
    some = rng.permutation(len(x))[:2000]
    nothing_yet = np.zeros(len(some), int)
    numbers = _lesson(x[some], nothing_yet, nothing_yet > 0, settings, rng)[0].flatten(0, 1)
    model.mean.copy_(numbers.mean(0))
    model.scale.copy_(numbers.std(0).clamp_min(FLOOR))


@torch.no_grad()
def _average(average: dict[str, Tensor], model: nn.Module, decay: float, step: int) -> None:
    decay = min(decay, (1 + step) / (10 + step))  # early weights are soon forgotten
    for name, value in model.state_dict().items():
        average[name].lerp_(value, 1 - decay)


def _bar() -> Progress:
    columns = [
        TextColumn("{task.description}"),
        BarColumn(),
        MofNCompleteColumn(),
        TextColumn("loss {task.fields[loss]:.3f}"),
    ]
    return Progress(*columns, TimeRemainingColumn())


def _fingerprint(train: pd.DataFrame, val: pd.DataFrame | None, settings: Settings) -> str:
    """Name a run, so that a checkpoint of other data or settings is never continued."""
    mark = hashlib.sha256(json.dumps(asdict(settings), sort_keys=True).encode())
    for table in (train, val):
        if table is not None:
            mark.update(pd.util.hash_pandas_object(table, index=False).to_numpy().tobytes())
    return mark.hexdigest()


def _resume(checkpoint: Path, mark: str) -> dict[str, Any] | None:
    try:
        saved = torch.load(checkpoint, map_location="cpu", weights_only=True)
    except Exception:  # a damaged checkpoint costs a new start, no more
        return None
    return saved if isinstance(saved, dict) and saved.get("mark") == mark else None


def run(
    csv: list[str],
    settings: Settings,
    val_signers: list[str],
    out_dir: str | Path = "outputs/models",
    fps: float = 30.0,
) -> Bundle:
    """Do what `strm train` does: read, split, fit, save the three files and metrics.json into `out_dir`."""
    device_of(settings.device)  # say so before reading a large file
    table = read_table(csv, fps)
    train, val = split_by_signer(table, val_signers) if val_signers else (table, None)
    if settings.sequence_mode and not is_moving(train).any():
        print(
            "No clips here, only photos: training on held streams and drawn strokes made from them.",
            file=sys.stderr,
        )
    out_dir = Path(out_dir)
    checkpoint = out_dir / "checkpoint.pt"
    bundle = fit(train, settings, val, checkpoint=checkpoint)
    metrics: dict[str, Any] = {
        "history": bundle.history,
        "train_rows": len(train),
        "people": sorted(set(people(train))),
    }
    if val is not None:
        metrics["val_signers"] = val_signers
        metrics["val"] = evaluate(bundle, val, settings.sequence_mode)
        bundle.config["metrics"] = {key: metrics["val"][key] for key in ("n", "accuracy", "macro_f1")}
    bundle.save(out_dir)
    with replacing(out_dir / "metrics.json") as path:
        path.write_text(json.dumps(metrics, indent=1) + "\n", encoding="utf-8")
    checkpoint.unlink(missing_ok=True)
    print(f"Saved a model of {len(bundle.class_names)} classes in {out_dir}.")
    return bundle
