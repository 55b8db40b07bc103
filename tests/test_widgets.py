"""The player, without a browser: what each moment shows, and that a page gets a sentence, never a widget."""

import re
import sys
from types import SimpleNamespace

import cv2
import ipywidgets
import numpy as np
import pytest

from strm import studio, widgets
from strm.filmed import Film
from strm.landmarks import Hand
from strm.stream import Reading
from strm.widgets import Player, Words

FRAMES, FPS = 60, 30


def reading(letter, text):
    return Reading(
        letter, 0.9, [(letter, 0.9), ("nothing", 0.06), ("B", 0.04)] if letter else [], None, None, text
    )


@pytest.fixture(scope="module")
def player():
    """Two seconds: nobody for half a second, then a Y, which is written after one second."""
    photo = studio.sample("Y", np.random.default_rng(1), size=64)
    empty = np.full((64, 64, 3), 200, np.uint8)
    hand = Hand(photo.points, photo.handedness, 1.0, 64, 64)
    there = [i >= FRAMES // 4 for i in range(FRAMES)]
    film = Film(
        [photo.image if seen else empty for seen in there],
        [hand if seen else None for seen in there],
        np.arange(FRAMES) * 1000 / FPS,
        None,
    )
    readings = [
        reading("Y" if seen else None, "<Y" if i >= FRAMES // 2 else "") for i, seen in enumerate(there)
    ]
    values = np.linspace(0, 1, 30)[:, None] * np.ones((30, 4))
    return Player(film, readings, {"gates": (np.arange(30) * 1000 / 15, values)})


def test_half_of_a_fast_cameras_frames_are_played_the_last_one_too(player):
    assert len(player) == FRAMES // 2 + 1
    assert player.shown[:3] == [0, 2, 4] and player.shown[-1] == FRAMES - 1


def test_a_moment_shows_its_letter_its_picture_and_its_text(player):
    early, late = player.view(0), player.view(len(player) - 1)
    assert "no hand" in early and "<b>Y</b>" not in early
    assert "<b>Y</b>" in late and "Y 90%" in late and "nothing 6%" in late
    assert "The hand at 2.0 s; read: Y." in late, "the picture says in words what it shows"
    assert player.text(0) != player.text(len(player) - 1)
    assert "&lt;Y" in player.text(len(player) - 1), "a text is no markup"


def test_the_picture_has_the_landmarks_on_it(player):
    with_hand = cv2.imdecode(np.frombuffer(player.picture(20), np.uint8), cv2.IMREAD_COLOR)
    plain = cv2.cvtColor(player.film.pictures[40], cv2.COLOR_RGB2BGR)
    assert with_hand.shape == plain.shape and np.abs(with_hand.astype(int) - plain).max() > 80
    empty = cv2.imdecode(np.frombuffer(player.picture(0), np.uint8), cv2.IMREAD_COLOR)
    assert np.abs(empty.astype(int) - 200).max() < 5


def test_the_cursor_goes_from_one_end_to_the_other(player):
    at = [float(re.search(r"left:([\d.]+)%", player.view(i))[1]) for i in range(len(player))]
    assert at[0] == 0 and at[-1] == 100 and at == sorted(at)


def test_the_ribbon_is_as_wide_as_what_was_read_lasted(player):
    widths = [float(w) for w in re.findall(r"width:([\d.]+)%;background", player.view(5))]
    assert len(widths) == 2 and sum(widths) == pytest.approx(100, abs=0.1)
    assert widths[0] == pytest.approx(25, abs=4)


def test_moving_the_slider_shows_another_moment(player):
    box = player.widget()
    controls, text, view = box.children
    _, _, slider, number, count = controls.children
    for one in (slider, number, count):
        assert (one.min, one.max) == (0, len(player) - 1)
    before = view.value
    slider.value = len(player) - 1
    assert view.value == player.view(len(player) - 1) != before
    assert text.value == player.text(len(player) - 1)
    slider.value = 0
    assert view.value == before and text.value == player.text(0)


def test_playing_moves_the_slider_in_the_browser(player):
    box = player.widget()
    play, _, slider, number, count = box.children[0].children
    assert [(link.source, link.target) for link in box.links] == [
        ((count, "value"), (slider, "value")),
        ((slider, "value"), (number, "value")),
        ((play, "value"), (count, "playing")),
    ]
    assert play.description == "Play", "its buttons have names, for who hears them"
    assert count.layout.display == "none" and count.interval >= 66, "a notebook far away must keep up"


def test_reset_tells_the_browser_even_what_it_seems_to_know(player, monkeypatch):
    """The browser may have counted on since we heard of it; and what it told us last is not echoed."""
    box, told = player.widget(), []
    _, reset, _, _, count = box.children[0].children
    assert count.trait_metadata("value", "echo_update") is False
    monkeypatch.setattr(type(count), "send_state", lambda self, key=None: told.append((self, key)))
    reset.click()
    assert told == [(count, ["playing", "value"])] and count.value == 0 and not count.playing


def shown(monkeypatch, player, live):
    said, displayed = [], []
    monkeypatch.setattr(widgets, "live", lambda: live)
    monkeypatch.setattr("IPython.display.display", displayed.append)
    monkeypatch.setattr("builtins.print", lambda *words: said.append(words))
    player.show()
    return said, displayed


def test_a_page_gets_a_sentence_and_no_widget(monkeypatch, player):
    monkeypatch.setattr(Player, "widget", lambda self: pytest.fail("a widget's state would be in the page"))
    said, displayed = shown(monkeypatch, player, live=False)
    assert said == [(Words().static,)] and not displayed


def test_a_running_notebook_gets_the_widget(monkeypatch, player):
    said, displayed = shown(monkeypatch, player, live=True)
    assert not said and isinstance(displayed[0], ipywidgets.VBox)


@pytest.mark.parametrize("asks", [True, False])
def test_somebody_is_there_if_they_can_be_asked(monkeypatch, asks):
    shell = SimpleNamespace(get_parent=lambda: {"content": {"allow_stdin": asks}})
    monkeypatch.setattr("IPython.get_ipython", lambda: shell)
    assert widgets.live() == asks


def test_nobody_is_there_without_a_notebook_and_colab_is_a_notebook(monkeypatch):
    monkeypatch.setattr("IPython.get_ipython", lambda: None)
    assert not widgets.live()
    monkeypatch.setitem(sys.modules, "google.colab", SimpleNamespace())
    assert widgets.live()


def test_a_kernel_that_runs_alone_knows_it():
    """Papermill's way to run a cell, and a person's, in one real kernel."""
    jupyter_client = pytest.importorskip("jupyter_client")
    manager = jupyter_client.KernelManager(kernel_name="python3")
    manager.start_kernel()
    client = manager.client()
    try:
        client.start_channels()
        client.wait_for_ready(timeout=60)
        for asks in (True, False):
            out: list = []
            client.execute_interactive(
                "from strm.widgets import live; print(live())",
                allow_stdin=asks,
                output_hook=lambda message, out=out: out.append(message["content"].get("text", "")),
            )
            assert "".join(out).strip() == str(asks)
    finally:
        client.stop_channels()
        manager.shutdown_kernel(now=True)


def test_another_language_is_another_set_of_words(player):
    french = Words(
        play="Lire", text="texte", no_hand="pas de main", static="Ouvrez ce chapitre dans Jupyter."
    )
    other = Player(player.film, player.readings, words=french)
    assert "pas de main" in other.view(0) and "texte" in other.text(0)
    assert other.widget().children[0].children[0].description == "Lire"


def test_one_frame_is_enough_and_none_is_too_few(player):
    film = Film(*(value and value[:1] for value in player.film[:2]), np.zeros(1), None)
    one = Player(film, player.readings[:1])
    assert len(one) == 1 and "left:0.00%" in one.view(0)
    one.widget()
    with pytest.raises(ValueError, match="at least one"):
        Player(Film([], [], np.empty(0), None), [])
    with pytest.raises(ValueError, match="as many"):
        Player(player.film, player.readings[:-1])
