"""What one epoch shows a model: the same amount of every person and letter, drawn anew each time.

Two lessons hide in the mixture. Movement: hands that draw a stroke, beside the very same poses held still.
Balance: a source with ten thousand photos teaches no more than one with sixty a letter.
"""

import numpy as np
import pandas as pd

from strm.alphabet import ASL
from strm.augment import drawn, held
from strm.data import clips, hands, is_moving, people, sample_at
from strm.files import UserError
from strm.studio import lessons

CLIPS_PER_LETTER = 40  # windows of real clips, for each person and letter
STROKES_PER_LETTER = 60  # real strokes, likewise; each is shown three times, and stopped as often
STOPS = 3
# Whoever shows little is not shown over and over: a photo, and a stream's worth of frames, at most so often.
PHOTO_REPEATS, CLIP_REPEATS = 4, 6
# Drawn streams, in units of what an average still letter gets. People's hooks vary most, so it gets most.
DRAWN = {"hook": 2.5, "zigzag": 2.0}
# Poses that stand still: a movement's start, moments of it, and moments of drawn strokes. About as many
# as movements: where there were fewer, a still hand that might have moved was read as a movement.
HELD_START, HELD_STROKE, STOPPED = 0.7, 1.5, 0.6
OWN_HAND = {"hook": 0.35, "zigzag": 1.0}  # how often a photo from the middle of the movement lends its hand

# Held still, a moment of a hook is nothing: the hand is turned. One of a zigzag may as well be its start.
LIKE_START = {"hook": 0.0, "zigzag": 0.5}


class Curriculum:
    """Photos and clips of a training table, and `epoch`, which makes a balanced set of them.

    frames: 1 for single photos, else the length of the streams. per_letter: photos a person and letter.
    """

    def __init__(self, table: pd.DataFrame, frames: int, per_letter: int, drawn_streams: int = 0):
        self.frames, self.per_letter, self.drawn_streams = frames, per_letter, drawn_streams
        moving = is_moving(table)
        self.photos = self._grouped(table if frames == 1 else table[~moving])
        self.clips: dict[tuple[str, str], list[np.ndarray]] = {}
        for clip in clips(table[moving]) if frames > 1 and moving.any() else []:
            self.clips.setdefault((clip.person, clip.label), []).append(clip.hands)
        labels = set(table["label"])
        if len(labels) < 2:
            raise UserError(
                f"The training data has one class only ({labels.pop()}): a classifier needs two or more."
            )
        if frames > 1:
            # What strokes begin with and what they leave behind must have names, and so must a stroke that
            # some hand can draw.
            filmed = {label for _, label in self.clips if label in ASL.moving}
            drawable = {
                m for m, start in ASL.moving.items() if any(label in (m, start) for _, label in self.photos)
            }
            labels |= drawable | {ASL.moving[label] for label in filmed}
            labels |= {ASL.nothing} if drawable or filmed else set()
        self.classes = ASL.order(labels)

    @staticmethod
    def _grouped(table: pd.DataFrame) -> dict[tuple[str, str], np.ndarray]:
        table, person = table.reset_index(drop=True), people(table)
        points = hands(table)
        keys = pd.Series(list(zip(person, table["label"], strict=True)), dtype=object)
        return {key: points[rows] for key, rows in keys.groupby(keys).indices.items()}

    def epoch(self, rng: np.random.Generator) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """Return streams [N, S, 21, 3], the class of every frame [N, S], and how much it counts [N, S]."""
        self._x: list[np.ndarray] = []
        self._y: list[str] = []
        seed = int(rng.integers(2**31))  # the same drawn streams whatever else there is
        if self.frames == 1:
            for (_, label), photos in sorted(self.photos.items()):
                self._add(self._shown(photos, rng)[:, None], label)
        else:
            self._still_letters(rng)
            self._real_clips(rng)
            self._movement(rng)
        number = {label: i for i, label in enumerate(self.classes)}
        x = np.concatenate(self._x).astype(np.float32)
        y = np.repeat([[number[label]] for label in self._y], self.frames, 1)
        slow = [[label in ASL.moving] for label in self._y]
        if self.frames == 1:
            return x, y, np.ones(y.shape, np.float32)
        # A movement shows only in its end what it is; a hand that stands still is no movement from the start.
        weights = np.where(slow, np.linspace(0.1, 1, self.frames), 0.7)
        if self.drawn_streams:
            drawn_x, labels, counts = lessons.streams(self.drawn_streams, self.frames, seed)
            known = np.isin(labels, self.classes)  # of a part of the alphabet, learn that part
            drawn_y = np.vectorize(lambda label: number.get(label, 0), otypes=[int])(labels)
            x, y = np.concatenate([x, drawn_x]), np.concatenate([y, drawn_y])
            weights = np.concatenate([weights, counts * known])
        return x, y, weights.astype(np.float32)

    def _add(self, x: np.ndarray, label: str) -> None:
        self._x.append(x)
        self._y += [label] * len(x)

    def _stopped(self, x: np.ndarray, letter: str) -> None:
        """Teach what a moment of a movement is when it stands still."""
        self._add(x, ASL.nothing)

    def _still_letters(self, rng: np.random.Generator) -> None:
        for (_, label), photos in sorted(self.photos.items()):
            if label not in ASL.moving:  # a photo of a moving letter is one moment of it, not a letter
                self._add(held(self._shown(photos, rng), self.frames, rng), label)

    def _shown(self, photos: np.ndarray, rng: np.random.Generator) -> np.ndarray:
        return _some(photos, min(self.per_letter, PHOTO_REPEATS * len(photos)), rng)

    def _real_clips(self, rng: np.random.Generator) -> None:
        for (_, label), streams in sorted(self.clips.items()):
            stroke = label in ASL.moving
            if stroke:
                count = min(len(streams), STROKES_PER_LETTER)
            else:
                windows = sum(max(1, len(x) // self.frames) for x in streams)
                count = min(CLIPS_PER_LETTER, CLIP_REPEATS * windows)
            for i in rng.choice(len(streams), count, replace=count > len(streams)):
                x = streams[i]
                if not stroke:
                    self._add(self._window(x, rng)[None], label)
                    continue
                # The whole stroke at two paces, each with a pause after it, and its beginning at its own
                # pace; then a pose of it that stands still, and the pose it began with.
                strokes = [self._window(x, rng, latest=0.5), *(self._paused(x, rng) for _ in range(2))]
                self._add(np.stack(strokes), label)
                stopped = x[rng.integers(len(x) // 3, len(x), STOPS)]
                self._stopped(held(stopped, self.frames, rng), label)
                self._add(held(x[:1], self.frames, rng), ASL.moving[label])

    def _window(self, x: np.ndarray, rng: np.random.Generator, latest: float = 1.0) -> np.ndarray:
        """Cut a stream of our length out of a clip; a short one is stretched, a photo held."""
        if len(x) < self.frames:
            return sample_at(x, np.linspace(0, len(x) - 1, self.frames))
        start = rng.integers(int(latest * (len(x) - self.frames)) + 1)
        return x[start : start + self.frames]

    def _paused(self, x: np.ndarray, rng: np.random.Generator) -> np.ndarray:
        """Play a whole stroke in part of our length, then hold its end: what was seen must be remembered."""
        length = rng.integers(max(2, self.frames // 2), self.frames + 1)
        return sample_at(x, np.minimum(np.arange(self.frames) / (length - 1), 1) * (len(x) - 1))

    def _movement(self, rng: np.random.Generator) -> None:
        still_letters = len({*self._y} & {*ASL.still})
        still = (
            sum(label in ASL.still for label in self._y) / still_letters if still_letters else self.per_letter
        )
        for letter, start in ASL.moving.items():
            own = [photos for (_, label), photos in sorted(self.photos.items()) if label == letter]
            starts = [photos for (_, label), photos in sorted(self.photos.items()) if label == start]
            if not own and not starts:
                continue
            path = ASL.paths[letter]
            share = OWN_HAND[path] if own and starts else float(not starts)

            def lend(
                amount: float, own: list = own, starts: list = starts, share: float = share
            ) -> np.ndarray:  # hands of random people, own poses of the movement or its starting pose
                pools = [
                    own if rng.random() < share else starts for _ in range(max(1, round(amount * still)))
                ]
                people_ = [pool[rng.integers(len(pool))] for pool in pools]
                return np.stack([photos[rng.integers(len(photos))] for photos in people_])

            self._add(drawn(lend(DRAWN[path]), path, self.frames, rng), letter)
            if starts:
                self._add(held(lend(HELD_START, share=0.0), self.frames, rng), start)
            if own:
                like_start = LIKE_START[path] if starts else 0.0
                if like_start:
                    self._add(held(lend(like_start * HELD_STROKE, share=1.0), self.frames, rng), start)
                own_hands = lend((1 - like_start) * HELD_STROKE, share=1.0)
                self._stopped(held(own_hands, self.frames, rng), letter)
            strokes = drawn(lend(STOPPED), path, self.frames, rng)
            late = strokes[np.arange(len(strokes)), rng.integers(self.frames // 2, self.frames, len(strokes))]
            self._stopped(held(late, self.frames, rng), letter)


def _some(x: np.ndarray, count: int, rng: np.random.Generator) -> np.ndarray:
    """Draw `count` rows, each as often as any other (give or take one)."""
    whole, rest = divmod(count, len(x))
    return x[np.concatenate([np.tile(np.arange(len(x)), whole), rng.permutation(len(x))[:rest]])]
