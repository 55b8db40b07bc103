"""Words joined from the clips of real people: streams of known text, made by code that no training uses.

One signer gives the letters, another one what the signer lacks. Between two letters the hand changes its
shape in its own frame, turns and travels, all gently. Doubled letters bounce, slide or are formed anew. In
some words the hand stops for a moment in the pose of a movement: it moves nothing there, and spells nothing.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from scipy.spatial.transform import Rotation

from strm.alphabet import ASL
from strm.data import Clip
from strm.files import UserError
from strm.landmarks import FPS, KNUCKLES, MIDDLE_KNUCKLE, WRIST, Hand
from strm.words import Stream, kinds

PALM, HOME = 100.0, np.array([320.0, 240.0, 0.0])  # pixels; of every hand, and where its wrist is at home
HELD = (4, 12)  # frames of a held letter: 0.25 to 0.8 s
START, START_SHARE = (3, 9), 0.75  # frames that the hand waits before a movement, and how often it does
REST = (2, 6)  # frames that a hand stays after the last letter
TRAP = (8, 15)  # frames of a moving letter's pose that stands still: 0.5 to 1 s
OVER = (2, 6)  # frames from one letter to the next
FASTEST = 0.8  # palm sizes a frame between two letters
STILL = 0.1  # of a stroke's greatest speed: below it, the stroke has not begun or is over
_TEXT = (
    "JAZZ JEEP JUDGE JOIN JUMP JOKE JURY JUICE JIGSAW JUNGLE BANJO NINJA MAJOR ENJOY OBJECT PROJECT INJURY "
    "ZERO ZOO ZIP ZEBRA ZONE LAZY CRAZY PIZZA FUZZY BUZZ DIZZY PRIZE QUIZ MAZE SIZE WIZARD LIZARD BRONZE "
    "FROZEN DIVIDE HIDDEN RIDDLE INDIGO VIDEO RADIO LADDER KID COFFEE APPLE BALL HAPPY BOOK GREEN LETTER "
    "WATER HOUSE FRENCH MONKEY QUICK GHOST BREAD PLANT EXTRA"
)
WORDS = _TEXT.split()  # full of I, J, D, Z and doubled letters


@dataclass(frozen=True)
class Word:
    """A word as a stream at 15 frames a second: hands [S, 21, 3], in pixels and right-handed.

    accepted: what may be read without an error. Where a moving letter's pose stood still, that is also the
    word with the still letter it begins with: an upright hand of a Z is a D to many.
    """

    word: str
    person: str
    hands: np.ndarray
    accepted: tuple[str, ...]

    @property
    def kinds(self) -> list[str]:
        """What makes it hard (`strm.words.kinds`), and 'trap' where a pose of a movement stood still."""
        return kinds(self.word) + ["trap"] * (len(self.accepted) > 1)

    def stream(self) -> Stream:
        """Return the frames as a camera of 15 frames a second would have given them."""
        hands = [Hand(points, "Right", 1.0, 1, 1) for points in self.hands]
        return Stream(self.word, self.person, "joined", hands, np.arange(len(hands)) * 1000 / FPS)


def joined(
    clips: Sequence[Clip],
    others: Sequence[Clip],
    words: Sequence[str],
    rng: np.random.Generator,
    trapped: float = 0.3,
) -> list[Word]:
    """Spell words with the clips of one signer, and with those of others for letters that the signer lacks.

    trapped: in which share of the words the pose of a moving letter stands still between two letters.
    """
    signer = Signer(clips, others, rng)
    return [signer.spell(word, rng.random() < trapped) for word in words]


class Signer:
    """Someone's letters, and how they are strung together. All hands are in palm sizes, the first at home."""

    def __init__(self, clips: Sequence[Clip], others: Sequence[Clip], rng: np.random.Generator):
        self.person, self.rng = clips[0].person, rng
        self.own, self.borrowed = (_by_letter(these) for these in (clips, others))
        shapes = [_local(_fitted(streams[0])[0])[0] for streams in self.own.values()]
        self.relaxed = np.mean(shapes, 0)  # between all letters: half open

    def spell(self, word: str, trap: bool) -> Word:
        """Return one word; with a trap where a place for it is found."""
        places = [i for i in range(1, len(word)) if not {*word[i - 1 : i + 1]} & _alike()]
        at = int(self.rng.choice(places)) if trap and places else 0
        parts: list[np.ndarray] = []
        accepted = [word]
        self.home = np.zeros(3)
        for i, letter in enumerate(word):
            if at and i == at:
                moving = str(self.rng.choice([*ASL.moving]))
                self._add(parts, self._trap(moving))
                accepted.append(word[:i] + ASL.moving[moving] + word[i:])
            doubled = i > 0 and letter == word[i - 1] and i != at
            for part in self._letter(letter):
                self._add(parts, part, doubled and letter not in ASL.moving)
        parts.append(hold(parts[-1][-1], self._some(REST), self.rng))
        hands = np.concatenate(parts) * PALM + HOME
        return Word(word, self.person, hands.astype(np.float32), tuple(accepted))

    def _some(self, frames: tuple[int, int]) -> int:
        return int(self.rng.integers(*frames, endpoint=True))

    def _clip(self, letter: str) -> np.ndarray:
        streams = self.own.get(letter) or self.borrowed.get(letter)
        if not streams:
            raise UserError(f"No clip shows {letter}: give clips of more signers.")
        return _fitted(streams[self.rng.integers(len(streams))])

    def _letter(self, letter: str) -> list[np.ndarray]:
        if letter not in ASL.moving:
            return [self._held(letter, HELD)]
        start, stroke = ASL.moving[letter], [self._stroke(letter)]
        waits = start in self.own and self.rng.random() < START_SHARE
        return [self._held(start, START), *stroke] if waits else stroke

    def _held(self, letter: str, frames: tuple[int, int]) -> np.ndarray:
        x, count = self._clip(letter), self._some(frames)
        if len(x) < count:  # a photo, or a short clip
            return hold(x[len(x) // 2], count, self.rng)
        first = self.rng.integers(len(x) - count + 1)
        return x[first : first + count]

    def _stroke(self, letter: str) -> np.ndarray:
        """Return a whole stroke, with little of the stillness before and after it."""
        x = self._clip(letter)
        first, last = moving_part(x)
        before, after = self.rng.integers(1, 5, 2)
        return x[max(first - before, 0) : last + after]

    def _trap(self, letter: str) -> np.ndarray:
        """Stand still in a pose from the second half of a stroke."""
        x = self._clip(letter)
        first, last = moving_part(x)
        pose = x[self.rng.integers((first + last) // 2, last)]
        return hold(pose, self._some(TRAP), self.rng)

    def _add(self, parts: list[np.ndarray], part: np.ndarray, doubled: bool = False) -> None:
        """Append a part and the way to it."""
        rng = self.rng
        part = part - part[0, WRIST] + self.home + rng.normal(0, 0.2, 3) * [1, 1, 0]
        if not parts:
            parts.append(part)
            return
        end, frames, bump = parts[-1][-1], self._some(OVER), rng.normal(0, 0.1, 3)
        # Nobody returns to the same place after every letter; after a stroke the hand is elsewhere.
        part = part + rng.random() * (end[WRIST] - self.home) * [1, 1, 0]
        how = rng.choice(["bounce", "slide", "anew"]) if doubled else "on"
        if how == "bounce":
            frames, bump = self._some((4, 7)), np.array([0, rng.choice([-1, 1]) * rng.uniform(0.5, 1.2), 0])
        elif how == "slide":
            aside = np.array([rng.uniform(0.8, 1.6), 0, 0])
            part, self.home = part + aside, self.home + aside
        elif how == "anew":
            open_hand = end[WRIST] + self.relaxed @ _local(end)[1].T
            parts.append(_way(end, open_hand, self._some((2, 3)), bump * 0, rng))
            end = open_hand
        far = np.linalg.norm(part[0, WRIST] - end[WRIST])
        frames = max(frames, int(np.ceil(far / FASTEST)))
        parts += [_way(end, part[0], frames, bump, rng), part]


def _alike() -> set[str]:
    return {*ASL.moving, *ASL.moving.values()}


def _by_letter(clips: Sequence[Clip]) -> dict[str, list[np.ndarray]]:
    out: dict[str, list[np.ndarray]] = {}
    for clip in clips:
        if clip.label in ASL.letters and (len(clip.hands) > 1 or clip.label not in ASL.moving):
            out.setdefault(clip.label, []).append(clip.hands)
    return out


def _fitted(x: np.ndarray) -> np.ndarray:
    """Make a clip [S, 21, 3] as large as all others; its first wrist is the origin."""
    palm = np.linalg.norm(x[:, KNUCKLES] - x[:, :1], axis=-1).mean(-1)
    return ((x - x[:1, :1]) / np.median(palm)).astype(float)


def moving_part(x: np.ndarray) -> tuple[int, int]:
    """Return the first frame of a stroke and the one after its last."""
    speed = np.linalg.norm(np.diff(x[..., :2], axis=0), axis=-1).max(-1)
    fast = np.flatnonzero(speed > STILL * speed.max())
    return int(fast[0]), int(fast[-1]) + 2


def _local(hand: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Split a hand [21, 3] into its shape, seen from the palm, and the rotation [3, 3] of the palm."""
    shape = hand - hand[WRIST]
    up = shape[MIDDLE_KNUCKLE] / np.linalg.norm(shape[MIDDLE_KNUCKLE])
    across = shape[KNUCKLES[0]] - shape[KNUCKLES[-1]]
    across = across - (across @ up) * up
    across /= max(np.linalg.norm(across), 1e-9)
    axes = np.stack([across, up, np.cross(across, up)], -1)
    return shape @ axes, axes


def _ease(u: np.ndarray) -> np.ndarray:
    """Go from 0 to 1 as a hand does: it starts and stops without a jerk."""
    u = np.clip(u, 0, 1)
    return u**3 * (10 - 15 * u + 6 * u**2)


def _way(a: np.ndarray, b: np.ndarray, frames: int, bump: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """Lead from hand a to hand b [21, 3] in `frames` steps between them, on a path that bends by `bump`."""
    (shape_a, axes_a), (shape_b, axes_b) = _local(a), _local(b)
    u = np.arange(1, frames + 1) / (frames + 1)
    late = np.zeros(21)  # no finger moves exactly with another
    late[1:] = np.repeat(rng.uniform(0, 0.25, 5), 4)
    part = _ease((u[:, None] - late) / 0.75)[..., None]
    shape = shape_a + part * (shape_b - shape_a)
    angle = Rotation.from_matrix(axes_b @ axes_a.T).as_rotvec()
    turned = Rotation.from_rotvec(_ease(u)[:, None] * angle).as_matrix() @ axes_a
    wrist = a[WRIST] + _ease(u)[:, None] * (b[WRIST] - a[WRIST])
    wrist += np.sin(np.pi * u)[:, None] ** 2 * bump * [1, 1, 0]
    return shape @ np.swapaxes(turned, -1, -2) + wrist[:, None]


def hold(hand: np.ndarray, frames: int, rng: np.random.Generator) -> np.ndarray:
    """Hold a hand [21, 3] for a while: it sways slowly, and no detector sees it twice in the same place."""
    t = np.arange(frames)[:, None, None] / FPS
    pace, start = rng.uniform(1, 5, (1, 1, 3)), rng.uniform(0, 2 * np.pi, (1, 1, 3))
    sway = rng.uniform(0.02, 0.2, (1, 1, 3)) * (np.sin(pace * t + start) - np.sin(start)) * [1, 1, 0]
    return hand + sway + rng.normal(0, 0.008, (frames, *hand.shape))
