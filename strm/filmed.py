"""A filmed word: its pictures, the hand in each, and the times. Of drawn hands the truth is known."""

from pathlib import Path
from typing import NamedTuple

import cv2
import numpy as np
import pandas as pd

from strm.data import COORDINATES
from strm.files import UserError
from strm.landmarks import POINTS, Hand, HandDetector
from strm.pictures import VIDEOS, sample

FPS = 30.0  # more frames than this are left out


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

    detect: let MediaPipe look all the same. Raises UserError, in one sentence, for what cannot be opened.
    """
    path = Path(path)
    if not path.is_file():
        raise UserError(f"There is no video {path}: look at its name and folder.")
    if path.suffix.lower() not in VIDEOS:
        raise UserError(f"{path} is no video ({', '.join(sorted(VIDEOS))}): name another file.")
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
            pictures.append(picture)
            hands.append(detector.detect(picture, t_ms))
            times.append(t_ms)
    return Film(pictures, hands, np.array(times), None)


def _drawn(path: Path, table: Path) -> Film:
    rows = pd.read_csv(table)
    columns = [f"t{name}" for name in COORDINATES]
    missing = {"frame", "t_ms", "letter", "inside", "handedness", *columns} - set(rows.columns)
    if missing:
        raise UserError(f"{table} is no table of the studio's: it lacks {min(missing)}. Move it elsewhere.")
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
