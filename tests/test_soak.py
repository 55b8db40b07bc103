"""One million frames in one stream: nothing grows, nothing drifts, and the last hour reads as the first."""

import dataclasses
import pickle
import time
from pathlib import Path

import numpy as np
import psutil
import pytest
from reliability import record

from strm.bundle import WEIGHTS, Bundle, load
from strm.data import read_table
from strm.export import MODEL_FILE, export
from strm.landmarks import Hand
from strm.onnx_model import OnnxModel
from strm.stream import Recognizer
from strm.words import distance, streams

WORDS = Path(__file__).parents[1] / "data" / "studio" / "words.csv.gz"
FRAMES = 1_000_000
BOUND = 8.0  # a vector of 64 numbers with a root mean square of 1 has none above it; a gate only mixes such
Frame = tuple[Hand | None, float]


def an_evening() -> tuple[list[Frame], str, float]:
    """What one loop shows, its letters, and how many milliseconds it takes.

    The studio's words, seen by a camera of changing pace, with lost frames, hands that leave and come back,
    two frames at one moment, and hands of NaN, as no detector should give them.
    """
    rng, frames, now = np.random.default_rng(5), [], 0.0
    words = list(streams(read_table([WORDS], words=True)))
    for number in rng.permutation(len(words)):
        stream, rate = words[number], int(rng.integers(1, 5))
        every = float(np.median(np.diff(stream.t_ms))) / rate
        for hand, t_ms in zip(stream.hands, stream.t_ms, strict=True):
            for k in range(rate):
                t = now + float(t_ms) + k * every + float(rng.uniform(0, 0.9 * every))
                frames.append((spoilt(hand, float(rng.random())), t))
        frames.append(frames[-1])
        now = frames[-1][1] + float(rng.uniform(40, 90))
        if rng.random() < 0.7:  # an empty picture, for as long as it takes to forget the stream, or less long
            for t in np.arange(now, now + float(rng.choice([300, 1500])), 33.0):
                frames.append((None, float(t)))
        now = frames[-1][1] + float(rng.choice([40, 2000]))
    return frames, "".join(words[number].word for number in range(len(words))), now + 5000.123


def spoilt(hand: Hand, chance: float) -> Hand | None:
    if chance < 0.04:
        return None
    if chance < 0.05:
        points = hand.points.copy()
        points[7, 0] = np.nan
        return dataclasses.replace(hand, points=points)
    return hand


class Watched(Recognizer):
    """Remembers when the model was shown something, until it is asked."""

    def __init__(self, bundle):
        super().__init__(bundle)
        self.ticks = []

    def _think(self, points, t_ms):
        self.ticks.append(t_ms)
        return super()._think(points, t_ms)


@pytest.mark.long
def test_a_million_frames(tmp_path):
    """By ONNX Runtime, as in a phone: PyTorch, a step at a time, would take four times as long."""
    bundle = load(WEIGHTS)
    export(bundle, tmp_path)
    model = OnnxModel(tmp_path / MODEL_FILE)
    recognizer = Watched(Bundle(model, bundle.config))
    frames, signed, lasts = an_evening()
    process, memory, sizes, texts, refused, longest = psutil.Process(), [], [], [], [], 0.0
    first, began, loops = None, time.process_time(), -(-FRAMES // len(frames))
    for loop in range(loops):
        start, recognizer.ticks, nans = loop * lasts, [], 0
        recognizer.clear()
        for number, (hand, t_ms) in enumerate(frames):
            try:
                recognizer.step(hand, start + t_ms)
            except ValueError:
                nans += 1
            if number % 50 == 0 and recognizer._state is not None:
                longest = max(longest, *(float(part.abs().max()) for part in recognizer._state))
        ticks = np.array(recognizer.ticks) - start
        first = ticks if first is None else first
        assert len(ticks) == len(first), f"loop {loop} had another number of ticks"
        drift = float(np.abs(ticks - first).max())
        assert drift < 1e-3, "milliseconds, after hours"
        texts.append(recognizer.text)
        refused.append(nans)
        recognizer.clear()
        sizes.append(len(pickle.dumps([recognizer._resampler, recognizer._speller, recognizer._motion])))
        memory.append(process.memory_info().rss / 1e6)
    apart = distance(signed, texts[0]) / len(signed)
    assert set(texts) == {texts[0]} and set(refused) == {refused[0]} and refused[0] > 0
    assert len(texts[0]) > 0.5 * len(signed), f"there was something to read: {apart}"
    assert longest <= BOUND + 1e-3
    assert max(sizes) - min(sizes) < 64, "bytes; numbers that are a digit longer"
    early, late = max(memory[loops // 10 : loops // 5]), max(memory[-loops // 10 :])
    assert late - early < 4, f"MB more: {early} -> {late}"
    record(
        "soak",
        frames=loops * len(frames),
        frames_of_nan_refused=sum(refused),
        hours_of_stream=round(loops * lasts / 3.6e6, 1),
        letters_written=sum(map(len, texts)),
        loops=loops,
        loops_that_read_otherwise=0,
        largest_state=round(longest, 3),
        drift_ms=round(drift, 6),
        memory_growth_mb=round(max(late - early, 0.0), 2),
        step="ONNX Runtime, one thread",
        seconds_of_one_core=round(time.process_time() - began),
    )
