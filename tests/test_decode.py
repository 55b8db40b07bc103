"""Decoding whole streams gives what the recogniser gives frame by frame; tuning finds what is best."""

from dataclasses import asdict

import numpy as np
import pytest
import torch
from test_joined import EVERYTHING, shape_of, signer

from strm.alphabet import ASL
from strm.bundle import Bundle
from strm.decode import (
    GRID,
    Decoder,
    Thought,
    decode,
    errors_of_all,
    letter_error_rate,
    probabilities,
    recorded,
    smoothed,
)
from strm.joined import Word, joined
from strm.landmarks import FPS, Hand, motion_features
from strm.model import TRM
from strm.rivals import RIVALS
from strm.stream import Recognizer
from strm.words import Stream

NAMES = [*ASL.letters, ASL.nothing]


def bundle_of(net: str = "strm", motion: bool = True) -> Bundle:
    """An untrained net that is sure of what it says, so that it writes many letters."""
    torch.manual_seed(4)
    model = TRM(num_classes=27, n_latent=2, T_deep=2) if net == "strm" else RIVALS[net](27)
    x = torch.from_numpy(motion_features(np.stack([shape_of(c) for c in EVERYTHING])[:, None])[0][:, 0])
    model.mean.copy_(x.mean(0))
    model.scale.copy_(x.std(0).clamp_min(0.1))
    last = [layer for layer in model.modules() if getattr(layer, "out_features", 0) == 27][-1]
    last.weight.data *= 12
    return Bundle(model.eval(), {"class_names": NAMES, "preprocessing": {"motion": motion}})


@pytest.fixture(scope="module")
def words():
    spelt = ["JAZZ", "COFFEE", "KID", "QUIZ", "BY", "LETTER"]
    return joined(signer(EVERYTHING), [], spelt, np.random.default_rng(0), trapped=0.5)


def read(bundle: Bundle, stream: Stream, decoder: Decoder) -> str:
    recognizer = Recognizer(bundle, **asdict(decoder))
    for hand, t_ms in zip(stream.hands, stream.t_ms, strict=True):
        recognizer.step(hand, float(t_ms))
    return recognizer.text


@pytest.mark.parametrize(("net", "motion"), [("strm", True), ("strm", False), ("gru", True), ("conv", False)])
def test_the_text_is_that_of_the_recogniser(words, net, motion):
    bundle, written = bundle_of(net, motion), set()
    thoughts = probabilities(bundle, [word.hands for word in words])
    decoders = [Decoder(), Decoder(1.0, 0.2, 0, 0), Decoder(0.45, 0.3, 133, 66), Decoder(0.7, 0.4, 66, 266)]
    for word, thought in zip(words, thoughts, strict=True):
        for decoder in decoders:
            text = decode(thought, NAMES, decoder)
            assert text == read(bundle, word.stream(), decoder)
            written.add(text)
    assert len(written) > 15, "it is no test that reads nothing"


def test_a_recorded_stream_is_seen_as_the_recogniser_sees_it(words):
    """A left hand at 30 frames a second, some frames lost, and a detector that first says Right."""
    bundle, rng, decoder = bundle_of(), np.random.default_rng(1), Decoder(0.45, 0.3, 133, 66)
    for word in words[:3]:
        hands, t_ms = word.hands * [-1, 1, 1] / [640, 480, 640], np.arange(len(word.hands)) * 1000 / FPS
        at = np.arange(0, t_ms[-1], 1000 / 30)
        at = at[(rng.random(len(at)) > 0.1) | (at < 200)]
        points = np.stack([[np.interp(at, t_ms, p) for p in q] for q in hands.reshape(len(t_ms), 63, 1).T])
        points = points.reshape(63, -1).T.reshape(-1, 21, 3).astype(np.float32)
        sides = ["Right"] + ["Left"] * (len(at) - 1)
        seen = [Hand(p, side, 1.0, 640, 480) for p, side in zip(points, sides, strict=True)]
        stream = Stream(word.word, "anna", "made", seen, at)
        whole = recorded(stream)
        assert whole.word == word.word and whole.accepted == (word.word,)
        (thought,) = probabilities(bundle, [whole.hands])
        assert decode(thought, NAMES, decoder) == read(bundle, stream, decoder) != ""


def test_streams_of_any_length_are_read_as_if_alone(words):
    bundle = bundle_of()
    together = probabilities(bundle, [word.hands for word in words])
    for word, thought in zip(words, together, strict=True):
        (alone,) = probabilities(bundle, [word.hands])
        assert thought.probabilities.shape == (len(word.hands), 27) and thought.moved.shape == (
            len(word.hands),
        )
        assert np.allclose(thought.probabilities, alone.probabilities, atol=1e-4)
        assert np.allclose(thought.moved, alone.moved, atol=1e-6)


def test_smoothing_is_a_running_average():
    p = np.array([[1.0, 0], [0, 1], [0, 1]])
    assert np.allclose(smoothed(p, 0.25)[:, 1], [0, 0.25, 0.4375])
    assert np.array_equal(smoothed(p, 1.0), p)


def shown(text: str, frames: int = 6, flicker: str = "") -> Thought:
    """A net that sees each letter of a text for some frames, and for two frames between them the flicker."""
    seen = "".join(c * frames + flicker * 2 for c in text)
    p = np.full((len(seen), 27), 0.005)
    for s, c in enumerate(seen):
        p[s, NAMES.index(c)] = 0.87
    return Thought(p, np.zeros(len(seen)))


def word_of(text: str, *also: str) -> Word:
    return Word(text, "anna", np.zeros((1, 21, 3)), (text, *also))


def test_the_fewest_errors_are_those_of_the_hold_that_a_flicker_asks_for():
    """Two frames of X between letters of six: whoever waits less than 133 ms, or for 400, is wrong."""
    words = [word_of("ABC"), word_of("CAB")]
    thoughts = [shown(word.word, flicker="X") for word in words]
    grid = [Decoder(1.0, 0.5, hold, 0) for hold in (0, 66, 133, 266, 400)]
    errors = [wrong["all"] for wrong in errors_of_all(words, thoughts, NAMES, grid)[0]]
    assert errors[2] == errors[3] == 0 < min(errors[0], errors[1], errors[4])
    assert letter_error_rate(words, [decode(t, NAMES, grid[0]) for t in thoughts])["all"] > 0.5


def test_whatever_may_be_read_is_no_error_of_any_decoder():
    words, grid = [word_of("CAB", "CIAB"), word_of("CAB")], [Decoder(1.0, 0.5, 133, 0)]
    errors, letters = errors_of_all(words[:1], [shown("CIAB")], [*NAMES], grid)
    assert errors == [{"all": 0, "other": 0, "trap": 0}] and letters["trap"] == 3
    assert errors_of_all(words[1:], [shown("CIAB")], [*NAMES], grid)[0] == [{"all": 1, "other": 1}]


def test_errors_of_all_decoders_are_those_of_each(words):
    thoughts = probabilities(bundle_of(), [word.hands for word in words])
    grid = GRID[::30]
    errors, letters = errors_of_all(words, thoughts, NAMES, grid)
    for decoder, wrong in zip(grid, errors, strict=True):
        rates = letter_error_rate(words, [decode(t, NAMES, decoder) for t in thoughts])
        rates.pop("trap_typed", None)
        assert {kind: wrong[kind] / letters[kind] for kind in letters} == pytest.approx(rates)


def test_letter_error_rates_are_pooled_over_kinds_of_words():
    words = [word_of("JAZZ"), word_of("BOOK"), word_of("CAT", "CIAT"), word_of("HAT", "HDAT")]
    rates = letter_error_rate(words, ["JAZZ", "BOK", "CIAT", "HZAT"])
    assert rates == pytest.approx(
        {
            "all": 2 / 14,
            "movement": 0,
            "doubled": 1 / 8,
            "other": 1 / 6,
            "trap": 1 / 6,  # an I before the A is none
            "trap_typed": 1 / 2,
        }
    )
    assert "trap_typed" not in letter_error_rate(words[:2], ["JAZZ", "BOOK"])


def test_the_grid_holds_what_the_recogniser_does_by_itself():
    own = Decoder()
    assert len(set(GRID)) == len(GRID)
    near = {d for d in GRID if d.smoothing == own.smoothing and d.confidence == own.confidence}
    assert any(d.hold_ms == own.hold_ms and d.moving_hold_ms == 133 for d in near), "130 ms: two ticks"
