"""Checks of the exercises of chapter 3: weights of answers, the loss, what an answer settles on, halting."""

from collections.abc import Callable
from itertools import pairwise
from typing import Any

import numpy as np
import torch
import torch.nn.functional as F

from strm.exercises import NOT_YET, RIGHT, WRONG, exercise
from strm.loss import DeepSupervisionLoss

HANDS, CLASSES = 6, 5


def _matching(found: Any, known: dict[str, Any], tolerance: float = 1e-3) -> str:
    """Return the name of the first known answer that is near to this one, or WRONG."""
    found = np.asarray(found, float)
    for name, value in known.items():
        value = np.asarray(value, float)
        if found.shape == value.shape and np.allclose(found, value, atol=tolerance):
            return name
    return WRONG


def _empty(value: Any) -> bool:
    return value is None or value is ...


@exercise("3.1")
def weights(answer: Any) -> str:
    """What the three answers of a net count, with lambda = 0.9."""
    known = {
        RIGHT: [0.81, 0.9, 1],
        "backwards": [1, 0.9, 0.81],
        "one too many": [0.729, 0.81, 0.9],
        "early": [0.9, 0.81, 0.729],
        "times": [1.8, 0.9, 0],
    }
    if len(answer) != 3:
        return "count"
    return _matching(answer, known)


@exercise("3.2")
def counted_loss(answer: Callable) -> str:
    """The loss with a count for each hand."""
    torch.manual_seed(3)
    logits = [2 * torch.randn(HANDS, CLASSES) for _ in range(3)]
    wanted, counts = torch.arange(HANDS) % CLASSES, torch.tensor([2.0, 0.0, 1.0, 0.5, 0.0, 4.0])
    found = answer(logits, wanted, counts, 0.6)
    if _empty(found):
        return NOT_YET

    def ours(counts: torch.Tensor, order: int = 1, smoothing: float = 0.1, times: float = 1) -> float:
        loss = DeepSupervisionLoss(CLASSES, 0.6, smoothing)
        return times * float(loss(logits[::order], wanted, counts))

    each = counts.sum().item()
    known = {
        RIGHT: ours(counts),
        "all alike": ours(torch.ones(HANDS)),
        "sum": ours(counts, times=each),
        "mean": ours(counts, times=each / HANDS),
        "backwards": ours(counts, order=-1),
        "not smoothed": ours(counts, smoothing=0),
        "last only": float(
            (counts * F.cross_entropy(logits[-1], wanted, reduction="none", label_smoothing=0.1)).sum() / each
        ),
    }
    return _matching(float(found), known, 1e-4)


@exercise("3.3")
def smoothed_target(answer: Any) -> str:
    """The target of five classes, the third one right, a tenth spread over all."""
    if len(answer) != CLASSES:
        return "count"
    known = {
        RIGHT: [0.02, 0.02, 0.92, 0.02, 0.02],
        "others only": [0.025, 0.025, 0.9, 0.025, 0.025],
        "from one": [0.02, 0.92, 0.02, 0.02, 0.02],
        "a tenth each": [0.1, 0.1, 0.9, 0.1, 0.1],
        "hard": [0, 0, 1, 0, 0],
    }
    name = _matching(answer, known)
    if name == WRONG and abs(sum(answer) - 1) > 1e-3:
        return "no probabilities"
    return name


@exercise("3.4")
def settled(answer: Callable) -> str:
    """From which cycle on an answer stays what it is in the end."""
    rows = ("mnmm", "aaaa", "abcd", "ab", "a", "nmnn", "abba", "abab")
    found = [answer(list(row)) for row in rows]
    if all(map(_empty, found)):
        return NOT_YET
    stays = [len(row.rstrip(row[-1])) + 1 for row in rows]
    known = {
        RIGHT: stays,
        "first seen": [row.index(row[-1]) + 1 for row in rows],
        "from zero": [s - 1 for s in stays],
        "before it": [max(s - 1, 1) for s in stays],
        "changes": [1 + sum(a != b for a, b in pairwise(row)) for row in rows],
    }
    return _matching(found, known)


@exercise("3.5")
def cut(answer: Any) -> str:
    """Through how many updates the gradient travels, with the cut and without."""
    if any(number is ... for number in answer):
        return NOT_YET
    known = {
        RIGHT: (6, 18),
        "swapped": (18, 6),
        "z only": (4, 12),
        "one cycle": (3, 18),
        "cycles": (2, 6),
        "without itself": (5, 17),
    }
    return _matching(answer, known)


@exercise("3.6")
def moving_average(answer: Callable) -> str:
    """The moving average of a list of numbers."""
    numbers, d = [4.0, 8.0, 0.0, 2.0], 0.75
    found = answer(list(numbers), d)
    if _empty(found):
        return NOT_YET
    if len(found) != len(numbers):
        return "length"

    def follow(start: float, keep: float, rest: list[float]) -> list[float]:
        means = [start]
        for number in rest:
            means.append(keep * means[-1] + (1 - keep) * number)
        return means

    neighbours = pairwise(numbers)
    known = {
        RIGHT: follow(numbers[0], d, numbers[1:]),
        "swapped": follow(numbers[0], 1 - d, numbers[1:]),
        "from zero": follow(0, d, numbers)[1:],
        "forgets": [numbers[0], *(d * a + (1 - d) * b for a, b in neighbours)],
        "plain mean": np.cumsum(numbers) / np.arange(1, len(numbers) + 1),
    }
    return _matching(found, known)


@exercise("3.7")
def agree(answer: Callable) -> str:
    """Stop as soon as two answers in a row name the same class."""
    rows = ([0, 1, 1, 2], [2, 2, 0, 1], [0, 1, 0, 1], [1, 0, 2, 2], [0, 1, 0, 0], [1])
    found = [answer(_naming(row)) for row in rows]
    if all(map(_empty, found)):
        return NOT_YET
    right = [_stopped(row) for row in rows]
    known = {
        RIGHT: right,
        "one early": [(c, n - (row[n - 2 : n] == [c, c])) for (c, n), row in zip(right, rows, strict=True)],
        "from zero": [(c, n - 1) for c, n in right],
        "the last class": [(row[-1], n) for (_, n), row in zip(right, rows, strict=True)],
        "order": [(n, c) for c, n in right],
        "any two": [_stopped(row, in_a_row=False) for row in rows],
    }
    return _matching(found, known)


def _naming(row: list[int]) -> np.ndarray:
    """Return probabilities [T, 3] whose likeliest classes are these."""
    return np.full((len(row), 3), 0.2) + 0.4 * np.eye(3)[row]


def _stopped(row: list[int], in_a_row: bool = True) -> tuple[int, int]:
    for cycle in range(2, len(row) + 1):
        before = row[cycle - 2 : cycle - 1] if in_a_row else row[: cycle - 1]
        if row[cycle - 1] in before:
            return row[cycle - 1], cycle
    return row[-1], len(row)
