"""`strm images` and `strm videos`: folders of pictures in, one CSV of landmarks out.

Frames in which no hand was found are listed in a text file beside the CSV, never written as zeros.
Work is done in chunks, each kept as soon as it is ready, so that what was interrupted goes on.
"""

import csv
import hashlib
import json
import os
import re
import shutil
from collections import Counter, defaultdict
from collections.abc import Iterable
from dataclasses import astuple, dataclass
from pathlib import Path
from typing import Any

import cv2
import numpy as np
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

from strm.files import UserError, replacing, trouble, visible
from strm.handmodel import model_bundle
from strm.landmarks import POINTS, Hand, HandDetector
from strm.parts import MISSED, read_part, write_part
from strm.pictures import Item, find, kind, read_picture, sample
from strm.processes import each
from strm.scale import on_cluster

COLUMNS = (
    *("label", "source", "signer", "clip", "frame", "t_ms", "handedness", "score", "width", "height"),
    *(f"{axis}{point}" for point in range(POINTS) for axis in "xyz"),
)
CHUNK = 32  # photos; a video is a chunk of its own
NO_HAND = "no hand"
FORMULA = tuple("=+-@\n＝＋－＠")
UNSEEN = re.compile("[\x00-\x09\x0b-\x1f\x7f\ud800-\udfff]")  # control characters, and what is no text
VERSION = 1  # of the part files: part files of another version are not gone on with


@dataclass
class Summary:
    """What came of it: files looked at, rows written, photos or frames without a hand, unusable files."""

    files: int
    rows: int
    no_hand: int
    unreadable: int


def extract_images(
    root: str | Path,
    out_csv: str | Path,
    max_per_class: int = 400,
    signer: str | None = None,
    signer_level: int | None = None,
    jobs: int = 1,
    dask: str | None = None,
) -> Summary:
    """Write the landmarks of the photos in root/…/LETTER/ to a CSV, a row a photo.

    The folder that a photo is in names its letter, the folders above it its source (else the root's name).
    max_per_class: of more photos of a letter in the whole root, this many are taken, evenly spaced in the
    order of their paths. signer: who signs in all of them; or signer_level: the folder below the root that
    names the signer, 0 the first. jobs: processes of this machine; or dask: a Dask scheduler's address, whose
    workers must see root and CSV's folder under the same paths. Raises UserError for what the user can mend.
    """
    root = Path(root)
    classes = defaultdict(list)
    for item in find(root, False, signer, signer_level):
        classes[item.label].append(item)
    chosen: list[Item] = []
    for photos in classes.values():
        spaced = np.linspace(0, len(photos) - 1, min(max_per_class, len(photos)))
        chosen += [photos[i] for i in spaced.round().astype(int)]
    chunks = [chosen[i : i + CHUNK] for i in range(0, len(chosen), CHUNK)]
    return _extract(root, Path(out_csv), chunks, None, jobs, dask)


def extract_videos(
    input_dir: str | Path,
    output_csv: str | Path,
    fps: float = 15.0,
    signer: str | None = None,
    signer_level: int | None = None,
    jobs: int = 1,
    dask: str | None = None,
) -> Summary:
    """Write the landmarks of the videos below a folder to a CSV, a row a sampled frame.

    The folder that a video is in names its letter, or else the beginning of its name does: J_001.mp4.
    fps: the rate to sample at, by the video's own timestamps; slower videos give each frame once.
    The rest, and errors: as in `extract_images`.
    """
    root = Path(input_dir)
    chunks = [[item] for item in find(root, True, signer, signer_level)]
    return _extract(root, Path(output_csv), chunks, fps, jobs, dask)


def _done(
    root: Path, todo: list[tuple[list[Item], Path]], fps: float | None, jobs: int, dask: str | None
) -> Iterable[int]:
    """Do the chunks that are left, here or on a cluster; yield how many files each was."""
    pieces = [(root, chunk, fps, part.absolute()) for chunk, part in todo]
    if dask is not None and pieces:
        return on_cluster(dask, _work, pieces, shared=[root, pieces[0][3].parent])
    return each(_work, pieces, jobs)


def _work(root: Path, items: list[Item], fps: float | None, part: Path) -> int:
    """Look at some files and keep what was found in a part file. Return how many files they were."""
    rows: list[list] = []
    missed: list[list] = []
    if fps is None:
        with HandDetector() as detector:
            for item in items:
                picture = read_picture(root / item.path)
                hand = None if picture is None else detector.detect(picture)
                if hand is None:
                    missed.append([item.path, "", "", "cannot be read" if picture is None else NO_HAND])
                else:
                    rows.append(_row(item, 0, "", hand.handedness, hand))
    else:
        for item in items:
            found, lost = _clip(root, item, fps)
            rows += found
            missed += lost
    write_part(part, rows, missed)
    return len(items)


def _clip(root: Path, item: Item, fps: float) -> tuple[list[list], list[list]]:
    found, missed = [], []
    try:
        with HandDetector(video=True) as detector:
            for n, t_ms, picture in sample(root / item.path, fps):
                hand = detector.detect(picture, t_ms)
                if hand is None:
                    missed.append([item.path, n, f"{t_ms:.5f}", NO_HAND])
                else:
                    found.append((n, t_ms, hand))
    except (EOFError, cv2.error) as error:
        # A stroke cut short would teach the wrong thing: such a clip is left out whole.
        return [], [[item.path, "", "", str(error) if isinstance(error, EOFError) else "cannot be read"]]
    sides = Counter(hand.handedness for *_, hand in found)  # one hand signs a whole clip
    return [_row(item, n, f"{t:.5f}", sides.most_common(1)[0][0], hand) for n, t, hand in found], missed


def harmless(text: str) -> str:
    """Return a name for a table: a spreadsheet would run one that begins like a formula, and readers disagree
    on whether a carriage return ends a line."""
    text = UNSEEN.sub(lambda found: visible(found[0]), text)
    return f"'{text}" if text.startswith(FORMULA) else text


def _row(item: Item, frame: int, t_ms: str, side: str, hand: Hand) -> list:
    known = map(harmless, (item.label, item.source, item.signer, item.clip))
    numbers = (f"{number:.5f}" for number in np.round(hand.points.astype(float).ravel(), 5) + 0.0)
    return [*known, frame, t_ms, side, f"{hand.score:.5f}", hand.width, hand.height, *numbers]


def _extract(
    root: Path, out: Path, chunks: list[list[Item]], fps: float | None, jobs: int, dask: str | None
) -> Summary:
    what = kind(fps is not None)
    files = [item for chunk in chunks for item in chunk]
    if out.is_dir():
        raise UserError(f"{out} is a folder: name a file in it, such as {out / 'landmarks.csv'}.")
    model_bundle()  # says what is missing before any work, and is made only once
    try:
        work = _work_folder(root, out, files, fps)
        parts = [work / f"{i:06}.json" for i in range(len(chunks))]
        there = {path.name for path in work.iterdir()}  # a network's folder may remember what it lacked
        done_before = [part.name in there and read_part(part, len(COLUMNS)) is not None for part in parts]
        each_part = zip(chunks, parts, done_before, strict=True)
        todo = [(chunk, part) for chunk, part, is_done in each_part if not is_done]
        columns = (TextColumn(what), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn())
        with Progress(*columns, console=Console(stderr=True)) as progress:
            bar = progress.add_task(what, total=len(files))
            progress.advance(bar, len(files) - sum(len(chunk) for chunk, _ in todo))
            for done in _done(root.absolute(), todo, fps, jobs, dask):
                progress.advance(bar, done)
        rows, missed = [], []
        for part in parts:
            found = read_part(part, len(COLUMNS))
            if found is None:
                raise UserError(f"{part} was damaged meanwhile: run the same command again.")
            rows += found[0]
            missed += found[1]
        unreadable = [m[0] for m in missed if m[3] != NO_HAND]
        summary = Summary(len(files), len(rows), len(missed) - len(unreadable), len(unreadable))
        if rows:
            _write(out, COLUMNS, rows, ",")
            _write(missed_path(out), MISSED, missed, "\t")
        shutil.rmtree(work.parent, ignore_errors=True)
    except OSError as error:
        raise trouble(error.filename or out, error) from error
    if len(unreadable) == len(files):
        raise UserError(f"None of the {what} in {root} can be used: {missed[0][0]} {missed[0][3]}.")
    if not rows:
        raise UserError(
            f"No hand was found in any of the {what} in {root}: try more light, the whole hand in view."
        )
    letters = len({row[0] for row in rows})
    print(f"{out}: {what} {summary.files}, rows {summary.rows}, labels {letters}.")
    if missed:
        frames = "photos" if fps is None else "frames"
        print(f"Without a hand: {frames} {summary.no_hand}. Cannot be used: {what} {summary.unreadable}.")
        print(f"They are listed in {missed_path(out)}.")
    return summary


def missed_path(out: str | Path) -> Path:
    """Where the files and frames that gave no row are listed: no CSV, so that nobody trains on it."""
    return Path(f"{out}.missed.txt")


def _work_folder(root: Path, out: Path, files: list[Item], fps: float | None) -> Path:
    """The folder of part files beside the output. Those of other files or settings are thrown away, and have
    another folder: a process that still worked for a command that was killed writes into that one."""
    stats = [(root / item.path).stat() for item in files]
    facts = [[*astuple(item), s.st_size, s.st_mtime_ns] for item, s in zip(files, stats, strict=True)]
    key = hashlib.sha256(json.dumps([VERSION, os.path.abspath(root), fps, facts]).encode()).hexdigest()
    work = out.with_name(f".{out.name}.work")
    if not (work / key).is_dir():
        shutil.rmtree(work, ignore_errors=True)
    (work / key).mkdir(parents=True, exist_ok=True)
    return work / key


def _write(path: Path, columns: tuple[str, ...], rows: list[list], delimiter: str) -> None:
    # A name that is no text is written with its bytes' numbers: \udcff.
    how: dict[str, Any] = {"encoding": "utf-8", "errors": "backslashreplace", "newline": ""}
    with replacing(path) as temporary, open(temporary, "w", **how) as file:
        table = csv.writer(file, delimiter=delimiter, lineterminator="\n")
        table.writerows([columns, *rows])
