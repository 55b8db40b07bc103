"""The tables of data/results: every net reads people whom its training left out, over several seeds.

Real people's landmarks come from the folder that STRM_REAL_DATA names; only numbers are written. Nobody who
judges stops or scales a training: the number of epochs is fixed, and the same for all nets.
"""

import json
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from sklearn.neural_network import MLPClassifier
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from strm.alphabet import ASL
from strm.augment import vary
from strm.bundle import WEIGHTS
from strm.curriculum import Curriculum
from strm.data import hands, is_moving, people, split_by_signer
from strm.evaluate import evaluate, score
from strm.files import replacing
from strm.landmarks import features102
from strm.memory import memory_table
from strm.movement import movement_table
from strm.qualities import qualities_table
from strm.search import search_table
from strm.signs import signs_table
from strm.sim_to_real import studio_table
from strm.strangers import strangers_table
from strm.taught import taught_table
from strm.train import fit
from strm.trials import (
    AUTHORS,
    NETS,
    PHOTOS,
    STREAMS,
    everyone,
    photo_table,
    real_data,
    run_all,
    spread,
    with_drawn,
)

LEAKY_SHARE = 0.2


def _v1(train: pd.DataFrame, test: pd.DataFrame, seed: int) -> dict[str, Any]:
    """Train the first generation: an MLP of (128, 64) on 102 features, the same photos, as varied."""
    lessons, rng = Curriculum(train, 1, PHOTOS.per_letter), np.random.default_rng(seed)
    drawn = [lessons.epoch(rng) for _ in range(4)]
    x = features102(np.concatenate([vary(x, rng)[:, 0] for x, _, _ in drawn]))
    y = np.array(lessons.classes)[np.concatenate([y[:, 0] for _, y, _ in drawn])]
    net = make_pipeline(StandardScaler(), MLPClassifier((128, 64), max_iter=30, random_state=seed))
    net.fit(x, y)
    read = net.predict(features102(hands(test)))
    weights = net[-1].coefs_ + net[-1].intercepts_
    report = score(test["label"].to_numpy(object), read, people(test), test["source"].to_numpy(), False)
    return report | {"parameters": sum(w.size for w in weights)}


def _photo_task(net: str, left: str, seed: int) -> dict[str, Any]:
    table = photo_table()
    if left == "leaky":  # what not to do: frames of one person, and of one clip, on both sides
        table = table[~is_moving(table)].reset_index(drop=True)
        test = np.random.default_rng(seed).random(len(table)) < LEAKY_SHARE
        train, test = table[~test].reset_index(drop=True), table[test].reset_index(drop=True)
    else:
        train, test = split_by_signer(table, [left])
        test = test[~is_moving(test)].reset_index(drop=True)
    if net == "v1":
        report = _v1(train, test, seed)
    else:
        bundle = fit(train, replace(PHOTOS, seed=seed), progress=False, net=NETS[net])
        size = sum(p.numel() for p in bundle.model.parameters())
        report = evaluate(bundle, test) | {"parameters": size}
    keep = ("n", "accuracy", "macro_f1", "per_letter", "parameters")
    return {"letter_mean": float(np.mean(list(report["per_letter"].values())))} | {k: report[k] for k in keep}


def photos_table(seeds: int, workers: int) -> dict[str, Any]:
    """Left-out authors' still letters, and a leaky split: three nets that learn from photos only."""
    judged = dict.fromkeys(("strm", "mlp", "v1"), (*AUTHORS, "leaky"))
    jobs = [(net, left, seed) for net, who in judged.items() for left in who for seed in range(seeds)]
    results = dict(zip(jobs, run_all("photos", _photo_task, jobs, workers), strict=True))
    out: dict[str, Any] = {"settings": asdict(PHOTOS), "seeds": seeds, "nets": {}}
    for net, who in judged.items():
        one: dict[str, Any] = {"parameters": results[net, AUTHORS[0], 0]["parameters"]}
        for measure in ("accuracy", "macro_f1", "letter_mean"):
            rows = {a: [results[net, a, s][measure] for s in range(seeds)] for a in who}
            one[measure] = {a: spread(values) for a, values in rows.items()}
            means = [float(np.mean([rows[a][s] for a in AUTHORS])) for s in range(seeds)]
            one[measure]["mean_of_authors"] = spread(means)
        read = [results[net, a, s]["per_letter"] for a in AUTHORS for s in range(seeds)]
        letters = ASL.order({c for report in read for c in report})
        one["per_letter"] = {c: spread([r[c] for r in read if c in r])["mean"] for c in letters}
        out["nets"][net] = one
    return out


def ship(folder: Path) -> None:
    """Train the weights that ship, by the recipe that strangers judged but on everyone, into `folder`."""
    table = with_drawn(everyone())
    unfinished = Path("outputs") / "shipped.pt"
    fit(table, STREAMS, resume=unfinished).save(folder)
    unfinished.unlink(missing_ok=True)


TABLES = {
    "photos": photos_table,
    "strangers": strangers_table,
    "qualities": qualities_table,
    "search": search_table,
    "taught": taught_table,
    "signs": signs_table,
    "studio": studio_table,
    "movement": movement_table,
    "memory": memory_table,
}
DRAWN_ONLY = ("memory",)  # tables that need no real person


NAMES = {
    "strm": "S-TRM",
    "strm_without_slot": "S-TRM, no slot",
    "gru": "GRU",
    "conv": "convolution, 16 frames",
    "stateless": "stateless",
    "stateless_without_slot": "stateless, no slot",
    "mlp": "MLP",
    "features": "MLP, 102 features",
    "v1": "v1: 102 features, 23K",
}
MEASURES = {
    "pairs_balanced": "minimal pairs",
    "moving": "moving letters",
    "clips": "clips, all letters",
    "photos": "photos",
    "words_all": "words: error rate",
}


STROKES = {
    "width": "width, in hands",
    "height": "height, in hands",
    "path": "path, in hands",
    "wrist_share": "the wrist's part of it",
    "seconds": "seconds",
}


def draw(name: str, table: dict[str, Any], path: Path) -> None:
    """Draw the table of strangers or of movement into a PNG."""
    import matplotlib.pyplot as plt

    from strm.figures import STYLE, show_movement, show_strangers

    with plt.rc_context(STYLE), replacing(path) as temporary:
        if name == "strangers":
            nets = {net: called for net, called in NAMES.items() if net in table["nets"]}
            figure = show_strangers(table, nets, MEASURES)
        else:
            figure = show_movement(table, {"people": "six people", "drawn": "the studio"}, STROKES)
        figure.savefig(temporary, format="png", dpi=110)
        plt.close(figure)


def run(what: str = "all", out_dir: str | Path = "data/results", seeds: int = 3, jobs: int = 2) -> None:
    """Do what `strm compare` does: write one or all of TABLES, or train the shipped weights."""
    if what not in DRAWN_ONLY:
        real_data()
    for name, make in TABLES.items():
        if what in (name, "all"):
            table = {"made by": f"strm compare {name} --seeds {seeds}"} | make(seeds, jobs)
            path = Path(out_dir) / f"{name}.json"
            with replacing(path) as temporary:
                temporary.write_text(json.dumps(table, indent=1) + "\n", encoding="utf-8")
            print(f"Wrote {path}.")
            if name in ("strangers", "movement"):
                draw(name, table, path.with_suffix(".png"))
    if what == "weights":
        ship(WEIGHTS)
        print(f"Wrote {WEIGHTS}.")
