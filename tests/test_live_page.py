"""The live page in a real browser: a camera, a recording, neither, no network; figures to play with."""

import http.server
import json
import os
import shutil
import subprocess
import threading
import urllib.request
from functools import partial
from itertools import pairwise
from pathlib import Path

import numpy as np
import pytest
import torch

from strm import book_vendor
from strm.bundle import WEIGHTS, load
from strm.files import UserError
from strm.landmarks import Hand, normalise
from strm.live import build
from strm.stream import Recognizer
from strm.studio.album import word_video

CHROMIUM = next((path for path in map(shutil.which, ("chromium", "chromium-browser")) if path), None)
FLAGS = ["--no-sandbox", "--disable-quic", "--no-first-run", "--disable-background-networking"]
FLAGS += ["--disable-component-update", "--disable-sync"]
SPELT = "WAVE"  # of still letters, which bear a browser that has no time for every frame


def _skip(reason: str) -> None:
    if os.environ.get("STRM_CI"):
        pytest.fail(reason)
    pytest.skip(reason)


@pytest.fixture(scope="module")
def built(tmp_path_factory) -> Path:
    folder = tmp_path_factory.mktemp("live")
    try:
        build(folder)
    except UserError as error:
        _skip(f"the page could not be built: {error}")
    return folder


class Server:
    """The built page, served to this machine; which files pages and service workers asked for."""

    def __init__(self, folder: Path):
        asked = self.asked = []

        class Quiet(http.server.SimpleHTTPRequestHandler):
            def log_message(self, *words):
                asked.append(self.path)

            def end_headers(self):  # what is kept is the service worker's doing, not the browser's own cache
                self.send_header("Cache-Control", "no-store")
                super().end_headers()

        self._server = http.server.ThreadingHTTPServer(
            ("127.0.0.1", 0), partial(Quiet, directory=str(folder))
        )
        threading.Thread(target=self._server.serve_forever, daemon=True).start()
        self.url = f"http://127.0.0.1:{self._server.server_address[1]}"

    def stop(self) -> None:
        self._server.shutdown()
        self._server.server_close()


@pytest.fixture(scope="module")
def site(built):
    server = Server(built)
    yield server.url
    server.stop()


class Opened:
    """A page in a browser of its own, and everything that it asked for or complained of."""

    def __init__(
        self, playwright, site: str, *flags: str, path: str = "/", ready: str = "strmSeen.ready", **context
    ):
        self.site, self.asked, self.complaints = site, [], []
        launched = playwright.chromium.launch(executable_path=CHROMIUM, args=[*FLAGS, *flags])
        self.context = launched.new_context(**context)
        self.page = self.context.new_page()
        self.page.on("request", lambda request: self.asked.append(request.url))
        self.page.on("pageerror", lambda error: self.complaints.append(str(error)))
        self.page.on("console", self._heard)
        self.page.goto(site + path)
        self.wait(ready)

    def _heard(self, message):
        if message.text.startswith("INFO:"):  # MediaPipe says on the error stream what it computes with
            return
        if message.type == "error" or "Content Security Policy" in message.text:
            self.complaints.append(message.text)

    def wait(self, condition: str, seconds: float = 60) -> None:
        self.page.wait_for_function(f"() => {condition}", timeout=1000 * seconds)

    def status(self) -> str:
        return self.page.inner_text("#status")

    def text(self) -> str:
        return self.page.inner_text("#text").strip()

    def frames(self) -> list[dict]:
        return self.page.evaluate("() => strmSeen.frames")

    def is_clean(self) -> None:
        assert not self.complaints
        foreign = [url for url in self.asked if not url.startswith((self.site, "data:", "blob:"))]
        assert not foreign, "the page asked another computer"


@pytest.fixture
def browser():
    if CHROMIUM is None:
        _skip("Chromium is not installed: the page was not opened")
    playwright_api = pytest.importorskip("playwright.sync_api")
    with playwright_api.sync_playwright() as playwright:
        yield partial(Opened, playwright)


@pytest.fixture
def opened(browser, site):
    return partial(browser, site)


def play(page: Opened, clip: str) -> None:
    """Step through a recording, a frame at a time, as the button 'One frame on' does."""
    page.page.evaluate(f"() => strmPlay.show('{clip}')")
    page.wait("strmSeen.frames.length === 1")
    last = int(page.page.get_attribute("#frame", "max"))
    page.page.evaluate(f"() => {{ for (let i = 0; i < {last}; i++) document.getElementById('on').click(); }}")
    page.wait(f"strmSeen.frames.length === {last + 1}")


def test_a_recorded_word_with_moving_letters_is_written_as_python_writes_it(opened):
    page = opened()
    play(page, "word")
    assert page.text() == "JAZZ"
    recognizer = Recognizer(load(WEIGHTS))
    for frame in page.frames():
        hand = frame["hand"] and Hand(
            np.array(frame["hand"]["points"], np.float32).reshape(21, 3),
            frame["hand"]["side"],
            1.0,
            frame["hand"]["width"],
            frame["hand"]["height"],
        )
        reading = recognizer.step(hand, frame["t"])
        assert (frame["committed"], frame["replaced"], frame["text"]) == (
            reading.committed,
            reading.replaced,
            reading.text,
        )
        assert frame["confidence"] == pytest.approx(reading.confidence, abs=1e-4)
    page.is_clean()


def test_held_still_the_same_poses_are_no_movement(opened):
    page = opened()
    play(page, "held")
    assert not set("JZ") & set(page.text())
    page.is_clean()


def test_without_the_state_the_moving_letters_are_lost(opened):
    page = opened()
    page.page.uncheck("#stateful")
    play(page, "word")
    assert page.text() != "JAZZ" and "J" not in page.text()
    page.is_clean()


@pytest.fixture(scope="module")
def camera(tmp_path_factory) -> Path:
    """A film for the browser's fake camera: a drawn hand that spells a word, again and again."""
    if shutil.which("ffmpeg") is None:
        _skip("ffmpeg is not installed: there is no film for the fake camera")
    folder = tmp_path_factory.mktemp("camera")
    word_video(SPELT, folder / "word.mp4")
    film = folder / "hand.mjpeg"
    command = ["ffmpeg", "-loglevel", "error", "-i", str(folder / "word.mp4"), "-vf", "scale=480:480"]
    command += ["-c:v", "mjpeg", "-q:v", "4", "-pix_fmt", "yuvj420p"]
    subprocess.run([*command, "-f", "mjpeg", str(film)], check=True)
    return film


def film(path: Path) -> list[str]:
    flags = ["--use-fake-ui-for-media-stream", "--use-fake-device-for-media-stream"]
    return [*flags, f"--use-file-for-fake-video-capture={path}"]


def test_the_camera_writes_what_the_hand_shows(opened, camera):
    page = opened(*film(camera))
    page.page.click("#camera")
    # The film begins anew again and again, wherever we came in.
    page.wait(f"document.getElementById('text').textContent.includes('{SPELT}')", seconds=180)
    page.page.click("#stop")
    assert page.status() == "Stopped."
    assert any(frame["hand"] for frame in page.frames())
    page.is_clean()


def test_a_camera_that_is_no_longer_wanted_is_let_go_even_if_it_came_late(opened, camera):
    """Stop, or the recording, while the detector still loads: no camera starts behind the reader's back."""
    page = opened(*film(camera))
    page.page.evaluate(
        "() => { const ask = navigator.mediaDevices.getUserMedia.bind(navigator.mediaDevices);"
        " window.lent = []; navigator.mediaDevices.getUserMedia = async (what) => {"
        " const stream = await ask(what); lent.push(...stream.getTracks()); return stream; } }"
    )
    page.page.click("#camera")
    page.page.click("#camera")
    page.page.click("#stop")
    page.wait("lent.length === 2 && lent.every((track) => track.readyState === 'ended')")
    assert page.status() == "Stopped."
    page.page.click("#camera")
    page.page.click("#play")
    page.wait("document.getElementById('status').textContent === 'The recording spelt JAZZ.'", seconds=90)
    page.wait("lent.length === 3 && lent.every((track) => track.readyState === 'ended')")
    assert len(page.frames()) == 1 + int(page.page.get_attribute("#frame", "max")), "of the recording only"
    page.is_clean()


def test_without_a_camera_the_recording_plays(opened):
    page = opened()
    page.page.click("#camera")
    page.wait("document.getElementById('text').textContent === 'JAZZ'", seconds=90)
    page.is_clean()


def test_from_across_the_room_the_reader_learns_why_there_is_no_camera(browser, site):
    """A page of another computer without https: the camera exists, and the browser does not lend it."""
    there = site.replace("127.0.0.1", "teacher.test")
    page = browser(there, "--host-resolver-rules=MAP teacher.test 127.0.0.1", *film(Path("none")))
    page.page.click("#camera")
    page.wait("document.getElementById('status').textContent.includes('only to pages of https')")
    page.wait("strmSeen.frames.length > 3")
    page.is_clean()


def test_a_refused_camera_is_told_in_a_sentence(opened):
    page = opened("--use-fake-device-for-media-stream", permissions=[])
    page.page.evaluate(
        "() => { navigator.mediaDevices.getUserMedia = async () => {"
        " throw new DOMException('', 'NotAllowedError') } }"
    )
    page.page.click("#camera")
    page.wait("document.getElementById('status').textContent.includes('allow it')")
    page.is_clean()


def test_the_recording_plays_offline_after_the_first_load_which_leaves_the_detector_alone(browser, built):
    server = Server(built)
    page = browser(server.url)
    page.wait("navigator.serviceWorker.controller !== null", seconds=90)
    assert "/weights.bin" in server.asked and not [path for path in server.asked if "vendor" in path]
    server.stop()
    page.page.reload()
    page.wait("strmSeen.ready")
    play(page, "word")
    assert page.text() == "JAZZ"


def test_the_camera_works_offline_once_it_was_used(browser, built, camera):
    server = Server(built)
    page = browser(server.url, *film(camera))
    page.wait("navigator.serviceWorker.controller !== null", seconds=90)
    page.page.click("#camera")
    page.wait("strmSeen.frames.some((frame) => frame.hand)", seconds=180)
    heavy = {path for path in server.asked if "vendor" in path}
    assert len(heavy) == 4, "its program, the program's loader, its code, its nets"
    page.wait(
        f"Promise.all({sorted(heavy)}.map((path) => caches.match(path))).then((all) => all.every(Boolean))"
    )
    server.stop()
    page.page.reload()
    page.wait("strmSeen.ready")
    page.page.click("#camera")
    page.wait("strmSeen.frames.some((frame) => frame.hand)", seconds=180)


def test_keys_edit_the_text_and_practice_counts(opened):
    page = opened()
    page.page.click("summary")
    page.page.fill("#word", "jazz")
    page.page.press("#word", "Enter")
    assert page.page.inner_text("#score") == "Spell JAZZ."
    assert page.page.locator("#letters img").count() == 4
    play(page, "word")
    assert page.page.inner_text("#score") == "JAZZ: done, with 0 wrong on the way."
    page.page.locator("#status").click()
    for key, text in ((" ", "JAZZ "), ("Backspace", "JAZZ"), ("Backspace", "JAZ"), ("Delete", "")):
        page.page.keyboard.press(key)
        assert page.page.text_content("#text") == text, key
    page.is_clean()


def test_a_new_word_to_practise_forgives_no_slip_of_the_last_one(opened):
    page = opened()
    said = page.page.evaluate(
        "async () => { const { Practice } = await import('./practice.mjs');"
        " const practice = new Practice(['A', 'D', 'Z']); practice.begin('A'); practice.take('D', null);"
        " practice.begin('ZA'); practice.take('Z', 'D'); return practice.take('A', null); }"
    )
    assert said == "ZA: done, with 0 wrong on the way."


def test_keys_with_control_are_the_browsers(opened):
    page = opened()
    play(page, "word")
    page.page.locator("#status").click()
    page.page.keyboard.press("Control+Delete")
    page.page.keyboard.press("Alt+Backspace")
    assert page.text() == "JAZZ"


def test_what_is_told_aloud_changes_only_with_its_words(opened):
    """A screen reader would repeat the text with every frame."""
    page = opened()
    page.page.evaluate(
        "() => { window.changes = 0; const count = new MutationObserver((all) => changes += all.length);"
        " for (const id of ['text', 'status'])"
        " count.observe(document.getElementById(id), { childList: true }); }"
    )
    play(page, "held")
    page.page.evaluate("() => new Promise((go) => setTimeout(go, 0))")
    before = page.page.evaluate("() => changes")
    frames = page.frames()
    texts = sum(a["text"] != b["text"] for a, b in pairwise(frames))
    assert before <= 2 + len(frames) + texts, "each frame's number, and the text where it changed"
    assert page.page.get_attribute("#letter", "aria-live") == "off", "letters flicker; the text is told"


@pytest.fixture
def figure(opened):
    """Open one of the figures that a reader plays with."""
    ready = "document.body.dataset.ready"
    return lambda name, **context: opened(path=f"/play.html?figure={name}", ready=ready, **context)


def set_slider(page: Opened, name: str, keys: str, times: int = 1) -> None:
    page.page.focus(f"#{name}")
    for _ in range(times):
        page.page.keyboard.press(keys)


def played(page: Opened) -> dict:
    return page.page.evaluate("() => strmPlayed")


def hand_of(site: str, number: int) -> torch.Tensor:
    """A hand of the figures as the model reads it in Python."""
    one = json.loads(urllib.request.urlopen(f"{site}/hands.json").read())[number]
    points = np.array(one["points"], np.float32).reshape(21, 3)
    x, _ = normalise(points, one["width"], one["height"], one["side"])
    return torch.tensor(x)[None]


def test_a_thought_settles_in_the_page_as_in_python(figure, site):
    page = figure("settle")
    page.page.select_option("#hand", "3")
    set_slider(page, "cycles", "ArrowRight")
    set_slider(page, "updates", "ArrowRight", 2)
    told, model = played(page), load(WEIGHTS).model
    model.T_deep, model.n_latent = model.T_deep + 1, model.n_latent + 2
    with torch.inference_mode():
        answers = model(hand_of(site, 3), return_all_outputs=True)
    assert len(told["steps"]) == 1 + 3 * (4 + 1)
    np.testing.assert_allclose(told["answers"], torch.cat(answers), atol=1e-3)
    set_slider(page, "step", "End")
    names, last = load(WEIGHTS).class_names, answers[-1][0]
    best = names[int(last.argmax())]
    share = f"{float(last.softmax(-1).max()):.0%}"
    assert f"it would say {best}, {share}" in page.page.inner_text("#said")
    assert "Cycle 3, y is written" in page.page.inner_text("#said")
    page.is_clean()


def test_the_answers_side_by_side_are_pythons(figure, site):
    page = figure("answers")
    page.page.select_option("#hand", "7")
    model = load(WEIGHTS).model
    with torch.inference_mode():
        answers = model(hand_of(site, 7), return_all_outputs=True)
    np.testing.assert_allclose(played(page)["answers"], torch.cat(answers), atol=1e-3)
    assert page.page.locator("section").count() == len(answers)
    page.is_clean()


def test_a_word_is_scrubbed_by_keys_and_loses_its_moving_letters_without_the_state(figure):
    page = figure("word")
    assert played(page)["text"] == "JAZZ"
    set_slider(page, "frame", "End")
    assert page.page.inner_text(".text") == "JAZZ" and "Frame 186 of 186" in page.page.inner_text("#said")
    set_slider(page, "frame", "Home")
    assert page.page.inner_text(".text") == ""
    page.page.focus("#stateful")
    page.page.keyboard.press("Space")
    assert played(page)["text"] != "JAZZ" and "J" not in played(page)["text"]
    page.is_clean()


def blocking(page: Opened, tmp_path: Path) -> list:
    """What axe-core finds serious."""
    book_vendor.unpack(Path(__file__).parent / "vendor.json", tmp_path)
    page.page.evaluate((tmp_path / "axe-core" / "axe.min.js").read_text("utf-8"))
    found = page.page.evaluate("() => axe.run()")["violations"]
    return [(one["id"], one["nodes"][0]["html"]) for one in found if one["impact"] in ("serious", "critical")]


@pytest.mark.parametrize("theme", ["light", "dark"])
@pytest.mark.parametrize("name", ["settle", "answers", "word"])
def test_nothing_stands_in_a_players_way(figure, tmp_path, theme, name):
    page = figure(name, color_scheme=theme, viewport={"width": 390, "height": 800}, bypass_csp=True)
    assert not blocking(page, tmp_path)
    assert page.page.evaluate("() => document.documentElement.scrollWidth <= innerWidth"), (
        "it scrolls sideways"
    )


@pytest.mark.parametrize("theme", ["light", "dark"])
@pytest.mark.parametrize("width", [1280, 390])
def test_nothing_stands_in_a_readers_way(opened, tmp_path, theme, width):
    page = opened(color_scheme=theme, viewport={"width": width, "height": 900}, bypass_csp=True)
    play(page, "word")
    assert not blocking(page, tmp_path)
    assert page.page.evaluate("() => document.documentElement.scrollWidth <= innerWidth"), (
        "it scrolls sideways"
    )


def test_what_is_kept_at_once_is_everything_but_the_detector(built):
    listed = json.loads((built / "files.json").read_text("utf-8"))["files"]
    files = {path.relative_to(built).as_posix() for path in built.rglob("*") if path.is_file()}
    detector = {name for name in files if name.startswith("vendor/")}
    assert {"vendor/hand_landmarker.task", "vendor/LICENSE-mediapipe.txt"} < detector
    assert set(listed) == files - detector - {"worker.js", "files.json"} | {"./"}
    light = sum((built / name).stat().st_size for name in listed if name != "./")
    assert light < 3e6, "who only reads the book loads this behind the page"
