"""Minimal pairs: the same pose moving and still; what passes them must remember."""

import numpy as np
import pytest
import torch
from made_up import SIZE, pose

from strm import pairs
from strm.alphabet import ASL
from strm.augment import hand_size
from strm.bundle import Bundle
from strm.data import Clip
from strm.landmarks import KNUCKLES, WRIST


def rng(seed=0):
    return np.random.default_rng(seed)


def moved(label, person, frames=18, seed=0):
    """A clip that goes down while the hand turns by 90 degrees in the picture."""
    hand = pose(ASL.moving[label], seed) * SIZE
    x = np.repeat(hand[None], frames, 0).astype(np.float32)
    for s, angle in enumerate(np.linspace(0, np.pi / 2, frames)):
        turn = np.array([[np.cos(angle), np.sin(angle)], [-np.sin(angle), np.cos(angle)]])
        x[s, :, :2] = (hand[:, :2] - hand[0, :2]) @ turn + hand[0, :2] + [0, 3 * s]
    return Clip(label, person, "made up", f"{label}{person}{seed}", x)


def palm(hand):
    return hand[list(KNUCKLES)] - hand[WRIST]


def test_each_stroke_comes_with_the_same_hand_standing_still():
    clip = moved("J", "p0")
    trials = pairs.trials([clip], rng())
    assert [t.kind for t in trials] == ["moving", "stopped", "turned", "start"]
    assert {(t.letter, t.person) for t in trials} == {("J", "p0")}
    by = {t.kind: t.hands for t in trials}
    np.testing.assert_array_equal(by["moving"], clip.hands)
    size = float(hand_size(clip.hands[0])[0, 0])
    for kind in ("stopped", "turned", "start"):
        shape = by[kind] - by[kind][:, :1]
        assert np.abs(shape - shape[:1]).max() < 0.3 * size, "it trembles and tilts, no more"
        away = np.linalg.norm(by[kind][:, 0, :2] - by[kind][0, 0, :2], axis=-1).max() / size
        assert 0.1 < away < 0.75, "it wanders as held hands do"
    second_half = clip.hands[9:] - clip.hands[9:, :1]
    near = np.abs(second_half - (by["stopped"][0] - by["stopped"][0, :1])).mean((1, 2)).min()
    assert near < 0.02 * size, "a moment of the second half"
    np.testing.assert_allclose(palm(by["turned"][0]), palm(clip.hands[-1]), atol=0.05 * size)
    np.testing.assert_allclose(by["start"][0], clip.hands[0], atol=0.05 * size)


def test_photos_of_a_movement_stand_still_and_other_letters_are_left_out():
    photo = Clip("Z", "p1", "made up", "z", moved("Z", "p1").hands[:1])
    other = Clip("A", "p1", "made up", "a", moved("J", "p1").hands)
    (trial,) = pairs.trials([photo, other], rng())
    assert (trial.kind, trial.letter, len(trial.hands)) == ("photo", "Z", 15)


def test_the_same_generator_makes_the_same_trials():
    one, again, other = (pairs.trials([moved("J", "p0")], rng(seed)) for seed in (1, 1, 2))
    for a, b in zip(one, again, strict=True):
        np.testing.assert_array_equal(a.hands, b.hands)
    assert not np.array_equal(one[1].hands, other[1].hands)


class Reader(torch.nn.Module):
    """Answers by rule: whether the wrist has gone far, or whatever a hand does."""

    names = ("I", "J", "nothing")

    def __init__(self, rule):
        super().__init__()
        self.rule = rule

    def forward_sequence(self, x, lengths=None, **_):
        answers = torch.full((*x.shape[:2], 3), -9.0)
        for row in range(len(x)):
            far = x[row, :, :2].norm(dim=-1).max()
            answers[row, :, self.names.index(self.rule(float(far)))] = 9
        return answers, None


def judged(rule, clips):
    bundle = Bundle(Reader(rule), {"class_names": list(Reader.names), "preprocessing": {"motion": True}})
    return pairs.judge(bundle, pairs.trials(clips, rng()))


@pytest.mark.parametrize("answer", ["I", "J", "nothing"])
def test_who_always_says_the_same_gets_one_half_at_most(answer):
    report = judged(lambda far: answer, [moved("J", "p0", seed=i) for i in range(3)])
    assert report["balanced"] == 0.5
    shares = report["per_person"]["p0"]["J"]
    assert shares["moving"] == (answer == "J") and shares["stopped"] == (answer != "J")
    assert shares["as_start"] == (answer == "I")


def test_the_balance_is_of_strokes_and_of_their_own_stopped_moments(monkeypatch):
    """Other still poses are told apart, and a still pose may be no moving letter, whichever it is."""
    read = {"moving": "J", "stopped": "I", "turned": "J", "start": "Z", "photo": "J"}
    photo = Clip("J", "p0", "made up", "j", moved("J", "p0").hands[:1])
    todo = pairs.trials([moved("J", "p0"), photo], rng())
    names = ["I", "J", "Z"]
    said = np.array([np.eye(3)[names.index(read[trial.kind])] for trial in todo])
    monkeypatch.setattr(pairs, "clip_probabilities", lambda bundle, streams: said)
    report = pairs.judge(Bundle(None, {"class_names": names}), todo)
    kinds = {"moving": 1, "stopped": 1, "turned": 0, "start": 0, "as_start": 0, "photo": 0}
    assert report == {"balanced": 1.0, "per_person": {"p0": {"J": kinds | {"balanced": 1.0}}}}


def test_who_sees_movement_passes():
    clips = [moved("J", person, seed=i) for person in ("p0", "p1") for i in range(3)]
    # These strokes go down by 3 pixels a frame, far beyond what a held hand wanders from its average.
    report = judged(lambda far: "J" if far > 0.35 else "nothing", clips)
    assert report["balanced"] > 0.9 and set(report["per_person"]) == {"p0", "p1"}


def test_without_strokes_there_is_nothing_to_balance():
    photo = Clip("J", "p1", "made up", "j", moved("J", "p1").hands[:1])
    report = judged(lambda far: "nothing", [photo])
    assert report["balanced"] is None and report["per_person"]["p1"]["J"] == {"photo": 1.0}
