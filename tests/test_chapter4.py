"""Chapter 4: what it builds is what the package does, its figures show it, wrong answers get their hint."""

import time
from pathlib import Path

import matplotlib.pyplot as plt
import numpy as np
import pytest
import torch
from chapters import code_of, defined

from strm import exercises, figures
from strm.memory import OURS, Detached
from strm.model import TRM, norm

ROOT = Path(__file__).parents[1]
CELLS = code_of("04_bptt")
SMALL = {"num_classes": 5, "n_latent": 2, "T_deep": 2, "dropout": 0.0}


@pytest.fixture(scope="module")
def built() -> dict:
    """What the chapter defines, by name."""
    cells = ("unroll", "reach", "unfed", "silent", "cost", "solution-4-1")
    return defined([CELLS[cell] for cell in cells], np=np, torch=torch, TRM=TRM, norm=norm, time=time)


@pytest.fixture
def net():
    torch.manual_seed(0)
    return OURS(num_classes=5).eval()


# What the chapter builds by hand


def test_unrolled_by_hand_it_is_the_packages(built, net):
    x = torch.randn(3, 7, 63)
    (logits, state), (theirs, end) = built["unroll"](net, x), net.forward_sequence(x)
    torch.testing.assert_close(logits, theirs)
    torch.testing.assert_close(state, end)
    on, _ = built["unroll"](net, x[:, 4:], net.forward_sequence(x[:, :4])[1])
    torch.testing.assert_close(on, theirs[:, 4:], msg="a stream can be taken up where it was left")


def test_detached_by_hand_it_is_the_variant_of_the_table(built, net):
    cut = Detached(num_classes=5, n_latent=2, T_deep=2, dropout=0.0).eval()
    cut.load_state_dict(net.state_dict())
    x = torch.randn(1, 6, 63)
    torch.testing.assert_close(built["detached"](net, x)[0], cut.forward_sequence(x)[0])
    by_hand, theirs = built["reach"](net, x, built["detached"]), built["reach"](cut, x)
    np.testing.assert_allclose(by_hand, theirs, rtol=1e-4)
    assert np.array_equal(by_hand > 0, np.eye(6, dtype=bool)), "exactly 0 beyond its own frame"


def test_the_gradient_reaches_every_frame_before_and_none_after(built, net):
    sizes = built["reach"](net, torch.randn(1, 12, 63))
    assert np.array_equal(sizes > 0, np.tril(np.ones((12, 12), bool)))
    # As large as a nudge says: the last score against a small change of frame 3.
    x = torch.randn(1, 5, 63)
    best = int(net.forward_sequence(x)[0][0, -1].argmax())
    jacobian = torch.autograd.functional.jacobian(lambda v: net.forward_sequence(v)[0][0, -1, best], x)
    assert built["reach"](net, x)[-1, 3] == pytest.approx(float(jacobian[0, 3].norm()), rel=1e-4)


def test_what_only_comes_before_the_last_cycle_never_learns(built, net):
    torch.manual_seed(0)
    x = torch.randn(2, 5, 63)
    assert built["silent"](built["Unfed"](**SMALL), x) == ["see", "remember", "gate_y", "gate_z"]
    assert built["silent"](net, x) == []


def test_pieces_bound_what_is_kept(built, net):
    kept = {(frames, piece): built["cost"](net, frames, piece, 4)[0] for frames, piece in
            ((4, 4), (8, 8), (16, 16), (16, 4), (8, 4))}  # fmt: skip
    assert kept[8, 8] == pytest.approx(2 * kept[4, 4], rel=0.15)
    assert kept[16, 16] == pytest.approx(4 * kept[4, 4], rel=0.15)
    assert kept[16, 4] == pytest.approx(kept[4, 4], rel=0.15) == pytest.approx(kept[8, 4], rel=0.15)


# Exercises


def stateless(net, x, k):
    return torch.cat([net.forward_sequence(part)[0] for part in x.split(k, 1)], 1)


def with_cuts(at, frozen=False):
    def cut(net, x, k):
        logits, state = [], None
        for s, frame in enumerate(x.unbind(1)):
            if state is not None and at(s, k):
                state = tuple(part.detach() for part in state)
            answer, state = net(frame, prev_state=state, return_state=True)
            logits.append(answer.detach() if frozen else answer)
        return torch.stack(logits, 1)

    return cut


def held_at(part):
    return lambda stroke: np.repeat(stroke[int(part * len(stroke))][None], len(stroke), 0)


def overwriting(stroke):
    stroke[:] = stroke[-1]
    return stroke


ANSWERS = [
    ("4.1", with_cuts(lambda s, k: s % k == 0), "right"),
    ("4.1", lambda net, x, k: net.forward_sequence(x)[0], "not cut"),
    ("4.1", with_cuts(lambda s, k: True), "each frame"),
    ("4.1", with_cuts(lambda s, k: s % k == 1), "elsewhere"),
    ("4.1", with_cuts(lambda s, k: s % k == 0, frozen=True), "no gradient"),
    ("4.1", stateless, "forgets"),
    ("4.1", lambda net, x, k: net.forward_sequence(x)[0][:, -1], "wrong"),
    ("4.1", lambda net, x, k: ..., "not yet"),
    ("4.2", 0.625, "right"),
    ("4.2", 62.5, "right"),
    ("4.2", 70 / 160, "plain"),
    ("4.2", 1.0, "only moving"),
    ("4.2", 0.875, "misread"),
    ("4.2", 0.3, "wrong"),
    ("4.3", 22, "right"),
    ("4.3", np.log(0.1) / np.log(0.9), "not yet below"),
    ("4.3", 9, "straight"),
    ("4.3", 7, "half"),
    ("4.3", 40, "wrong"),
    ("4.4", 31, "right"),
    ("4.4", 30, "fence"),
    ("4.4", 16, "ours"),
    ("4.4", 60, "camera"),
    ("4.4", 2, "wrong"),
    ("4.5", held_at(0.75), "right"),
    ("4.5", held_at(0.99), "right"),
    ("4.5", held_at(0.2), "first half"),
    ("4.5", lambda stroke: stroke, "moves"),
    ("4.5", lambda stroke: stroke[-1], "a frame"),
    ("4.5", lambda stroke: stroke[len(stroke) // 2 :], "shape"),
    ("4.5", lambda stroke: np.repeat(stroke.mean(0)[None], len(stroke), 0), "no frame"),
    ("4.5", overwriting, "overwrites"),
    ("4.5", lambda stroke: ..., "not yet"),
    ("4.6", {"gate_y", "gate_z"}, "right"),
    ("4.6", ["gate_z.weight", "gate_z.bias", "gate_y.weight"], "right"),
    ("4.6", {"gate_y"}, "one gate"),
    ("4.6", "gate_z", "one gate"),
    ("4.6", {"remember", "gate_y", "gate_z"}, "remember"),
    ("4.6", set(), "all train"),
    ("4.6", {"the gates"}, "names"),
    ("4.6", {"see", "gate_y"}, "wrong"),
]


@pytest.mark.parametrize(("name", "answer", "found"), ANSWERS, ids=lambda value: str(value)[:24])
def test_every_answer_gets_the_word_that_fits_it(name, answer, found):
    assert exercises.judge(name, answer) == found
    assert exercises.texts(name)[found], "there are words for it"


def test_every_hint_is_given_to_somebody():
    given = {(name, found) for name, _, found in ANSWERS}
    for number in range(1, 7):
        hints = set(exercises.texts(f"4.{number}")) - {"not yet", "wrong"}
        missing = {hint for hint in hints if (f"4.{number}", hint) not in given}
        assert missing <= {"one second"}, missing


def test_an_exercise_leaves_the_dice_alone():
    torch.manual_seed(3)
    before = torch.random.get_rng_state()
    exercises.judge("4.1", lambda net, x, k: net.forward_sequence(x)[0])
    assert torch.equal(before, torch.random.get_rng_state())


def test_the_solution_of_the_chapter_is_right(built):
    assert exercises.judge("4.1", built["truncated"]) == "right"


# Figures


@pytest.fixture
def stroke():
    return np.cumsum(np.random.default_rng(0).normal(size=(12, 21, 3)), 0)


def test_a_letter_is_shown_as_the_path_of_its_fingertip(stroke):
    figure = figures.show_strokes({"J": (stroke, 20, "#dc267f"), "Z": (stroke, 8, "#fe6100")}, columns=2)
    for ax, tip, title in zip(figure.axes, (20, 8), "JZ", strict=True):
        paths = [line for line in ax.lines if len(line.get_xdata()) == len(stroke)]
        np.testing.assert_allclose(paths[0].get_xydata(), stroke[:, tip, :2])
        assert ax.get_title() == title and ax.yaxis_inverted()
        low, high = ax.get_xlim()
        assert low <= stroke[:, tip, 0].min() and stroke[:, tip, 0].max() <= high, "all of it is in sight"


def test_a_film_shows_the_path_so_far(stroke):
    figure = figures.show_films({"moving": (stroke, 20, "red")}, (0, 0.5, 1), "{:.1f} s")
    drawn = [next(line for line in ax.lines if line.get_color() == "red") for ax in figure.axes]
    assert [len(line.get_xdata()) for line in drawn] == [1, 7, 12]
    assert [ax.get_title() for ax in figure.axes] == ["0.0 s", "0.4 s", "0.7 s"]


def test_what_is_exactly_zero_is_left_blank_and_named():
    sizes = np.tril(np.random.default_rng(0).random((5, 5)) + 0.1)
    figure = figures.show_reach({"whole": sizes, "cut": np.diag(np.diag(sizes))}, ("s", "t", "size"), "none")
    whole, cut = figure.axes[:2]
    assert not whole.texts and [text.get_text() for text in cut.texts] == ["none"]
    blank = np.ma.getmaskarray(np.ma.masked_invalid(cut.images[0].get_array()))
    assert np.array_equal(blank, ~np.eye(5, dtype=bool))


def test_bars_say_their_share():
    report = {"J": {"moving": 1.0, "still": 0.25}, "Z": {"moving": 0.5, "still": 0.75}}
    figure = figures.show_trials({"one": report, "other": report}, "share")
    said = [text.get_text() for text in figure.axes[0].texts]
    assert said == ["100", "25", "100", "25"] and figure.axes[0].get_title() == "J"


def test_the_unrolled_net_has_a_box_and_an_answer_for_every_hand(stroke):
    words = {"think": "think", "state": "y, z", "answers": "IIJ", "gradient": "back"}
    figure = figures.show_unrolled(stroke[:3], words)
    said = [text.get_text() for text in figure.axes[0].texts]
    assert said.count("think") == 3 and said.count("y, z") == 2
    assert [s for s in said if s in "IJ" and s] == ["I", "I", "J"]


def test_lines_and_poses_carry_their_names(stroke):
    _figure, ax = plt.subplots()
    figures.show_lines(ax, [1, 2], {"a": np.array([1, 2]), "b": np.array([2, 1])})
    assert [text.get_text() for text in ax.get_legend().get_texts()] == ["a", "b"]
    assert len({line.get_marker() for line in ax.lines}) == 2, "colour alone says nothing"
    poses = figures.show_poses(list(stroke[:3]), "123")
    assert [ax.get_title() for ax in poses.axes] == ["1", "2", "3"]
