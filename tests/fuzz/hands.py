"""Landmarks of any kind, and streams of them: any frames, any times, no hand, far jumps."""

import atheris
from common import fuzz

with atheris.instrument_imports(include=["strm"]):
    from strm import bundle, landmarks, spell, stream

import numpy as np
import torch
from made_up import pose

from strm.alphabet import ASL
from strm.model import TRM

torch.manual_seed(0)
torch.set_num_threads(1)
CLASSES = [*ASL.letters, *ASL.extras]
NET = TRM(num_classes=len(CLASSES), latent_dim=4, hidden_dim=4, n_latent=1, T_deep=1).eval()
NET.answer.weight.data *= 20
READER = bundle.Bundle(NET, bundle.describe(NET, CLASSES, 0.1, True, {}))
POSES = [pose(letter).astype(np.float32) for letter in ASL.letters]
assert spell


def one(content: bytes) -> None:
    data = atheris.FuzzedDataProvider(content)
    recogniser, now = stream.Recognizer(READER, confidence=0.1, hold_ms=60, moving_hold_ms=30), 0.0
    motion = None
    for _ in range(data.ConsumeIntInRange(1, 12)):
        kind = data.ConsumeIntInRange(0, 4)
        if kind == 0:
            points = np.array([data.ConsumeFloat() for _ in range(63)]).reshape(21, 3)
        else:
            points = POSES[data.ConsumeIntInRange(0, len(POSES) - 1)] * np.float32(data.ConsumeProbability())
        if kind == 1:
            points[data.ConsumeIntInRange(0, 20), data.ConsumeIntInRange(0, 2)] = data.ConsumeFloat()
        width, height = (640, 480) if kind < 4 else (data.ConsumeFloat(), data.ConsumeFloat())
        dt = data.ConsumeFloat() if kind == 2 else data.ConsumeProbability() * 200
        side = data.PickValueInList(["Left", "Right", "", "left"])
        hand = None if kind == 3 else landmarks.Hand(points, side, 0.9, width, height)
        try:
            x, motion = landmarks.normalise(points, width, height, side, now + dt, motion)
            assert np.isfinite(x).all() and all(np.isfinite(part).all() for part in motion)
        except ValueError:
            pass
        try:
            reading = recogniser.step(hand, now + dt)
        except ValueError:
            continue
        now += dt
        assert 0 <= reading.confidence <= 1 and reading.text == recogniser.text and len(reading.text) <= 200
        assert recogniser._state is None or all(torch.isfinite(part).all() for part in recogniser._state)


def seeds() -> list[bytes]:
    rng = np.random.default_rng(0)
    return [rng.bytes(size) for size in (16, 200, 2000)]


if __name__ == "__main__":
    fuzz(one, seeds())
