"""Exercises: every answer gets the word that fits it, and a chapter that is not solved runs on."""

import json
from importlib import import_module, resources

import pytest

from strm import exercises

CHAPTERS = sorted(
    int(file.name.split(".")[0].removeprefix("chapter"))
    for file in resources.files("strm.exercises").iterdir()
    if file.name.endswith(f".{exercises.LANGUAGE}.json") and not file.name.startswith("chapter0")
)


def all_names() -> list[str]:
    names = []
    for number in CHAPTERS:
        import_module(f"strm.exercises.chapter{number}")
        file = resources.files("strm.exercises").joinpath(f"chapter{number}.{exercises.LANGUAGE}.json")
        names += list(json.loads(file.read_text("utf-8")))
    return names


@pytest.fixture
def made_up(monkeypatch):
    """An exercise of a chapter that no book has."""
    import sys
    import types

    monkeypatch.setitem(sys.modules, "strm.exercises.chapter99", types.ModuleType("chapter99"))
    said = {"99.1": {"right": "yes.", "wrong": "no.", "half": "only half of it."}}
    own = exercises._texts
    monkeypatch.setattr(exercises, "_texts", lambda chapter: said if chapter == "99" else own(chapter))

    @exercises.exercise("99.1")
    def double(answer):
        return "right" if answer == 84 else "half" if answer == 42 else "wrong"

    yield
    exercises.CHECKS.pop("99.1")


def test_each_answer_gets_its_word(made_up, capsys):
    for answer, said in ((84, "✓ 99.1: yes."), (42, "✗ 99.1: only half of it."), (1, "✗ 99.1: no.")):
        exercises.check("99.1", answer)
        assert capsys.readouterr().out == said + "\n"


def test_a_stub_is_not_yet_answered_and_nonsense_is_wrong(made_up, capsys):
    exercises.check("99.1")
    exercises.check("99.1", ...)
    first, second = capsys.readouterr().out.splitlines()
    assert first == second and first.startswith("… 99.1: not answered yet")

    class Odd:
        def __eq__(self, other):
            raise RuntimeError("cannot compare")

    exercises.check("99.1", Odd())
    assert capsys.readouterr().out == "✗ 99.1: no.\n"


def test_an_exercise_that_does_not_exist_is_named():
    for name in ("98.1", "0.9", "one"):
        with pytest.raises(KeyError, match=name):
            exercises.judge(name, 1)


def test_every_exercise_has_a_check_and_words_for_right_and_wrong():
    names = all_names()
    assert sorted(names) == sorted(exercises.CHECKS)
    for name in names:
        assert {"right", "wrong"} <= set(exercises.texts(name)), name
