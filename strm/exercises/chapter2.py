"""Checks of the exercises of chapter 2: updates, gates, parameters, what hoisting saves, Sudoku by hand."""

from collections.abc import Callable
from typing import Any

import numpy as np
import torch

from strm import sudoku
from strm.exercises import NOT_YET, RIGHT, WRONG, exercise
from strm.model import TRM, Block

N, T, LATENT, HIDDEN = 6, 3, 64, 128  # the sizes that the paper's model and ours begin with
PUZZLE = np.array([0, 0, 0, 1, 0, 2, 4, 0, 0, 3, 0, 2, 0, 0, 0, 0])  # of exercise 2.5


def _named(found: Any, known: dict[str, Any]) -> str:
    """Return the name of the first known answer that this one is, or WRONG."""
    return next((name for name, value in known.items() if found == value), WRONG)


@exercise("2.1")
def updates(answer: Any) -> str:
    """How often z and y are updated for one frame."""
    known = {
        RIGHT: (N * T, T),
        "one cycle": (N, 1),
        "settings": (N, T),
        "swapped": (T, N * T),
        "both": (N * T, N * T),
        "added": (N + T, T),
        "y once": (N * T, 1),
    }
    return _named(tuple(answer), known)


@exercise("2.2")
def gate(answer: Callable) -> str:
    """The gate that writes the next y, as a function of the weights, the old y and the new one."""
    torch.manual_seed(2)
    net = TRM()
    with torch.no_grad():
        net.gate_y.bias.normal_()
        weights = dict(net.named_parameters())
        old, new = torch.randn(2, 5, LATENT)
        found = answer(weights, old, new)
        if found is None or found is ...:
            return NOT_YET

        def carried(gate: torch.Tensor) -> torch.Tensor:
            return gate * old + (1 - gate) * new

        raw = net.gate_y(torch.cat([old, new], -1))
        other_way = net.gate_y(torch.cat([new, old], -1))
        of_z = net.gate_z(torch.cat([old, new], -1))
        known = {
            RIGHT: carried(raw.sigmoid()),
            "keeps the new": carried(1 - raw.sigmoid()),
            "not squashed": carried(raw),
            "tanh": carried(raw.tanh()),
            "order": carried(other_way.sigmoid()),
            "gate of z": carried(of_z.sigmoid()),
            "gate only": raw.sigmoid(),
        }
    near = {name: torch.allclose(torch.as_tensor(found), value, atol=1e-4) for name, value in known.items()}
    return next((name for name, yes in near.items() if yes), WRONG)


@exercise("2.3")
def parameters(answer: Any) -> str:
    """The parameters of the latent block."""
    block = Block(3 * LATENT, HIDDEN, LATENT, 0.0)
    right = sum(p.numel() for p in block.parameters())
    known = {
        RIGHT: right,
        "no biases": right - HIDDEN - LATENT,
        "every update": N * right,
        "every update of a frame": N * T * right,
        "deep": sum(p.numel() for p in Block(2 * LATENT, HIDDEN, LATENT, 0.0).parameters()),
        "first layer": 3 * LATENT * HIDDEN + HIDDEN,
        "one input": sum(p.numel() for p in Block(LATENT, HIDDEN, LATENT, 0.0).parameters()),
    }
    return _named(answer, known)


@exercise("2.4")
def hoisted(answer: Any) -> str:
    """The multiplications that are saved for one frame."""
    share = LATENT * HIDDEN
    of_e, of_y = (N * T - 1) * share, (N * T - T) * share
    known = {
        RIGHT: of_e + of_y,
        "only e": of_e,
        "only y": of_y,
        "y once": 2 * of_e,
        "left": (1 + T + N * T) * share,
        "all": 2 * N * T * share,
        "without any": 3 * N * T * share,
        "operations": 2 * (of_e + of_y),
    }
    return _named(answer, known)


@exercise("2.5")
def waves(answer: Any) -> str:
    """The waves that fill the chapter's puzzle."""
    right = int(sudoku.waves(PUZZLE[None])[0])
    empty = int((PUZZLE == 0).sum())
    return _named(answer, {RIGHT: right, "cells": empty, "one more": right + 1, "one less": right - 1})


@exercise("2.6")
def heard(answer: Any) -> str:
    """The looks after which every cell can have heard of every clue."""
    reach, looks = np.eye(sudoku.CELLS, dtype=bool), 0
    while not reach.all():
        reach, looks = reach @ (sudoku.PEERS | np.eye(sudoku.CELLS, dtype=bool)), looks + 1
    return _named(answer, {RIGHT: looks, "peers": 1, "waves": 4, "path": 3, "cells": sudoku.CELLS})
