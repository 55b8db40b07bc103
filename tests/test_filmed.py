"""Filmed words: the studio's come with the truth, others are looked at, and what is no film is told."""

import shutil
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from strm.files import UserError
from strm.filmed import open_film

STUDIO = Path(__file__).parents[1] / "data" / "studio"


def test_a_drawn_film_has_the_true_hand_in_every_frame_that_shows_one():
    film, table = open_film(STUDIO / "JAZZ.mp4"), pd.read_csv(STUDIO / "JAZZ.csv")
    assert len(film.pictures) == len(film.hands) == len(film.t_ms) == len(film.letters) == len(table)
    assert [hand is not None for hand in film.hands] == table["inside"].astype(bool).tolist()
    last = max(i for i, hand in enumerate(film.hands) if hand)
    assert film.hands[last].points[8, :2] == pytest.approx(table.loc[last, ["tx8", "ty8"]].to_numpy(float))
    np.testing.assert_allclose(film.t_ms, table["t_ms"])


def test_the_detector_sees_about_the_same_hand():
    true, seen = open_film(STUDIO / "J.mp4"), open_film(STUDIO / "J.mp4", detect=True)
    assert seen.letters is None and len(seen.pictures) == len(true.pictures)
    both = [(a.points, b.points) for a, b in zip(true.hands, seen.hands, strict=True) if a and b]
    assert len(both) > len(true.hands) / 2
    assert np.median([np.abs(a[:, :2] - b[:, :2]).mean() for a, b in both]) < 0.05
    assert np.abs(np.diff(seen.t_ms) - np.diff(true.t_ms)).max() < 2


def test_what_is_no_film_is_told_in_a_sentence(tmp_path):
    text = tmp_path / "word.mp4"
    text.write_text("this is no film")
    picture = tmp_path / "word.png"
    picture.write_bytes(b"png")
    for path, words in (
        (tmp_path / "gone.mp4", "no video"),
        (picture, "is no video"),
        (text, "cannot be read"),
    ):
        with pytest.raises(UserError, match=words) as told:
            open_film(path)
        assert str(path) in str(told.value) and "\n" not in str(told.value)


def test_a_table_of_something_else_beside_the_film_is_told(tmp_path):
    shutil.copy(STUDIO / "J.mp4", tmp_path / "mine.mp4")
    (tmp_path / "mine.csv").write_text("frame,price\n1,2\n")
    with pytest.raises(UserError, match=r"mine\.csv is no table of the studio's"):
        open_film(tmp_path / "mine.mp4")
