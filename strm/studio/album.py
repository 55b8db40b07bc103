"""Pictures and videos of drawn people: `strm studio word` and `strm studio grid`."""

import csv
import itertools
import os
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import cv2
import numpy as np

from strm.alphabet import ASL
from strm.data import COORDINATES
from strm.files import UserError, replacing
from strm.pictures import write_words
from strm.studio import Render, Signer, sample
from strm.studio.dataset import coordinates, short, view
from strm.studio.poses import Pose, forms
from strm.studio.streams import Motion, film, lesson, word
from strm.studio.strokes import DRAWS
from strm.studio.takes import SIZE, part, person

UP, FRONT = 0.8, 0.6  # the part of the fingers' way that goes up, of the palm's that goes to the viewer
FPS = 30.0  # of videos for people to look at
ACROSS = 7  # pictures in a row of the grid
LINE = (255, 176, 0)  # RGB
JPEG = 90  # of 100
PICTURES, VIDEOS, TABLES = (".png", ".jpg", ".jpeg"), (".mp4",), (".csv",)
TRUTH = (
    *("frame", "t_ms", "letter", "phase", "inside", "handedness", "tone", "tilt", "turn", "roll"),
    *(f"t{name}" for name in COORDINATES),
)


@dataclass(frozen=True)
class Portrait:
    """A picture of a letter; of a moving one, a moment of its stroke, and the fingertip's path.

    path: [S, 2] in parts of the picture's width and height.
    """

    render: Render
    path: np.ndarray | None = None


def portrait(letter: str, signer: Signer, rng: np.random.Generator, size: int = SIZE) -> Portrait:
    """Draw any letter, moving ones too; these in a manner in which the hand is upright when it begins."""
    if letter not in ASL.moving:
        return Portrait(sample(letter, rng, size, signer))
    for manner in itertools.count(signer.manner):
        signer = replace(signer, manner=manner)
        motion = lesson(letter, signer, rng, 2 * FPS)
        stroke = [i for i, phase in enumerate(motion.phases) if phase == "stroke"]
        if upright(part(motion, stroke[:1])):
            break
    renders = film(part(motion, stroke), signer, rng, size)
    tip = 8 + 4 * DRAWS[ASL.paths[letter]]
    path = np.stack([render.points[tip, :2] for render in renders])
    # The slowest moment of the middle half: a fast hand smears.
    pace = np.linalg.norm(np.gradient(path, axis=0), axis=1)
    start, end = len(path) // 4, len(path) - len(path) // 4
    return Portrait(renders[start + int(pace[start:end].argmin())], path)


def upright(motion: Motion) -> bool:
    """Whether a hand has its fingers up and its palm to the viewer all the time, as in most charts."""
    return bool((motion.turn[:, 1, 1] > UP).all() and (motion.turn[:, 2, 2] > FRONT).all())


class Teacher(Signer):
    """A drawn person who shows each letter in its first form, and turned as a chart has it.

    Moving letters are drawn with the hand of the still letter which they begin with.
    """

    def habit(self, letter: str) -> Pose:
        first = forms(ASL.moving.get(letter, letter))[0]
        return replace(first, views=first.views[:1])


def teacher(seed: int, number: int, tone: int | None = None, side: str | None = None) -> Teacher:
    """Return a drawn person to learn from, with this skin tone and this hand where they are given."""
    given = {name: value for name, value in (("tone", tone), ("handedness", side)) if value}
    return Teacher(**(vars(person(seed, number)) | given))


def grid(
    out: str | Path, size: int = SIZE, seed: int = 0, tone: int | None = None, side: str | None = None
) -> None:
    """Save one picture of all letters, each by another person; paths are drawn where the hand moves."""
    check_name(Path(out), PICTURES)
    cells = []
    for number, letter in enumerate(ASL.letters):
        shown = portrait(
            letter, teacher(seed, number, tone, side), np.random.default_rng([seed, number]), size
        )
        cells.append(_caption(shown, letter))
    cells += [np.full((size, size, 3), 255, np.uint8)] * (-len(cells) % ACROSS)
    lines = [np.hstack(cells[i : i + ACROSS]) for i in range(0, len(cells), ACROSS)]
    save_picture(Path(out), np.vstack(lines))
    print(f"{out}: the {len(ASL.letters)} letters of {ASL.name}.")


def _caption(shown: Portrait, letter: str) -> np.ndarray:
    picture = shown.render.image.copy()
    size = len(picture)
    unit = max(1, round(size / 128))
    if shown.path is not None:
        points = np.rint(shown.path * size).astype(int)
        cv2.polylines(picture, [points], False, LINE, unit, cv2.LINE_AA)
        cv2.circle(picture, points[0].tolist(), 2 * unit, LINE, -1, cv2.LINE_AA)
        ahead = points[-1] - points
        before = points[np.flatnonzero(np.abs(ahead).sum(1) >= 6 * unit)[-1:]]  # strokes end slowly
        for x, y in before.tolist():
            cv2.arrowedLine(picture, (x, y), points[-1].tolist(), LINE, unit, cv2.LINE_AA, tipLength=0.8)
    write_words(picture, letter, (3 * unit, 14 * unit), 10 * unit)
    return picture


def spelt(
    text: str, seed: int, tone: int | None = None, side: str | None = None
) -> tuple[Motion, Teacher, np.random.Generator]:
    """Let a drawn person spell a word; also return the person, and the generator as it is afterwards."""
    signer, rng = teacher(seed, 0, tone, side), np.random.default_rng([seed, 0])
    return word(text, signer, rng, FPS), signer, rng


def word_video(
    text: str,
    out: str | Path,
    size: int = SIZE,
    seed: int = 0,
    tone: int | None = None,
    side: str | None = None,
    truth: str | Path | None = None,
) -> None:
    """Film a word and save it as .mp4; truth: a CSV of what each frame shows, and its true landmarks."""
    text, out = text.upper(), Path(out)
    strange = next((c for c in text if c not in ASL.letters), "" if text else "nothing")
    if strange or not text:
        raise UserError(
            f"A word is made of the letters {ASL.letters[0]} to {ASL.letters[-1]}; this one has {strange!r}."
        )
    check_name(out, VIDEOS)
    if truth is not None:
        check_name(Path(truth), TABLES)
    if size % 2 or size < 32:
        raise UserError(
            f"--size {size} is no size for a video: give an even number of pixels, 256 for example."
        )
    motion, signer, rng = spelt(text, seed, tone, side)
    renders = film(motion, signer, rng, size)
    save_video(out, [render.image for render in renders], FPS)
    if truth is not None:
        save_truth(Path(truth), motion, renders)
    print(f"{out}: {text}, {len(renders)} frames at {FPS:.0f} a second.")


def check_name(path: Path, suffixes: tuple[str, ...]) -> None:
    """Raise UserError for a file name that does not end in one of these, or is a folder's."""
    if path.suffix.lower() not in suffixes or path.is_dir():
        raise UserError(f"{path} is no name for this file: end it in {' or '.join(suffixes)}.")


def save_picture(path: Path, picture: np.ndarray) -> None:
    """Save an RGB picture as .png or .jpg."""
    picture = cv2.cvtColor(picture, cv2.COLOR_RGB2BGR)
    how = [cv2.IMWRITE_JPEG_QUALITY, JPEG] if path.suffix.lower() != ".png" else []
    data = cv2.imencode(path.suffix, picture, how)[1].tobytes()
    with replacing(path) as temporary:
        temporary.write_bytes(data)


def save_video(path: Path, frames: Sequence[np.ndarray], fps: float) -> None:
    """Save RGB frames, all of one size, as an .mp4."""
    height, width = frames[0].shape[:2]
    with replacing(path) as temporary:
        running = temporary.with_name(f"{temporary.name}.mp4")  # OpenCV goes by the suffix
        video = cv2.VideoWriter(str(running), cv2.VideoWriter.fourcc(*"mp4v"), fps, (width, height))
        try:
            for frame in frames:
                video.write(cv2.cvtColor(frame, cv2.COLOR_RGB2BGR))
            video.release()
            if _count(running) != len(frames):  # OpenCV tells nobody of a disk that is full, or not there
                raise UserError(f"Cannot write {path} to its end: make room there, or choose another folder.")
            os.replace(running, temporary)
        finally:
            video.release()
            running.unlink(missing_ok=True)


def _count(path: Path) -> int:
    video = cv2.VideoCapture(str(path))
    try:
        return int(video.get(cv2.CAP_PROP_FRAME_COUNT))
    finally:
        video.release()


def save_truth(path: Path, motion: Motion, renders: Sequence[Render]) -> None:
    """Save what each frame of a film shows, a row a frame."""
    views = view(motion.turn)
    with replacing(path) as temporary, open(temporary, "w", encoding="utf-8", newline="") as file:
        table = csv.writer(file, lineterminator="\n")
        table.writerow(TRUTH)
        for i, render in enumerate(renders):
            known = [i, short(motion.t_ms[i], 2), motion.labels[i], motion.phases[i], int(motion.inside[i])]
            known += [render.handedness, render.tone, *(short(angle, 1) for angle in views[i])]
            table.writerow([*known, *coordinates(render.points)])
