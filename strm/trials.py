"""What every table of data/results needs: the nets and recipes, real people, trainings done only once.

Real people's landmarks come from the folder that STRM_REAL_DATA names; only numbers are written.
"""

import hashlib
import json
import os
from collections.abc import Callable
from functools import lru_cache, partial
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import torch
from rich.progress import track

from strm.alphabet import ASL
from strm.bundle import Bundle
from strm.checkpoint import packed
from strm.data import people, read_table, split_by_signer
from strm.files import UserError, replacing
from strm.model import TRM
from strm.processes import each
from strm.rivals import RIVALS
from strm.studio.ship import FOLDER, KEPT
from strm.train import Settings, fit

AUTHORS = ("alateegi", "borisgraudt", "davidlee", "keptsecret", "tresajoby")
WHOLE_STROKE = 0.85  # a recorded stroke that is cut off is left out
SHAPE: dict[str, Any] = {"n_latent": 2, "T_deep": 2, "dropout": 0.1}
PHOTOS = Settings(epochs=16, batch_size=256, lr=2e-3, **SHAPE)
STREAMS = Settings(
    epochs=8,
    batch_size=128,
    lr=2e-3,
    sequence_mode=True,
    seq_len=32,  # two seconds: slow people's strokes, and their way back
    per_letter=30,
    drawn_streams=1000,
    **SHAPE | {"dropout": 0.0},  # drawing masks takes time; `strm.search` tries it
)
DRAWN_PEOPLE = 2  # as how many real people the drawn ones count, mixed with them
NETS: dict[str, Callable | None] = {"strm": None, **RIVALS}
# The code that a training depends on, and what else its judgement does: of other code, a comparison that
# waits to go on takes no notice.
TRAINING = "alphabet augment curriculum data landmarks loss model moving rivals train trainer trials"
TRAINING += " variants studio/lessons studio/motion studio/poses studio/reach studio/script studio/skeleton"
TRAINING += " studio/streams studio/strokes studio/takes studio/noise"
JUDGING = TRAINING + " compare decode evaluate joined memory pairs probes qualities search signs sim_to_real"
JUDGING += " spell strangers stream taught words"


def real_data() -> Path:
    """Return the folder of real people's landmarks, or say that it is missing (UserError)."""
    folder = Path(os.environ.get("STRM_REAL_DATA", ""))
    if not os.environ.get("STRM_REAL_DATA") or not (folder / "photos.csv.gz").is_file():
        raise UserError("Set STRM_REAL_DATA to the folder that holds photos.csv.gz and clips.csv.gz.")
    return folder


def real_tables() -> tuple[pd.DataFrame, pd.DataFrame]:
    """Return (photos, clips) of real people, without the strokes that were cut off."""
    return tables_of(real_data())


@lru_cache(maxsize=1)
def tables_of(folder: Path) -> tuple[pd.DataFrame, pd.DataFrame]:
    """Read the two tables of a folder once; nobody changes them."""
    photos, clips = (read_table(folder / f"{name}.csv.gz") for name in ("photos", "clips"))
    match = pd.to_numeric(clips["stroke_match"], errors="coerce")
    return photos, clips[~(match < WHOLE_STROKE)].reset_index(drop=True)


def photo_table() -> pd.DataFrame:
    """Return the still letters of everyone, frames of clips among them (one drawn at random is a photo)."""
    photos, clips = real_tables()
    labels = recorded_labels()
    posed = labels.index[~labels.str.contains(":")]  # held:J is no photo of an I
    table = pd.concat([photos, clips[clips["clip"].isin(posed)]], ignore_index=True)
    return table[table["label"].isin(ASL.still)].reset_index(drop=True)


@lru_cache(maxsize=1)
def everyone() -> pd.DataFrame:
    """Return photos and clips of all real people in one table."""
    return pd.concat(real_tables(), ignore_index=True)


@lru_cache(maxsize=1)
def recorded_labels() -> pd.Series:
    """Return what each clip was called when it was recorded, by clip: 'held:J' is no I there."""
    table = pd.read_csv(real_data() / "clips.csv.gz", usecols=["clip", "label"]).drop_duplicates("clip")
    return table.set_index("clip")["label"]


def held_shapes() -> set[str]:
    """Return the clips that show a moving letter's hand without the movement."""
    labels = recorded_labels()
    return set(labels.index[labels.str.startswith("held:")])


@lru_cache(maxsize=4)
def learners(folder: Path, kind: str) -> pd.DataFrame:
    """Return a folder's 'photos' or 'clips' of drawn people, without those kept for judging."""
    return split_by_signer(read_table(folder / f"{kind}.csv.gz"), [KEPT])[0]


def with_drawn(train: pd.DataFrame, count: int = DRAWN_PEOPLE) -> pd.DataFrame:
    """Mix the studio's photos and clips into a table; its people count as `count` real ones."""
    if not count:
        return train
    drawn = pd.concat([learners(FOLDER, kind) for kind in ("photos", "clips")], ignore_index=True)
    numbers = pd.factorize(people(drawn))[0] % count
    drawn = drawn.assign(signer=[f"studio/{number}" for number in numbers])
    return pd.concat([train, drawn], ignore_index=True)


def _mark(code: str, *what: Any) -> str:
    files = [Path(__file__).parent.joinpath(f"{name}.py").read_bytes() for name in code.split()]
    return hashlib.sha256(b"".join(files) + repr(what).encode()).hexdigest()[:12]


def learned(
    train: Callable[[], pd.DataFrame], settings: Settings, net: Callable | None, *what: Any, **options: Any
) -> Bundle:
    """Do a training once, whatever is then asked of it: the model is kept in outputs/compare/models.

    train: makes the table. what: says which training it is. options: as `fit` takes them.
    """
    path = Path("outputs") / "compare" / "models" / f"{_mark(TRAINING, settings, *what)}.pt"
    if not path.is_file():
        bundle = fit(train(), settings, progress=False, net=net, **options)
        with replacing(path) as temporary:
            temporary.write_bytes(packed({"weights": bundle.model.state_dict(), "config": bundle.config}))
        return bundle
    saved = torch.load(path, weights_only=True)
    make = net or partial(TRM, n_latent=settings.n_latent, T_deep=settings.T_deep)
    model = make(num_classes=len(saved["config"]["class_names"]))
    model.load_state_dict(saved["weights"])
    return Bundle(model.eval(), saved["config"])


def cached(folder: Path, name: str, task: Callable, *args: Any) -> dict[str, Any]:
    """Judge a training once: an interrupted comparison goes on where it stopped, changed code begins anew."""
    torch.set_num_threads(1)
    path = folder / f"{name}-{_mark(JUDGING, args)}.json"
    if not path.is_file():
        result = task(*args)
        with replacing(path) as temporary:
            temporary.write_text(json.dumps(result), encoding="utf-8")
    return json.loads(path.read_text(encoding="utf-8"))


def spread(values: list[float]) -> dict[str, Any]:
    return {
        "mean": round(float(np.mean(values)), 4),
        "sd": round(float(np.std(values, ddof=1)), 4) if len(values) > 1 else None,
        "seeds": [round(v, 4) for v in values],
    }


def run_all(name: str, task: Callable, jobs: list[tuple], workers: int) -> list[dict[str, Any]]:
    folder = Path("outputs") / "compare"
    done = each(cached, [(folder, name, task, *job) for job in jobs], workers)
    return list(track(done, f"{name}: trainings", total=len(jobs)))
