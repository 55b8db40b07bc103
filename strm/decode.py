"""From a model's thoughts about streams to text: what `Recognizer` does frame by frame, many times over.

A net thinks about every stream once; then hundreds of decoders are tried on what it thought, so that each net
is judged with the decoder that suits it best. Decoders are chosen on other signers than those who judge.
"""

from collections import Counter, defaultdict
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import product
from typing import NamedTuple

import numpy as np
import torch

from strm.alphabet import ASL
from strm.bundle import Bundle
from strm.joined import Word
from strm.landmarks import FPS, WRIST, motion_features
from strm.spell import Speller
from strm.stream import Resampler
from strm.words import Stream, distance

BATCH = 64


@dataclass(frozen=True)
class Decoder:
    """How letters are decided on; the names and their meaning are those of `strm.stream.Recognizer`."""

    smoothing: float = 0.5
    confidence: float = 0.5
    hold_ms: float = 200.0
    moving_hold_ms: float = 130.0


# What every net may choose from.
GRID = [
    Decoder(*settings)
    for settings in product(
        (0.3, 0.5, 0.8), (0.3, 0.4, 0.5, 0.6), (67.0, 133.0, 200.0, 300.0), (0.0, 67.0, 133.0, 200.0)
    )
]


class Thought(NamedTuple):
    """What a model thinks of a stream: probabilities [S, C]; how far the wrist moved [S], in palm sizes."""

    probabilities: np.ndarray
    moved: np.ndarray


@torch.inference_mode()
def probabilities(bundle: Bundle, streams: Sequence[np.ndarray]) -> list[Thought]:
    """Read streams of hands [S, 21, 3], right-handed and 15 a second, each from the reset state."""
    out: list[Thought] = [Thought(np.empty(0), np.empty(0))] * len(streams)
    slot = bundle.config["preprocessing"]["motion"]
    order = np.argsort([len(x) for x in streams], kind="stable")  # alike lengths together: little padding
    for start in range(0, len(order), BATCH):
        chosen = order[start : start + BATCH]
        longest = max(len(streams[i]) for i in chosen)
        padded = np.stack([streams[i][np.minimum(np.arange(longest), len(streams[i]) - 1)] for i in chosen])
        x, _ = motion_features(padded)
        moved = np.hypot(x[..., 3 * WRIST], x[..., 3 * WRIST + 1])
        if not slot:
            x[..., 3 * WRIST : 3 * WRIST + 3] = 0
        logits, _ = bundle.model.forward_sequence(torch.from_numpy(x))
        softmax = logits.softmax(-1).numpy()
        for row, i in enumerate(chosen):
            out[i] = Thought(softmax[row, : len(streams[i])], moved[row, : len(streams[i])])
    return out


def recorded(stream: Stream) -> Word:
    """Return a recorded stream with its hands as `Recognizer` shows them to the model, 15 a second.

    Lost frames are bridged, however many they are; the recogniser itself forgets after a while.
    """
    resampler, side = Resampler(FPS), "Right"
    out: list[np.ndarray] = []
    for hand, t_ms in zip(stream.hands, stream.t_ms, strict=True):
        for points, _ in resampler.step(hand, float(t_ms)):
            if resampler.side != side:  # all so far was seen in a mirror
                side, out = resampler.side, []
            out.append(points)
    return Word(stream.word, stream.person, np.stack(out), (stream.word,))


def smoothed(p: np.ndarray, smoothing: float) -> np.ndarray:
    """Return the running average of probabilities [S, C] in which the newest frame weighs `smoothing`."""
    out = p.copy()
    for s in range(1, len(p)):
        out[s] = out[s - 1] + smoothing * (p[s] - out[s - 1])
    return out


def decode(thought: Thought, names: Sequence[str], decoder: Decoder) -> str:
    """Return the text that `Recognizer` would write with the same settings."""
    return _spell(_winners(thought.probabilities, names, decoder.smoothing), thought.moved, decoder)


def _winners(p: np.ndarray, names: Sequence[str], smoothing: float) -> list[tuple[str, float]]:
    average = smoothed(p, smoothing)
    best = average.argmax(1)
    return [(names[i], float(row[i])) for i, row in zip(best, average, strict=True)]


def _spell(winners: list[tuple[str, float]], moved: np.ndarray, decoder: Decoder) -> str:
    holds = decoder.hold_ms, decoder.moving_hold_ms
    speller = Speller(ASL.moving, ASL.nothing, decoder.confidence, *holds)
    for s, ((best, confidence), far) in enumerate(zip(winners, moved.tolist(), strict=True)):
        speller.step(best, confidence, far, s * 1000 / FPS)
    return speller.text.replace(" ", "")


def errors_of_all(
    words: Sequence[Word], thoughts: Sequence[Thought], names: Sequence[str], grid: Sequence[Decoder] = GRID
) -> tuple[list[dict[str, int]], dict[str, int]]:
    """Return each decoder's errors by kind of word ('all' among them), and how many letters each kind has."""
    winners: dict[float, list] = {}
    errors, letters = [], Counter[str]()
    for word in words:
        letters.update({kind: len(word.word) for kind in ("all", *word.kinds)})
    for decoder in grid:
        if decoder.smoothing not in winners:
            winners[decoder.smoothing] = [
                _winners(t.probabilities, names, decoder.smoothing) for t in thoughts
            ]
        wrong = Counter[str]()
        for word, won, thought in zip(words, winners[decoder.smoothing], thoughts, strict=True):
            text = _spell(won, thought.moved, decoder)
            missed = min(distance(accepted, text) for accepted in word.accepted)
            wrong.update(dict.fromkeys(("all", *word.kinds), missed))
        errors.append(dict(wrong))
    return errors, dict(letters)


def letter_error_rate(words: Sequence[Word], texts: Sequence[str]) -> dict[str, float]:
    """Compare texts with the words signed: errors over letters, pooled over `all` and over each kind of word.

    `trap_typed`: in how many words with a still pose of a moving letter such a letter was typed too often.
    """
    errors: dict[str, int] = defaultdict(int)
    letters: dict[str, int] = defaultdict(int)
    typed = []
    for word, text in zip(words, texts, strict=True):
        wrong = min(distance(accepted, text) for accepted in word.accepted)
        for kind in ("all", *word.kinds):
            errors[kind] += wrong
            letters[kind] += len(word.word)
        if "trap" in word.kinds:
            typed.append(any(text.count(letter) > word.word.count(letter) for letter in ASL.moving))
    rates = {kind: errors[kind] / count for kind, count in letters.items()}
    return rates | ({"trap_typed": float(np.mean(typed))} if typed else {})
