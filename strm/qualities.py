"""What else is known of the nets that strangers have judged: how their memory holds, how sure they may be.

The trainings are those of `strm.strangers`, judged once more. Writes data/results/qualities.json.
"""

from collections.abc import Sequence
from typing import Any

import numpy as np
import pandas as pd

from strm import probes
from strm.alphabet import ASL
from strm.bundle import Bundle
from strm.data import Clip, clips, hands, is_moving, people, read_table, split_by_signer
from strm.evaluate import clip_probabilities, evaluate
from strm.search import BEGAN
from strm.strangers import CHOSE, FOLDS, MOVERS, SPELLERS, contestant
from strm.studio.ship import FOLDER, KEPT
from strm.trials import AUTHORS, everyone, run_all, spread

NETS = ("strm", "stateless", "gru", "conv", "mlp")
BEFORE = "strm_began"  # the S-TRM of the recipe with which the search began
FRAMES = (1, 2, 3, 5, 9, 16, 24)  # of a letter, at which it is told how much is read
TEMPERATURES = tuple(round(0.3 + 0.05 * i, 2) for i in range(35))  # up to 2
BINS = 15
THIRDS = {"1-3": (1, 3), "4-7": (4, 7), "8-10": (8, 10)}  # of the Monk scale


def cooled(p: np.ndarray, temperature: float) -> np.ndarray:
    """Return probabilities [N, C] at another temperature: above 1 less sure, below 1 surer."""
    q = np.maximum(p, 1e-12) ** (1 / temperature)
    return q / q.sum(1, keepdims=True)


def calibration_error(p: np.ndarray, true: np.ndarray, bins: int = BINS) -> float:
    """Return the expected calibration error of p [N, C] against the classes that were shown [N].

    How far confidence and accuracy are apart, in equal bins of confidence, weighed by how many are in each.
    """
    sure, right = p.max(1), p.argmax(1) == true
    bin_of = np.minimum((sure * bins).astype(int), bins - 1)
    gaps = [abs(sure[bin_of == b].sum() - right[bin_of == b].sum()) for b in range(bins)]
    return float(sum(gaps) / len(p))


def calibration(bundle: Bundle, table: pd.DataFrame, fold: Sequence[str]) -> dict[str, Any]:
    """Return, at each temperature, the mean log loss and the calibration error of a fold's hands."""
    table = table[np.isin(people(table), fold)]
    letters = table[table["label"].isin(bundle.class_names) & (table["label"] != ASL.nothing)]
    moving = is_moving(letters)
    photos = letters[~moving & letters["label"].isin(ASL.still).to_numpy()]
    units = [(c.label, c.hands) for c in clips(letters[moving])] if moving.any() else []
    units += list(zip(photos["label"], hands(photos)[:, None], strict=True))
    p = clip_probabilities(bundle, [x for _, x in units])
    true = np.array([bundle.class_names.index(label) for label, _ in units])
    rows = [cooled(p, t) for t in TEMPERATURES]
    return {
        "n": len(units),
        "log_loss": [float(-np.log(q[np.arange(len(q)), true] + 1e-12).mean()) for q in rows],
        "error": [calibration_error(q, true) for q in rows],
    }


def tones(bundle: Bundle) -> dict[str, dict[str, float]]:
    """Return the accuracy on drawn people kept for judging, by third of the skin scale: photos and clips."""
    out: dict[str, dict[str, float]] = {}
    for kind in ("photos", "clips"):
        table = split_by_signer(read_table(FOLDER / f"{kind}.csv.gz"), [KEPT])[1]
        if kind == "photos":
            table = table[table["label"].isin(ASL.still)]
        for third, (low, high) in THIRDS.items():
            some = table[table["tone"].between(low, high)]
            accuracy = evaluate(bundle, some, sequence_mode=kind == "clips")["accuracy"]
            out.setdefault(third, {})[kind] = accuracy
    return out


def _strokes(table: pd.DataFrame, who: np.ndarray, person: str) -> list[Clip]:
    own = table[(who == person) & table["label"].isin([*ASL.moving]).to_numpy()]
    return [clip for clip in clips(own) if len(clip.hands) > 1]


def _successions(bundle: Bundle, table: pd.DataFrame, who: np.ndarray, fold: Sequence[str]) -> dict[str, Any]:
    """Let a fold's authors hold one photo after another: {author: {after, fresh: shares by frame}}."""
    photos = ~is_moving(table) & table["label"].isin(ASL.still).to_numpy()
    own = {person: table[photos & (who == person)] for person in fold if person in AUTHORS}
    return {a: probes.succession(bundle, hands(t), t["label"].to_numpy(object)) for a, t in own.items()}


def _task(net: str, fold: tuple[str, ...], seed: int) -> dict[str, Any]:
    table = everyone()
    who = people(table)
    if net == BEFORE:
        bundle = contestant("strm", True, fold, seed, **BEGAN)
        return {"authors": _successions(bundle, table, who, fold)}
    bundle = contestant(net, True, fold, seed)
    out: dict[str, Any] = {"people": {}, "authors": _successions(bundle, table, who, fold)}
    for person in fold:
        if person in MOVERS:
            strokes = _strokes(table, who, person)
            out["people"][person] = {
                "slow": probes.slow(bundle, strokes),
                "interrupted": probes.interrupted(bundle, strokes),
            }
            if net == "strm" and person in SPELLERS:
                own = table[(who == person) & table["label"].isin(ASL.letters).to_numpy()]
                out["people"][person]["halting"] = probes.halting(bundle, clips(own))
    if net == "strm":
        out["calibration"] = calibration(bundle, table, fold)
        out["tones"] = tones(bundle)
        out["carried"] = probes.memory(bundle)
    return out


def qualities_table(seeds: int, workers: int) -> dict[str, Any]:
    """Everything that data/results/qualities.json tells."""
    jobs = [(net, fold, seed) for seed in range(seeds) for net in (*NETS, BEFORE) for fold in FOLDS]
    done = dict(zip(jobs, run_all("qualities", _task, jobs, workers), strict=True))
    out: dict[str, Any] = {"seeds": seeds, "movement": {}, "succession": {"frames": FRAMES}}
    for net in NETS:
        runs = [[done[net, fold, seed]["people"] for fold in FOLDS] for seed in range(seeds)]
        out["movement"][net] = _of_people([{p: r for part in run for p, r in part.items()} for run in runs])
    for net in (*NETS, BEFORE):
        authors = [[done[net, fold, seed]["authors"] for fold in FOLDS] for seed in range(seeds)]
        out["succession"][net] = _shares([[r for part in run for r in part.values()] for run in authors])
    ours = [[done["strm", fold, seed] for fold in FOLDS] for seed in range(seeds)]
    out["halting"] = _halting([[r for part in run for r in part["people"].values()] for run in ours])
    out |= sureness(ours)
    out["carried"] = ours[0][0]["carried"]
    return out


def _of_people(runs: list[dict[str, dict[str, Any]]]) -> dict[str, Any]:
    """Mean over the signers, by probe and how hard it is: the share read, falsely read, and both balanced."""
    first = next(iter(runs[0].values()))
    return {
        probe: {
            case: {
                measure: {
                    share: spread(
                        [
                            float(np.mean([r[probe][case][measure][share] for r in run.values()]))
                            for run in runs
                        ]
                    )
                    for share in ("moving", "still", "balanced")
                }
                for measure in ("typed", "last_third")
            }
            for case in first[probe]
        }
        for probe in ("slow", "interrupted")
    }


def _shares(runs: list[list[dict[str, list[float]]]]) -> dict[str, list[dict[str, Any]]]:
    """Return the share read at each of FRAMES, the mean over authors, `after` another letter and `fresh`."""
    return {
        case: [
            spread([float(np.mean([r[case][frame - 1] for r in run])) for run in runs]) for frame in FRAMES
        ]
        for case in ("after", "fresh")
    }


def _halting(runs: list[list[dict[str, Any]]]) -> list[dict[str, Any]]:
    """For each confidence that ends the thinking: cycles a frame and accuracy, means over the signers."""
    rows = [[r["halting"] for r in run if "halting" in r] for run in runs]
    return [
        {"q": row["q"]}
        | {
            key: spread([float(np.mean([r[i][key] for r in run])) for run in rows])
            for key in ("cycles", "accuracy")
        }
        for i, row in enumerate(rows[0][0])
    ]


def sureness(runs: Sequence[Sequence[dict[str, Any]]]) -> dict[str, Any]:
    """Put several seeds' `calibration` and `tones` of all folds together, as the tables tell them."""
    shades = {
        third: {
            kind: spread([float(np.mean([part["tones"][third][kind] for part in run])) for run in runs])
            for kind in ("photos", "clips")
        }
        for third in THIRDS
    }
    return {"calibration": _calibrated(runs), "tones": shades}


def _calibrated(runs: Sequence[Sequence[dict[str, Any]]]) -> dict[str, Any]:
    """Choose the temperature on who has chosen the recipe; tell the others' calibration error with it."""
    raw = TEMPERATURES.index(1.0)
    chosen, before, after = [], [], []
    for run in runs:
        parts = list(zip(FOLDS, (part["calibration"] for part in run), strict=True))
        choosers = [part for fold, part in parts if set(fold) & set(CHOSE)]
        judges = [part for fold, part in parts if not set(fold) & set(CHOSE)]
        best = int(np.mean([part["log_loss"] for part in choosers], axis=0).argmin())
        chosen.append(TEMPERATURES[best])
        before.append(float(np.mean([part["error"][raw] for part in judges])))
        after.append(float(np.mean([part["error"][best] for part in judges])))
    return {"temperature": spread(chosen), "error": spread(before), "error_with_temperature": spread(after)}
