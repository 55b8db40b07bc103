"""Lessons of movement by drawn people: I or J, D or Z? Streams that teach it, minimal pairs that judge it."""

from functools import lru_cache

import numpy as np
import pandas as pd

from strm import pairs
from strm.alphabet import ASL
from strm.curriculum import Curriculum
from strm.data import Clip, clips, is_moving, read_table, sample_at, split_by_signer
from strm.landmarks import right_handed
from strm.studio import Signer, random_signer
from strm.studio.lessons import counts
from strm.studio.motion import Motion
from strm.studio.noise import fast
from strm.studio.ship import FOLDER, KEPT
from strm.studio.streams import lesson, word
from strm.trainer import Trainer

LETTERS = (*ASL.moving, *ASL.moving.values())  # those that a frame mixes up
WORDS, A_PERSON = 0.3, 10  # the share of streams that are words; streams of each drawn person
ROUNDS = 3  # each stroke stops so often, at another moment and in another way
JUDGE_SEED, NEXT_PEOPLE = 10_000, 20
# A letter, and another one after it that is held: what was before must be let go.
NEXT = [(a, b) for a in LETTERS for b in ASL.moving.values() if b not in (a, ASL.moving.get(a))]


def four(table: pd.DataFrame) -> pd.DataFrame:
    """Return the rows of the moving letters, of those that they begin with, and of 'nothing'."""
    return table[table["label"].isin([*LETTERS, ASL.nothing])].reset_index(drop=True)


@lru_cache(maxsize=1)
def tables() -> tuple[pd.DataFrame, pd.DataFrame]:
    """Return (who teaches, who judges): drawn people's photos and clips, as one person; others' clips."""
    table = four(pd.concat([read_table(FOLDER / f"{k}.csv.gz") for k in ("photos", "clips")]))
    train, judges = split_by_signer(table, [KEPT])
    return train.assign(signer="studio"), judges[is_moving(judges)].reset_index(drop=True)


def usual(table: pd.DataFrame) -> pd.DataFrame:
    """Return what most data sets have: clips of letters, photos of still ones, nothing that stands still
    in the middle of a stroke."""
    photos_of_moving = ~is_moving(table) & table["label"].isin([*ASL.moving]).to_numpy()
    return table[~photos_of_moving & (table["label"] != ASL.nothing).to_numpy()].reset_index(drop=True)


def points_of(motion: Motion, signer: Signer, rng: np.random.Generator) -> np.ndarray:
    """Return a motion's right-handed hands [S, 21, 3], frames without a hand bridged as a stream's are."""
    points, found = fast(motion, signer, rng)
    seen, every = np.flatnonzero(found), np.arange(len(points))
    bridged = sample_at(points[seen], np.interp(every, seen, np.arange(len(seen))))
    return right_handed(bridged, 1, 1, signer.handedness)


@lru_cache(maxsize=4)  # every net of a seed, and every epoch, learns from the same streams
def streams(count: int, frames: int, seed: int, still_poses: bool) -> tuple[np.ndarray, ...]:
    """Draw streams [N, S, 21, 3] of these letters; each frame's label and how much it counts, [N, S] both.

    Some are words, the others lessons of one label; without still_poses, all are words, many of one letter.
    """
    rng, made = np.random.default_rng(seed), []
    labels = [*LETTERS, ASL.nothing]
    for number in range(count):
        if number % A_PERSON == 0:
            signer = random_signer(rng)
        if rng.random() < WORDS:
            motion = word("".join(rng.choice(LETTERS, 3)), signer, rng)
        elif still_poses:
            motion = lesson(labels[rng.integers(len(labels))], signer, rng)
        else:
            motion = word(LETTERS[rng.integers(len(LETTERS))], signer, rng)
        x = points_of(motion, signer, rng)
        start = rng.integers(max(0, len(x) - frames) + 1)
        at = np.clip(np.arange(frames) + start - max(0, frames - len(x)), 0, None)
        made.append((x[at], np.array(motion.labels)[at], counts(motion)[at]))
    x, y, weights = (np.stack(part) for part in zip(*made, strict=True))
    return x, y, weights


class Strokes(Curriculum):
    """The usual lessons of a table, and beside them streams that are drawn once and shown in every epoch."""

    still_poses = True

    def __init__(self, table: pd.DataFrame, frames: int, per_letter: int, drawn_streams: int = 0):
        super().__init__(table, frames, per_letter)
        self.count, self.seed = drawn_streams, -1

    def epoch(self, rng: np.random.Generator) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """Return streams [N, S, 21, 3], classes and weights [N, S] as `Curriculum.epoch`."""
        seed = int(rng.integers(2**31))
        self.seed = seed if self.seed < 0 else self.seed
        x, y, weights = super().epoch(rng)
        drawn, labels, of_drawn = streams(self.count, self.frames, self.seed, self.still_poses)
        number = np.vectorize({label: i for i, label in enumerate(self.classes)}.get)(labels)
        parts = ((x, drawn), (y, number), (weights, of_drawn))
        x, y, weights = (np.concatenate(part) for part in parts)
        return x, y, weights.astype(np.float32)


class Movements(Strokes):
    """No pose of a movement is shown standing still."""

    still_poses = False

    def _stopped(self, x: np.ndarray, letter: str) -> None:
        pass


class Teacher(Trainer):
    """Teaches movements beside the same poses that stand still."""

    curriculum = Strokes


class Usual(Trainer):
    """Teaches movements only."""

    curriculum = Movements


@lru_cache(maxsize=1)
def strokes() -> list[pairs.Trial]:
    """Return the minimal pairs of the drawn people who judge: each stroke, and ROUNDS still versions."""
    rng, judges = np.random.default_rng(0), clips(tables()[1])
    rounds = [pairs.trials(judges, rng) for _ in range(ROUNDS)]
    return rounds[0] + [trial for again in rounds[1:] for trial in again if trial.kind != "moving"]


@lru_cache(maxsize=1)
def followers() -> list[Clip]:
    """Return streams of two letters by people drawn for this only, cut where the second letter's hold ends.

    The hold alone is named: `name` is how many frames it has.
    """
    rng, out = np.random.default_rng(JUDGE_SEED), []
    for number in range(NEXT_PEOPLE):
        signer = random_signer(rng)
        for one, other in NEXT:
            motion = word(one + other, signer, rng)
            held = (np.array(motion.phases) == "hold") & (np.array(motion.labels) == other)
            end = int(np.flatnonzero(held)[-1]) + 1
            frames = end - int(np.flatnonzero(~held[:end])[-1]) - 1
            out.append(Clip(other, f"judge {number}", "", str(frames), points_of(motion, signer, rng)[:end]))
    return out
