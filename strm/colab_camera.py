"""The camera of the reader's browser, for a notebook on Colab, whose machine has none.

The browser's part is colab_camera.js. It keeps its pictures, each with its time, until they are asked for: so
letters that move are read although a picture's way to Colab takes long.
"""

import _thread
import base64
import binascii
import json
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Any

import cv2
import numpy as np

from strm import moment
from strm.files import UserError
from strm.landmarks import Hand, HandDetector
from strm.read import FINGERS, PALM
from strm.stream import Recognizer

if TYPE_CHECKING:
    from strm.notebook_camera import CameraWords

SCRIPT = Path(__file__).with_suffix(".js")
PRESS_S, ANSWER_S = 60.0, 30.0  # how long Start may take to be pressed, and the browser to answer


def watch(recognizer: Recognizer, words: "CameraWords", limit_s: float) -> None:
    """Read the hand before the browser's camera until Stop, an interrupt, or `limit_s` seconds have passed.

    The cell runs as long. Raises UserError if there is no camera, or nobody wants it on.
    """
    with HandDetector(video=True) as detector:
        _begin(words, limit_s)
        said = words.lost
        try:
            said = _loop(recognizer, detector, words, limit_s)
        except KeyboardInterrupt:
            said = words.stopped
        except TimeoutError:
            print(words.lost)
        finally:
            _browser("stop", said.format(seconds=limit_s), wait=False)


def _begin(words: "CameraWords", limit_s: float) -> None:
    """Show the panel, wait for Start, and open the camera."""
    notebook = sys.modules["IPython.display"]
    notebook.display(notebook.Javascript(SCRIPT.read_text("utf-8")))
    told = asdict(words) | {"colab": words.colab.format(seconds=limit_s)}
    try:
        _browser("open", told, (PALM, *FINGERS))
        answer = _browser("start", 1000 * PRESS_S, patience_s=PRESS_S)
    except (KeyboardInterrupt, TimeoutError):
        answer = {"reason": "unasked"}
    reason = (answer or {}).get("reason")
    if reason:
        problem = words.unasked if reason == "unasked" else words.refused.format(reason=reason)
        _browser("stop", problem, wait=False)
        raise UserError(problem)


def _loop(recognizer: Recognizer, detector: HandDetector, words: "CameraWords", limit_s: float) -> str:
    """Read until there is an end, and return what is to be said of it."""
    told: dict[str, Any] = {"letters": "", "text": moment.line(recognizer.text, words)}
    end = time.monotonic() + limit_s
    while time.monotonic() < end:
        answer = _browser("next", told) or {}
        if "stop" in answer.get("pressed", []):
            return words.stopped
        if "reset" in answer.get("pressed", []):
            recognizer.reset()
            recognizer.clear()
        for t_ms, address in answer.get("frames", []):
            picture = opened(address)
            if picture is None:
                continue
            hand = detector.detect(picture, t_ms)
            reading = recognizer.step(hand, t_ms)
            told = {"time": t_ms, "letters": moment.letters(reading, hand, words), "hand": _points(hand)}
            told["alt"] = words.seen.format(letter=moment.named(reading, hand, words))
        told["text"] = moment.line(recognizer.text, words)
    return words.late


def opened(address: str) -> np.ndarray | None:
    """Return the picture that a data address carries, uint8 RGB [H, W, 3]; None if it is none."""
    try:
        data = np.frombuffer(base64.b64decode(address.partition(",")[2], validate=True), np.uint8)
    except binascii.Error:
        return None
    picture = cv2.imdecode(data, cv2.IMREAD_COLOR) if data.size else None
    return None if picture is None else cv2.cvtColor(picture, cv2.COLOR_BGR2RGB)


def _points(hand: Hand | None) -> list[list[float]] | None:
    return None if hand is None else np.asarray(hand.points)[:, :2].round(4).tolist()


def _browser(name: str, *told: Any, wait: bool = True, patience_s: float = 0.0) -> Any:
    """Call one of the script's functions in the browser. Raises TimeoutError if no answer comes."""
    output = sys.modules["google.colab"].output
    call = f"strmCamera.{name}({', '.join(map(json.dumps, told))})"
    if not wait:
        return output.eval_js(call, ignore_result=True)
    with _at_most(ANSWER_S + patience_s):
        return output.eval_js(call)


@contextmanager
def _at_most(seconds: float) -> Iterator[None]:
    """Raise TimeoutError in a block that takes longer: Colab itself would wait for ever for a closed page."""
    late = threading.Event()

    def interrupt() -> None:
        late.set()
        _thread.interrupt_main()

    timer = threading.Timer(seconds, interrupt)
    timer.daemon = True
    timer.start()
    try:
        yield
    except KeyboardInterrupt:
        if late.is_set():
            raise TimeoutError from None
        raise
    finally:
        timer.cancel()
