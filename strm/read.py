"""`strm read PHOTO…`: the shortest path from a person's own hand to the model."""

from pathlib import Path

import cv2
import numpy as np
from rich.console import Console
from rich.markup import escape
from rich.table import Table

from strm.bundle import WEIGHTS, Bundle
from strm.files import UserError, replacing, visible
from strm.hub import fetch
from strm.landmarks import Hand, HandDetector
from strm.pictures import read_picture, write_words
from strm.stream import Reading, Recognizer

PALM = (0, 5, 9, 13, 17, 0)
FINGERS = ((0, 1, 2, 3, 4), (5, 6, 7, 8), (9, 10, 11, 12), (13, 14, 15, 16), (17, 18, 19, 20))
BONE, JOINT = (255, 176, 0), (100, 143, 255)  # RGB
LARGEST = 1280


def read_photo(path: str | Path) -> np.ndarray:
    """Open a picture as uint8 RGB [H, W, 3], upright as its camera says. Raises UserError if it is none."""
    path = Path(path)
    if path.is_dir():
        raise UserError(f"{path} is a folder: name the photos in it, such as {path / '*.jpg'}.")
    if not path.is_file():
        raise UserError(f"There is no {path}: look at its name and folder.")
    picture = read_picture(path)
    if picture is None:
        raise UserError(f"{path} is not a picture that can be read: save it as JPEG or PNG.")
    return picture


def read_hand(bundle: Bundle, hand: Hand) -> Reading:
    """Read one hand alone, a stream of one frame. However unsure, the likeliest letter is named."""
    return Recognizer(bundle, confidence=0.0).step(hand, 0.0)


def draw(picture: np.ndarray, hand: Hand, caption: str = "") -> np.ndarray:
    """Return a copy of the RGB picture, LARGEST pixels at most, with its landmarks and a caption."""
    shrink = min(1.0, LARGEST / max(picture.shape))
    picture = cv2.resize(picture, None, fx=shrink, fy=shrink, interpolation=cv2.INTER_AREA)
    height, width = picture.shape[:2]
    unit = max(1, round(min(width, height) / 200))
    points = np.rint(hand.points[:, :2] * [width, height]).astype(int)
    for chain in (PALM, *FINGERS):
        cv2.polylines(picture, [points[list(chain)]], False, BONE, unit, cv2.LINE_AA)
    for point in points:
        cv2.circle(picture, point.tolist(), 2 * unit, JOINT, -1, cv2.LINE_AA)
    write_words(picture, caption, (6 * unit, 26 * unit), 18 * unit)
    return picture


def save_png(path: Path, picture: np.ndarray) -> None:
    with replacing(path) as temporary:
        temporary.write_bytes(cv2.imencode(".png", cv2.cvtColor(picture, cv2.COLOR_RGB2BGR))[1].tobytes())


def run(photos: list[str], model: str | None = None, out_dir: str | None = None) -> int:
    """Read each photo, save NAME.read.png beside it or in out_dir, print a table.

    Returns the exit code: 1 if a photo had no hand in it. Raises UserError for what is no picture,
    after telling what was read before it.
    """
    bundle = fetch(model or WEIGHTS)
    table = Table("Photo", "Letter", "Confidence", "Next", "Hand")
    for column in table.columns:
        column.overflow = "fold"  # a path cut short helps nobody
    handless = []
    written: set[Path] = set()
    try:
        with HandDetector() as detector:
            for photo in photos:
                picture = read_photo(photo)
                hand = detector.detect(picture)
                if hand is None:
                    handless.append(photo)
                    continue
                reading = read_hand(bundle, hand)
                letter = reading.letter or "no letter"
                drawing = _free_name(Path(photo), out_dir, written)
                save_png(drawing, draw(picture, hand, letter))
                others = ", ".join(f"{name} {p:.0%}" for name, p in reading.top3[1:])
                row = (photo, letter, f"{reading.confidence:.0%}", others, hand.handedness)
                table.add_row(*(escape(visible(text)) for text in row))
    finally:
        if table.rows:
            Console().print(table)
            print(f"Landmarks drawn in NAME.read.png, {f'in {out_dir}' if out_dir else 'beside each photo'}.")
    for photo in handless:
        print(
            f"{visible(photo)}: no hand found. Try more light, a plain background and the whole hand in view."
        )
    return 1 if handless else 0


def _free_name(photo: Path, out_dir: str | None, written: set[Path]) -> Path:
    """NAME.read.png; a second photo of the same name in this run becomes NAME-2.read.png."""
    folder, number = Path(out_dir) if out_dir else photo.parent, 1
    path = folder / f"{photo.stem}.read.png"
    while path in written:
        number += 1
        path = folder / f"{photo.stem}-{number}.read.png"
    written.add(path)
    return path
