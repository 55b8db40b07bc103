"""The book's exercises: `check` looks at an answer and says right, not yet, or a hint that fits the mistake.

Each chapter has a module here with one function an exercise, which gives the name of what it found: 'right',
or a mistake. What is then said stands in a file beside it, so that another language is another file.
"""

import json
from collections.abc import Callable
from functools import lru_cache
from importlib import import_module, resources
from typing import Any

LANGUAGE = "en"
RIGHT, NOT_YET, WRONG = "right", "not yet", "wrong"
MARKS = {RIGHT: "✓", NOT_YET: "…"}  # whatever else is a hint
CHECKS: dict[str, Callable[[Any], str]] = {}


def exercise(name: str) -> Callable[[Callable[[Any], str]], Callable[[Any], str]]:
    """Register a function that judges the answers to exercise `name`, such as '2.3'.

    It is never given the stub's `...`; whatever it raises is a `WRONG` answer.
    """

    def register(function: Callable[[Any], str]) -> Callable[[Any], str]:
        CHECKS[name] = function
        return function

    return register


def check(name: str, answer: Any = ...) -> None:
    """Print what is to be said about an answer to exercise `name`; the stub's `...` is 'not yet'.

    It never raises for a wrong answer: a chapter runs to its end with its exercises unsolved.
    """
    found = judge(name, answer)
    print(f"{MARKS.get(found, '✗')} {name}: {texts(name)[found]}")


def judge(name: str, answer: Any = ...) -> str:
    """Return the name of what is found in an answer: 'right', 'not yet', or a mistake's.

    Raises KeyError for an exercise that the book does not have.
    """
    chapter = name.split(".")[0]
    if not chapter.isdigit() or not texts(name):
        raise KeyError(f"the book has no exercise {name!r}")
    import_module(f"strm.exercises.chapter{chapter}")
    if answer is ...:
        return NOT_YET
    try:
        return CHECKS[name](answer)
    except Exception:
        return WRONG


@lru_cache(maxsize=16)
def _texts(chapter: str) -> dict[str, dict[str, str]]:
    file = resources.files(__package__).joinpath(f"chapter{chapter}.{LANGUAGE}.json")
    return json.loads(file.read_text("utf-8")) if file.is_file() else {}


def texts(name: str) -> dict[str, str]:
    """Return what can be said about an exercise, by what is found; 'not yet' is the same for all."""
    own = _texts(name.split(".")[0]).get(name, {})
    return own and {NOT_YET: _texts("0")[NOT_YET][NOT_YET]} | own
