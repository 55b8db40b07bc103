"""A camera in a notebook: read, stopped, given back; the browser's on Colab; none at all."""

import base64
import json
import shutil
import subprocess
import sys
import threading
from pathlib import Path
from types import SimpleNamespace

import cv2
import numpy as np
import pytest

from strm import book_print, colab_camera, notebook, notebook_camera
from strm.bundle import WEIGHTS, load
from strm.filmed import Film
from strm.landmarks import HandDetector
from strm.notebook_camera import CameraWords, Watch, watch
from strm.pictures import sample
from strm.stream import Recognizer
from strm.studio.ship import FOLDER
from strm.widgets import Player

WORDS = CameraWords()
LETTER = "A"  # the one of the film that a browser reads though it has no time for every frame
KEEP_TRACK = """() => {
  const ask = navigator.mediaDevices.getUserMedia.bind(navigator.mediaDevices);
  navigator.mediaDevices.getUserMedia = async (what) => {
    const stream = await ask(what);
    window.track = stream.getTracks()[0];
    return stream;
  };
}"""
J, JAZZ = str(FOLDER / "J.mp4"), FOLDER / "JAZZ.mp4"


@pytest.fixture(scope="module")
def bundle():
    return load(WEIGHTS)


@pytest.fixture(scope="module")
def clip(bundle) -> Player:
    film = Film([np.zeros((8, 8, 3), np.uint8)], [None], np.zeros(1), None)
    return Player(film, [Recognizer(bundle).step(None, 0.0)])


@pytest.fixture(autouse=True)
def at_home(monkeypatch):
    """A notebook on the reader's own computer, with somebody before it."""
    for name in (*notebook.FAR, "KAGGLE_KERNEL_RUN_TYPE"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.delitem(sys.modules, "google.colab", raising=False)
    monkeypatch.setattr(notebook, "live", lambda: True)
    monkeypatch.setattr("strm.widgets.live", lambda: True)


@pytest.fixture
def shown(monkeypatch) -> list:
    """What the notebook displays."""
    kept: list = []
    monkeypatch.setattr("IPython.display.display", kept.append)
    return kept


class Camera:
    """Stands in for OpenCV's: a black picture for as long as one asks, every third one lost."""

    taken: list["Camera"] = []  # noqa: RUF012

    def __init__(self, source):
        self.open, self.count = not any(other.open for other in Camera.taken), 0
        Camera.taken.append(self)

    def isOpened(self):
        return self.open

    def set(self, *words):
        return True

    def get(self, what):
        return 30.0

    def read(self):
        self.count += 1
        return self.count % 3 > 0, np.zeros((48, 64, 3), np.uint8)

    def release(self):
        self.open = False


@pytest.fixture
def camera(monkeypatch):
    monkeypatch.setattr(Camera, "taken", [])
    monkeypatch.setattr(cv2, "VideoCapture", Camera)
    return Camera


def begun(bundle, source, clip=None, limit_s=60.0) -> Watch:
    one = Watch(Recognizer(bundle), source, clip, WORDS, limit_s)
    one.start.click()
    return one


def finish(one: Watch) -> Watch:
    one._thread.join(60)
    assert not one._thread.is_alive()
    return one


def wait_for(one: Watch, words: str) -> None:
    waiting = threading.Event()
    for _ in range(600):
        if one.message.value == words:
            return
        waiting.wait(0.05)
    pytest.fail(f"it never said {words!r}, but {one.message.value!r}")


def test_what_a_camera_shows_is_read_and_the_text_goes_on_until_a_reset(bundle):
    one = finish(begun(bundle, J))
    assert one.recognizer.text == "J" and ">J</b>" in one.text.value
    assert "J.mp4 is over." in one.message.value
    assert one.stop.disabled and not one.start.disabled
    assert "read: " in one.view.value and "data:image/jpeg;base64," in one.view.value
    one.start.click()
    assert finish(one).recognizer.text == "JJ"
    one.reset.click()
    assert one.recognizer.text == "" and "&nbsp;" in one.text.value


def test_stop_frees_the_camera(bundle, camera):
    one = begun(bundle, 0)
    wait_for(one, WORDS.on)
    one.stop.click()
    assert one.message.value == WORDS.stopped and not camera.taken[-1].open
    assert Watch.running is None
    again = begun(bundle, 0)
    wait_for(again, WORDS.on)
    again.stop.click()


def test_a_cell_that_is_run_again_takes_the_camera_from_the_first(bundle, camera, shown):
    one = begun(bundle, 0)
    wait_for(one, WORDS.on)
    watch(bundle, 0)
    assert one.message.value == WORDS.stopped and len(shown) == 1
    assert not any(taken.open for taken in camera.taken), "nothing is opened before Start is pressed"


def test_nobody_is_watched_for_ever(bundle, camera):
    one = finish(begun(bundle, 0, limit_s=0.3))
    assert one.message.value == "Stopped after 0 s: the camera is free." and not camera.taken[-1].open


def test_a_camera_that_goes_away_is_waited_for(bundle, camera):
    said = []
    one = Watch(Recognizer(bundle), 0, None, WORDS, 1.0)
    one.message.observe(lambda change: said.append(change["new"]), "value")
    one.start.click()
    finish(one)
    assert WORDS.away in said and WORDS.on in said[said.index(WORDS.away) :], "every third picture is lost"


def test_the_mirror_is_for_eyes_only(bundle, camera, monkeypatch):
    seen = []
    picture = np.zeros((48, 64, 3), np.uint8)
    picture[:, :32] = 200
    monkeypatch.setattr(Camera, "read", lambda self: (True, picture))
    monkeypatch.setattr(HandDetector, "detect", lambda self, rgb, t_ms=None: seen.append(rgb))
    one = begun(bundle, 0)
    wait_for(one, WORDS.on)
    one.stop.click()
    shown = colab_camera.opened(one.view.value.partition('src="')[2].partition('"')[0])
    assert (seen[-1] == picture).all(), "the detector sees what the camera gives"
    assert shown[:, :24].mean() < 20 and shown[:, 40:].mean() > 180


def test_without_a_camera_the_clip_is_there(bundle, clip):
    one = finish(begun(bundle, 97, clip))
    assert one.message.value == "No camera 97 answers on this computer, so here is the clip instead."
    assert "no hand" in one.box.children[-1].children[-1].value
    assert not one.start.disabled, "one may plug it in, and try again"


def test_what_goes_wrong_in_a_thread_is_told(bundle, monkeypatch):
    monkeypatch.setattr(HandDetector, "detect", lambda *words, **more: {}["{oh}"])
    assert finish(begun(bundle, J)).message.value == "KeyError: &#x27;{oh}&#x27;"
    assert finish(begun(bundle, "gone.mp4")).message.value.startswith("KeyError")  # the detector comes first
    monkeypatch.undo()
    assert finish(begun(bundle, "gone{}.mp4")).message.value.startswith("There is no video gone{}.mp4")


# Where there is no camera


def test_where_nobody_asks_for_a_camera_a_sentence_is_all(bundle, monkeypatch, shown, capsys):
    watch(bundle, None)
    monkeypatch.setattr(notebook, "live", lambda: False)
    watch(bundle, 0)
    assert capsys.readouterr().out == f"{WORDS.off}\n" * 2 and not shown


@pytest.mark.parametrize(
    ("variable", "said"),
    [("KAGGLE_KERNEL_RUN_TYPE", WORDS.kaggle), *((name, WORDS.remote) for name in notebook.FAR)],
)
def test_far_from_every_camera_it_says_so_and_plays_the_clip(
    bundle, clip, variable, said, monkeypatch, shown, capsys
):
    monkeypatch.setenv(variable, "there")
    watch(bundle, 0, clip)
    assert capsys.readouterr().out == f"{said}\n" and len(shown) == 1 and "." in said
    watch(bundle, J, clip)
    assert isinstance(shown[1].children[1].value, str) and "J.mp4" in shown[1].children[1].value, (
        "a film can be read anywhere"
    )


def test_kaggle_is_kaggle_though_it_has_colabs_module(monkeypatch):
    monkeypatch.setitem(sys.modules, "google.colab", SimpleNamespace())
    assert notebook.place() == notebook.COLAB
    monkeypatch.setenv("KAGGLE_KERNEL_RUN_TYPE", "Interactive")
    assert notebook.place() == notebook.KAGGLE


@pytest.mark.parametrize(("version", "asked"), [("7.7.1", 0), ("8.1.9", 1), ("10.0.0", 1)])
def test_colab_is_asked_for_newer_widgets_than_its_own(version, asked, monkeypatch, shown):
    calls: list = []
    output = SimpleNamespace(enable_custom_widget_manager=lambda: calls.append(1))
    monkeypatch.setitem(sys.modules, "google.colab", SimpleNamespace(output=output))
    monkeypatch.setattr("ipywidgets.__version__", version)
    notebook.display("a widget")
    assert len(calls) == asked and shown == ["a widget"]


# The browser's camera, on Colab


class Browser:
    """Stands in for Colab's page: answers what the script would, and keeps what it was asked."""

    def __init__(self, *answers: dict, start: dict | None = None):
        self.asked: list[tuple] = []
        self.answers, self.start = list(answers), start or {}

    def eval_js(self, call: str, ignore_result: bool = False):
        name, _, told = call.removeprefix("strmCamera.").partition("(")
        self.asked.append((name, *json.loads(f"[{told[:-1]}]")))
        if ignore_result or name == "open":
            return None
        if name == "start":
            return self.start
        answer = self.answers.pop(0) if self.answers else {"pressed": ["stop"]}
        if isinstance(answer, BaseException):
            raise answer
        return answer

    def told(self, name: str) -> list:
        return [told for said, *told in self.asked if said == name]


def address(picture: np.ndarray) -> str:
    data = cv2.imencode(".jpg", cv2.cvtColor(picture, cv2.COLOR_RGB2BGR))[1].tobytes()
    return f"data:image/jpeg;base64,{base64.b64encode(data).decode()}"


@pytest.fixture
def colab(monkeypatch, shown):
    """A function that makes a notebook on Colab, whose page is a `Browser`."""

    def make(browser) -> None:
        monkeypatch.setitem(sys.modules, "google.colab", SimpleNamespace(output=browser))

    monkeypatch.setattr(notebook_camera, "Watch", SimpleNamespace(stop_running=lambda: None))
    monkeypatch.setattr("ipywidgets.__version__", "7.7.1")
    return make


def test_a_word_before_the_browsers_camera_is_read(bundle, colab, capsys):
    # A page that is asked rarely gives several pictures at once, each with its own time.
    frames = [[1000 + t_ms, address(picture)] for _, t_ms, picture in sample(JAZZ, 15.0)]
    browser = Browser(*({"frames": frames[i : i + 4], "pressed": []} for i in range(0, len(frames), 4)))
    colab(browser)
    watch(bundle, 0)
    names = [name for name, *_ in browser.asked]
    assert names[:2] == ["open", "start"] and names[-1] == "stop"
    assert "to Colab's machine" in browser.told("open")[0][0]["colab"], "said before the camera is asked for"
    last = browser.told("next")[-1][0]
    assert ">JAZZ</b>" in last["text"] and "Z " in last["letters"]
    assert any(told.get("hand") and len(told["hand"]) == 21 for (told,) in browser.told("next"))
    assert browser.told("stop") == [[WORDS.stopped]] and capsys.readouterr().out == ""


def test_reset_forgets_the_text_and_what_is_no_picture_is_left_out(bundle, colab):
    frames = [[t_ms, address(picture)] for _, t_ms, picture in sample(Path(J), 15.0)]
    broken = [[t, data] for t, data in zip((9e4, 9.1e4, 9.2e4), ("data:,", "data:,AAAA", "x,?"), strict=True)]
    browser = Browser({"frames": frames}, {"frames": [], "pressed": ["reset"]}, {"frames": broken})
    colab(browser)
    watch(bundle, 0)
    texts = [told["text"] for (told,) in browser.told("next")]
    assert ">J</b>" in texts[1] and "&nbsp;" in texts[2] and "&nbsp;" in texts[3]


@pytest.mark.parametrize(
    ("reason", "said"),
    [("NotAllowedError", "no camera (NotAllowedError)"), ("unasked", "Nobody pressed Start")],
)
def test_a_refused_camera_is_a_sentence_and_the_clip(bundle, clip, reason, said, colab, shown, capsys):
    browser = Browser(start={"reason": reason})
    colab(browser)
    watch(bundle, 0, clip)
    heard = capsys.readouterr().out
    assert said in heard and heard.count("\n") == 1 and len(shown) == 2  # the script, the clip
    assert browser.told("stop") == [[heard.strip()]] and not browser.told("next")


def test_an_interrupt_ends_it_without_a_word_too_many(bundle, colab, capsys):
    browser = Browser(KeyboardInterrupt())
    colab(browser)
    watch(bundle, 0)
    assert browser.told("stop") == [[WORDS.stopped]] and capsys.readouterr().out == ""


def test_nobody_is_watched_for_ever_on_colab(bundle, colab):
    browser = Browser(*[{"frames": []}] * 1000)
    colab(browser)
    watch(bundle, 0, limit_s=0.0)
    assert browser.told("stop") == [["Stopped after 0 s: the camera is free."]]


def test_a_page_that_was_closed_does_not_hold_the_notebook(bundle, colab, monkeypatch, capsys):
    class Closed(Browser):
        def eval_js(self, call, ignore_result=False):
            answer = super().eval_js(call, ignore_result)
            while call.startswith("strmCamera.next") and not ignore_result:
                threading.Event().wait(0.01)  # as Colab's waits: for ever
            return answer

    monkeypatch.setattr(colab_camera, "ANSWER_S", 0.2)
    colab(browser := Closed())
    watch(bundle, 0)
    assert capsys.readouterr().out == f"{WORDS.lost}\n" and browser.told("stop") == [[WORDS.lost]]


@pytest.fixture
def page(tmp_path, missing):
    """A page of a real browser, whose camera sees a hand that spells a word again and again."""
    if shutil.which("ffmpeg") is None or not book_print.chromium():
        missing("no ffmpeg or no Chromium: the browser's camera was not opened")
    film = tmp_path / "hand.mjpeg"
    command = ["ffmpeg", "-loglevel", "error", "-i", str(JAZZ), "-vf", "scale=480:480", "-c:v", "mjpeg"]
    subprocess.run([*command, "-q:v", "4", "-pix_fmt", "yuvj420p", "-f", "mjpeg", str(film)], check=True)
    (tmp_path / "index.html").write_text("<!doctype html><title>an output of Colab</title>", "utf-8")
    from playwright.sync_api import sync_playwright

    flags = ["--no-sandbox", "--use-fake-ui-for-media-stream", "--use-fake-device-for-media-stream"]
    with sync_playwright() as playwright, book_print.served(tmp_path) as site:
        browser = playwright.chromium.launch(
            executable_path=book_print.chromium(), args=[*flags, f"--use-file-for-fake-video-capture={film}"]
        )
        opened = browser.new_page()
        opened.goto(site)
        yield opened
        browser.close()


def test_the_browsers_part_in_a_browser(bundle, colab, page, monkeypatch):
    wrong: list[str] = []
    page.on("pageerror", lambda error: wrong.append(str(error)))
    page.evaluate(KEEP_TRACK)
    monkeypatch.setattr("IPython.display.display", lambda script: page.evaluate(script.data))
    seen: list[str] = []

    class Page:
        """What Colab's page does when it is asked, and a reader who presses Start, Reset and Stop."""

        def eval_js(self, call, ignore_result=False):
            if call.startswith("strmCamera.start"):
                seen.append(page.inner_text("p"))
                assert not page.is_visible("canvas")
                page.get_by_role("button", name="Start").click()
            answer = page.evaluate(call)
            text = page.inner_text("[role=status] b") if page.locator("b").count() else ""
            if call.startswith("strmCamera.next") and LETTER in text:
                seen.append(page.evaluate("track.readyState"))
                assert page.is_visible("canvas") and "read: " in page.get_attribute("canvas", "aria-label")
                page.get_by_role("button", name="Reset" if len(seen) == 2 else "Stop").click()
            return answer

    colab(Page())
    watch(bundle, 0, limit_s=600.0)  # a busy computer reads few frames
    assert "to Colab's machine" in seen[0]
    assert seen[1] == "live" and page.evaluate("track.readyState") == "ended"
    assert len(seen) == 3, "the letter was written, gone after the reset, and written again"
    assert page.inner_text("p") == WORDS.stopped and not page.is_visible("canvas") and not wrong
