"""Pictures with their times, from a camera that may go away and come back, or from a file that ends."""

import time
from pathlib import Path

import cv2
import numpy as np

from strm.files import UserError
from strm.pictures import FASTEST, LONGEST_GAP_MS, SLOWEST

AGAIN_S = 1.0  # how often a lost camera is asked for


class Frames:
    """Where pictures come from: `read` gives the next one, [H, W, 3] BGR, and its time in milliseconds.

    source: the number of a camera, or a video file. A file is read as fast as we can, and its times are its
    own; a camera's are the clock's. loops: how often a file is played, one time after another.
    """

    def __init__(self, source: int | str, width: int = 1280, height: int = 720, loops: int = 1) -> None:
        self.source, self.size, self.live = source, (width, height), isinstance(source, int)
        self.ended = False
        self._loops, self._count, self._zero = loops, 0, 0.0
        self._began, self._asked = time.perf_counter(), 0.0
        if not self.live and not Path(str(source)).is_file():
            raise UserError(f"There is no video {source}: look at its name and folder.")
        self._capture = self._open()
        if not self._capture.isOpened():
            if self.live:
                raise UserError(
                    f"There is no camera {source}: plug one in, choose another with --camera 1, or play a "
                    "video with --source FILE."
                )
            raise UserError(f"{source} is not a video that can be read: save it as MP4 or WebM.")
        rate = self._capture.get(cv2.CAP_PROP_FPS)
        self.fps = rate if SLOWEST <= rate < FASTEST else 30.0
        self._t_ms = -1000 / self.fps  # when a file's newest picture was shown

    def _open(self) -> cv2.VideoCapture:
        cv2.utils.logging.setLogLevel(
            cv2.utils.logging.LOG_LEVEL_SILENT
        )  # we say it ourselves, in a sentence
        capture = cv2.VideoCapture(self.source)
        if self.live:
            for what, pixels in zip(
                (cv2.CAP_PROP_FRAME_WIDTH, cv2.CAP_PROP_FRAME_HEIGHT), self.size, strict=True
            ):
                capture.set(what, pixels)
        return capture

    def read(self) -> tuple[np.ndarray, float] | None:
        """Return the next picture and its time; None if there is none now (a lost camera) or ever (ended)."""
        more, picture = self._capture.read()
        if more:
            self._count += 1
            if self.live:
                return picture, 1000 * (time.perf_counter() - self._began)
            return picture, self._film_time()
        if self.live:
            self._ask_again()
        elif self._loops > 1 and self._count:
            self._loops, self._count = self._loops - 1, 0
            self._capture.release()
            self._capture = self._open()
            return self.read()
        else:
            self.ended = True
        return None

    def _film_time(self) -> float:
        """Return the newest picture's time: as the file tells it, or by its rate where that cannot be."""
        stamp, due = self._capture.get(cv2.CAP_PROP_POS_MSEC), self._t_ms + 1000 / self.fps
        if self._count == 1:  # a showing begins where the one before ended
            self._zero = stamp - due
        told = stamp - self._zero
        self._t_ms = told if self._t_ms < told < self._t_ms + LONGEST_GAP_MS else due
        return self._t_ms

    def _ask_again(self) -> None:
        now = time.perf_counter()
        if now - self._asked > AGAIN_S:
            self._asked = now
            self._capture.release()
            self._capture = self._open()

    def close(self) -> None:
        self._capture.release()
