"""Checks of the exercises of chapter 6: intervals, macro-F1, calibration, chance, leaks."""

from collections.abc import Callable
from math import ceil, isclose, log
from typing import Any

import numpy as np
from sklearn.metrics import f1_score

from strm.exercises import NOT_YET, RIGHT, WRONG, exercise
from strm.qualities import calibration_error

BETWEEN = ceil(log(0.05) / log(0.99))  # people, all read right
RULE_OF_THREE = 300
LEAKS, HONEST = "abcdf", "e"


def _wilson(right: float, n: float, z: float = 1.96, *, root: bool = True) -> tuple[float, float]:
    share = right / n
    half = share * (1 - share) / n + z**2 / (4 * n**2)
    half = z * (half**0.5 if root else half)
    middle, scale = share + z**2 / (2 * n), 1 + z**2 / n
    return (middle - half) / scale, (middle + half) / scale


def _near(found: Any, wanted: Any, tolerance: float = 1e-4) -> bool:
    return bool(np.allclose(np.asarray(found, float), wanted, atol=tolerance))


def _found(functions: dict[str, Callable], answer: Callable, cases: list[tuple]) -> str:
    """Return the name of the function that gives what the answer gives in every case; NOT_YET if nothing."""
    given = [answer(*case) for case in cases]
    if all(value is None or value is ... for value in given):
        return NOT_YET
    for name, function in functions.items():
        if all(_near(value, function(*case)) for value, case in zip(given, cases, strict=True)):
            return name
    return WRONG


@exercise("6.1")
def wilson(answer: Callable) -> str:
    """Wilson's interval of `right` out of `n`, as a function."""

    def normal(right: float, n: float) -> tuple[float, float]:
        half = 1.96 * (right / n * (1 - right / n) / n) ** 0.5
        return right / n - half, right / n + half

    def unscaled(right: float, n: float) -> tuple[float, float]:
        return tuple(end * (1 + 1.96**2 / n) for end in _wilson(right, n))  # type: ignore[return-value]

    known = {
        RIGHT: _wilson,
        "old": normal,
        "root": lambda right, n: _wilson(right, n, root=False),
        "scale": unscaled,
        "order": lambda right, n: _wilson(right, n)[::-1],
        "percent": lambda right, n: [100 * end for end in _wilson(right, n)],
    }
    return _found(known, answer, [(50, 50), (45, 50), (3, 10), (700, 1000)])


@exercise("6.2")
def people_to_ask(answer: float) -> str:
    """How many successes in a row a claim of 99 in 100 needs."""
    if answer in (BETWEEN, RULE_OF_THREE):
        return RIGHT
    if BETWEEN - 1 <= answer < BETWEEN:
        return "short"  # rounded down, or not rounded
    if answer in (99, 100):
        return "once"
    if answer in (58, 59, 60):  # 0.95 ** n = 0.05
        return "swapped"
    if answer in (458, 459, 460, 461):  # 0.99 ** n = 0.01
        return "surer"
    return WRONG


@exercise("6.3")
def macro_f1(answer: Callable) -> str:
    """Macro-F1 over the letters that were shown, as a function of what was signed and what was read."""
    cases = [
        ([*"AAAABBC"], [*"AAABBBC"]),
        ([*"AABBCC"], [*"ABBCCC"]),
        ([*"AAAAAB"], [*"AAAAAA"]),  # B is never read: its F1 is zero
        ([*"AABB"], [*"AABX"]),  # X is read, and never shown
    ]

    def of(average: str) -> Callable:
        return lambda true, read: f1_score(
            true, read, labels=sorted(set(true)), average=average, zero_division=0
        )

    def accuracy(true: list[str], read: list[str]) -> float:
        return float(np.mean(np.array(true) == np.array(read)))

    def recall(true: list[str], read: list[str]) -> float:
        a, b = np.array(true), np.array(read)
        return float(np.mean([np.mean(b[a == letter] == letter) for letter in set(true)]))

    def all_labels(true: list[str], read: list[str]) -> float:
        return f1_score(true, read, average="macro", zero_division=0)

    arrays = [(np.array(true, object), np.array(read, object)) for true, read in cases]
    given = [answer(true, read) for true, read in arrays[:1]]
    if given[0] is None or given[0] is ...:
        return NOT_YET
    values = [answer(*case) for case in arrays]
    if any(not np.isfinite(float(value)) for value in values):
        return "nan"
    known = {
        RIGHT: of("macro"),
        "accuracy": accuracy,
        "weighted": of("weighted"),
        "recall": recall,
        "read_too": all_labels,
        "percent": lambda true, read: 100 * of("macro")(true, read),
    }
    for name, function in known.items():
        if all(isclose(float(v), function(*c), abs_tol=1e-6) for v, c in zip(values, cases, strict=True)):
            return name
    return WRONG


def _gaps(sure: np.ndarray, right: np.ndarray, bins: int) -> list[tuple[float, float]]:
    """Return (signed gap, share of the answers) of every bin that holds any."""
    which = np.minimum((sure * bins).astype(int), bins - 1)
    here = [which == b for b in range(bins) if (which == b).any()]
    return [(float(sure[h].mean() - right[h].mean()), float(h.mean())) for h in here]


@exercise("6.4")
def expected_calibration_error(answer: Callable) -> str:
    """The expected calibration error, as a function of sureness, rightness and the number of bins."""
    rng = np.random.default_rng(0)
    cases = []
    for bins, power in ((15, 1.0), (15, 2.0), (5, 0.5), (10, 3.0)):
        sure = 0.3 + 0.7 * rng.random(400)
        cases.append((sure, rng.random(400) < sure**power, bins))
    cases.append((np.ones(20), np.arange(20) < 15, 15))  # wholly sure: the last bin, and all others empty

    def package(sure: np.ndarray, right: np.ndarray, bins: int) -> float:
        p = np.stack([sure, 1 - sure], 1)
        p[:, 1] = np.minimum(p[:, 1], sure - 1e-9)  # the first class is always the answer
        return calibration_error(p, np.where(right, 0, 1), bins)

    known = {
        RIGHT: package,
        "one_bin": lambda sure, right, bins: abs(sure.mean() - right.mean()),
        "unweighted": lambda *case: np.mean([abs(gap) for gap, _ in _gaps(*case)]),
        "signed": lambda *case: sum(gap * share for gap, share in _gaps(*case)),
        "squared": lambda *case: sum(gap**2 * share for gap, share in _gaps(*case)),
    }
    values = [answer(*case) for case in cases]
    if any(isinstance(value, float) and not np.isfinite(value) for value in values):
        return "nan"
    return _found(known, answer, cases)


@exercise("6.5")
def chance(answer: float) -> str:
    """How often three seeds and three seeds of equal nets lie apart: 2 of 20 orders."""
    if abs(answer - 0.1) < 0.02:
        return RIGHT
    if isclose(answer, 10, abs_tol=2):
        return "percent"
    if abs(answer - 0.05) < 0.02:
        return "one_side"
    if any(isclose(answer, value, abs_tol=1e-3) for value in (1 / 8, 1 / 4, 1 / 64, 1 / 512, 2 / 512)):
        return "coins"
    return WRONG


@exercise("6.6")
def leaks(answer: str) -> str:
    """Which of six splits leak, as letters in one word."""
    named = {c for c in str("".join(answer)).lower() if c.isalpha()}
    if named == set(LEAKS):
        return RIGHT
    if HONEST in named:
        return "honest"
    for missing, name in (("a", "frames"), ("b", "clip"), ("c", "people"), ("d", "stop"), ("f", "scaler")):
        if missing not in named:
            return name
    return WRONG
