"""A camera in a notebook: `watch` reads the hand before it, live, until Stop or for two minutes.

The camera is the one of the computer that runs the notebook; on Colab, the browser's (`strm.colab_camera`).
Where there is none, a sentence says so and a clip is played instead.
"""

import html
import threading
import time
from dataclasses import dataclass
from typing import Any

import cv2
import numpy as np

from strm import moment, notebook
from strm.bundle import Bundle
from strm.camera import Frames
from strm.files import UserError
from strm.landmarks import Hand, HandDetector
from strm.moment import Words
from strm.stream import Reading, Recognizer
from strm.widgets import PLAYED_FPS, Player

SIZE = 640, 480  # asked of the camera: a notebook shows no more
LIMIT_S = 120.0


@dataclass(frozen=True)
class CameraWords(Words):
    """What a camera in a notebook says. {camera}: its number, {seconds}: how long it stays on."""

    off: str = "No camera was opened: in a running notebook, write its number into this cell and run it."
    kaggle: str = "Kaggle's notebooks have no camera, so here is the clip instead."
    remote: str = "This notebook runs on a computer far from your camera, so here is the clip instead."
    none: str = "No camera {camera} answers on this computer, so here is the clip instead."
    ready: str = "Start opens camera {camera} of the computer that runs this notebook, for {seconds:.0f} s."
    on: str = "The camera is on. Its pictures stay on the computer that runs this notebook, and none is kept."
    away: str = "The camera is away; waiting for it."
    stopped: str = "Stopped: the camera is free."
    late: str = "Stopped after {seconds:.0f} s: the camera is free."
    film: str = "Start reads {camera} as if it came from a camera."
    over: str = "{camera} is over."
    start: str = "Start"
    stop: str = "Stop"
    seen: str = "What the camera sees, mirrored; read: {letter}."
    # on Colab only
    colab: str = (
        "While your camera is on, your browser sends its pictures over the internet to Colab's machine, "
        "where this notebook reads them and keeps none. Start asks for your camera, for {seconds:.0f} s."
    )
    sending: str = "The camera is on, and its pictures go to Colab's machine."
    refused: str = "Your browser gave no camera ({reason}), so here is the clip instead."
    unasked: str = "Nobody pressed Start, so here is the clip instead."
    lost: str = "The browser does not answer any more: the camera is off."


def watch(
    bundle: Bundle,
    camera: int | str | None,
    clip: Player | None = None,
    words: CameraWords | None = None,
    limit_s: float = LIMIT_S,
    **settings: Any,
) -> None:
    """Read the hand before a camera, in this notebook.

    camera: its number, 0 the first; or a video, read as if it came from one; None to open none. On Colab the
    number does not matter: the browser chooses. clip: what is played where there is no camera.
    limit_s: seconds after which it stops by itself. settings: the `Recognizer`'s, such as smoothing.
    """
    words = words or CameraWords()
    Watch.stop_running()  # that of an earlier run of the cell
    if camera is None or not notebook.live():
        print(words.off)
        return
    recognizer, where = Recognizer(bundle, **settings), notebook.place()
    try:
        if isinstance(camera, str) or where == notebook.HERE:
            notebook.display(Watch(recognizer, camera, clip, words, limit_s).box)
        elif where == notebook.COLAB:
            from strm import colab_camera

            colab_camera.watch(recognizer, words, limit_s)
        else:
            raise UserError(words.kaggle if where == notebook.KAGGLE else words.remote)
    except UserError as problem:
        print(problem)
        if clip is not None:
            clip.show()


class Watch:
    """One camera, its recogniser, and a box of widgets. A thread reads, buttons steer it."""

    running: "Watch | None" = None  # a camera can be opened once only

    def __init__(
        self,
        recognizer: Recognizer,
        camera: int | str,
        clip: Player | None,
        words: CameraWords,
        limit_s: float,
    ) -> None:
        import ipywidgets

        self.recognizer, self.camera, self.clip = recognizer, camera, clip
        self.words, self.limit_s = words, limit_s
        self._lock, self._done = threading.Lock(), threading.Event()
        self._thread: threading.Thread | None = None
        names, narrow = (words.start, words.stop, words.reset), ipywidgets.Layout(width="auto")
        self.start, self.stop, self.reset = (
            ipywidgets.Button(description=name, layout=narrow) for name in names
        )
        self.start.on_click(lambda _: self.begin())
        self.stop.on_click(lambda _: self.end())
        self.reset.on_click(lambda _: self.forget())
        self.stop.disabled = True
        self.message, self.text, self.view = (ipywidgets.HTML() for _ in range(3))
        self._say(self._filled(words.ready if isinstance(camera, int) else words.film))
        self.text.value = moment.line("", words)
        row = ipywidgets.Layout(flex_flow="row wrap")
        self._top = (ipywidgets.HBox([self.start, self.stop, self.reset], layout=row), self.message)
        self.box = ipywidgets.VBox(
            [*self._top, self.text, self.view], layout=ipywidgets.Layout(max_width="44em")
        )

    @classmethod
    def stop_running(cls) -> None:
        """Free the camera, whichever cell has opened it."""
        if cls.running is not None:
            cls.running.end()

    def begin(self) -> None:
        """Open the camera, and read until `end` is called or the time is over."""
        self.stop_running()
        self.start.disabled, self.stop.disabled = True, False
        self.box.children = (*self._top, self.text, self.view)
        self._done.clear()
        self.recognizer.reset()  # another clock begins
        Watch.running, self._thread = self, threading.Thread(target=self._run, daemon=True)
        self._thread.start()

    def end(self) -> None:
        """Stop reading; when this returns, the camera is free."""
        self._done.set()
        if self._thread is not None:
            self._thread.join(10)

    def forget(self) -> None:
        """Reset the state and empty the text."""
        with self._lock:
            self.recognizer.reset()
            self.recognizer.clear()
        self.text.value = moment.line("", self.words)

    def _run(self) -> None:
        said = ""
        try:
            said = self._filled(self._read())
        except UserError as problem:
            said = str(problem)
        except Exception as error:  # a thread's traceback would be seen by nobody
            said = f"{type(error).__name__}: {error}"
        finally:
            if Watch.running is self:
                Watch.running = None
            self._say(said)
            self.start.disabled, self.stop.disabled = False, True

    def _read(self) -> str:
        """Read to the end, and return what is to be said then."""
        with HandDetector(video=True) as detector:
            try:
                frames = Frames(self.camera, *SIZE)
            except UserError:
                if isinstance(self.camera, str):
                    raise
                if self.clip is not None:
                    self.box.children = (*self._top, self.clip.widget())
                return self.words.none
            try:
                return self._loop(frames, detector)
            finally:
                frames.close()

    def _loop(self, frames: Frames, detector: HandDetector) -> str:
        began, shown, now = time.monotonic(), -1.0, None
        while not self._done.is_set() and not frames.ended:
            if frames.live and time.monotonic() - began > self.limit_s:
                return self.words.late
            got = frames.read()
            if frames.live:
                self._say(self._filled(self.words.away if got is None else self.words.on))
            if got is None:
                self._done.wait(0.05 if frames.live else 0)
                continue
            picture, t_ms = cv2.cvtColor(got[0], cv2.COLOR_BGR2RGB), got[1]
            hand = detector.detect(picture, t_ms)
            with self._lock:
                now = picture, hand, self.recognizer.step(hand, t_ms)
            if time.monotonic() - shown >= 1 / PLAYED_FPS:
                shown = time.monotonic()
                self._show(*now)
            if not frames.live:  # a film keeps its own pace
                self._done.wait(max(0.0, t_ms / 1000 - (time.monotonic() - began)))
        if now is not None:
            self._show(*now)
        return self.words.stopped if frames.live or self._done.is_set() else self.words.over

    def _filled(self, words: str) -> str:
        return words.format(camera=self.camera, seconds=self.limit_s)

    def _say(self, said: str) -> None:
        self.message.value = html.escape(said)  # a widget tells its browser of changes only

    def _show(self, picture: np.ndarray, hand: Hand | None, reading: Reading) -> None:
        shown = moment.jpeg(picture, hand, mirror=isinstance(self.camera, int))
        alt = self.words.seen.format(letter=moment.named(reading, hand, self.words))
        self.view.value = moment.view(shown, alt, reading, hand, self.words)
        self.text.value = moment.line(self.recognizer.text, self.words)
