"""Checks of the exercises of chapter 7: pickles, headers that lie, fewer bits, a card, a stream's state."""

import json
import pickle
import re
from collections import OrderedDict
from collections.abc import Callable
from datetime import date
from fractions import Fraction
from typing import Any

import numpy as np

from strm.exercises import NOT_YET, RIGHT, WRONG, exercise

STATE = 64 + 64 + 2 + 1 + 1  # y, z, the slow wrist, the slow palm, the time of the last frame


class _Bell:
    """Rings when it is unpickled: how the check knows that an answer opened what it should only look at."""

    rung = 0

    def __reduce__(self) -> tuple[Callable, tuple]:
        return _ring, ()


def _ring() -> None:
    _Bell.rung += 1


def _said(answer: Callable, case: bytes) -> Any:
    """Return what the answer says of a case, or the error that it raises."""
    try:
        return answer(case)
    except Exception as error:
        return error


@exercise("7.1")
def could_call(answer: Callable) -> str:
    """Whether opening a pickle could call anything, as a function of its bytes that does not open it."""
    plain: list[Any] = [
        {"a": [1, 2.5, None, True], "b": "text"},
        [1, [2, [3]]],
        {"print": "REDUCE GLOBAL STACK_GLOBAL", "module": "os\nsystem\n"},  # the words alone do no harm
    ]
    loaded = [_Bell(), [1, {"deep": _Bell()}]]
    others = [date(2025, 8, 1), OrderedDict(a=1), Fraction(1, 2), len, np.float64(1)]
    _Bell.rung = 0
    good = [_said(answer, pickle.dumps(value, p)) for value in plain for p in (0, 2, 4, 5)]
    bad = [_said(answer, pickle.dumps(value, p)) for value in loaded + others for p in (0, 2, 4, 5)]
    if all(value is None or value is ... for value in good):
        return NOT_YET
    if _Bell.rung:
        return "opened"
    if any(isinstance(value, Exception) for value in good + bad):
        return "raises"
    if not any(map(bool, good)) and all(map(bool, bad)):
        return RIGHT
    if all(map(bool, good)):
        return "always"
    if any(map(bool, good)):
        return "words"
    return "missed" if any(map(bool, bad)) else "never"


def _file(header: Any, body: int = 24, size: int | None = None) -> bytes:
    """Return the bytes of a safetensors file: this header (JSON, or bytes as they are), then zeros."""
    text = header if isinstance(header, bytes) else json.dumps(header).encode()
    return (len(text) if size is None else size).to_bytes(8, "little") + text + bytes(body)


def _tensor(shape: list[int], start: int, end: int) -> dict[str, Any]:
    return {"dtype": "F32", "shape": shape, "data_offsets": [start, end]}


HONEST = [
    _file({"w": _tensor([2, 3], 0, 24)}),
    _file({"__metadata__": {"format": "pt"}, "b": _tensor([2], 0, 8), "w": _tensor([2, 2], 8, 24)}),
    _file({"one": _tensor([], 0, 4)}, 4),  # a single number has no shape
]
LIES = {
    "short": [b"", b"\x01\x00", _file({}, 0)[:7]],
    "header": [_file({"w": _tensor([6], 0, 24)}, 24, 10**6), _file({"w": _tensor([6], 0, 24)}, 24, 2**63)],
    "json": [_file(b"{not json"), _file([1, 2]), _file({"w": 3}), _file(b"\xff\xfe{}")],
    "outside": [_file({"w": _tensor([6], 8, 32)}), _file({"w": _tensor([6], 0, 24)}, 20)],
    "negative": [_file({"w": _tensor([6], -24, 0)}), _file({"w": _tensor([6], 24, 0)})],
    "shape": [_file({"w": _tensor([7], 0, 24)}), _file({"w": _tensor([100, 100], 0, 24)})],
}


@exercise("7.2")
def honest_file(answer: Callable) -> str:
    """Whether a safetensors file is what its header says, as a function of its bytes."""
    good = [_said(answer, case) for case in HONEST]
    if all(value is None or value is ... for value in good):
        return NOT_YET
    if any(isinstance(value, Exception) or not value for value in good):
        return "strict"
    for lie, cases in LIES.items():
        said = [_said(answer, case) for case in cases]
        if any(isinstance(value, Exception) for value in said):
            return "raises"
        if any(map(bool, said)):
            return lie
    return RIGHT


@exercise("7.3")
def quantise_rows(answer: Callable) -> str:
    """Whole numbers and a step for each row of a matrix, as a function of the matrix and the bits."""
    rng = np.random.default_rng(0)
    w = rng.normal(size=(5, 40)) * np.array([[1.0], [0.01], [30.0], [1.0], [0.0]])
    w[3, 7] = -9.0  # the largest of its row is negative
    with np.errstate(all="ignore"):
        found = answer(w.copy(), 8)
        if found is None or found is ...:
            return NOT_YET
        whole, steps = (np.asarray(part) for part in found)
        coarse = np.asarray(answer(w.copy(), 3)[0], float)
    if whole.shape != w.shape or steps.shape != (len(w), 1):
        return "one_step" if steps.size == 1 else "shapes"
    finite = np.isfinite(steps).all() and np.isfinite(whole.astype(float)).all()
    if not finite or (whole[4] != 0).any() or steps[4] == 0:
        return "zeros"
    if whole.dtype != np.int8:
        return "type"
    largest = np.abs(w).max(1, keepdims=True)
    apart = np.abs(whole * steps - w)
    if (apart > 1.01 * largest / 2).any():
        return "wraps"
    if np.abs(coarse).max() > 3:
        return "bits"
    if (apart > 1.01 * largest / 254 + 1e-12).any():
        return "cut" if (apart <= 1.01 * largest / 127 + 1e-12).all() else WRONG
    return RIGHT


TRACES = {  # what a card must hold, in the order in which it is missed; any wording of it will do
    "front": r"\A\s*---\s*\n(?:.*\n)*?license:\s*\S+.*\n(?:.*\n)*?---\s*$",
    "who": r"\b(?:\d+|one|two|three|four|five|six|seven|eight|nine|ten)\s+(?:\w+\s+){0,3}"
    r"(?:people|persons?|signers?|authors?|strangers?)\b",
    "unseen": r"left out|kept (?:out|apart)|never (?:saw|seen|met)|not (?:seen|met)|unseen|strangers?"
    r"|held out",
    "score": r"\d[.,]\d|\d\s?%|\d+ (?:of|in) (?:100|a hundred)",
    "spread": r"±\s*\d|\+/-\s*\d|standard deviation|\bsd\b|spread|\d\s*(?:to|–|-)\s*\d+(?:[.,]\d+)?\s*%?",
    "cannot": r"(?:\bno|\bnot|n['’]t|\bnever|\bcannot|\bnor)\b[^.]{0,60}(?:translat|interpret)"
    r"|(?:translat|interpret)\w*[^.]{0,30}\b(?:no|not|never)\b",
    "data": r"trained on|made (?:of|from|with)|learn(?:ed|t) from|landmarks of|data of",
    "consent": r"consent|permission|agreed|were asked|was asked",
}


@exercise("7.4")
def model_card(answer: str) -> str:
    """Whether a model card says what must be said; it returns the first thing that is missing."""
    if not answer.strip():
        return NOT_YET
    for name, pattern in TRACES.items():
        if not re.search(pattern, answer, re.IGNORECASE | re.MULTILINE):
            return name
    if re.search(r"TODO|XXX|More Information Needed|\[\.\.\.\]", answer):
        return "gaps"
    return RIGHT


@exercise("7.5")
def state_of_a_stream(answer: int) -> str:
    """How many numbers go from one machine to another in the middle of a stream."""
    known = {
        STATE: RIGHT,
        STATE - 1: "time",
        128: "points",
        129: "points",
        64: "half",
        4: "model",
        3: "model",
        2: "kinds",
        5: "kinds",
    }
    if answer in known:
        return known[answer]
    return "frame" if answer - 63 in known or answer in (63, 126) else WRONG
