"""The far end of what was promised: 31 classes, 26 letters and five whole signs (and 'nothing').

One signer only has recorded these signs, so other clips of the same person judge them: a figure for how many
classes the model can hold, none for strangers. Letters are judged by people left out. Writes
data/results/signs.json.
"""

import hashlib
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from strm.alphabet import ASL
from strm.curriculum import Curriculum
from strm.data import is_moving, people, split_by_signer
from strm.evaluate import evaluate
from strm.strangers import FOLDS
from strm.trainer import Trainer
from strm.trials import STREAMS, everyone, learned, recorded_labels, run_all, spread, with_drawn

SIGNS = {"hello": "HELLO", "no": "NO", "sorry": "SORRY", "thanks": "THANKYOU", "yes": "YES"}
JUDGED = 0.2  # of the clips of each sign
FOLD = FOLDS[3]
MORE = 360  # windows of each sign beside those that any label of a person gets: with them, about a letter's


def tables(seed: int) -> tuple[pd.DataFrame, pd.DataFrame, pd.DataFrame]:
    """Return what is learned from, clips of signs that judge, and the people left out."""
    table = everyone()
    named = table["clip"].map(recorded_labels().str.removeprefix("word:").map(SIGNS))
    table = table.assign(label=named.where(named.notna(), table["label"]))
    rest, out = split_by_signer(table, FOLD)
    signed = rest["label"].isin([*SIGNS.values()])
    clips = sorted(rest["clip"][signed].unique())
    judging = np.random.default_rng(seed).random(len(clips)) < JUDGED
    judges = rest["clip"].isin(np.array(clips, dtype=object)[judging])
    return rest[~judges].reset_index(drop=True), rest[judges].reset_index(drop=True), out


class Signed(Curriculum):
    """The usual lessons, in which people count alike; but a sign that one person shows counts as a letter.

    Without this a letter, shown by many and in photos too, is seen fifty times as often, and a sign that
    looks like it, as the nodding fist of YES does, is never read.
    """

    def _real_clips(self, rng: np.random.Generator) -> None:
        super()._real_clips(rng)
        for sign in sorted({label for _, label in self.clips} & {*SIGNS.values()}):
            pool = [x for (_, label), own in sorted(self.clips.items()) if label == sign for x in own]
            for i in rng.integers(len(pool), size=MORE):
                self._add(self._window(pool[i], rng)[None], sign)


class SignTrainer(Trainer):
    """Teaches letters and signs."""

    curriculum = Signed


def _task(seed: int, code: str) -> dict[str, Any]:
    """Train and judge one net; code: names what this module says, so that an older result does not count."""
    train, signs, out = tables(seed)
    settings = replace(STREAMS, seed=seed)
    bundle = learned(lambda: with_drawn(train), settings, None, "signs", code, trainer=SignTrainer)
    letters = out[is_moving(out) & out["label"].isin(ASL.letters).to_numpy()]
    photos = out[~is_moving(out) & out["label"].isin(ASL.still).to_numpy()]
    signed = evaluate(bundle, signs, sequence_mode=True)
    return {
        "classes": bundle.class_names,
        "parameters": sum(p.numel() for p in bundle.model.parameters()),
        "signs": signed["accuracy"],
        "per_sign": signed["per_letter"],
        "clips": evaluate(bundle, letters, sequence_mode=True)["accuracy"],
        "photos": evaluate(bundle, photos)["accuracy"],
        "people": sorted(set(people(out))),
    }


def signs_table(seeds: int, workers: int) -> dict[str, Any]:
    """Everything that data/results/signs.json tells."""
    code = hashlib.sha256(Path(__file__).read_bytes()).hexdigest()[:12]
    runs = run_all("signs", _task, [(seed, code) for seed in range(seeds)], workers)
    out: dict[str, Any] = {"settings": asdict(STREAMS), "seeds": seeds}
    out |= {key: runs[0][key] for key in ("classes", "parameters", "people")}
    out |= {key: spread([run[key] for run in runs]) for key in ("signs", "clips", "photos")}
    out["per_sign"] = {s: spread([run["per_sign"][s] for run in runs]) for s in runs[0]["per_sign"]}
    return out
