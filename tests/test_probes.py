"""Probes of memory and recursion, tried on readers whose memory is known: none, a window, one without end."""

import copy

import numpy as np
import pytest
import torch
from test_joined import held, stroke
from torch import nn

from strm.bundle import Bundle
from strm.data import Clip
from strm.decode import Decoder
from strm.evaluate import model_input
from strm.landmarks import KNUCKLES
from strm.model import TRM
from strm.probes import AFTER, PER_LETTER, WAY, halting, interrupted, memory, read, slow, succession
from strm.rivals import RIVALS, Rival

NAMES = ["I", "J", "nothing"]
FRAMES = 45  # three seconds


class Turning(Rival):
    """Says J when the hand has turned in what it remembers: the middle knuckle has gone to the side."""

    def __init__(self, memory: int):
        super().__init__()
        self.memory = memory
        self.unused = nn.Parameter(torch.zeros(1))

    def blank(self, first):
        return first.expand(-1, self.memory, -1)

    def read(self, seen, past):
        history = torch.cat([past, seen], 1)[..., 3 * 9]
        windows = history.unfold(1, self.memory + 1, 1)
        turned = windows.amax(-1) - windows.amin(-1) > 0.6
        return 20 * nn.functional.one_hot(turned.long(), 3).float(), seen


def bundle_of(model) -> Bundle:
    return Bundle(model.eval(), {"class_names": NAMES, "preprocessing": {"motion": True}})


@pytest.fixture(scope="module")
def strokes():
    return [stroke("J", person) for person in ("anna", "bob", "cleo")]


def test_a_net_with_an_endless_memory_reads_slow_strokes_and_no_still_pose(strokes):
    report = slow(bundle_of(Turning(60)), strokes)
    assert list(report) == ["own", "1s", "2s", "3s"]
    for row in report.values():
        assert row["n"] == 3
        for measure in ("typed", "last_third"):
            assert row[measure] == {"moving": 1.0, "still": 0.0, "balanced": 1.0}


def test_a_window_ends_before_a_slow_stroke_does(strokes):
    report = slow(bundle_of(Turning(15)), strokes)
    assert report["1s"]["last_third"]["moving"] == 1.0
    assert report["3s"]["last_third"]["moving"] == 0.0, "in 16 of 45 frames the hand turns too little"


def test_without_a_memory_a_stroke_and_its_pose_are_the_same(strokes):
    report = slow(bundle_of(Turning(1)), strokes, seconds=(2,))
    assert report["2s"]["last_third"] == {"moving": 0.0, "still": 0.0, "balanced": 0.5}
    always = bundle_of(Turning(1))
    always.model.read = lambda seen, past: (torch.tensor([0.0, 9, 0]).expand(*seen.shape[:2], 3), seen)
    assert slow(always, strokes)["own"]["typed"] == {"moving": 1.0, "still": 1.0, "balanced": 0.5}


def test_a_stop_is_longer_than_a_window(strokes):
    endless = interrupted(bundle_of(Turning(60)), strokes)
    names = ["whole", "3_lost", "5_lost", "8_lost", "4_stopped", "8_stopped", "16_stopped", "24_stopped"]
    assert list(endless) == names
    assert all(row["last_third"]["balanced"] == 1.0 for row in endless.values())
    window = interrupted(bundle_of(Turning(15)), strokes)
    assert window["4_stopped"]["last_third"]["moving"] == 1.0
    assert window["24_stopped"]["last_third"]["moving"] == 0.0


def streams_of(probe, strokes, monkeypatch, **options):
    """The streams that a probe shows a net, by name."""
    shown = []
    monkeypatch.setattr("strm.probes.read", lambda b, s, streams, d, pause=0: shown.append(streams))
    return dict(zip(probe(None, strokes, **options), shown, strict=True))


def test_lost_frames_are_bridged_by_straight_lines(strokes, monkeypatch):
    shown = streams_of(interrupted, strokes, monkeypatch, lost=(3, 99), stopped=())
    whole, lost, almost_all = shown["whole"][0], shown["3_lost"][0], shown["99_lost"][0]
    assert lost.shape == almost_all.shape == whole.shape
    first = (len(whole) - 3) // 2
    kept = [s for s in range(len(whole)) if not first <= s < first + 3]
    assert np.array_equal(lost[kept], whole[kept]) and not np.allclose(lost, whole, atol=1)
    assert np.abs(np.diff(lost[first - 1 : first + 4], 2, axis=0)).max() < 1e-2, "a straight line"
    assert np.abs(np.diff(almost_all, 2, axis=0)).max() < 1e-2, "all but the ends"
    assert np.array_equal(almost_all[0], whole[0]) and np.array_equal(almost_all[-1], whole[-1])


def test_a_stop_changes_nothing_before_and_after_it(strokes, monkeypatch):
    shown = streams_of(interrupted, strokes, monkeypatch, lost=(), stopped=(8,))
    whole, stopped = shown["whole"][0], shown["8_stopped"][0]
    half = len(whole) // 2
    assert len(stopped) == len(whole) + 8
    assert np.array_equal(stopped[:half], whole[:half]) and np.array_equal(stopped[half + 8 :], whole[half:])
    palm = np.linalg.norm(whole[0, KNUCKLES] - whole[0, 0], axis=-1).mean()
    assert np.abs(stopped[half : half + 8] - whole[half]).max() < 0.5 * palm, "it sways, no more"


@pytest.mark.parametrize("pause, frame", [(0, 30), (20, 35)])
def test_the_still_pose_is_one_three_quarters_on_the_way(strokes, monkeypatch, pause, frame):
    """Held just as long. A pause in the middle is no part of the way."""
    shown = []

    def found(bundle, labels, streams, decoder, pause):
        shown.append(streams)
        return {measure: np.ones(len(labels), bool) for measure in ("typed", "last_third")}

    monkeypatch.setattr("strm.probes._found", found)
    hand = strokes[0].hands[0]
    palm = np.linalg.norm(hand[list(KNUCKLES)] - hand[0], axis=-1).mean()
    x = hand + np.arange(41)[:, None, None] * palm * [1, 0, 0]  # a palm further in every frame
    report = read(None, strokes[:1], [x], pause=pause)
    (moving,), (still,) = shown
    assert moving is x and still.shape == x.shape
    assert np.abs(still - x[frame]).max() < 0.5 * palm
    assert report["typed"] == {"moving": 1.0, "still": 1.0, "balanced": 0.5}


def test_slow_strokes_are_the_same_strokes(strokes, monkeypatch):
    shown = streams_of(slow, strokes, monkeypatch, seconds=(3,))
    own, slowed = shown["own"][0], shown["3s"][0]
    assert len(slowed) == FRAMES and np.allclose(slowed[[0, -1]], own[[0, -1]])
    assert len(own) < 20, "the waits before and after are no part of it"


def test_letters_count_alike_however_many_strokes_they_have(strokes):
    """Three Js, all read, and one Z, which this net never reads."""
    bundle = bundle_of(Turning(60))
    bundle.config["class_names"] = ["I", "J", "Z"]
    clips = [*strokes, stroke("Z", "dora")]
    row = read(bundle, clips, [clip.hands for clip in clips])
    assert row["n"] == 4 and row["typed"]["moving"] == 0.5


def test_the_decoder_decides_what_is_typed(strokes):
    row = read(bundle_of(Turning(15)), strokes, [x.hands for x in strokes], Decoder(moving_hold_ms=1500))
    assert row["typed"]["moving"] == 0.0, "no window of 16 frames shows a turn for that long"


@pytest.fixture
def thinker():
    torch.manual_seed(1)
    model = TRM(num_classes=3, n_latent=2, T_deep=3)
    model.answer.weight.data *= 4
    model.scale.fill_(0.5)
    return bundle_of(model)


@pytest.fixture(scope="module")
def clips():
    some = [stroke("J"), stroke("J", "bob"), held("I"), held("I", "bob", 1.2)]
    return [*some, Clip("I", "cleo", "made", "photo", some[2].hands[:1])]


def by_hand(bundle: Bundle, clip: Clip, cycles: int) -> str:
    model = copy.deepcopy(bundle.model)
    model.T_deep = cycles
    with torch.inference_mode():
        logits, _ = model.forward_sequence(model_input(clip.hands[None]))
    last = max(1, round(len(clip.hands) / 3))
    return NAMES[logits[0, -last:].softmax(-1).mean(0).argmax()]


def test_halting_spends_cycles_where_the_net_is_unsure(thinker, clips):
    rows = halting(thinker, clips)
    assert rows[0]["q"] == 0.0 and rows[0]["cycles"] == 1.0, "always at once"
    assert rows[-1]["q"] == 1.0 and rows[-1]["cycles"] == 3.0, "never before the end"
    cycles = [row["cycles"] for row in rows]
    assert cycles == sorted(cycles) and any(1.05 < c < 2.95 for c in cycles)


def test_even_who_is_certain_thinks_to_the_end_where_nothing_is_sure_enough(thinker, clips):
    thinker.model.answer.weight.data *= 1e6  # probabilities of exactly one
    soon, never = halting(thinker, clips, sure=[0.99, 1.0])
    assert soon["cycles"] < 1.1 and never["cycles"] == 3.0


@pytest.mark.parametrize(("row", "cycles"), [(0, 1), (-1, 3)])
def test_halting_at_the_ends_is_a_net_of_one_depth(thinker, clips, row, cycles):
    expected = np.mean([by_hand(thinker, clip, cycles) == clip.label for clip in clips])
    assert halting(thinker, clips)[row]["accuracy"] == pytest.approx(expected)


def test_a_row_that_has_stopped_keeps_the_state_it_stopped_with(thinker, clips):
    """Frame by frame and clip by clip, with whole nets of each depth: the slow way to the same numbers."""
    q, spent, right = 0.6, 0, 0
    with torch.inference_mode():
        for clip in clips:
            x, state, probabilities = model_input(clip.hands[None]), None, []
            for s in range(x.shape[1]):
                for cycles in (1, 2, 3):
                    model = copy.deepcopy(thinker.model)
                    model.T_deep = cycles
                    logits, after = model(x[:, s], prev_state=state, return_state=True)
                    p = logits.softmax(-1)
                    if p.max() > q:
                        break
                state, spent = after, spent + cycles
                probabilities.append(p)
            last = torch.cat(probabilities)[-max(1, round(len(probabilities) / 3)) :]
            right += NAMES[last.mean(0).argmax()] == clip.label
    (row,) = halting(thinker, clips, sure=[q])
    frames = sum(len(clip.hands) for clip in clips)
    assert spent not in (frames, 3 * frames), "it is no test that never stops in between"
    assert row["cycles"] == pytest.approx(spent / frames) and row["accuracy"] == pytest.approx(
        right / len(clips)
    )


def test_halting_leaves_the_net_as_it_was(thinker, clips):
    before = {name: value.clone() for name, value in thinker.model.state_dict().items()}
    halting(thinker, clips, sure=[0.0])
    assert thinker.model.T_deep == 3
    assert all(torch.equal(value, before[name]) for name, value in thinker.model.state_dict().items())


def test_what_is_carried_on_has_one_size(thinker):
    """Two vectors of 64 for the S-TRM; 15 frames of 63 numbers for the convolution; nothing for an MLP."""
    report = memory(thinker)
    assert report["numbers"] == {1: 128, 100: 128, 1000: 128}
    assert max(report["largest"].values()) < 10
    for name, numbers in {"gru": 104, "conv": 15 * 63, "mlp": 0}.items():
        assert memory(bundle_of(RIVALS[name](3)), frames=(1, 50))["numbers"] == {1: numbers, 50: numbers}


class Late(Rival):
    """Says what the hand was `memory` frames ago: I where the index fingertip was to the right, else J."""

    def __init__(self, memory: int):
        super().__init__()
        self.memory = memory

    def blank(self, first):
        return first.expand(-1, self.memory, -1)

    def read(self, seen, past):
        then = torch.cat([past, seen], 1)[:, : seen.shape[1]]
        return nn.functional.one_hot((then[..., 3 * 8] < 0).long(), 3).float(), seen


@pytest.mark.parametrize("memory", [0, 6])
def test_what_a_memory_costs_the_next_letter(memory):
    rng = np.random.default_rng(0)
    hands = rng.normal(0, 0.05, (7, 21, 3))
    for knuckle in KNUCKLES:
        hands[:, knuckle] += [0, -1, 0]
    hands[:4, 8] += [2, 0, 0]
    hands[4:, 8] -= [2, 0, 0]
    hands = 90 * hands + rng.uniform(0, 500, (7, 1, 3))  # pixels, somewhere in the picture
    asked = []
    model = Late(memory)
    read_ = model.forward_sequence
    model.forward_sequence = lambda x: asked.append(x) or read_(x)
    report = succession(bundle_of(model), hands.astype(np.float32), np.array(["I"] * 4 + ["J"] * 3, object))
    assert report["fresh"] == [1.0] * AFTER
    # Half of the way over is still nearer to the other letter.
    assert report["after"] == [0.0] * max(0, memory - WAY // 2) + [1.0] * (AFTER - max(0, memory - WAY // 2))
    whole, fresh = asked
    assert len(whole) == 2 * PER_LETTER, "letters count alike, however many photos they have"
    torch.testing.assert_close(whole[:, -AFTER:, 3:], fresh[:, :, 3:], rtol=0, atol=0.05)  # the same frames
    assert not torch.equal(whole[:, -AFTER, :3], fresh[:, 0, :3]), "with what moved before"
    assert whole[:, :, :3].abs().max() < 0.3, "the wrist does not jump"
