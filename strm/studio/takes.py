"""What a drawn person shows to the camera: photos, clips and words, and what the detector makes of each.

Everything comes from a seed and the person's number, so that any of it can be made again.
"""

from collections.abc import Iterator
from contextlib import nullcontext
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from strm.alphabet import ASL
from strm.landmarks import Hand, HandDetector
from strm.studio import MONK, SIDES, Render, Signer, random_signer, sample
from strm.studio.noise import seen
from strm.studio.streams import Motion, camera_for, film, lesson, trace, word

KINDS = ("photos", "clips", "words")
# Photos of a moving letter are moments of its movement, as in every set of photos.
PHOTOGRAPHED, LABELS = (*ASL.still, *ASL.moving), (*ASL.letters, ASL.nothing)
# Movement is shown more often: moving letters, what they begin with, and what is neither.
MOVEMENT, TWICE = {*ASL.moving, *ASL.moving.values(), ASL.nothing}, 2
SIZE = 256  # of the square pictures, in pixels
JUDGES = 5  # the last of five drawn people is kept for judging
GAP_MS = 1000.0  # between two streams
EMPTY = np.full((SIZE, SIZE, 3), 128, np.uint8)


@dataclass(frozen=True)
class Plan:
    """How much each drawn person shows: photos of each letter, clips of each label, words."""

    stills: int = 4
    clips: int = 1
    words: int = 2
    seed: int = 0
    landmarks_only: bool = False  # no pictures: true points, with noise like the detector's
    clip_truth: bool = True  # clips' rows, which are most, have the true points, too


@dataclass(frozen=True)
class Take:
    """A photo, or a stream of S frames: the truth about each, and the hand that was found in it.

    label: the letter or word that it shows; name: of the clip; t_ms: [S], empty for a photo; letters and
    phases: S each; turn: [S, 3, 3]; inside: [S] bool, whether there was a hand to be found;
    truth: [S, 21, 3] as a `Render` has its points; hands: S of them, None where none was found.
    """

    label: str
    name: str
    t_ms: np.ndarray
    letters: tuple[str, ...]
    phases: tuple[str, ...]
    turn: np.ndarray
    inside: np.ndarray
    truth: np.ndarray
    hands: list[Hand | None]


def person(seed: int, number: int) -> Signer:
    """Draw a person. Of ten in a row each has another skin tone, and five sign with each hand."""
    signer = random_signer(np.random.default_rng([seed, number]))
    # Sevens and threes: every fifth person, too, is of another tone than the last.
    tone = 1 + (7 * number + 3 * (number // 10)) % len(MONK)
    return replace(signer, tone=tone, handedness=SIDES[number % 2])


def name_of(number: int) -> str:
    """Return a drawn person's name, which tells those kept for judging from those to learn from."""
    part = "judge" if number % JUDGES == JUDGES - 1 else "learn"
    return f"studio/{part}/{number:03}"


def spelling(rng: np.random.Generator) -> str:
    """Draw 3 to 5 letters. Moving letters, and those they begin with, are in half of all words."""
    letters = list(rng.choice(ASL.letters, rng.integers(3, 6)))
    if rng.random() < 0.5:
        letters[rng.integers(len(letters))] = rng.choice([*ASL.moving, *ASL.moving.values()])
    if rng.random() < 0.25:  # a doubled letter
        first = rng.integers(len(letters) - 1)
        letters[first + 1] = letters[first]
    return "".join(letters)


def takes(plan: Plan, number: int, kind: str) -> Iterator[Take]:
    """Make all that one person shows of one of KINDS."""
    signer = person(plan.seed, number)
    detecting = nullcontext() if plan.landmarks_only else HandDetector(video=kind != "photos")
    with detecting as detector:
        if kind == "photos":
            for letter in PHOTOGRAPHED:
                for k in range(plan.stills):
                    yield photo(plan, number, signer, letter, k, detector)
        else:
            watch = None if detector is None else Watch(detector)
            for label in LABELS if kind == "clips" else [""]:
                clips = plan.clips * (TWICE if label in MOVEMENT else 1)
                for k in range(clips if kind == "clips" else plan.words):
                    yield stream(plan, number, signer, label, k, watch)


def photo(
    plan: Plan, number: int, signer: Signer, letter: str, k: int, detector: HandDetector | None
) -> Take:
    """Make a person's k-th photo of a letter; of a moving one, a moment of its movement."""
    rng = np.random.default_rng([plan.seed, number, 0, *letter.encode(), k])
    name = f"{name_of(number)}/photo/{letter}{k}"
    if detector is None:  # one moment of a held letter
        motion = lesson(letter, signer, rng)
        moment = rng.choice([i for i, label in enumerate(motion.labels) if label == letter])
        motion = part(motion, [moment])
        return replace(_traced(letter, name, motion, signer, rng), t_ms=np.empty(0))
    render = sample(letter, rng, SIZE, signer)
    assert render.turn is not None
    return Take(
        label=letter,
        name=name,
        t_ms=np.empty(0),
        letters=(letter,),
        phases=("hold",),
        turn=render.turn[None],
        inside=np.array([True]),
        truth=render.points[None],
        hands=[detector.detect(render.image)],
    )


def stream(plan: Plan, number: int, signer: Signer, label: str, k: int, watch: "Watch | None") -> Take:
    """Make a person's k-th clip of a label, or their k-th word where the label is empty."""
    if label:
        rng = np.random.default_rng([plan.seed, number, 1, *label.encode(), k])
        name, motion = f"{name_of(number)}/clip/{label}{k}", lesson(label, signer, rng)
    else:
        rng = np.random.default_rng([plan.seed, number, 2, k])
        label = spelling(rng)
        name, motion = f"{name_of(number)}/word/{k}", word(label, signer, rng)
    if watch is None:
        return _traced(label, name, motion, signer, rng)
    renders = film(motion, signer, rng, SIZE)
    truth = np.stack([render.points for render in renders])
    return _take(label, name, motion, truth, watch.look(renders, motion.t_ms))


def _take(label: str, name: str, motion: Motion, truth: np.ndarray, hands: list[Hand | None]) -> Take:
    said = motion.labels, motion.phases
    return Take(label, name, motion.t_ms, *said, motion.turn, motion.inside, truth, hands)


def part(motion: Motion, frames: list[int]) -> Motion:
    """Return some frames of a motion."""
    some: dict[str, Any] = {
        name: tuple(value[i] for i in frames) if isinstance(value, tuple) else value[frames]
        for name, value in vars(motion).items()
    }
    return Motion(**some)


def _traced(label: str, name: str, motion: Motion, signer: Signer, rng: np.random.Generator) -> Take:
    truth = trace(motion, signer, camera_for(motion, signer, rng))
    points, found = seen(truth, rng, motion.t_ms)
    found &= motion.inside
    hands = [
        Hand(p.astype(np.float32), signer.handedness, 1.0, SIZE, SIZE) if ok else None
        for p, ok in zip(points, found, strict=True)
    ]
    return _take(label, name, motion, truth, hands)


class Watch:
    """A detector in video mode that is shown one stream after another, an empty room between them."""

    def __init__(self, detector: HandDetector) -> None:
        self.detector, self.now = detector, 0.0

    def look(self, renders: list[Render], t_ms: np.ndarray) -> list[Hand | None]:
        """Return the hand in each frame, or None; t_ms: [S] milliseconds from the stream's beginning."""
        hands = [self.detector.detect(r.image, self.now + t) for r, t in zip(renders, t_ms, strict=True)]
        self.now += float(t_ms[-1]) + GAP_MS
        self.detector.detect(EMPTY, self.now)
        self.now += GAP_MS
        return hands
