"""Everyone left out in turn, and read with everything a model is for: photos, clips, minimal pairs, words.

The same streams and photos teach every net, the same people judge it. Writes data/results/strangers.json.
"""

from collections.abc import Sequence
from dataclasses import asdict, replace
from typing import Any

import numpy as np
import pandas as pd

from strm import pairs
from strm.alphabet import ASL
from strm.bundle import Bundle
from strm.data import Clip, clips, hands, is_moving, people, split_by_signer
from strm.decode import GRID, errors_of_all, probabilities
from strm.evaluate import clip_probabilities, evaluate
from strm.joined import WORDS, joined
from strm.trials import (
    AUTHORS,
    NETS,
    STREAMS,
    everyone,
    held_shapes,
    learned,
    run_all,
    spread,
    with_drawn,
)

# Each fold is left out of one training and judged by it, person by person. Two of the six who show strokes
# (yash, traduttore/cam) and two authors of photos (davidlee, keptsecret) have chosen the recipe.
FOLDS = (
    ("tresajoby",),
    ("traduttore/cam", "kaushik", "keptsecret"),
    ("traduttore/alex", "traduttore/danial", "borisgraudt"),
    ("yash", "davidlee"),
    ("ayspi", "alateegi"),
)
CHOSE = ("traduttore/cam", "yash", "davidlee", "keptsecret")
MOVERS = ("tresajoby", "traduttore/cam", "traduttore/alex", "traduttore/danial", "yash", "ayspi")
SPELLERS = {  # who has clips of letters to join, and who lends what is missing
    "traduttore/cam": (),
    "traduttore/alex": ("traduttore/danial",),
    "traduttore/danial": ("traduttore/alex",),
    "yash": (),
}
# Each net with the motion slot, and two without.
CONTESTANTS = [(net, True) for net in NETS] + [("strm", False), ("stateless", False)]
# Lessons from which a rival learns better than from STREAMS, of those that `strm.search` tried for each.
OWN: dict[str, dict[str, Any]] = {"gru": {"lr": 4e-3}}
UNSURE = 0.5  # the recogniser's own confidence: what stays below it is not written


def judged(bundle: Bundle, fold: Sequence[str], seed: int) -> dict[str, dict[str, Any]]:
    """Let each person of a fold judge a model that has never seen them: {person: {measure: value}}."""
    table, shapes = everyone(), held_shapes()
    who, moving = people(table), is_moving(table)
    rng = np.random.default_rng(seed)
    out = {}
    for person in fold:
        own = table[who == person]
        letters = own[moving[who == person] & (own["label"] != ASL.nothing) & ~own["clip"].isin(shapes)]
        photos = own[~moving[who == person]]
        report = _of_photos(bundle, photos[photos["label"].isin(ASL.still)])
        report |= _of_clips(bundle, letters)
        report |= _of_poses(bundle, own[own["clip"].isin(shapes)], own[own["label"] == ASL.nothing])
        trials = pairs.trials(clips(pd.concat([letters, photos])), rng)
        if trials:
            report["pairs"] = pairs.judge(bundle, trials)["per_person"][person]
        if person in SPELLERS:
            report["words"] = _of_words(bundle, person, table, who)
        out[person] = report
    return out


def _of_photos(bundle: Bundle, photos: pd.DataFrame) -> dict[str, Any]:
    """Accuracy on single photos: all classes allowed, and the still letters only."""
    if photos.empty:
        return {}
    names, true = np.array(bundle.class_names, dtype=object), photos["label"].to_numpy(object)
    p = clip_probabilities(bundle, list(hands(photos)[:, None]))
    still = np.where(np.isin(names, ASL.still), p, 0)
    right = names[p.argmax(1)] == true
    per_letter = {c: float(right[true == c].mean()) for c in ASL.order(set(true))}
    masked = float((names[still.argmax(1)] == true).mean())
    return {"photos": float(right.mean()), "photos_24": masked, "photo_letters": per_letter}


def _of_clips(bundle: Bundle, letters: pd.DataFrame) -> dict[str, Any]:
    if letters.empty:
        return {}
    report = evaluate(bundle, letters, sequence_mode=True)
    out = {"clips": report["accuracy"], "clip_letters": report["per_letter"]}
    if set(report["per_letter"]) - set(ASL.moving):  # there are other letters to take for one
        out["false_moving"] = sum(report[f"false_{letter.lower()}"] for letter in ASL.moving)
    return out


def _of_poses(bundle: Bundle, held: pd.DataFrame, other: pd.DataFrame) -> dict[str, Any]:
    """Handshapes of moving letters held for long, and moving words that are no letters."""
    out = {}
    names = np.array(bundle.class_names, dtype=object)
    if len(held):
        p = clip_probabilities(bundle, [clip.hands for clip in clips(held)])
        out["held_shapes"] = float((~np.isin(names[p.argmax(1)], [*ASL.moving])).mean())
    other = other[~other["clip"].isin(held["clip"])]
    if len(other):
        p = clip_probabilities(bundle, [clip.hands for clip in clips(other)])
        refused = (names[p.argmax(1)] == ASL.nothing) | (p.max(1) < UNSURE)
        out |= {"other_words": float(refused.mean())}
    return out


def _clips_of(table: pd.DataFrame, who: np.ndarray, person: str) -> list[Clip]:
    own = table[(who == person) & table["label"].isin(ASL.letters).to_numpy()]
    return [clip for clip in clips(own) if len(clip.hands) > 1]


def _of_words(bundle: Bundle, person: str, table: pd.DataFrame, who: np.ndarray) -> dict[str, Any]:
    """Errors and letters of words joined from this person's clips: with every decoder, by kind of word."""
    others = [clip for lender in SPELLERS[person] for clip in _clips_of(table, who, lender)]
    words = joined(_clips_of(table, who, person), others, WORDS, np.random.default_rng(0))
    thoughts = probabilities(bundle, [word.hands for word in words])
    errors, letters = errors_of_all(words, thoughts, bundle.class_names, GRID)
    return {"errors": errors, "letters": letters}


def without(fold: Sequence[str]) -> pd.DataFrame:
    """Return what is learned from where these people judge: all others, and drawn people."""
    return with_drawn(split_by_signer(everyone(), fold)[0])


def contestant(net: str, motion: bool, fold: Sequence[str], seed: int, **changes: Any) -> Bundle:
    """Return a net, with the motion slot or without, that has learned from all but a fold.

    changes: settings of its training that differ from those of all.
    """
    settings = replace(STREAMS, seed=seed, motion=motion, **OWN.get(net, {}) | changes)
    return learned(lambda: without(fold), settings, NETS[net], net, fold)


def _task(net: str, motion: bool, fold: tuple[str, ...], seed: int) -> dict[str, Any]:
    bundle = contestant(net, motion, fold, seed)
    size = sum(p.numel() for p in bundle.model.parameters())
    return {"parameters": size, "people": judged(bundle, fold, seed)}


def strangers_table(seeds: int, workers: int) -> dict[str, Any]:
    """Everything that data/results/strangers.json tells."""
    out: dict[str, Any] = {"settings": asdict(STREAMS), "own": OWN, "seeds": seeds, "folds": FOLDS}
    return out | {"chose": CHOSE, "nets": read_by_all(CONTESTANTS, seeds, workers)}


def read_by_all(contestants: Sequence[tuple[str, bool]], seeds: int, workers: int) -> dict[str, Any]:
    """Return, by net, what all folds' people together say of its trainings."""
    jobs = [(*c, fold, seed) for c in contestants for seed in range(seeds) for fold in FOLDS]
    done = dict(zip(jobs, run_all("strangers", _task, jobs, workers), strict=True))
    out = {}
    for net, motion in contestants:
        runs = [[done[net, motion, fold, seed] for fold in FOLDS] for seed in range(seeds)]
        people_ = [{p: r for part in run for p, r in part["people"].items()} for run in runs]
        name = net if motion else f"{net}_without_slot"
        out[name] = {"parameters": runs[0][0]["parameters"]} | summary(people_)
    return out


def summary(runs: list[dict[str, dict[str, Any]]]) -> dict[str, Any]:
    """Put several seeds' reports of all people together: each figure by person, and its mean over people."""
    out: dict[str, Any] = {}

    def add(name: str, values: dict[str, list[float]], lowest: bool = False) -> None:
        if values:
            rows = {person.replace("/", "_"): spread(v) for person, v in values.items()}
            seeds = np.array(list(values.values()))
            rows["mean"] = spread(list(seeds.mean(0)))
            judges = [v for person, v in values.items() if person not in CHOSE]
            if 0 < len(judges) < len(values):
                rows["mean_of_judges"] = spread(list(np.mean(judges, axis=0)))
            out[name] = rows

    def of(key, among=None) -> dict[str, list[float]]:
        who = [p for p in among or runs[0] if p in runs[0] and key(runs[0][p]) is not None]
        return {p: [key(run[p]) for run in runs] for p in who}

    add("photos", of(lambda r: r.get("photos"), AUTHORS))
    add("photos_24", of(lambda r: r.get("photos_24"), AUTHORS))
    add("clips", of(lambda r: r.get("clips"), SPELLERS))
    for letter in (*ASL.moving, *ASL.moving.values()):
        add(letter, of(lambda r, c=letter: r.get("clip_letters", {}).get(c), MOVERS))
    add("moving", of(lambda r: _mean(r.get("clip_letters", {}).get(c) for c in ASL.moving), MOVERS))
    add("false_moving", of(lambda r: r.get("false_moving")))
    add("other_words", of(lambda r: r.get("other_words")))
    add("held_shapes", of(lambda r: r.get("held_shapes")))
    for kind in ("moving", *pairs.KINDS, "balanced"):
        add(f"pairs_{kind}", of(lambda r, k=kind: _mean(v.get(k) for v in r.get("pairs", {}).values())))
    for letter, start in ASL.moving.items():  # the pose a stroke begins with, read as the letter it shows
        add(
            f"pairs_as_{start}", of(lambda r, c=letter: r.get("pairs", {}).get(c, {}).get("as_start"), MOVERS)
        )
    for kind, rates in _words(runs).items():
        add(f"words_{kind}", rates)
    read = [[run[p]["photo_letters"] for p in AUTHORS if p in run] for run in runs]
    letters = {c for run in read for shares in run for c in shares}
    out["photo_letters"] = {
        c: spread([float(np.mean([shares[c] for shares in run if c in shares])) for run in read])
        for c in ASL.order(letters)
    }
    return out


def _mean(values) -> float | None:
    known = [v for v in values if v is not None]
    return float(np.mean(known)) if known else None


def _words(runs: list[dict[str, dict[str, Any]]]) -> dict[str, dict[str, list[float]]]:
    """Letter error rates by kind of word and person; each fold's decoder is chosen by the other folds."""
    out: dict[str, dict[str, list[float]]] = {}
    fold_of = {person: fold for fold in FOLDS for person in fold}
    for run in runs:
        spoken = {p: run[p]["words"] for p in SPELLERS if "words" in run.get(p, {})}
        for person, words in spoken.items():
            others = [w for p, w in spoken.items() if fold_of[p] != fold_of[person]]
            total = [sum(w["errors"][i].get("all", 0) for w in others) for i in range(len(GRID))]
            errors = words["errors"][int(np.argmin(total))]
            for kind, letters in words["letters"].items():
                out.setdefault(kind, {}).setdefault(person, []).append(errors.get(kind, 0) / letters)
    return out
