"""The recogniser: any camera's frames become the model's ticks, and ticks become text."""

import pickle
from types import SimpleNamespace

import numpy as np
import pytest
import torch

from strm.landmarks import FPS, Hand, motion_features, right_handed
from strm.model import TRM
from strm.stream import Recognizer

RATES = (8, 15, 25, 30, 60)
NAMES = ["A", "B", "D", "I", "J", "L", "Z", "nothing", "space", "del"]
FREE = [1, 2, 3, 4, 6, 7, 8, 10, 11, 12]  # points that do not measure the palm: one tells each class
PAUSE, GAP, BOUNCE = ("nothing", 400), (None, 1000), ("bounce", 200)


def hand_showing(name: str, side: str = "Right", shift: float = 0.0) -> Hand:
    """A hand that the scripted model reads as `name`, moved sideways by `shift` palm sizes."""
    points = np.zeros((21, 3), np.float32)
    points[[5, 9, 13, 17], 1] = -0.25
    points[FREE[NAMES.index(name)], 2] = 0.25
    points += np.array([0.5 + 0.25 * shift, 0.6, 0], np.float32)
    if side == "Left":
        points[:, 0] = 1 - points[:, 0]
    return Hand(points, side, 0.99, 640, 640)


class ScriptedModel:
    """Reads the class off the hand; its state counts the frames since the state was last None."""

    def __init__(self):
        self.ages = []
        self.seen = []

    def __call__(self, x, prev_state=None, return_state=False):
        age = torch.zeros(1) if prev_state is None else prev_state[0] + 1
        self.ages.append(int(age))
        self.seen.append(x[0].numpy().copy())
        return 8 * x.reshape(1, 21, 3)[:, FREE, 2], (age, age)


def bundle(model=None, **config):
    return SimpleNamespace(model=model or ScriptedModel(), config=config, class_names=NAMES)


def play(recognizer, plan, fps, start=0.0):
    """Show (class or None, milliseconds) one after the other at `fps`; return [(t_ms, Reading)]."""
    ends = np.cumsum([ms for _, ms in plan])
    readings, last = [], plan[0][0]
    for t in np.arange(0, ends[-1], 1000 / fps):
        what = plan[int(np.searchsorted(ends, t, side="right"))][0]
        shift = 1.0 if what == "bounce" else 0.0
        last = last if what == "bounce" else what
        hand = None if what is None else hand_showing(last, shift=shift)
        readings.append((start + t, recognizer.step(hand, start + t)))
    return readings


def text_of(*plan, fps=15, **options):
    return play(Recognizer(bundle(), **options), plan, fps)[-1][1].text


@pytest.mark.parametrize("fps", RATES)
class TestEveryRate:
    def test_letters_held_long_enough_are_written_once(self, fps):
        assert text_of(("A", 900), ("B", 900), PAUSE, ("L", 900), fps=fps) == "ABL"

    def test_a_letter_shown_too_briefly_is_not_written(self, fps):
        assert text_of(PAUSE, ("A", 250), PAUSE, ("B", 900), fps=fps) == "B"

    def test_hold_is_in_milliseconds(self, fps):
        readings = play(Recognizer(bundle(), smoothing=1.0, hold_ms=600), [("A", 1500)], fps)
        (written,) = [t for t, reading in readings if reading.committed]
        assert 600 <= written <= 600 + 2 * max(1000 / FPS, 1000 / fps)

    def test_moving_letters_take_the_place_of_those_they_grow_from(self, fps):
        plan = [
            ("I", 800),
            ("J", 500),
            ("I", 500),
            ("A", 800),
            ("D", 700),
            ("Z", 500),
            ("D", 700),
            ("Z", 500),
        ]
        assert text_of(*plan, fps=fps) == "JAZZ"


def test_the_reading_tells_what_was_written_and_what_it_replaced():
    readings = [r for _, r in play(Recognizer(bundle()), [("I", 800), ("J", 500)], 15)]
    assert [(r.committed, r.replaced, r.text) for r in readings if r.committed] == [
        ("I", None, "I"),
        ("J", "I", "J"),
    ]


def test_the_reading_has_the_three_likeliest_and_no_letter_when_unsure():
    reading = Recognizer(bundle()).step(hand_showing("A"), 0)
    assert reading.letter == "A" and reading.top3[0] == ("A", reading.confidence)
    assert len(reading.top3) == 3 and reading.confidence > 0.99
    assert Recognizer(bundle(), confidence=1.0).step(hand_showing("A"), 0).letter is None
    assert Recognizer(bundle()).step(hand_showing("nothing"), 0).letter is None
    assert Recognizer(bundle()).step(None, 0).top3 == []


def test_an_unsure_letter_is_never_written():
    assert text_of(("A", 2000), confidence=1.0) == ""
    assert text_of(("nothing", 2000)) == ""


class TestRepeating:
    def test_a_held_letter_does_not_repeat(self):
        assert text_of(("A", 60_000)) == "A"

    def test_a_flicker_is_no_release(self):
        assert text_of(("A", 900), ("L", 100), ("A", 900), smoothing=1.0) == "A"

    @pytest.mark.parametrize("release", [PAUSE, GAP, BOUNCE])
    def test_it_repeats_after_a_release(self, release):
        assert text_of(("L", 900), release, ("L", 1500)) == "LL"

    def test_a_movement_does_not_release_a_moving_letter(self):
        assert text_of(("Z", 600), BOUNCE, ("Z", 1500)) == "Z"


class TestGrowing:
    @pytest.mark.parametrize("stroke", [400, 1500])
    def test_the_shape_left_at_the_end_of_a_stroke_is_no_letter(self, stroke):
        assert text_of(("I", 800), ("J", stroke), ("I", 3000)) == "J"

    def test_a_letter_may_be_held_for_long_before_it_grows(self):
        assert text_of(("I", 5000), ("J", 400)) == "J"

    def test_but_counts_again_after_another_class(self):
        assert text_of(("I", 800), ("J", 400), ("I", 500), PAUSE, ("I", 900)) == "JI"

    def test_what_comes_too_late_replaces_nothing(self):
        assert text_of(("I", 800), ("nothing", 1500), ("J", 400)) == "IJ"

    def test_a_gap_parts_them(self):
        assert text_of(("I", 800), GAP, ("J", 400)) == "IJ"

    def test_only_its_own_start_is_replaced(self):
        assert text_of(("D", 800), ("J", 400)) == "DJ"

    @pytest.mark.parametrize("edit, text", [("space", "II J"), ("backspace", "IJ"), ("clear", "J")])
    def test_what_a_person_edited_in_between_stays(self, edit, text):
        recognizer = Recognizer(bundle())
        play(recognizer, [("I", 800), BOUNCE, ("I", 1500)], 15)
        assert recognizer.text == "II"
        getattr(recognizer, edit)()
        readings = [reading for _, reading in play(recognizer, [("J", 500)], 15, start=2500)]
        assert readings[-1].text == text and not any(reading.replaced for reading in readings)

    def test_another_alphabet_brings_its_own_table(self):
        other = {"moving": {"B": "A"}, "nothing": "L"}
        recognizer = Recognizer(bundle(alphabet=other))
        assert (
            play(recognizer, [("A", 800), ("B", 400), ("L", 900), ("nothing", 900)], 15)[-1][1].text
            == "Bnothing"
        )


class TestText:
    def test_space_and_del_are_classes_too(self):
        assert text_of(("A", 900), ("space", 900), ("B", 900), ("L", 900), ("del", 900)) == "A B"

    def test_a_person_can_edit_and_a_held_letter_does_not_come_back(self):
        recognizer = Recognizer(bundle())
        play(recognizer, [("A", 900)], 15)
        recognizer.backspace()
        assert play(recognizer, [("A", 2000)], 15, start=900)[-1][1].text == ""
        recognizer.space()
        assert recognizer.text == " "
        recognizer.clear()
        assert recognizer.text == ""


class TestState:
    def test_it_is_carried_and_forgotten_some_time_after_the_hand_is_lost(self):
        recognizer = Recognizer(bundle(), forget_ms=700)
        play(recognizer, [("A", 1000), (None, 500), ("A", 500)], 15)
        ages = recognizer.model.ages
        assert ages == list(range(len(ages))), "a short loss is bridged: the state goes on"
        assert len(ages) == 30, "and the ticks in between are interpolated"
        reading = play(recognizer, [(None, 1000), ("A", 200)], 15, start=2000)[-1][1]
        assert ages[30:] == [0, 1, 2], "a long one begins a new stream"
        assert reading.text == "A"

    def test_nothing_is_shown_once_it_is_forgotten(self):
        readings = play(Recognizer(bundle(), forget_ms=700), [("A", 500), (None, 1500)], 15)
        assert readings[7][1].letter == "A" and readings[10][1].letter == "A"
        assert readings[-1][1].letter is None and readings[-1][1].top3 == []

    def test_stateless_reads_every_frame_alone(self):
        recognizer = Recognizer(bundle(), stateful=False)
        assert play(recognizer, [("A", 900)], 15)[-1][1].text == "A"
        assert set(recognizer.model.ages) == {0}

    def test_reset_forgets_the_stream_and_its_clock_but_not_the_text(self):
        recognizer = Recognizer(bundle())
        play(recognizer, [("A", 900)], 15)
        recognizer.reset()
        assert recognizer.step(hand_showing("A"), 0).text == "A"
        assert recognizer.model.ages[-1] == 0

    @pytest.mark.parametrize("wrong", [99.0, float("nan")])
    def test_time_does_not_go_backwards(self, wrong):
        recognizer = Recognizer(bundle())
        recognizer.step(hand_showing("A"), 100)
        recognizer.step(hand_showing("A"), 100)  # a camera may well give one time twice
        with pytest.raises(ValueError, match=r"call reset\(\)"):
            recognizer.step(hand_showing("A"), wrong)

    def test_a_day_without_a_hand_is_one_step(self):
        recognizer = Recognizer(bundle())
        play(recognizer, [("A", 500)], 15)
        recognizer.step(hand_showing("A"), 24 * 3600 * 1000)
        assert len(recognizer.model.ages) == 9

    def test_its_size_does_not_grow(self):
        def size(seconds):
            recognizer = Recognizer(bundle())
            recognizer.model = lambda x, prev_state, return_state: ScriptedModel()(x)
            play(recognizer, [("A", 1000 * seconds)], 30)
            return len(pickle.dumps([recognizer._resampler, recognizer._speller, recognizer._motion]))

        assert abs(size(60) - size(2)) < 16

    def test_smoothing_must_be_a_weight(self):
        with pytest.raises(ValueError, match="weight"):
            Recognizer(bundle(), smoothing=0)


@pytest.mark.parametrize("motion", [True, False])
def test_a_model_without_the_motion_slot_is_shown_none(motion):
    recognizer = Recognizer(bundle(preprocessing={"motion": motion}))
    play(recognizer, [("L", 900), BOUNCE, ("L", 1500)], 15)
    assert recognizer.text == "LL", "the bounce counts all the same"
    assert np.any(np.array(recognizer.model.seen)[:, :3]) == motion


class TestSmoothing:
    def test_it_is_the_newest_frames_weight_at_15_frames_a_second(self):
        recognizer = Recognizer(bundle(), smoothing=0.3)
        for i in range(6):
            reading = recognizer.step(hand_showing("A" if i == 0 else "B"), i * 1000 / 15)
        logits = 8 * torch.eye(len(NAMES))
        a, b = (logits[NAMES.index(name)].softmax(0)[0].item() for name in "AB")
        assert dict(reading.top3)["A"] == pytest.approx(b + 0.7**5 * (a - b), abs=1e-5)

    def test_it_is_a_time_constant_for_a_model_of_another_rate(self):
        def a_left_after_a_third_of_a_second(fps):
            recognizer = Recognizer(bundle(fps=fps))
            for i in range(fps // 3 + 1):
                reading = recognizer.step(hand_showing("A" if i == 0 else "B"), i * 1000 / fps)
            return dict(reading.top3)["A"]

        assert a_left_after_a_third_of_a_second(30) == pytest.approx(
            a_left_after_a_third_of_a_second(15), abs=1e-5
        )


class TestSide:
    def test_a_left_hand_is_read_like_its_mirror_image(self):
        left, right = Recognizer(bundle()), Recognizer(bundle())
        for i in range(10):
            left.step(hand_showing("A", "Left", shift=i / 10), i * 70)
            right.step(hand_showing("A", "Right", shift=i / 10), i * 70)
        np.testing.assert_allclose(left.model.seen, right.model.seen, atol=1e-5)

    def test_it_is_latched_by_the_majority_of_the_first_half_second(self):
        recognizer, plain = Recognizer(bundle()), Recognizer(bundle())
        for i in range(60):
            hand = hand_showing("A", shift=i / 60)
            side = "Left" if i in (2, 5) or i > 20 else "Right"  # a few mistakes, then nothing but mistakes
            recognizer.step(Hand(hand.points, side, hand.score, hand.width, hand.height), i * 1000 / 15)
            plain.step(hand, i * 1000 / 15)
        np.testing.assert_array_equal(recognizer.model.seen, plain.model.seen)

    def test_what_was_seen_in_a_mirror_is_forgotten_when_the_votes_turn(self):
        recognizer = Recognizer(bundle())
        for i, side in enumerate(["Left", "Right", "Right", "Right"]):
            recognizer.step(Hand(hand_showing("A").points, side, 0.9, 640, 640), i * 1000 / 15)
        assert recognizer.model.ages == [0, 1, 0, 1]

    def test_a_new_hand_after_a_gap_is_judged_anew(self):
        recognizer = Recognizer(bundle())
        for i in range(20):
            recognizer.step(hand_showing("A", "Right", shift=1), i * 60)
        recognizer.step(hand_showing("A", "Left", shift=1), 5000)
        np.testing.assert_allclose(recognizer.model.seen[-1], recognizer.model.seen[0], atol=1e-6)


class TestRealModel:
    """The same numbers reach the model, whatever the camera: streaming equals the whole sequence."""

    def model(self):
        torch.manual_seed(0)
        model = TRM(num_classes=len(NAMES)).eval()
        with torch.no_grad():
            for parameter in model.parameters():  # away from any gentle start, so that differences show
                parameter.add_(0.1 * torch.randn_like(parameter))
        return model

    def hand_at(self, t_ms):
        """A hand that turns and travels smoothly."""
        rng = np.random.default_rng(0)
        shape, drift = rng.normal(size=(2, 21, 3)) * 0.05
        wave = np.sin(2 * np.pi * t_ms / 2000)
        points = (0.5 + shape + wave * drift + [0.2 * wave, 0.1 * wave, 0]).astype(np.float32)
        return Hand(points, "Right", 0.9, 640, 480)

    def stream(self, fps, seconds=3):
        """Show the moving hand; return the smoothed probabilities at the last common tick, and the states."""
        recognizer = Recognizer(bundle(self.model()), smoothing=1.0)
        times = np.arange(0, seconds * 1000 + 1e-6, 1000 / fps)
        for t in times:
            recognizer.step(self.hand_at(t), t)
        return recognizer

    def test_at_15_frames_a_second_it_equals_forward_sequence(self):
        recognizer = self.stream(15)
        times = np.arange(46) * 1000 / 15
        hands = np.stack([self.hand_at(t).points for t in times])
        x, _ = motion_features(right_handed(hands, 640, 480, "Right"), times)
        with torch.inference_mode():
            logits, state = self.model().forward_sequence(torch.from_numpy(x)[None])
        np.testing.assert_allclose(recognizer._probabilities, logits[0, -1].softmax(-1), atol=1e-5)
        for ours, theirs in zip(recognizer._state, state, strict=True):
            np.testing.assert_allclose(ours, theirs, atol=1e-5)

    @pytest.mark.parametrize("fps", [rate for rate in RATES if rate != 15])
    def test_at_other_rates_it_comes_close(self, fps):
        y, z = self.stream(fps)._state
        y15, z15 = self.stream(15)._state
        unlike = self.stream(15, seconds=2.5)._state[0]  # how far the state is half a second earlier
        close = (unlike - y15).norm() * 0.1
        assert (y - y15).norm() < close and (z - z15).norm() < 4 * close
