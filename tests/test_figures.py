"""Figures: hands lie where they belong, and the book's one picture can be drawn again."""

import cv2
import matplotlib
import matplotlib.pyplot as plt
import numpy as np
import pytest

from strm import figures, studio
from strm.bundle import WEIGHTS
from strm.landmarks import Hand

matplotlib.use("Agg")


@pytest.fixture(autouse=True)
def no_figures_left():
    yield
    plt.close("all")


def test_a_finger_beyond_the_edge_does_not_shrink_the_picture():
    points = np.zeros((21, 3), np.float32)
    points[8] = [500, -80, 0]
    _, ax = plt.subplots()
    figures.draw_hand(ax, points, np.zeros((100, 200, 3), np.uint8))
    assert ax.get_xlim() == (-0.5, 199.5) and ax.get_ylim() == (99.5, -0.5)


def test_on_paper_a_hand_stands_upright_however_many_are_drawn():
    points = np.random.default_rng(0).random((21, 3))
    _, ax = plt.subplots()
    for _ in range(2):
        figures.draw_hand(ax, points)
        assert ax.yaxis_inverted(), "y goes down in a picture"


def test_photos_without_a_hand_are_shown_too():
    photo = studio.sample("Y", np.random.default_rng(1), size=64)
    hand = Hand(photo.points, photo.handedness, 1.0, 64, 64)
    figure = figures.show_hands([photo.image] * 3, [hand, None, hand], ["a", "b", "c"], columns=2)
    shown = [ax for ax in figure.axes if ax.images]
    assert [ax.get_title() for ax in shown] == ["a", "b", "c"]
    assert [bool(ax.lines) for ax in shown] == [True, False, True]


def test_confusions_are_shares_of_the_true_letter():
    figure = figures.show_confusions(["A", "A", "A", "B"], ["A", "B", "A", "B"], ["A", "B", "C"])
    share = figure.axes[0].images[0].get_array()
    np.testing.assert_allclose(share, [[2 / 3, 1 / 3, 0], [0, 1, 0], [0, 0, 0]])


def test_the_books_picture_is_the_one_that_the_code_draws(tmp_path):
    figures.hand_to_letter(tmp_path / "drawn.png")
    assert (tmp_path / "drawn.png").stat().st_size < 300_000
    shipped = WEIGHTS.parents[1] / "book" / "_static" / "hand-to-letter.png"
    drawn, there = cv2.imread(str(tmp_path / "drawn.png")), cv2.imread(str(shipped))
    assert drawn.shape == there.shape
    # Fonts and processors differ a little; another letter, hand or layout differs a lot.
    assert np.abs(drawn.astype(int) - there).mean() < 4, "draw it again: figures.hand_to_letter"
