"""Drawn streams for training: each frame says what it shows, and counts if that can be known."""

import numpy as np
import pytest

from strm.alphabet import ASL
from strm.studio import lessons, random_signer
from strm.studio.streams import lesson, word


def test_streams_are_as_long_as_asked_and_their_labels_are_classes():
    x, labels, weights = lessons.streams(30, 20, seed=4)
    assert x.shape == (30, 20, 21, 3) and labels.shape == weights.shape == (30, 20)
    assert np.isfinite(x).all() and x.dtype == np.float32
    assert set(labels.flat) <= {*ASL.letters, ASL.nothing}
    assert {f"{w:.1f}" for w in weights.flat} == {"0.0", "0.7", "1.0"}
    one, again, other = (lessons.streams.__wrapped__(3, 20, seed)[0] for seed in (1, 1, 2))
    np.testing.assert_array_equal(one, again)
    assert not np.array_equal(one, other)


def test_all_streams_are_of_right_hands_as_the_model_sees_them():
    """The palm of a right hand to the camera, its thumb is at image-right; half of the people sign left."""
    x, labels, weights = lessons.streams(200, 4, seed=1)
    shown = x[(labels == "B") & (weights > 0)]
    assert len(shown) > 5 and (shown[:, 5, 0] > shown[:, 17, 0]).mean() > 0.9


@pytest.mark.parametrize("letter", sorted(ASL.moving))
def test_a_stroke_counts_from_its_middle_on(letter):
    rng = np.random.default_rng(3)
    for _ in range(5):
        motion = lesson(letter, random_signer(rng), rng)
        counts, phases = lessons.counts(motion), np.array(motion.phases)
        drawing = np.flatnonzero(phases == "stroke")
        half = len(drawing) // 2
        assert (counts[drawing[:half]] == 0).all() and (counts[drawing[half:]] == 1).all()
        assert (counts[phases == "rest"] == 1).all() and (counts[phases == "transition"] == 0).all()
        assert np.allclose(counts[phases == "hold"], lessons.HELD)


def test_a_doubled_movement_counts_each_time_from_its_middle_on():
    rng = np.random.default_rng(5)
    motion = word("ZZ", random_signer(rng), rng)
    drawing = (np.array(motion.phases) == "stroke").astype(int)
    starts = np.flatnonzero(np.diff(np.append(0, drawing)) == 1)
    assert len(starts) == 2 and (lessons.counts(motion)[starts] == 0).all()


def test_lost_frames_are_led_over_straight():
    points = np.arange(6, dtype=np.float32)[:, None, None] * np.ones((6, 21, 3), np.float32)
    shown = points.copy()
    shown[2:4] = 99
    found = np.array([True, True, False, False, True, True])
    np.testing.assert_allclose(lessons._bridged(shown, found), points)


def test_a_short_stream_begins_later_and_a_long_one_is_cut():
    rng = np.random.default_rng(0)
    x = np.arange(5)[:, None, None] * np.ones((5, 21, 3))
    labels, weights = np.array(list("AABBB")), np.ones(5)
    short, said, _ = lessons._window(x, labels, weights, 8, rng)
    assert short[:, 0, 0].tolist() == [0, 0, 0, 0, 1, 2, 3, 4] and "".join(said) == "AAAAABBB"
    cut, said, _ = lessons._window(x, labels, weights, 3, rng)
    assert np.diff(cut[:, 0, 0]).tolist() == [1, 1]
