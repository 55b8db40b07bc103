"""What ships in data/studio: made by `strm studio ship`, and learned from by `strm train` without a table."""

import csv
import itertools
import sys
from pathlib import Path

import numpy as np

from strm.alphabet import ASL
from strm.files import UserError, replacing
from strm.landmarks import HandDetector
from strm.pictures import read_picture
from strm.studio.album import portrait, save_picture, spelt, teacher, upright, word_video
from strm.studio.dataset import make
from strm.studio.takes import KINDS, SIZE, Plan, part

FOLDER = Path(__file__).parents[2] / "data" / "studio"
KEPT = "studio/judge"  # the drawn people whom no training sees (`strm.studio.takes.name_of`)
WORD = "JAZZ"  # both moving letters, and one of them twice
SIGNERS, PLAN = 35, Plan(stills=4, clips=1, words=2, clip_truth=False)  # 8 MB in all
TONES = (2, 6, 10)  # of the hands in the videos
# Where the search for them begins. The word's is picked: of other hands these weights may miss the second Z.
SEEDS = (0, 1, 10)
TRIES = 20


def shipped(sequence_mode: bool = False) -> list[str]:
    """Return the tables of the studio's own hands that ship: photos, and for streams the clips as well.

    Says so in one line. Raises UserError where they are not.
    """
    paths = [FOLDER / f"{kind}.csv.gz" for kind in KINDS[: 2 if sequence_mode else 1]]
    for path in paths:
        if not path.exists():
            raise UserError(
                f"{path} is not there: name a table with --csv, one that `strm studio dataset` makes say, "
                "or run this in a clone of the book's repository."
            )
    print(f"No --csv: learning from the studio's hands, {' and '.join(map(str, paths))}.", file=sys.stderr)
    return [str(path) for path in paths]


def ship(out_dir: str | Path = FOLDER, signers: int = SIGNERS, seed: int = 0, jobs: int = 1) -> None:
    """Make all of data/studio: the tables and their summary, a picture of each letter, short videos."""
    show(Path(out_dir), seed)
    make(out_dir, signers, Plan(**(vars(PLAN) | {"seed": seed})), jobs)


def show(out: Path, seed: int = 0) -> None:
    """Make what people look at: a picture of each letter, a video of each movement and of a word."""
    stills(out / "stills", seed)
    for text, tone, first in zip((*ASL.moving, WORD), TONES, SEEDS, strict=True):
        seen = next(s for s in itertools.count(seed + first) if _well_seen(text, s, tone))
        word_video(text, out / f"{text}.mp4", SIZE, seen, tone, "Right", out / f"{text}.csv")


def _well_seen(text: str, seed: int, tone: int) -> bool:
    motion = spelt(text, seed, tone, "Right")[0]
    return upright(part(motion, [i for i, phase in enumerate(motion.phases) if phase == "hold"]))


def stills(folder: Path, seed: int) -> None:
    """Save a picture of each letter, and a table of whose hands they are.

    Each is drawn anew until the detector, which looks at the saved file, finds the hand and its side.
    """
    people = {letter: teacher(seed, number) for number, letter in enumerate(ASL.letters)}
    with HandDetector() as detector:
        for number, (letter, one) in enumerate(people.items()):
            path = folder / f"{letter}.jpg"
            for attempt in range(TRIES):
                shown = portrait(letter, one, np.random.default_rng([seed, number, attempt]))
                save_picture(path, shown.render.image)
                picture = read_picture(path)
                hand = None if picture is None else detector.detect(picture)
                if hand is not None and hand.handedness == one.handedness:
                    break
    with replacing(folder / "stills.csv") as part, open(part, "w", encoding="utf-8", newline="") as file:
        table = csv.writer(file, lineterminator="\n")
        table.writerow(("file", "letter", "handedness", "tone"))
        for letter, one in people.items():
            table.writerow((f"{letter}.jpg", letter, one.handedness, one.tone))
