"""How well a model reads, in numbers that compare: accuracy, macro-F1, each letter, signer and source."""

import json
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import torch
from sklearn.metrics import f1_score

from strm.alphabet import ASL
from strm.bundle import Bundle
from strm.data import Clip, clips, hands, people, read_table
from strm.hub import fetch
from strm.landmarks import motion_features

BATCH = 512
STROKE_FRAMES = 8  # half a second


@contextmanager
def one_thread() -> Iterator[None]:
    """Compute on one core. A net this small leaves two of them waiting for each other."""
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        yield
    finally:
        torch.set_num_threads(threads)


@torch.inference_mode()
def clip_probabilities(bundle: Bundle, streams: list[np.ndarray]) -> np.ndarray:
    """Read each stream [S, 21, 3] (right-handed, 15 frames a second) from a reset state.

    Returns [N, C]: of a still letter the mean probability over the last third, what is thought once most has
    been seen; of a moving one that of its best half second, since a stroke may end long before a clip does.
    """
    out = np.zeros((len(streams), len(bundle.class_names)))
    moving = np.array([name in ASL.moving for name in bundle.class_names])
    order = np.argsort([len(x) for x in streams], kind="stable")  # alike lengths together: little padding
    for start in range(0, len(order), BATCH):
        chosen = order[start : start + BATCH]
        lengths = np.array([len(streams[i]) for i in chosen])
        padded = np.stack(
            [
                np.concatenate([streams[i], np.repeat(streams[i][-1:], lengths.max() - len(streams[i]), 0)])
                for i in chosen
            ]
        )
        x = model_input(padded, bundle.config["preprocessing"]["motion"])
        logits, _ = bundle.model.forward_sequence(x, lengths=torch.from_numpy(lengths))
        probability = logits.softmax(-1).double().numpy()
        for row, i in enumerate(chosen):
            out[i] = _of_clip(probability[row, : lengths[row]], moving)
    return out


def _of_clip(p: np.ndarray, moving: np.ndarray) -> np.ndarray:
    """Make one answer [C] out of every frame's [S, C]; moving: [C] bool."""
    out = p[-max(1, round(len(p) / 3)) :].mean(0)
    frames = min(STROKE_FRAMES, len(p))
    sums = np.cumsum(np.vstack([np.zeros(p.shape[1]), p]), axis=0)
    best = ((sums[frames:] - sums[:-frames]) / frames).max(0)
    out = np.where(moving, best, out)
    return out / out.sum()


def model_input(streams: np.ndarray, motion: bool = True) -> torch.Tensor:
    """Return the numbers [B, S, 63] of right-handed streams [B, S, 21, 3]; without motion, slot 0 is 0."""
    x, _ = motion_features(streams)
    if not motion:
        x[..., :3] = 0
    return torch.from_numpy(np.ascontiguousarray(x))


def evaluate(bundle: Bundle, table: pd.DataFrame, sequence_mode: bool = False) -> dict[str, Any]:
    """Judge a model on a table: single frames, or whole clips with `sequence_mode`.

    Returns `n`, `accuracy` and `macro_f1` over the letters that both know, `per_letter` (recall),
    `per_signer`, `per_source` (accuracy), `confusions` (true, read, how often) and, of labels that the model
    has no class for, `unknown` (label: how often), and `absent`, the classes that the table does not show;
    with clips also `false_j`, `false_z` and their like: how often clips of other letters are read as a moving
    one.
    """
    if sequence_mode:
        units = clips(table)
    else:
        named = zip(table["label"], people(table), table["source"], table["clip"], hands(table), strict=True)
        units = [Clip(*values[:4], values[4][None]) for values in named]
    known = [unit for unit in units if unit.label in bundle.class_names]
    unknown = Counter(unit.label for unit in units if unit.label not in bundle.class_names)
    true = np.array([unit.label for unit in known], dtype=object)
    read = np.array([], dtype=object)
    if known:
        read = np.array(bundle.class_names, dtype=object)[
            clip_probabilities(bundle, [unit.hands for unit in known]).argmax(1)
        ]
    report = score(
        true, read, np.array([u.person for u in known]), np.array([u.source for u in known]), sequence_mode
    )
    absent = [name for name in bundle.class_names if name not in report["per_letter"]]
    return report | {"unknown": dict(unknown), "absent": absent}


def score(
    true: np.ndarray, read: np.ndarray, person: np.ndarray, source: np.ndarray, clips_too: bool
) -> dict[str, Any]:
    """Compare what was signed with what was read; all arrays [N]."""
    right = true == read
    labels = ASL.order(set(true))

    def share(of: np.ndarray) -> dict[str, float]:
        return {str(name): float(right[of == name].mean()) for name in sorted(set(of))}

    wrong = Counter(zip(true[~right], read[~right], strict=True))
    report: dict[str, Any] = {
        "n": len(true),
        "accuracy": float(right.mean()) if len(true) else None,
        "macro_f1": float(f1_score(true, read, labels=labels, average="macro", zero_division=0))
        if len(true)
        else None,
        "per_letter": {label: float(right[true == label].mean()) for label in labels},
        "per_signer": share(person),
        "per_source": share(source),
        "confusions": [[a, b, n] for (a, b), n in wrong.most_common()],
    }
    if clips_too:
        for letter in ASL.moving:
            others = true != letter
            report[f"false_{letter.lower()}"] = (
                float((read[others] == letter).mean()) if others.any() else None
            )
    return report


def run(
    csv: list[str], model: str | Path, sequence_mode: bool = False, as_json: bool = False, fps: float = 30.0
) -> None:
    """Do what `strm evaluate` does: print a table, or one JSON object."""
    bundle = fetch(model)
    report = evaluate(bundle, read_table(csv, fps), sequence_mode)
    if as_json:
        print(json.dumps(report))
        return
    from rich.console import Console
    from rich.markup import escape
    from rich.table import Table

    console = Console()
    unit = "clips" if sequence_mode else "frames"
    if report["n"]:
        console.print(
            f"{report['n']} {unit}: accuracy {report['accuracy']:.3f}, macro-F1 {report['macro_f1']:.3f}"
        )
    for kind in ("per_letter", "per_signer", "per_source"):
        table = Table(kind.replace("_", " "), "accuracy")
        for name, value in report[kind].items():
            table.add_row(escape(name), f"{value:.3f}")  # a name may hold brackets
        console.print(table)
    for true, read, count in report["confusions"][:10]:
        console.print(f"{true} read as {read}: {count}")
    for key in report:
        if key.startswith("false_") and report[key] is not None:
            console.print(f"{key.replace('_', ' ').upper()}: {report[key]:.4f} of the clips of other letters")
    for label, count in report["unknown"].items():
        console.print(f"Not judged: {count} {unit} of {label}, which this model has no class for.")
    if report["absent"]:
        console.print(f"Not judged: {', '.join(report['absent'])}, of which there are no {unit}.")
