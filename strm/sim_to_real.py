"""From the studio to real hands: what a model that saw drawn hands only reads of people, and what drawn
hands add to real ones. Writes data/results/studio.json.

Poses were tuned by looking at two authors, TUNED; the others judge. All of them are here, marked.
"""

import hashlib
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from strm.alphabet import ASL
from strm.data import is_moving, people, read_table, split_by_signer
from strm.evaluate import evaluate
from strm.studio.dataset import make
from strm.studio.ship import FOLDER, KEPT, PLAN, SIGNERS
from strm.train import fit
from strm.trials import (
    AUTHORS,
    DRAWN_PEOPLE,
    NETS,
    PHOTOS,
    STREAMS,
    learners,
    photo_table,
    real_tables,
    run_all,
    spread,
)

TUNED = ("davidlee", "keptsecret")
JUDGES = tuple(author for author in AUTHORS if author not in TUNED)
MOVERS = ("tresajoby", "ayspi", "yash", "traduttore/alex", "traduttore/cam", "traduttore/danial")
STILL_STARTS = ("kaushik", "tresajoby", "yash", "traduttore/alex", "traduttore/cam", "traduttore/danial")


def drawn_photos(kind: str) -> pd.DataFrame:
    """Return drawn photos of the still letters: without pixels ('fast'), seen by the detector, or 'both'."""
    folders = {"fast": [fast_folder()], "both": [FOLDER, fast_folder()]}.get(kind, [FOLDER])
    table = pd.concat([learners(folder, "photos") for folder in folders], ignore_index=True)
    return table[table["label"].isin(ASL.still)].reset_index(drop=True)


def fast_folder() -> Path:
    """Where the same people are without pixels: true points, with noise like the detector's."""
    return Path("outputs") / "compare" / f"fast-{_mark()}"


def _mark() -> str:
    """Tell this cut of the studio from others: what was learned from another one does not count."""
    tables = (FOLDER / f"{kind}.csv.gz" for kind in ("photos", "clips"))
    return hashlib.sha256(b"".join(path.read_bytes() for path in tables)).hexdigest()[:8]


def _photo_task(kind: str, net: str, left: str, seed: int) -> dict[str, Any]:
    """Train on drawn photos, or with real ones of all but one author; read real photos of who is left."""
    real = photo_table()
    drawn = drawn_photos(kind)
    test = real[~is_moving(real)].reset_index(drop=True)
    if left:
        train, test = split_by_signer(real, [left])
        test = test[~is_moving(test)].reset_index(drop=True)
        if kind == "mixture":
            numbers = pd.factorize(people(drawn))[0] % DRAWN_PEOPLE
            drawn = drawn.assign(signer=[f"studio/{number}" for number in numbers])
            train = pd.concat([train, drawn], ignore_index=True)
    else:
        train = drawn
    bundle = fit(train, replace(PHOTOS, seed=seed), progress=False, net=NETS[net])
    if kind == "studio":  # drawn people whom it never saw, too
        held = split_by_signer(read_table(FOLDER / "photos.csv.gz"), [KEPT])[1]
        held = held[held["label"].isin(ASL.still)]
        test = pd.concat([test, held], ignore_index=True)
    who, out = people(test), {}
    for name in (left,) if left else AUTHORS:
        out[name] = _report(bundle, test[(who == name) | (test["source"] == name)])
    if kind == "studio":
        out["studio"] = _report(bundle, test[test["source"] == "studio"])
    return out


def _report(bundle, table: pd.DataFrame) -> dict[str, Any]:
    report = evaluate(bundle, table)
    per_letter = report["per_letter"]
    return {
        "n": report["n"],
        "accuracy": report["accuracy"],
        "letter_mean": float(np.mean(list(per_letter.values()))),
        "per_letter": per_letter,
    }


def _clip_task(net: str, seed: int) -> dict[str, Any]:
    """Train on drawn streams; read real people's strokes, and the poses that strokes begin with, held."""
    bundle = fit(
        pd.concat([learners(FOLDER, kind) for kind in ("photos", "clips")], ignore_index=True),
        replace(STREAMS, seed=seed),
        progress=False,
        net=NETS[net],
    )
    _, clips = real_tables()
    who = people(clips)
    out: dict[str, Any] = {}
    for group, signers, letters in (
        ("moving", MOVERS, tuple(ASL.moving)),
        ("held", STILL_STARTS, tuple(ASL.moving.values())),
    ):
        out[group] = {}
        for signer in signers:
            test = clips[(who == signer) & clips["label"].isin(letters).to_numpy()]
            read = evaluate(bundle, test, sequence_mode=True)["per_letter"]
            out[group][signer.replace("/", "_")] = {
                letter: read[letter] for letter in letters if letter in read
            }
    return out


def studio_table(seeds: int, workers: int) -> dict[str, Any]:
    """Everything that data/results/studio.json tells."""
    if not (fast_folder() / "photos.csv.gz").exists():
        make(fast_folder(), SIGNERS, replace(PLAN, landmarks_only=True, clips=0, words=0), workers)
    kinds = [(kind, net) for kind in ("studio", "fast", "both") for net in ("strm", "mlp")]
    jobs = [(*kind, "", seed) for kind in kinds for seed in range(seeds)]
    mixed = ("real", "mixture")
    jobs += [(kind, "strm", author, seed) for kind in mixed for author in AUTHORS for seed in range(seeds)]
    done = run_all(f"studio-{_mark()}-photos", _photo_task, jobs, workers)
    results = dict(zip(jobs, done, strict=True))
    out: dict[str, Any] = {"settings": {"photos": asdict(PHOTOS), "clips": asdict(STREAMS)}, "seeds": seeds}
    out |= {"tuned_on": TUNED, "judges": JUDGES, "photos": {}, "clips": {}}
    for kind, net in kinds:
        reports = [results[kind, net, "", seed] for seed in range(seeds)]
        out["photos"][f"{net}_{kind}"] = _summary(reports)
    for kind in mixed:
        reports = [{a: results[kind, "strm", a, s][a] for a in AUTHORS} for s in range(seeds)]
        out["photos"][f"strm_{kind}"] = _summary(reports)
    movers = [(net, seed) for net in ("strm", "stateless", "mlp") for seed in range(seeds)]
    done = run_all(f"studio-{_mark()}-clips", _clip_task, movers, workers)
    read = dict(zip(movers, done, strict=True))
    for net in ("strm", "stateless", "mlp"):
        out["clips"][net] = _strokes([read[net, seed] for seed in range(seeds)])
    return out


def _summary(reports: list[dict[str, Any]]) -> dict[str, Any]:
    """Per author and seed: accuracy, mean over letters; per letter over the judges."""
    out: dict[str, Any] = {}
    for measure in ("accuracy", "letter_mean"):
        rows = {name: [r[name][measure] for r in reports] for name in reports[0]}
        out[measure] = {name: spread(values) for name, values in rows.items()}
        for group, names in (("judges", JUDGES), ("tuned", TUNED), ("mean_of_authors", AUTHORS)):
            means = [float(np.mean([rows[name][s] for name in names])) for s in range(len(reports))]
            out[measure][group] = spread(means)
    out["per_letter_of_judges"] = {
        letter: spread(
            [
                float(np.mean([r[j]["per_letter"][letter] for j in JUDGES if letter in r[j]["per_letter"]]))
                for r in reports
            ]
        )
        for letter in ASL.still
    }
    return out


def _strokes(reports: list[dict[str, Any]]) -> dict[str, Any]:
    out: dict[str, Any] = {}
    for group in ("moving", "held"):
        signers = reports[0][group]
        out[group] = {
            signer: {letter: spread([r[group][signer][letter] for r in reports]) for letter in letters}
            for signer, letters in signers.items()
        }
        every = [[v for read in r[group].values() for v in read.values()] for r in reports]
        out[group]["mean"] = spread([float(np.mean(values)) for values in every])
        for letter in sorted({letter for letters in signers.values() for letter in letters}):
            some = [[read[letter] for read in r[group].values() if letter in read] for r in reports]
            out[group][f"mean_{letter}"] = spread([float(np.mean(values)) for values in some])
    return out
