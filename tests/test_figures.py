"""Figures: hands lie where they belong, and the book's one picture can be drawn again."""

import cv2
import matplotlib
import matplotlib.pyplot as plt
import numpy as np
import pytest

from strm import figures, studio
from strm.bundle import WEIGHTS
from strm.figures import maps
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
    words = ("gelesen", "gemeint", "Anteil")
    figure = figures.show_confusions(["A", "A", "A", "B"], ["A", "B", "A", "B"], ["A", "B", "C"], words)
    ax, bar = figure.axes
    share = ax.collections[0].get_array()
    np.testing.assert_allclose(share.filled(0).reshape(3, 3), [[2 / 3, 1 / 3, 0], [0, 1, 0], [0, 0, 0]])
    assert share.mask.sum() == 6, "what never happens stays white"
    assert [tick.get_text() for tick in ax.get_yticklabels()] == ["A", "B", "C"]
    assert (ax.get_xlabel(), ax.get_ylabel(), bar.get_ylabel()) == words


def test_names_on_a_map_are_pushed_apart_and_no_further():
    rng = np.random.default_rng(0)
    crowd, alone = rng.normal(0, 0.01, (12, 2)), np.array([[5.0, 5.0]])
    moved = maps.spread(np.vstack([crowd, alone]), 0.05)
    far = np.linalg.norm(moved[:, None] - moved[None], axis=-1) + np.eye(13)
    assert far.min() >= 0.05
    np.testing.assert_array_equal(moved[-1], [5, 5])
    np.testing.assert_allclose(moved[:-1].mean(0), crowd.mean(0), atol=1e-9, err_msg="the crowd stays there")


def test_a_map_draws_the_hands_that_its_ticks_stand_for():
    places = np.random.default_rng(0).normal(0, 1, (60, 2)) * [3, 1] + [10, 20]
    asked = []

    def hand_at(x, y):
        asked.append((x, y))
        return np.random.default_rng(1).random((21, 2))

    figure = figures.show_map(places, ["A", "B", "C"] * 20, hand_at, ("across", "up"), steps=4)
    ax = figure.axes[0]
    assert len(figure.axes) == 1 + 8 and [text.get_text() for text in ax.texts] == ["A", "B", "C"]
    across, up = [x for x, y in asked if y == 0], [y for x, y in asked if x == 0]
    np.testing.assert_allclose(across, ax.get_xticks())
    np.testing.assert_allclose(up, ax.get_yticks())
    looks = {(tuple(c.get_facecolor()[0]), c.get_paths()[0].vertices.tobytes()) for c in ax.collections}
    assert len(looks) == 3


def test_slots_of_all_hands_are_drawn_to_one_scale():
    still = np.repeat(np.random.default_rng(0).random((1, 21, 3)), 9, axis=0)
    t_ms = np.arange(9) * 100.0
    tracks = {
        "D": (still, t_ms, np.zeros((9, 2))),
        "Z": (still, t_ms, np.linspace(0, 2, 18).reshape(9, 2)),
    }
    figure = figures.show_slot(tracks, ("x", "y", "seconds", "slot"))
    hand, quiet, _, loud = figure.axes
    assert hand.get_title() == "D" and quiet.get_ylim() == loud.get_ylim() and loud.get_ylim()[1] >= 2
    assert loud.lines[0].get_xdata()[-1] == 0.8 and loud.get_xlabel() == "seconds"


def test_the_books_picture_is_the_one_that_the_code_draws(tmp_path):
    figures.hand_to_letter(tmp_path / "drawn.png")
    assert (tmp_path / "drawn.png").stat().st_size < 300_000
    shipped = WEIGHTS.parents[1] / "book" / "_static" / "hand-to-letter.png"
    drawn, there = cv2.imread(str(tmp_path / "drawn.png")), cv2.imread(str(shipped))
    assert drawn.shape == there.shape
    # Fonts and processors differ a little; another letter, hand or layout differs a lot.
    assert np.abs(drawn.astype(int) - there).mean() < 4, "draw it again: figures.hand_to_letter"
