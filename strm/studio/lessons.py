"""Streams of drawn people for training: no two alike, every frame with what it shows and how much it counts.

No pixels (`strm.studio.noise`): a second of a hand takes milliseconds, so each epoch can have its own.
"""

from functools import lru_cache

import numpy as np

from strm.alphabet import ASL
from strm.landmarks import right_handed
from strm.studio import random_signer
from strm.studio.motion import Motion
from strm.studio.noise import fast
from strm.studio.streams import lesson, word
from strm.studio.takes import spelling

WORDS = 0.5  # the share of streams that are cut out of words; the others are of one label
MOVEMENT = (*ASL.moving, *ASL.moving.values(), ASL.nothing)
STREAMS_A_PERSON = 10
HELD = 0.7  # how much a frame counts; the end of a stroke, the rest after it, and a stopped hand count 1


@lru_cache(maxsize=16)  # several trainings with one seed learn from the same streams, new ones each epoch
def streams(count: int, frames: int, seed: int) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Return right-handed streams [N, S, 21, 3]; each frame's label and how much it counts, [N, S] both."""
    rng, made = np.random.default_rng(seed), []
    for number in range(count):
        if number % STREAMS_A_PERSON == 0:
            signer = random_signer(rng)
        if rng.random() < WORDS:
            motion = word(spelling(rng), signer, rng)
        else:
            motion = lesson(MOVEMENT[rng.integers(len(MOVEMENT))], signer, rng)
        points, found = fast(motion, signer, rng)
        points = right_handed(points, 1, 1, signer.handedness)
        made.append(_window(_bridged(points, found), np.array(motion.labels), counts(motion), frames, rng))
    x, labels, weights = zip(*made, strict=True)
    return np.stack(x), np.stack(labels), np.stack(weights)


def counts(motion: Motion) -> np.ndarray:
    """How much each frame of a motion teaches [S]: nothing on the way, nor in the first half of a stroke."""
    phases = np.array(motion.phases)
    out = np.select([phases == "hold", phases == "rest"], [HELD, 1.0], 0.0)
    out[(phases == "hold") & (np.array(motion.labels) == ASL.nothing)] = 1.0
    drawing = phases == "stroke"
    edges = np.flatnonzero(np.diff(np.concatenate([[0], drawing, [0]])))
    for start, end in zip(edges[::2], edges[1::2], strict=True):
        out[(start + end) // 2 : end] = 1.0
    return out.astype(np.float32)


def _bridged(points: np.ndarray, found: np.ndarray) -> np.ndarray:
    """Lead straight over frames without a hand, as a live stream does."""
    seen = np.flatnonzero(found)
    if len(seen) < 2:
        return points
    position = np.interp(np.arange(len(points)), seen, np.arange(len(seen)))
    i = np.minimum(position.astype(int), len(seen) - 2)
    share = (position - i).astype(np.float32)[:, None, None]
    return points[seen[i]] * (1 - share) + points[seen[i + 1]] * share


def _window(x, labels, weights, frames: int, rng: np.random.Generator) -> tuple[np.ndarray, ...]:
    """Cut a stretch out of a stream; a short one begins later, the hand waiting at its first pose."""
    start = rng.integers(max(0, len(x) - frames) + 1)
    at = np.clip(np.arange(frames) + start - max(0, frames - len(x)), 0, None)
    return x[at], labels[at], weights[at]
