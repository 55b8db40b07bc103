"""Chapter 3: what it builds by hand is the package's, its rules are fair, wrong answers get their hint."""

from itertools import pairwise
from pathlib import Path
from types import SimpleNamespace

import matplotlib.pyplot as plt
import numpy as np
import pytest
import torch
import torch.nn.functional as F
from chapters import code_of, defined

from strm import exercises, figures
from strm.bundle import Bundle
from strm.data import Clip
from strm.evaluate import model_input
from strm.loss import DeepSupervisionLoss
from strm.model import TRM, norm
from strm.probes import halting
from strm.trainer import Trainer
from strm.variants import CarriedSupervision

ROOT = Path(__file__).parents[1]
CELLS = code_of("03_deep_supervision")
CLASSES, LETTERS = 5, "ABCDE"


@pytest.fixture
def chapter() -> dict:
    """The functions that the chapter defines, where they find what it has imported."""
    return defined(CELLS.values(), np=np, torch=torch, F=F, norm=norm)


def some_net(seed: int = 0, T: int = 4) -> TRM:
    torch.manual_seed(seed)
    return TRM(num_classes=CLASSES, n_latent=2, T_deep=T).eval()


def some_hands(count: int = 12) -> tuple[torch.Tensor, torch.Tensor]:
    torch.manual_seed(1)
    return torch.randn(count, 63), torch.arange(count) % CLASSES


# What the chapter builds by hand


@pytest.mark.parametrize("decay", [0.0, 0.5, 0.9, 1.0])
@pytest.mark.parametrize("smoothing", [0.0, 0.1])
def test_the_loss_is_the_packages(chapter, decay, smoothing):
    torch.manual_seed(0)
    logits, wanted = [3 * torch.randn(7, CLASSES) for _ in range(3)], torch.arange(7) % CLASSES
    ours = DeepSupervisionLoss(CLASSES, decay, smoothing)(logits, wanted)
    assert torch.allclose(chapter["deep_loss"](logits, wanted, decay, smoothing), ours, atol=1e-5)


def test_thinking_aloud_is_thinking(chapter):
    net, (x, _) = some_net(), some_hands()
    updates, answers = chapter["think_aloud"](net, x)
    assert len(updates) == 4 * (2 + 1) and len(answers) == 4
    for spoken, ours in zip(answers, net(x, return_all_outputs=True), strict=True):
        assert torch.allclose(spoken, ours, atol=1e-5)
    for silent, ours in zip(updates[2::3], net.think(net.encode(x), net.initial_state(12))[0], strict=True):
        assert torch.allclose(silent, ours, atol=1e-5), "every third update is a y"


def test_an_answer_pulls_at_what_came_before_it_and_at_nothing_else(chapter):
    chapter["x"], chapter["y"] = some_hands()
    net = some_net()
    second = chapter["pull"](net, [0, 1, 0, 0])
    assert (second[:6] > 0).all() and (second[6:] == 0).all()
    # The last y passes the head only, so its pull can be written down: W_out^T (p - target).
    x, y = some_hands()
    answer = net(x)
    target = F.one_hot(y, CLASSES) * 0.9 + 0.1 / CLASSES
    by_formula = ((answer.softmax(-1) - target) @ net.answer.weight).norm(dim=1).mean().item()
    assert chapter["pull"](net, [0, 0, 0, 1])[-1] == pytest.approx(by_formula, rel=1e-4)


def test_carried_supervision_is_the_packages(chapter):
    (x, y), net = some_hands(), some_net()
    ours = SimpleNamespace(model=net, loss=DeepSupervisionLoss(CLASSES))
    package, _ = CarriedSupervision._loss(ours, x[:, None], y[:, None], torch.ones(len(x), 1))
    by_hand = chapter["carried"](2)(net, x, y)
    assert torch.allclose(by_hand, package, atol=1e-5)
    of_hand, of_package = (
        torch.autograd.grad(loss, list(net.parameters()), allow_unused=True) for loss in (by_hand, package)
    )
    for a, b in zip(of_hand, of_package, strict=True):
        assert (a is None) == (b is None), "the cut lies elsewhere"
        assert a is None or torch.allclose(a, b, atol=1e-5)


def test_between_the_rounds_the_gradient_is_cut(chapter):
    """The gates only write what the next round reads: with the cut, no loss reaches them."""
    (x, y), net = some_hands(), some_net()
    chapter["carried"](3)(net, x, y).backward()
    assert net.gate_y.weight.grad is None and net.gate_z.weight.grad is None
    assert net.remember.weight.grad.abs().max() > 0, "but what was carried is read"


def test_thinking_on_takes_up_its_own_thoughts(chapter):
    x, y = chapter["judge_x"], chapter["judge_y"] = some_hands(40)
    net, state, rounds = some_net(T=2), None, []
    for _ in range(2):
        logits, state = net(x, state, return_all_outputs=True, return_state=True)
        rounds += [(a.argmax(-1) == y).float().mean() for a in logits]
    assert np.allclose(chapter["thinking_on"](net, rounds=2), rounds)
    assert rounds[2:] != rounds[:2], "nothing was taken up: this test would prove nothing"


def test_the_moving_average_is_the_trainers(chapter):
    net, by_hand = some_net(0), some_net(1)
    package = {name: value.clone() for name, value in by_hand.state_dict().items()}
    trainer = SimpleNamespace(settings=SimpleNamespace(ema=0.98), model=net, average=package)
    for step in (0, 3, 700):
        Trainer._average(trainer, step)
        chapter["follow"](by_hand, net, step)
        for name, value in by_hand.state_dict().items():
            assert torch.allclose(value, package[name]), (step, name)
    assert not torch.allclose(by_hand.answer.weight, net.answer.weight), "it should lag behind"


def test_halting_is_that_of_the_probes(chapter):
    """On clips of one frame: the same letters, the same cycles, for every q."""
    rng, net = np.random.default_rng(0), some_net(3)
    clips = [Clip(LETTERS[i % 5], "a", "b", str(i), rng.random((1, 21, 3), np.float32)) for i in range(60)]
    sure = (0.0, 0.25, 0.3, 0.4, 1.0)
    config = {"class_names": list(LETTERS), "preprocessing": {"motion": True}}
    package = halting(Bundle(net, config), clips, sure)
    x = model_input(np.stack([clip.hands for clip in clips]))[:, 0]
    with torch.no_grad():
        p = torch.stack(net(x, return_all_outputs=True)).softmax(-1).numpy()
    spent = set()
    for q, row in zip(sure, package, strict=True):
        letters, cycles = chapter["halt"](p, q)
        spent.add(cycles.mean())
        assert cycles.mean() == pytest.approx(row["cycles"])
        assert (letters == np.arange(60) % 5).mean() == pytest.approx(row["accuracy"])
    assert len(spent) > 2, "nobody stopped in between: this test would prove nothing"


def test_with_q_of_one_nobody_stops_early(chapter):
    certain = np.broadcast_to([1.0, 0.0], (3, 2, 2))
    assert chapter["halt"](certain, 1)[1].tolist() == [3, 3]
    assert chapter["halt"](certain, 0.99)[1].tolist() == [1, 1]


def test_enough_is_the_fewest_cycles_that_lose_little(chapter):
    assert chapter["enough"]([1, 2, 3, 4], [0.7, 0.896, 0.89, 0.9]) == 2
    assert chapter["enough"]([1, 2, 3, 4], [0.7, 0.896, 0.89, 0.9], loss=0.001) == 4


def test_a_verdict_is_larger_than_the_larger_spread(chapter, capsys):
    chapter["verdict"]("near", [0.80, 0.84], [0.79, 0.80])
    chapter["verdict"]("far", [0.70, 0.71], [0.90, 0.90])
    near, far = capsys.readouterr().out.splitlines()
    assert near == "near: +2.5%, within the spread of 4.0%"
    assert far == "far: -19.5%, beyond the spread of 1.0%"


# Exercises


def loss_like(**wrong):
    """A solution of 3.2 with one thing wrong."""

    def answer(all_logits, wanted, counts, decay):
        if wrong.get("alike"):
            counts = torch.ones(len(wanted))
        by = {"sum": 1, "mean": len(wanted)}.get(wrong.get("by"), counts.sum())
        if wrong.get("backwards"):
            all_logits = all_logits[::-1]
        total, T = 0, len(all_logits)
        for t, logits in enumerate(all_logits, 1):
            smoothing = 0.0 if wrong.get("hard") else 0.1
            each = F.cross_entropy(logits, wanted, reduction="none", label_smoothing=smoothing)
            if t == T or not wrong.get("last"):
                total = total + decay ** (T - t) * (counts * each).sum() / by
        return total

    return answer


def first_seen(letters):
    return letters.index(letters[-1]) + 1


def before_it(letters):
    return max(1, settled(letters) - 1)


def settled(letters):
    return max([1, *(t + 1 for t, pair in enumerate(pairwise(letters), 1) if pair[0] != pair[1])])


def average_like(start=None, swap=False, plain=False, forgets=False):
    def answer(numbers, d):
        if plain:
            return [sum(numbers[: i + 1]) / (i + 1) for i in range(len(numbers))]
        keep = 1 - d if swap else d
        mean, out = numbers[0] if start is None else start, []
        for i, number in enumerate(numbers):
            if i or start is not None:
                mean = keep * (numbers[i - 1] if forgets else mean) + (1 - keep) * number
            out.append(mean)
        return out

    return answer


def agree_like(shift=0, last=False, order=False, anywhere=False):
    def answer(p):
        named = list(p.argmax(-1))
        cycle = len(named)
        for t in range(2, len(named) + 1):
            if named[t - 1] == named[t - 2] or (anywhere and named[t - 1] in named[: t - 1]):
                cycle = t
                break
        letter = named[-1] if last else named[cycle - 1]
        return (cycle, letter) if order else (letter, cycle - shift)

    return answer


def agree_one_early(p):
    """Stops at the first of the two."""
    named = p.argmax(-1)
    for t in range(1, len(named)):
        if named[t - 1] == named[t]:
            return named[t], t
    return named[-1], len(named)


ANSWERS = [
    ("3.1", [0.81, 0.9, 1], "right"),
    ("3.1", np.array([0.81, 0.90, 1.0]), "right"),
    ("3.1", [1, 0.9, 0.81], "backwards"),
    ("3.1", [0.729, 0.81, 0.9], "one too many"),
    ("3.1", [0.9, 0.81, 0.729], "early"),
    ("3.1", [0.9 * 2, 0.9 * 1, 0.9 * 0], "times"),
    ("3.1", [0.729, 0.81, 0.9, 1], "count"),
    ("3.1", [0.9, 0.9, 0.9], "wrong"),
    ("3.1", "one, nine tenths", "count"),
    ("3.1", 0.9, "wrong"),
    ("3.2", loss_like(), "right"),
    ("3.2", loss_like(alike=True), "all alike"),
    ("3.2", loss_like(by="sum"), "sum"),
    ("3.2", loss_like(by="mean"), "mean"),
    ("3.2", loss_like(backwards=True), "backwards"),
    ("3.2", loss_like(hard=True), "not smoothed"),
    ("3.2", loss_like(last=True), "last only"),
    ("3.2", lambda all_logits, wanted, counts, decay: torch.zeros(()), "wrong"),
    ("3.2", lambda all_logits: 0, "wrong"),
    ("3.3", [0.02, 0.02, 0.92, 0.02, 0.02], "right"),
    ("3.3", torch.tensor([0.02, 0.02, 0.92, 0.02, 0.02]), "right"),
    ("3.3", [0.025, 0.025, 0.9, 0.025, 0.025], "others only"),
    ("3.3", [0.02, 0.92, 0.02, 0.02, 0.02], "from one"),
    ("3.3", [0.1, 0.1, 0.9, 0.1, 0.1], "a tenth each"),
    ("3.3", [0, 0, 1, 0, 0], "hard"),
    ("3.3", [0.02, 0.02, 0.9, 0.02, 0.02], "no probabilities"),
    ("3.3", [0.02, 0.92], "count"),
    ("3.3", [0.2, 0.2, 0.2, 0.2, 0.2], "wrong"),
    ("3.4", settled, "right"),
    ("3.4", first_seen, "first seen"),
    ("3.4", lambda letters: settled(letters) - 1, "from zero"),
    ("3.4", before_it, "before it"),
    ("3.4", lambda letters: 1 + sum(a != b for a, b in pairwise(letters)), "changes"),
    ("3.4", len, "wrong"),
    ("3.5", (6, 18), "right"),
    ("3.5", [18, 6], "swapped"),
    ("3.5", (4, 12), "z only"),
    ("3.5", (3, 18), "one cycle"),
    ("3.5", (2, 6), "cycles"),
    ("3.5", (5, 17), "without itself"),
    ("3.5", (1, 1), "wrong"),
    ("3.5", 6, "wrong"),
    ("3.5", (6, ...), "not yet"),
    ("3.6", average_like(), "right"),
    ("3.6", lambda numbers, d: np.array(average_like()(numbers, d)), "right"),
    ("3.6", average_like(swap=True), "swapped"),
    ("3.6", average_like(start=0.0), "from zero"),
    ("3.6", average_like(forgets=True), "forgets"),
    ("3.6", average_like(plain=True), "plain mean"),
    ("3.6", lambda numbers, d: average_like()(numbers, d)[1:], "length"),
    ("3.6", lambda numbers, d: numbers, "wrong"),
    ("3.7", agree_like(), "right"),
    ("3.7", agree_one_early, "one early"),
    ("3.7", agree_like(shift=1), "from zero"),
    ("3.7", agree_like(last=True), "the last class"),
    ("3.7", agree_like(order=True), "order"),
    ("3.7", agree_like(anywhere=True), "any two"),
    ("3.7", lambda p: (p[-1].argmax(), len(p)), "wrong"),
]


@pytest.mark.parametrize(("name", "answer", "found"), ANSWERS)
def test_each_answer_gets_the_word_that_fits_it(name, answer, found):
    assert exercises.judge(name, answer) == found


def test_every_hint_is_reached_and_tells_no_result():
    tried = {(name, found) for name, _, found in ANSWERS}
    for name in {name for name, *_ in ANSWERS}:
        for found, text in exercises.texts(name).items():
            assert found == exercises.NOT_YET or (name, found) in tried, (name, found)
            assert found in (exercises.RIGHT, exercises.NOT_YET) or "0.0" not in text


def run(cell: str) -> None:
    rng = np.random.default_rng(0)
    space = {
        "np": np,
        "F": F,
        "check": exercises.check,
        "nets": {0: [None], 0.9: [None]},
        "judge_y": torch.arange(9),
        "probabilities": lambda net: rng.random((4, 9, 24)),
    }
    exec(compile(CELLS[cell], cell, "exec"), space)


def test_stubs_wait_and_solutions_pass(capsys):
    numbers = [cell.removeprefix("stub-3-") for cell in CELLS if cell.startswith("stub-")]
    assert len(numbers) == len({name for name, *_ in ANSWERS})
    for number in numbers:
        run(f"stub-3-{number}")
        assert capsys.readouterr().out.startswith(f"… 3.{number}:")
        run(f"solution-3-{number}")
        assert capsys.readouterr().out.startswith(f"✓ 3.{number}:")


# Figures


def test_the_true_letter_is_framed_wherever_it_is_among_the_likeliest():
    p = np.zeros((2, 1, 4))
    p[0, 0], p[1, 0] = [0.6, 0.3, 0.1, 0], [0, 0.1, 0.3, 0.6]
    hand = np.random.default_rng(0).random((21, 3))
    figure = figures.show_answers([hand], ["A"], p, "ABCD", ["odd"], ["one", "two"])
    first, second = figure.axes[1:]
    assert figure.axes[0].get_title(loc="left") == "A: odd" and figure.axes[0].yaxis_inverted()
    assert [bar.get_linewidth() for bar in first.patches] == [2, 0, 0]
    assert [bar.get_linewidth() for bar in second.patches] == [0, 0, 0], "A is not among its three"
    assert [label.get_text() for label in second.get_yticklabels()] == ["D", "C", "B"]
    assert [bar.get_width() for bar in second.patches] == [0.6, 0.3, 0.1]


def test_every_seed_is_drawn_and_their_mean():
    _, ax = plt.subplots()
    figures.draw_runs(ax, np.array([1, 2]), np.array([[0.2, 0.4], [0.4, 0.8]]), "name")
    *seeds, mean = [line.get_ydata().tolist() for line in ax.lines]
    assert seeds == [[0.2, 0.4], [0.4, 0.8]] and np.allclose(mean, [0.3, 0.6])
    _, ax = plt.subplots()
    figures.draw_runs(ax, np.array([1, 2]), np.array([0.2, 0.4]), "one", 1)
    assert len(ax.lines) == 1, "one run is its own mean"


def test_what_an_answer_cannot_reach_stays_empty():
    figure = figures.show_pulls(np.array([[1, 0], [0.66, 1]]), ["a", "b"], ["u", "v"])
    assert [text.get_text() for text in figure.axes[0].texts] == ["100", "66", "100"]
    assert figure.axes[0].images[0].get_array().mask.tolist() == [[False, True], [False, False]]
