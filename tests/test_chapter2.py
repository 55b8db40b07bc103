"""Chapter 2: what is built by hand is the package's, cells hear their peers, wrong answers get a hint."""

import json
from pathlib import Path

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from chapters import code_of, defined
from torch import nn

from strm import exercises, figures, model, sudoku
from strm.exercises import chapter2

CHAPTER = Path(__file__).parents[1] / "book" / "02_trm_recursion.ipynb"


@pytest.fixture(scope="module")
def cells() -> dict[str, dict]:
    return {cell["id"]: cell for cell in json.loads(CHAPTER.read_text("utf-8"))["cells"]}


@pytest.fixture(scope="module")
def by_hand(cells) -> dict:
    """The functions and classes that the chapter defines, by name."""
    peers = torch.tensor(sudoku.PEERS, dtype=torch.float32)
    known = {"np": np, "torch": torch, "F": F, "nn": nn, "peers": peers}
    return defined(code_of(CHAPTER.stem).values(), **known, TRM=model.TRM, Block=model.Block)


# The model, built by hand


@pytest.mark.parametrize(("n", "T"), [(6, 3), (1, 1), (2, 4)])
@pytest.mark.parametrize("remembers", [False, True])
@torch.no_grad()
def test_the_lines_of_the_chapter_are_the_packages_model(by_hand, n, T, remembers):
    torch.manual_seed(n)
    net = model.TRM(n_latent=n, T_deep=T).eval()
    x = torch.randn(7, 63)
    state = (torch.randn(7, 64), torch.randn(7, 64)) if remembers else None
    weights = dict(net.named_parameters())
    answers, y, z = by_hand["think"](weights, x, n, T, state=state)
    theirs, carried = net(x, state, return_all_outputs=True, return_state=True)
    assert len(answers) == T
    for ours, package in zip(answers, theirs, strict=True):
        torch.testing.assert_close(ours, package, atol=1e-4, rtol=1e-4)
    # With the gate of exercise 2.2 nothing of the package's frame is missing.
    y_prev, z_prev = net.initial_state(7) if state is None else state
    torch.testing.assert_close(by_hand["carried"](weights, y_prev, y), carried[0], atol=1e-4, rtol=1e-4)
    as_z = {name.replace("gate_z", "gate_y"): w for name, w in weights.items() if "gate_y" not in name}
    torch.testing.assert_close(by_hand["carried"](as_z, z_prev, z), carried[1], atol=1e-4, rtol=1e-4)


def test_the_norm_of_the_chapter_is_the_packages(by_hand):
    v = 5 * torch.randn(9, 64) + 3
    torch.testing.assert_close(by_hand["norm"](v), model.norm(v), atol=1e-5, rtol=1e-5)


def test_what_is_not_normalised_grows(by_hand):
    torch.manual_seed(0)
    weights, x = dict(model.TRM().named_parameters()), torch.randn(5, 63)
    with torch.no_grad():
        for keep, bound in ((by_hand["norm"], 8.1), (lambda v: v, 1e9)):
            short, long = (by_hand["think"](weights, x, 6, T, keep)[2].norm(dim=-1).max() for T in (3, 60))
            assert long < bound
        assert long > 10 * short


# The grid


def grid_net(by_hand, n: int, T: int):
    torch.manual_seed(1)
    return by_hand["GridTRM"](n, T).eval()


def puzzle_pair() -> tuple[torch.Tensor, torch.Tensor]:
    """Two puzzles that differ in the clue of the first cell."""
    clues = torch.zeros(2, 16, dtype=torch.long)
    clues[:, 9], clues[1, 0] = 2, 3
    return F.one_hot(clues, 5).float().unbind()


def changed(net) -> np.ndarray:
    with torch.no_grad():
        one, other = net(torch.stack(puzzle_pair()))[-1].unbind()
    return ((one - other).abs().amax(-1) > 1e-6).numpy()


def test_in_one_look_a_cell_hears_its_peers_and_in_two_everybody(by_hand):
    near = sudoku.PEERS[0].copy()
    near[0] = True
    np.testing.assert_array_equal(changed(grid_net(by_hand, 1, 1)), near)
    for n, T in ((2, 1), (1, 2)):
        assert changed(grid_net(by_hand, n, T)).all()


def test_more_looks_cost_no_parameters_and_can_be_asked_for_later(by_hand):
    few, many = grid_net(by_hand, 1, 1), grid_net(by_hand, 2, 3)
    assert by_hand["size"](few) == by_hand["size"](many)
    x = torch.stack(puzzle_pair())
    few.n = 2
    with torch.no_grad():
        torch.testing.assert_close(few(x, T=3)[-1], many(x)[-1])


# Exercises

SHARE = 64 * 128  # multiplications of e, of y or of z
ANSWERS = {
    "2.1": {
        "right": [(18, 3), [18, 3]],
        "one cycle": [(6, 1)],
        "settings": [(6, 3)],
        "swapped": [(3, 18)],
        "both": [(18, 18)],
        "added": [(9, 3)],
        "y once": [(18, 1)],
        "wrong": [(1, 2), 18, "eighteen", None],
    },
    "2.3": {
        "right": [32960],
        "no biases": [192 * 128 + 128 * 64],
        "every update": [6 * 32960],
        "every update of a frame": [18 * 32960],
        "deep": [24768],
        "first layer": [24704],
        "one input": [64 * 128 + 128 + 128 * 64 + 64],
        "wrong": [80_000, "many"],
    },
    "2.4": {
        "right": [262_144],
        "only e": [17 * SHARE],
        "only y": [15 * SHARE],
        "y once": [34 * SHARE],
        "left": [22 * SHARE],
        "all": [36 * SHARE],
        "without any": [54 * SHARE],
        "operations": [524_288],
        "wrong": [0, SHARE],
    },
    "2.5": {"right": [3], "cells": [11], "one more": [4], "one less": [2], "wrong": [16, "three"]},
    "2.6": {"right": [2], "peers": [1], "path": [3], "waves": [4], "cells": [16], "wrong": [5]},
}
CASES = [(name, found, a) for name, of in ANSWERS.items() for found, all_ in of.items() for a in all_]


@pytest.mark.parametrize(("name", "found", "answer"), CASES)
def test_an_answer_gets_the_word_that_fits_it(name, found, answer):
    assert exercises.judge(name, answer) == found
    assert found in exercises.texts(name)


def gate(w, old, new, part="gate_y", turned=False):
    both = [new, old] if turned else [old, new]
    return torch.cat(both, -1) @ w[f"{part}.weight"].T + w[f"{part}.bias"]


GATES = {
    "right": lambda w, a, b: (g := gate(w, a, b).sigmoid()) * a + (1 - g) * b,
    "keeps the new": lambda w, a, b: (g := gate(w, a, b).sigmoid()) * b + (1 - g) * a,
    "not squashed": lambda w, a, b: (g := gate(w, a, b)) * a + (1 - g) * b,
    "tanh": lambda w, a, b: (g := gate(w, a, b).tanh()) * a + (1 - g) * b,
    "order": lambda w, a, b: (g := gate(w, a, b, turned=True).sigmoid()) * a + (1 - g) * b,
    "gate of z": lambda w, a, b: (g := gate(w, a, b, "gate_z").sigmoid()) * a + (1 - g) * b,
    "gate only": lambda w, a, b: gate(w, a, b).sigmoid(),
    "wrong": lambda w, a, b: (a + b) / 2,
    "not yet": lambda w, a, b: ...,
}


@pytest.mark.parametrize("found", GATES)
def test_a_gate_gets_the_word_that_fits_it(found):
    assert exercises.judge("2.2", GATES[found]) == found
    assert found in exercises.texts("2.2")


def test_every_hint_can_be_earned():
    earned = {name: set(of) for name, of in ANSWERS.items()} | {"2.2": set(GATES) - {"not yet"}}
    assert {name: set(exercises.texts(name)) - {"not yet"} for name in earned} == earned


def test_the_puzzle_on_the_page_is_the_one_that_is_judged(cells):
    shown = "".join(cells["exercise-2-5"]["source"]).split("```")[1].split()
    assert [int(c.replace(".", "0")) for c in shown] == chapter2.PUZZLE.tolist()
    assert sudoku.solutions(chapter2.PUZZLE[None]) == 1


# Pictures


def test_what_is_wrong_is_crossed_out_and_what_is_new_has_a_frame():
    true = sudoku.grids()[0]
    clues = np.where(np.arange(16) < 12, true, 0)
    wrong = np.where(np.arange(16) == 15, true % 4 + 1, true)
    figure = figures.show_grids(clues, [clues, wrong, true], ["a", "b", "c"], true=true, columns=2)
    assert [ax.get_title() for ax in figure.axes] == ["a", "b", "c", ""]
    crosses = [len(ax.lines) for ax in figure.axes[:3]]
    assert crosses[0] == crosses[2] == crosses[1] - 1
    frames = [sum(not patch.get_fill() for patch in ax.patches) for ax in figure.axes[:3]]
    assert frames == [0, 4, 1]


def test_the_bars_are_as_long_as_the_steps():
    thought = np.zeros((4, 64))
    thought[:, 0] = 3, 7, 7, 5
    words = dict.fromkeys(("hand", "numbers", "change", "update", "y", "z"), "-")
    figure = figures.show_settling(np.random.rand(21, 3), thought, np.array([2.0, 1.0]), ["A", "B"], words)
    below = figure.axes[-1]
    assert [bar.get_height() for bar in below.containers[0]] == [3, 4, 0, 2]
    np.testing.assert_array_equal(below.collections[0].get_offsets(), [[1.5, 2], [3.5, 1]])


def test_the_loop_says_what_it_is_told():
    words = {key: f"word {key}" for key in ("x", "e", "z", "y", "answer", "n", "once", "cycles")}
    said = {text.get_text() for text in figures.show_loop(words).axes[0].texts}
    assert set(words.values()) <= said
