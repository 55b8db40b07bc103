"""The player in a real JupyterLab: play, scrub, reset, a camera; what stands there is what Python reads."""

import json
import os
import secrets
import socket
import subprocess
import sys
import time
import urllib.request
from importlib.util import find_spec
from pathlib import Path

import pytest

from strm import book_print
from strm.bundle import WEIGHTS, load
from strm.filmed import open_film
from strm.notebook import FAR
from strm.recorder import Recorder
from strm.stream import Recognizer
from strm.studio.ship import FOLDER
from strm.widgets import Player

ROOT = Path(__file__).parents[1]
JAZZ, J = str(FOLDER / "JAZZ.mp4"), str(FOLDER / "J.mp4")
SET_UP = """
from strm.bundle import WEIGHTS, load
from strm.filmed import open_film
from strm.notebook_camera import watch
from strm.stream import Recognizer
from strm.widgets import Player

bundle = load(WEIGHTS)


def player(film):
    reader = Recognizer(bundle)
    return Player(film, [reader.step(*now) for now in zip(film.hands, film.t_ms)])
"""
# A camera that is not there, and one that is a film.
CELLS = {
    "shipped": f"player(open_film({JAZZ!r})).show()",
    "video": f"player(open_film({J!r}, detect=True)).show()",
    "recorded": "player(open_film('mine.csv')).show()",
    "camera": f"watch(bundle, {J!r})",
    "gone": f"watch(bundle, 97, player(open_film({J!r})))",
}
# Now and then JupyterLab or its kernel loses a request, and waits for its answer for ever: then begin anew.
RUN = """async () => {
  await jupyterapp.serviceManager.ready;
  const panel = jupyterapp.shell.currentWidget;
  await panel.revealed;
  await panel.sessionContext.ready;
  for (let attempt = 0; attempt < 3; attempt++) {
    const late = new Promise((resolve) => setTimeout(() => resolve('late'), 90000));
    const run = jupyterapp.commands.execute('notebook:run-all-cells');
    if (await Promise.race([run, late]) !== 'late') return true;
    await panel.sessionContext.session.kernel.restart();
  }
  return false;
}"""
QUIET = '{"fetchNews": "false", "checkForUpdates": false}'


def notebook(cells: list[str]) -> str:
    """A notebook of these cells, as JSON."""
    empty = {"cell_type": "code", "metadata": {}, "outputs": [], "execution_count": None}
    made = [empty | {"id": f"cell-{i}", "source": source} for i, source in enumerate(cells)]
    kernel = {"kernelspec": {"name": "python3", "display_name": "Python 3", "language": "python"}}
    return json.dumps({"cells": made, "metadata": kernel, "nbformat": 4, "nbformat_minor": 5})


def asked(address: str, token: str, method: str = "GET") -> bool:
    """Whether a server answers."""
    request = urllib.request.Request(address, method=method, headers={"Authorization": f"token {token}"})
    try:
        with urllib.request.urlopen(request, timeout=5):
            return True
    except OSError:
        return False


@pytest.fixture(scope="module")
def lab(tmp_path_factory, missing):
    """A JupyterLab of its own, with nothing of this computer's settings: (address, token)."""
    if find_spec("jupyterlab") is None:
        missing("no JupyterLab: nobody pressed play")
    home = tmp_path_factory.mktemp("lab")
    work, quiet = home / "work", home / "settings" / "@jupyterlab" / "apputils-extension"
    work.mkdir()
    quiet.mkdir(parents=True)
    (quiet / "notification.jupyterlab-settings").write_text(QUIET, "utf-8")
    (work / "player.ipynb").write_text(notebook([SET_UP, *CELLS.values()]), "utf-8")
    record(work / "mine.csv")
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    token, address = secrets.token_hex(16), f"http://127.0.0.1:{port}"
    own = {"JUPYTER_TOKEN": token, "PYTHONPATH": str(ROOT), "OMP_NUM_THREADS": "1"}
    own |= {f"JUPYTER_{name}_DIR": str(home / name) for name in ("CONFIG", "DATA", "RUNTIME")}
    own |= {"JUPYTERLAB_SETTINGS_DIR": str(home / "settings"), "IPYTHONDIR": str(home / "ipython")}
    own |= {"JUPYTERLAB_WORKSPACES_DIR": str(home / "workspaces")}
    kept = {name: value for name, value in os.environ.items() if name not in FAR}
    options = ["--no-browser", f"--port={port}", "--port-retries=0", "--ip=127.0.0.1", "--allow-root"]
    options += [f"--ServerApp.root_dir={work}", "--LabApp.expose_app_in_browser=True"]
    log = (home / "log").open("wb")
    command = [sys.executable, "-m", "jupyterlab", *options]
    server = subprocess.Popen(command, cwd=work, env=kept | own, stdout=log, stderr=subprocess.STDOUT)
    try:
        end = time.monotonic() + 120
        while not asked(f"{address}/api/status", token):
            assert server.poll() is None and time.monotonic() < end, (home / "log").read_text("utf-8")
            time.sleep(0.2)
        yield address, token
        asked(f"{address}/api/shutdown", token, "POST")  # its kernels, too
        server.wait(60)
    finally:
        server.kill()
        server.wait()
        log.close()


def record(path: Path) -> None:
    """Record the shipped word as `strm demo --record` does."""
    film, recorder = open_film(JAZZ), Recorder(path, "ann")
    recorder.begin("J")
    for hand, t_ms in zip(film.hands, film.t_ms, strict=True):
        recorder.take(hand, t_ms)
    recorder.end()


@pytest.fixture(scope="module")
def page(lab, missing):
    """The notebook in a browser, all its cells run."""
    if not book_print.chromium():
        missing("no Chromium, Chrome or Edge: nobody pressed play")
    from playwright.sync_api import sync_playwright

    address, token = lab
    foreign: list[str] = []
    own = (address, address.replace("http", "ws"), "data:", "blob:")
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=book_print.chromium(), args=["--no-sandbox"])
        opened = browser.new_page(viewport={"width": 1280, "height": 1600})
        opened.on("request", lambda asked: None if asked.url.startswith(own) else foreign.append(asked.url))
        opened.set_default_timeout(120_000)
        opened.goto(f"{address}/lab/tree/player.ipynb?token={token}")
        opened.wait_for_function("() => window.jupyterapp && jupyterapp.shell.currentWidget?.sessionContext")
        assert opened.evaluate(RUN), "the notebook did not run to its end in three attempts"
        yield opened
        browser.close()
    assert not foreign, "the notebook asked another computer"


def python(film) -> Player:
    """The same player in this process."""
    reader = Recognizer(load(WEIGHTS))
    return Player(film, [reader.step(*now) for now in zip(film.hands, film.t_ms, strict=True)])


class Shown:
    """One cell's output, as one sees it."""

    def __init__(self, page, name: str):
        self.page = page
        self.cell = page.locator(".jp-CodeCell").nth(1 + list(CELLS).index(name))
        self.handle = self.cell.get_by_role("slider")
        self.number = self.cell.get_by_label("frame")

    def press(self, name: str) -> None:
        self.cell.get_by_role("button", name=name).click()

    def playing(self) -> bool:
        return "mod-active" in self.cell.get_by_role("button", name="Play").get_attribute("class")

    def says(self) -> tuple[str, str]:
        """The text so far, and the big letter (or that there is none)."""
        text = self.cell.locator("[role=status] b").inner_text().strip()
        return text, self.cell.locator("b").nth(1).inner_text()

    def frame(self) -> int:
        return int(self.number.input_value())

    def until(self, true, what: str, seconds: float = 60) -> None:
        end = time.monotonic() + seconds
        while not true():
            assert time.monotonic() < end, f"{what}: {self.cell.locator('.jp-OutputArea').inner_text()}"
            self.page.wait_for_timeout(50)

    def stands_as(self, player: Player) -> None:
        """Hold what stands at this frame against Python's reading of it."""
        reading, i = player.reading(self.frame()), self.frame()
        hand = player.film.hands[player.shown[i]]
        letter = reading.letter or (player.words.nothing if hand else player.words.no_hand)
        self.until(lambda: self.says() == (reading.text, letter), f"frame {i} is not {reading}", 20)
        assert f"read: {letter}." in self.cell.locator("img").first.get_attribute("alt")


def test_play_goes_to_the_end_and_reset_back_to_the_beginning(page):
    shown, player = Shown(page, "shipped"), python(open_film(JAZZ))
    last = len(player) - 1
    assert shown.frame() == 0 and shown.says() == ("", "no hand")
    shown.press("Play")
    shown.until(lambda: shown.frame() == last, "it does not play")
    assert shown.says()[0] == "JAZZ" == player.reading(last).text
    shown.stands_as(player)
    for _ in range(3):  # reset overtakes the frames that are still on their way
        # At the last frame it plays on for a moment: who presses then has pressed stop.
        shown.until(lambda: not shown.playing(), "it never stops playing")
        shown.press("Play")
        shown.until(lambda: 5 < shown.frame() < last, "it does not play again")
        shown.press("Reset")
        shown.until(lambda: shown.frame() == 0 and shown.says()[0] == "", "reset does nothing")
        page.wait_for_timeout(500)
        assert shown.frame() == 0 and shown.says() == ("", "no hand"), "it did not stay there"


def test_keys_and_mouse_scrub_and_every_frame_says_what_python_reads(page):
    shown, player = Shown(page, "shipped"), python(open_film(JAZZ))
    for escape in (True, False):  # JupyterLab's own keys are others after Escape
        shown.cell.locator(".jp-InputArea-editor").click()
        if escape:
            page.keyboard.press("Escape")
        shown.number.fill("0")
        for key, wanted in (("ArrowUp", 1), ("ArrowUp", 2), ("ArrowDown", 1), *[("ArrowUp", None)] * 20):
            page.keyboard.press(key)
            shown.until(lambda wanted=wanted: wanted in (None, shown.frame()), f"{key} goes elsewhere")
        shown.until(lambda: shown.frame() == 21, "a key was lost")
        shown.stands_as(player)
    shown.number.fill(str(len(player) - 1))
    shown.stands_as(player)
    bar, knob = shown.cell.locator(".noUi-base").bounding_box(), shown.handle.bounding_box()
    page.mouse.move(knob["x"] + knob["width"] / 2, knob["y"] + knob["height"] / 2)
    page.mouse.down()
    for share in (0.8, 0.45, 0.2, 0.6):
        page.mouse.move(bar["x"] + share * bar["width"], bar["y"] + bar["height"] / 2, steps=4)
        shown.until(lambda share=share: abs(shown.frame() / len(player) - share) < 0.05, "the mouse is lost")
        shown.stands_as(player)
    page.mouse.up()


def test_a_video_and_a_recording_are_played_as_python_reads_them(page, tmp_path):
    record(tmp_path / "mine.csv")
    films = {"video": open_film(J, detect=True), "recorded": open_film(tmp_path / "mine.csv")}
    for name, text in (("video", "J"), ("recorded", "JAZZ")):
        shown, player = Shown(page, name), python(films[name])
        for frame in (9, 14, len(player) - 1):
            shown.number.fill(str(frame))
            shown.stands_as(player)
        assert shown.frame() == len(player) - 1 and shown.says()[0] == text


def test_a_camera_is_read_until_it_stops_and_reset_clears(page):
    shown = Shown(page, "camera")
    shown.press("Start")
    shown.until(lambda: "is over" in shown.cell.inner_text(), "it never ended")
    assert shown.says()[0] == "J"
    shown.press("Reset")
    shown.until(lambda: shown.says()[0] == "", "reset leaves the text")
    shown.press("Start")
    shown.until(lambda: shown.cell.locator("img").count() > 0, "it does not start again")
    shown.press("Stop")
    shown.until(lambda: "the camera is free" in shown.cell.inner_text(), "it does not stop")


def test_without_a_camera_it_says_so_and_the_clip_plays(page):
    shown = Shown(page, "gone")
    shown.press("Start")
    shown.until(lambda: shown.handle.count() == 1, "no clip came")
    assert "No camera 97 answers on this computer" in shown.cell.inner_text()
    shown.press("Play")
    shown.until(lambda: shown.says()[0] == "J", "the clip does not play")
