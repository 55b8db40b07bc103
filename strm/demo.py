"""`strm demo`: the recogniser before a webcam, in a window or in a terminal; a recorder for your own data."""

import subprocess
import sys
import time
from collections import deque
from dataclasses import dataclass, field

import cv2
import numpy as np

from strm.alphabet import ASL
from strm.bundle import WEIGHTS
from strm.camera import Frames
from strm.demo_screen import paint
from strm.files import UserError
from strm.hub import fetch
from strm.landmarks import Hand, HandDetector
from strm.onnx_model import swift
from strm.recorder import Recorder
from strm.stream import Reading, Recognizer
from strm.suggest import suggestions

WINDOW = "strm demo"
ESCAPE, BACKSPACE, SPACE, ENTER = 27, (8, 127), 32, (10, 13)
X11 = {0xFF00 + code: code for code in (8, 10, 13, 27)} | {0xFF8D: 13}  # as some systems number these keys
AWAY_S = 0.05  # between two looks for a camera that is away
RECENT = 30  # frames, of which the times are told
PROBE = "import cv2; cv2.namedWindow('probe'); cv2.destroyAllWindows()"


@dataclass
class Demo:
    """What a reader has set, and what happened so far. `see` takes a frame, `press` a key."""

    recognizer: Recognizer
    detector: HandDetector
    recorder: Recorder | None = None
    language: str = "en"
    mirror: bool = True
    skeleton: bool = True
    message: str = ""
    away: bool = False  # the camera
    asking: bool = False  # which letter is to be recorded: the next key says it
    hand: Hand | None = None
    reading: Reading | None = None
    offered: list[str] = field(default_factory=list)
    canvas: np.ndarray | None = None  # what `show` paints on every time: new memory would cost more
    shown: int = 0  # frames
    pace: str = ""  # the times in words, told anew every RECENT frames: numbers that flicker can't be read
    times: dict[str, deque[float]] = field(
        default_factory=lambda: {stage: deque(maxlen=RECENT) for stage in ("detect", "read", "draw")}
    )

    def see(self, picture: np.ndarray, t_ms: float) -> Reading:
        """Read one picture [H, W, 3] BGR as the camera gives it; `mirror` is for eyes only."""
        began = time.perf_counter()
        self.hand = self.detector.detect(cv2.cvtColor(picture, cv2.COLOR_BGR2RGB), t_ms)
        found = time.perf_counter()
        self.reading = self.recognizer.step(self.hand, t_ms)
        if self.recorder is not None:
            self.recorder.take(self.hand, t_ms)
        if self.reading.committed:
            self.offered = []
        self.times["detect"].append(found - began)
        self.times["read"].append(time.perf_counter() - found)
        return self.reading

    def show(self, picture: np.ndarray) -> np.ndarray:
        """Return the picture for the window, with all that there is to say; it holds until the next one."""
        began = time.perf_counter()
        if self.shown % RECENT == 0:
            self.pace = "  ".join(f"{stage} {ms:.0f} ms" for stage, ms in self.milliseconds().items())
        self.shown += 1
        shown = paint(picture, self)
        self.times["draw"].append(time.perf_counter() - began)
        return shown

    def press(self, key: int) -> bool:
        """Do what a key asks for; False to quit. Unknown keys do nothing. key: as `cv2.waitKeyEx` says."""
        key &= 0xFFFF  # above are Shift, Num Lock and their like; the lowest byte of an arrow is a letter's
        key = X11.get(key, key)
        letter = chr(key).lower() if 0 < key < 128 else ""
        if self.asking and self.recorder is not None and letter.isalnum():
            self.asking = False
            self.message = self.recorder.begin(ASL.nothing if letter == "0" else letter.upper())
        elif key == ESCAPE or letter == "q":
            return False
        elif key == SPACE:
            word = self.recognizer.text.rsplit(" ", 1)[-1]
            self.recognizer.space()
            self.offered = suggestions(word, self.language)
        elif key in BACKSPACE:
            self.recognizer.backspace()
            self.offered = []
        elif letter == "c":
            self.recognizer.clear()
            self.offered = []
        elif letter == "r":
            self.recognizer.reset()
            self.message = "state reset"
        elif letter == "m":
            self.mirror = not self.mirror
        elif letter == "s":
            self.skeleton = not self.skeleton
        elif letter.isdigit() and 0 < int(letter) <= len(self.offered):
            self._take(self.offered[int(letter) - 1])
        elif key in ENTER and self.recorder is not None:
            self.asking = self.recorder.label is None
            try:
                self.message = "which letter? 0 is nothing" if self.asking else self.recorder.end()
            except UserError as error:  # the show goes on, and the clip is kept for better days
                self.message = str(error)
        return True

    def _take(self, word: str) -> None:
        """Put a suggestion in the place of the last word."""
        for _ in range(len(self.recognizer.text.rstrip(" ").rsplit(" ", 1)[-1]) + 1):
            self.recognizer.backspace()
        self.recognizer.write(word)
        self.recognizer.space()
        self.offered = []

    def milliseconds(self) -> dict[str, float]:
        """Return the median time of each stage over the last frames."""
        return {stage: 1000 * float(np.median(times)) for stage, times in self.times.items() if times}


def run(
    camera: int = 0,
    source: str | None = None,
    width: int = 1280,
    height: int = 720,
    confidence: float = 0.5,
    smoothing: float = 0.5,
    stateful: bool = True,
    model: str | None = None,
    headless: bool = False,
    record: str | None = None,
    label: str | None = None,
    signer: str = "me",
    language: str = "en",
    loops: int = 1,
) -> str:
    """Do what `strm demo` does, until Q, Ctrl-C or the end of the file; return the text.

    Raises UserError where there is no camera, no such file, no display or no such label.
    """
    label = label.upper() if label and len(label) == 1 else label
    if label is not None and (record is None or label not in (*ASL.letters, ASL.nothing)):
        raise UserError("--label takes a letter of the alphabet or 'nothing', and needs --record FILE.")
    bundle = swift(fetch(model or WEIGHTS), model or WEIGHTS)
    recogniser = Recognizer(bundle, stateful=stateful, confidence=confidence, smoothing=smoothing)
    recorder = Recorder(record, signer) if record else None
    if not headless:
        check_display()
    frames = Frames(camera if source is None else source, width, height, loops)
    try:
        with HandDetector(video=True) as detector:
            demo = Demo(recogniser, detector, recorder, language)
            if recorder is not None and label is not None:
                recorder.begin(label)
            (_headless if headless else _window)(demo, frames)
    except KeyboardInterrupt:
        pass
    finally:
        frames.close()
        print(f"Text: {recogniser.text}", flush=True)
        if recorder is not None:
            print(recorder.end() or f"{recorder.clips} clips in {recorder.path}")
    return recogniser.text


def _headless(demo: Demo, frames: Frames) -> None:
    """Read without a window: a line for every letter that is written."""
    while not frames.ended:
        got = frames.read()
        if got is None:
            if frames.live and not demo.away:
                print("The camera is away; waiting for it.", flush=True)
            demo.away = frames.live
            time.sleep(AWAY_S if demo.away else 0)
            continue
        demo.away = False
        reading = demo.see(*got)
        if reading.committed:
            instead = f" instead of {reading.replaced}" if reading.replaced else ""
            print(f"{got[1] / 1000:7.2f} s  {reading.committed}{instead}  {reading.text[-60:]}", flush=True)


def _window(demo: Demo, frames: Frames) -> None:
    cv2.namedWindow(WINDOW, cv2.WINDOW_NORMAL | cv2.WINDOW_KEEPRATIO | cv2.WINDOW_GUI_NORMAL)
    cv2.resizeWindow(WINDOW, *frames.size)
    picture = np.zeros((frames.size[1], frames.size[0], 3), np.uint8)
    try:
        while not frames.ended:
            began = time.perf_counter()
            got = frames.read()
            demo.away = got is None and frames.live
            if got is not None:
                picture = got[0]
                demo.see(*got)
            cv2.imshow(WINDOW, demo.show(picture))
            pause = AWAY_S if demo.away else 0.0 if frames.live else 1 / frames.fps
            left = pause - (time.perf_counter() - began)
            key = cv2.waitKeyEx(max(1, round(1000 * left)))
            if key != -1 and not demo.press(key):
                break
            if cv2.getWindowProperty(WINDOW, cv2.WND_PROP_VISIBLE) < 1:  # closed with the mouse
                break
    finally:
        cv2.destroyAllWindows()


def check_display() -> None:
    """Raise UserError where no window can be opened. OpenCV itself would end the whole program there."""
    done = subprocess.run([sys.executable, "-c", PROBE], capture_output=True)
    if done.returncode:
        raise UserError("No window can be opened here: run it at a desktop, or without one by --headless.")
