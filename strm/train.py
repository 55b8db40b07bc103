"""Teach a model: single photos, or streams by true backpropagation through time."""

import json
import sys
from collections.abc import Callable
from contextlib import nullcontext, suppress
from dataclasses import asdict
from pathlib import Path
from typing import Any

import pandas as pd
import torch
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn
from torch import nn

from strm import __version__, checkpoint
from strm.bundle import MOST_STEPS, Bundle
from strm.data import is_moving, people, read_table, split_by_signer
from strm.device import device_of
from strm.evaluate import evaluate, one_thread
from strm.files import UserError, replacing, trouble
from strm.team import leads
from strm.trainer import Settings, Trainer

__all__ = ["CHECKPOINT", "METRICS_FILE", "Settings", "fit", "run"]

CHECKPOINT = "checkpoint.pt"  # beside the model, until the training is done
METRICS_FILE = "metrics.json"


def fit(
    train: pd.DataFrame,
    settings: Settings,
    val: pd.DataFrame | None = None,
    progress: bool = True,
    resume: Path | None = None,
    net: Callable[..., nn.Module] | None = None,
    trainer: type[Trainer] = Trainer,
) -> Bundle:
    """Train on a table (`strm.data.read_table`) and return the model as a Bundle.

    val: people who choose the best epoch and stop the training; without them the number of epochs is fixed.
    resume: a file written after every epoch; where it exists and fits, training goes on from there.
    net: called with num_classes; by default the S-TRM of the settings. trainer: teaches in another way.
    Same seed, same machine, same model.
    """
    course = trainer(train, settings, net)
    if val is not None and not set(val["label"]) & set(course.classes):
        raise UserError("The validation signers show no letter that the others do: choose other ones.")
    if resume is not None:
        try:  # now, for an epoch may take an hour
            resume.parent.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise trouble(resume.parent, error) from error
    mark = checkpoint.fingerprint(settings, train, val)
    history: list[dict[str, float]] = []
    best: dict[str, Any] = {"f1": -1.0, "epoch": 0, "weights": None}
    saved = course.team.agreed(checkpoint.load(resume, mark))
    if saved and _fits(saved, course.average, settings.epochs, val is not None):
        with suppress(ValueError):  # of another version of this code
            course.go_on(saved["trainer"])
            history, best = saved["history"], saved["best"]
    if resume is not None and resume.is_file() and not history and leads():
        print(f"{resume} is of another training, or damaged: this one begins anew.", file=sys.stderr)
    columns = [TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn()]
    bar = Progress(*columns, TextColumn("loss {task.fields[loss]:.3f}"), TimeRemainingColumn())
    with one_thread(), bar if progress and leads() else nullcontext():
        done = len(history) * course.steps
        task = bar.add_task("training", total=settings.epochs * course.steps, completed=done, loss=0.0)
        for number in range(len(history), settings.epochs):
            if val is not None and number - best["epoch"] >= settings.patience:
                break
            loss = course.epoch(number, lambda mean: bar.update(task, advance=1, loss=mean))
            history.append({"epoch": number + 1, "loss": loss})
            if val is not None:
                report = evaluate(course.bundle(course.average, {}), val, settings.sequence_mode)
                f1 = course.team.agreed(report["macro_f1"])
                history[-1]["val_macro_f1"] = f1
                if f1 > best["f1"]:
                    weights = {name: value.cpu().clone() for name, value in course.average.items()}
                    best = {"f1": f1, "epoch": number + 1, "weights": weights}
            if resume is not None and leads():
                state = {"trainer": course.state(), "history": history, "best": best}
                checkpoint.save(resume, mark, state)
    provenance = {
        "strm": __version__,
        "torch": torch.__version__.split("+")[0],
        "settings": asdict(settings),
        "rows": len(train),
        "people": sorted(set(people(train))),
        "epochs_trained": len(history),
    }
    bundle = course.bundle(best["weights"] or course.average, provenance)
    bundle.history = history
    return bundle


def _fits(saved: dict[str, Any], weights: dict[str, Any], epochs: int, judged: bool) -> bool:
    """Whether a checkpoint tells of epochs as `fit` does; of the trainer's state, the trainer judges."""
    if saved.keys() != {"trainer", "history", "best"} or not isinstance(saved["history"], list):
        return False
    done = len(saved["history"])
    epoch = {"epoch": 1, "loss": 0.0} | ({"val_macro_f1": 0.0} if judged else {})
    best = {"f1": 0.0, "epoch": 1, "weights": weights if judged else None}
    return 0 < done <= epochs and checkpoint.alike([[epoch] * done, best], [saved["history"], saved["best"]])


def run(
    csv: list[str],
    settings: Settings,
    val_signers: list[str],
    out_dir: str | Path = "outputs/models",
    fps: float = 30.0,
    keep: bool = False,
) -> Bundle:
    """Do what `strm train` does: read, split, fit, save the three files and metrics.json into `out_dir`.

    keep: leave the checkpoint, so that the same call trains no more.
    """
    device_of(settings.device)  # say so before reading a large file
    if settings.n_latent * settings.T_deep > MOST_STEPS:
        raise UserError(
            f"A frame takes n_latent times T_deep steps, at most {MOST_STEPS}: choose smaller ones."
        )
    train, val = read_table(csv, fps), None
    if val_signers:
        train, val = split_by_signer(train, val_signers)
    if settings.sequence_mode and not is_moving(train).any() and leads():
        print("No clips, only photos: training on held streams and drawn strokes of them.", file=sys.stderr)
    out_dir, unfinished = Path(out_dir), Path(out_dir) / CHECKPOINT
    bundle = fit(train, settings, val, resume=unfinished)
    if not leads():
        return bundle
    metrics: dict[str, Any] = {"train_rows": len(train), "people": sorted(set(people(train)))}
    metrics["history"] = bundle.history
    if val is not None:
        metrics["val_signers"] = val_signers
        metrics["val"] = evaluate(bundle, val, settings.sequence_mode)
        bundle.config["metrics"] = {key: metrics["val"][key] for key in ("n", "accuracy", "macro_f1")}
    bundle.save(out_dir)
    with replacing(out_dir / METRICS_FILE) as path:
        path.write_text(json.dumps(metrics, indent=1) + "\n", encoding="utf-8")
    if not keep:
        unfinished.unlink(missing_ok=True)
    print(f"Saved a model of {len(bundle.class_names)} classes in {out_dir}.")
    return bundle
