"""`strm studio dataset`: drawn people show letters and words, the real detector looks, tables come out.

Each person's part is kept as soon as it is ready, so that what was interrupted goes on. The same seed gives
the same tables, whatever the number of processes.
"""

import csv
import gzip
import hashlib
import io
import json
import shutil
import time
from collections import defaultdict
from dataclasses import asdict
from pathlib import Path

import cv2
import numpy as np
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

from strm import extract
from strm.data import COORDINATES
from strm.files import UserError, replacing, trouble
from strm.handmodel import model_bundle
from strm.processes import each
from strm.studio.takes import KINDS, Plan, Take, name_of, person, takes

COLUMNS = (
    *extract.COLUMNS,
    *("seen_side", "letter", "phase", "tone", "tilt", "turn", "roll"),
    *(f"t{name}" for name in COORDINATES),
)
SKINS = {"1-3": range(1, 4), "4-7": range(4, 8), "8-10": range(8, 11)}  # thirds of the Monk scale
VERSION = 1  # of the part files: others are not gone on with


def view(turn: np.ndarray) -> np.ndarray:
    """Return tilt, turn and roll in degrees [..., 3] of rotations [..., 3, 3], as poses have their views."""
    tilt = np.arcsin(np.clip(turn[..., 2, 1], -1, 1))
    around = np.arctan2(-turn[..., 2, 0], turn[..., 2, 2])
    roll = np.arctan2(-turn[..., 0, 1], turn[..., 1, 1])
    return np.degrees(np.stack([tilt, around, roll], -1))


def short(value: float, digits: int) -> str:
    """Write a number with so many decimals, without zeros at its end."""
    text = f"{value:.{digits}f}".rstrip("0").rstrip(".")
    return "0" if text == "-0" else text


def rows(take: Take, number: int, seed: int, truth: bool = True) -> list[list]:
    """Return the table's rows: the frames in which a hand was found, with or without its true points."""
    signer, views, out = person(seed, number), view(take.turn), []
    for i, hand in enumerate(take.hands):
        if hand is not None:
            known = [take.label, "studio", name_of(number), take.name, i]
            known += [short(take.t_ms[i], 2) if len(take.t_ms) else "", signer.handedness]
            known += [short(hand.score, 3), hand.width, hand.height, *coordinates(hand.points)]
            known += [hand.handedness, take.letters[i], take.phases[i], signer.tone]
            known += [short(angle, 1) for angle in views[i]]
            out.append([*known, *(coordinates(take.truth[i], 3) if truth else [""] * len(COORDINATES))])
    return out


def coordinates(points: np.ndarray, digits: int = 4) -> list[str]:
    """Write points [21, 3] as 63 numbers."""
    return [short(value, digits) for value in points.astype(float).ravel()]


def make(out_dir: str | Path, signers: int = 40, plan: Plan | None = None, jobs: int = 1) -> dict:
    """Write photos.csv.gz, clips.csv.gz, words.csv.gz and summary.json; return the summary.

    Frames without a hand have no row, but count in the summary. A kind of which the plan wants none has no
    table. Raises UserError for what the user can mend.
    """
    plan, out = plan or Plan(), Path(out_dir)
    kinds = [kind for kind, each in zip(KINDS, (plan.stills, plan.clips, plan.words), strict=True) if each]
    if not kinds:
        raise UserError("Nothing to draw: --stills, --clips and --words are all 0.")
    if out.exists() and not out.is_dir():
        raise UserError(f"{out} is a file: name a folder.")
    if not plan.landmarks_only:
        model_bundle()  # says what is missing before any work, and is made only once
    try:
        work = _work_folder(out, plan)
        bars = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn())
        summary: dict = asdict(plan) | {"signers": signers}
        with Progress(*bars, console=Console(stderr=True)) as progress:
            for kind in kinds:
                parts = [work / f"{kind}-{number:04}.json" for number in range(signers)]
                todo = [(number, part) for number, part in enumerate(parts) if not part.exists()]
                bar = progress.add_task(kind, total=signers, completed=signers - len(todo))
                for _ in each(_work, [(plan, number, kind, part) for number, part in todo], jobs):
                    progress.advance(bar)
                summary[kind] = _collect(out / f"{kind}.csv.gz", parts)
        summary["ms_per_frame"] = _pace(work.glob("*.json"))
        with replacing(out / "summary.json") as path:
            path.write_text(json.dumps(summary, indent=1) + "\n", "utf-8")
        shutil.rmtree(work.parent, ignore_errors=True)
    except OSError as error:
        raise trouble(error.filename or out, error) from error
    _tell(out, summary, kinds)
    return summary


def _work_folder(out: Path, plan: Plan) -> Path:
    """The folder of part files. Those of another plan or studio are thrown away, and had another folder."""
    here = Path(__file__).parent
    sources = [path.read_bytes() for path in sorted(here.glob("*.*")) if path.is_file()]
    facts = json.dumps([VERSION, asdict(plan)]).encode()
    key = hashlib.sha256(b"".join(hashlib.sha256(part).digest() for part in (facts, *sources))).hexdigest()
    work = out / ".work"
    if not (work / key).is_dir():
        shutil.rmtree(work, ignore_errors=True)
    (work / key).mkdir(parents=True, exist_ok=True)
    return work / key


def _work(plan: Plan, number: int, kind: str, part: Path) -> None:
    """Make one person's rows of one kind, and keep them in a part file with what was counted."""
    cv2.setNumThreads(1)  # the processes share the cores
    began, frames = time.process_time(), 0
    counts: dict[str, list[int]] = {}  # a letter's frames, how often its hand was found, and its side right
    text = io.StringIO()
    table = csv.writer(text, lineterminator="\n")
    signer = person(plan.seed, number)
    for take in takes(plan, number, kind):
        table.writerows(rows(take, number, plan.seed, plan.clip_truth or kind != "clips"))
        frames += len(take.hands)
        for letter, inside, hand in zip(take.letters, take.inside, take.hands, strict=True):
            if inside:
                found, right = hand is not None, hand is not None and hand.handedness == signer.handedness
                before = counts.get(letter, [0, 0, 0])
                counts[letter] = [a + b for a, b in zip(before, (1, found, right), strict=True)]
    result = {"rows": text.getvalue(), "tone": signer.tone, "counts": counts, "frames": frames}
    with replacing(part) as temporary:
        temporary.write_text(json.dumps(result | {"s": time.process_time() - began}), "utf-8")


def _collect(path: Path, parts: list[Path]) -> dict:
    """Write one table from its parts; return what was found in it."""
    letters: dict = defaultdict(list)
    skins: dict = defaultdict(list)
    with replacing(path) as temporary, open(temporary, "wb") as file:
        # Without a name and a time inside, the same rows are the same file.
        with gzip.GzipFile("", "wb", 9, file, mtime=0) as packed:
            packed.write((",".join(COLUMNS) + "\n").encode())
            for part in parts:
                result = json.loads(part.read_text("utf-8"))
                packed.write(result["rows"].encode())
                skin = next(name for name, tones in SKINS.items() if result["tone"] in tones)
                for letter, counted in result["counts"].items():
                    letters[letter].append(counted)
                    skins[skin].append(counted)
    everything = [counted for some in letters.values() for counted in some]
    return _rates(everything) | {
        "by_skin": {name: _rates(skins[name]) for name in SKINS if name in skins},
        "by_letter": {letter: _rates(letters[letter]) for letter in sorted(letters)},
    }


def _rates(counts: list[list[int]]) -> dict:
    """Frames with a hand in view; in which share it was found, and, of these, with its true side."""
    frames, found, right = (int(total) for total in np.sum(counts, 0))
    return {
        "frames": frames,
        "found": round(found / frames, 4),
        "right_side": round(right / max(found, 1), 4),
    }


def _pace(parts) -> float:
    results = [json.loads(part.read_text("utf-8")) for part in parts]
    return round(1000 * sum(r["s"] for r in results) / sum(r["frames"] for r in results), 2)


def _tell(out: Path, summary: dict, kinds: list[str]) -> None:
    for kind in kinds:
        one = summary[kind]
        print(
            f"{out / kind}.csv.gz: {one['frames']:,} frames, a hand found in {one['found']:.1%}, "
            f"its side right in {one['right_side']:.1%}."
        )
    print(f"{summary['ms_per_frame']:.3g} ms of one core a frame. More in {out / 'summary.json'}.")
