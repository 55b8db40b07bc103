"""A filmed word: its pictures, the hand in each, and the times. Of drawn hands the truth is known.

A recording of landmarks is a film too: its pictures are blank, and who shows them draws the hand on them.
"""

from pathlib import Path
from typing import NamedTuple

import cv2
import numpy as np
import pandas as pd

from strm.data import COORDINATES, read_table
from strm.files import UserError
from strm.foreign import open_table
from strm.landmarks import FARTHEST, POINTS, Hand, HandDetector
from strm.pictures import VIDEOS, sample

FPS = 30.0  # more frames than this are left out
KEPT = 640  # pixels, the longer side of a picture that is kept: a phone's would fill the memory
BLANK, PAPER = 320, 232  # a blank picture's height in pixels, and its grey
WIDEST = 4.0  # times as wide as high
TABLES = (".csv", ".csv.gz")
GAP_MS, EMPTY_MS = 150.0, 50.0  # without a row for longer, the hand was away: an empty frame every 50 ms
PAUSE_MS = 1000.0  # between two clips, long enough for a recogniser to forget
LONGEST_MS = 600_000.0


class Film(NamedTuple):
    """Pictures, uint8 RGB [H, W, 3]; the hand in each, None where there is none; their times [S], in ms.

    letters: what each frame shows, where somebody knows it, else None.
    """

    pictures: list[np.ndarray]
    hands: list[Hand | None]
    t_ms: np.ndarray
    letters: list[str] | None


def open_film(path: str | Path, detect: bool = False) -> Film:
    """Open a video. Where a table of the studio lies beside it, the hands are the true ones in that table.

    Or open a recording: a CSV of landmarks (.csv, .csv.gz) as `strm demo --record` and `strm videos` write
    it, whose clips are played one after the other.
    detect: let MediaPipe look all the same. Raises UserError, in one sentence, for what cannot be opened.
    """
    path = Path(path)
    if not path.is_file():
        raise UserError(f"There is no file {path}: look at its name and folder.")
    if path.name.lower().endswith(TABLES):
        return _recorded(path)
    if path.suffix.lower() not in VIDEOS:
        raise UserError(f"{path} is no video ({', '.join(sorted(VIDEOS))}) and no CSV: name another file.")
    table = path.with_suffix(".csv")
    try:
        if table.is_file() and not detect:
            return _drawn(path, table)
        return _seen(path)
    except (EOFError, cv2.error) as error:
        reason = str(error) if isinstance(error, EOFError) else "cannot be read"
        raise UserError(f"{path} {reason}: save it as MP4, or film it again.") from None


def _seen(path: Path) -> Film:
    pictures, hands, times = [], [], []
    with HandDetector(video=True) as detector:
        for _, t_ms, picture in sample(path, FPS):
            hands.append(detector.detect(picture, t_ms))
            shrink = min(1.0, KEPT / max(picture.shape))
            pictures.append(cv2.resize(picture, None, fx=shrink, fy=shrink, interpolation=cv2.INTER_AREA))
            times.append(t_ms)
    return Film(pictures, hands, np.array(times), None)


def _drawn(path: Path, table: Path) -> Film:
    columns = [f"t{name}" for name in COORDINATES]
    numbers, strange = ["frame", "t_ms", "inside", *columns], f"{table} is no table of the studio's"
    try:
        with open_table(table) as file:
            rows = pd.read_csv(file, index_col=False)
        missing = {"letter", "handedness", *numbers} - set(rows.columns)
        if missing:
            raise UserError(f"{strange}: it lacks {min(missing)}; move it elsewhere.")
        rows[numbers] = rows[numbers].apply(pd.to_numeric)
    except (OSError, EOFError, ValueError, TypeError) as error:
        raise UserError(f"{strange} ({type(error).__name__}): move it elsewhere.") from None
    if rows["frame"].duplicated().any() or not (rows[numbers].abs() <= FARTHEST).all(axis=None):
        raise UserError(f"{strange}: a frame comes twice, or a number is missing; move it elsewhere.")
    rows = rows.set_index("frame")
    pictures, hands, kept = [], [], []
    for n, _, picture in sample(path, 1000.0):  # every frame
        if n not in rows.index:
            continue
        row = rows.loc[n]
        points = row[columns].to_numpy(np.float32).reshape(POINTS, 3)
        height, width = picture.shape[:2]
        pictures.append(picture)
        hands.append(Hand(points, row["handedness"], 1.0, width, height) if row["inside"] else None)
        kept.append(n)
    shown = rows.loc[kept]
    return Film(pictures, hands, shown["t_ms"].to_numpy(float), list(shown["letter"]))


def _recorded(path: Path) -> Film:
    table = read_table(path, words=True)
    points = table[COORDINATES].to_numpy(np.float32).reshape(-1, POINTS, 3)
    pictures: list[np.ndarray] = []
    hands: list[Hand | None] = []
    times: list[float] = []
    for _, rows in table.groupby("clip", sort=False):
        rows = rows.sort_values("t_ms", kind="stable")
        start = times[-1] + PAUSE_MS if times else 0.0
        first = rows.iloc[0]
        end = start + rows["t_ms"].iloc[-1] - first["t_ms"]
        if end > LONGEST_MS:
            most = LONGEST_MS / 60_000
            raise UserError(f"{path} holds {end / 60_000:.0f} minutes or more: cut it to {most:.0f}.")
        shape = np.clip(first["width"] / first["height"], 1 / WIDEST, WIDEST)
        blank = np.full((BLANK, round(BLANK * shape), 3), PAPER, np.uint8)
        for i, t_ms in zip(rows.index, start + rows["t_ms"] - first["t_ms"], strict=True):
            row = table.loc[i]
            if times and t_ms - times[-1] > GAP_MS:
                away = np.arange(times[-1] + EMPTY_MS, t_ms - EMPTY_MS / 2, EMPTY_MS)
                hands += [None] * len(away)
                times += [*away]
            hands.append(Hand(points[i], row["handedness"], 1.0, row["width"], row["height"]))
            times.append(t_ms)
            pictures += [blank] * (len(times) - len(pictures))
    return Film(pictures, hands, np.array(times), None)
