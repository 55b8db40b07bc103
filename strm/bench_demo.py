"""Where the time of `strm demo` goes: a drawn word at a webcam's size, read and drawn frame by frame."""

from pathlib import Path
from typing import Any

import cv2
import numpy as np

from strm import timing
from strm.camera import Frames
from strm.demo import Demo
from strm.evaluate import one_thread
from strm.hub import fetch
from strm.landmarks import HandDetector
from strm.onnx_model import swift
from strm.stream import Recognizer
from strm.studio.ship import FOLDER

FILM, SIZE = FOLDER / "JAZZ.mp4", (1280, 720)
LOOPS = 3  # the first is left out: in it much is made and drawn for the first time


def measure(model: str | Path) -> dict[str, Any]:
    """Return the median milliseconds of each stage, and which share of a frame is not the detector's."""
    frames, times = Frames(str(FILM), loops=LOOPS), []
    with one_thread(), HandDetector(video=True) as detector:
        demo = Demo(Recognizer(swift(fetch(model), model)), detector)
        while not frames.ended:
            if (got := frames.read()) is None:
                continue
            picture = cv2.resize(got[0], SIZE)
            demo.see(picture, got[1])
            demo.show(picture)
            times.append([demo.times[stage][-1] for stage in demo.times])
    seconds = np.array(times[len(times) // LOOPS :])
    middle = dict(zip(demo.times, (1000 * np.median(seconds, 0)).round(3).tolist(), strict=True))
    outside = 1 - seconds[:, 0].sum() / seconds.sum()
    return {
        "frames": len(seconds),
        "size": SIZE,
        "median_ms": middle,
        "outside_the_detector": round(outside, 4),
    }


def run(model: str | Path, as_json: bool, out: str | None) -> None:
    """Do what `strm bench --demo` does."""
    report = measure(model)
    if timing.tell(report, as_json, out):
        return
    for stage, ms in report["median_ms"].items():
        print(f"{stage:8s} {ms:.2f} ms")
    print(f"outside the detector: {report['outside_the_detector']:.1%} of the time")
