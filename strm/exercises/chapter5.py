"""Chapter 5: what a student may have written, and what is to be said about it."""

from collections.abc import Callable
from typing import Any

import numpy as np

from strm.decode import smoothed
from strm.exercises import NOT_YET, RIGHT, WRONG, exercise
from strm.words import distance

HOLDS = (100, 200, 300, 400, 500)


def _close(a: Any, b: Any) -> bool:
    return np.shape(a) == np.shape(b) and bool(np.allclose(a, b, atol=1e-5))


@exercise("5.1")
def running_average(function: Callable[[np.ndarray, float], Any]) -> str:
    p = np.random.default_rng(0).dirichlet(np.ones(4), size=12).astype(np.float32)
    given = p.copy()
    found = function(given, 0.3)
    if found is ...:
        return NOT_YET
    if not np.array_equal(given, p):
        return "overwrites"
    if _close(found, smoothed(p, 0.3)):
        return RIGHT
    if _close(found, smoothed(p, 0.7)):
        return "swapped"
    if _close(found, smoothed(np.vstack([np.zeros_like(p[:1]), p]), 0.3)[1:]):
        return "from nothing"
    from_rows = np.vstack([p[:1], p[:-1] + 0.3 * (p[1:] - p[:-1])])
    return "two rows" if _close(found, from_rows) else WRONG


def _ticks(hold_ms: float, fps: float) -> int:
    return int(np.ceil(hold_ms * fps / 1000)) + 1


@exercise("5.2")
def ticks_in_a_row(function: Callable[[float, float], Any]) -> str:
    asked = [(200, 15), (130, 15), (0, 15), (200, 30), (100, 8), (600, 15), (400, 15), (1000, 30), (67, 15)]
    found = [function(*one) for one in asked]
    if ... in found:
        return NOT_YET
    wanted = [_ticks(*one) for one in asked]
    off = [a - b for a, b in zip(found, wanted, strict=True)]
    if not any(off):
        return RIGHT
    if off == [-1] * len(asked):
        return "fence"
    whole = [abs(hold * fps / 1000 - round(hold * fps / 1000)) < 1e-6 for hold, fps in asked]
    if all(o == 0 or (-1 <= o < 0 and not w) for o, w in zip(off, whole, strict=True)):
        return "too few"
    return WRONG


@exercise("5.3")
def shortest_hold(answer: Any) -> str:
    if answer not in HOLDS:
        return WRONG
    return {300: RIGHT, 400: "not the shortest", 500: "not the shortest"}.get(answer, "still two")


@exercise("5.4")
def edits(function: Callable[[str, str], Any]) -> str:
    pairs = [("JAZZ", "JAZZ"), ("JAZZ", "IADD"), ("JAZZ", "AZZ"), ("DZL", "DDBL"), ("", "AB"), ("AB", "")]
    pairs += [("CMZUT", "CU"), ("QUITO", "QUITON"), ("ABC", "CAB")]
    found = [function(*pair) for pair in pairs]
    if ... in found:
        return NOT_YET
    wanted = [distance(*pair) for pair in pairs]
    if found == wanted:
        return RIGHT
    if found == [_by_place(*pair) for pair in pairs]:
        return "by place"
    if found == [_without_change(*pair) for pair in pairs]:
        return "no change"
    if [a for a, pair in zip(found, pairs, strict=True) if all(pair)] == [
        b for b, pair in zip(wanted, pairs, strict=True) if all(pair)
    ]:
        return "empty"
    return WRONG


def _by_place(signed: str, read: str) -> int:
    return sum(a != b for a, b in zip(signed, read, strict=False)) + abs(len(signed) - len(read))


def _without_change(signed: str, read: str) -> int:
    """What it would be if a letter could not be changed, only left out and another put in."""
    row = list(range(len(read) + 1))
    for i, a in enumerate(signed, 1):
        new = [i]
        for j, b in enumerate(read, 1):
            new.append(row[j - 1] if a == b else 1 + min(row[j], new[j - 1]))
        row = new
    return row[-1]


@exercise("5.5")
def released(answer: Any) -> str:
    text = answer.strip().upper()
    return {"JAZ": RIGHT, "JAZZ": "by the clock", "JADZ": "not replaced", "JAD": "not replaced"}.get(
        text, WRONG
    )
