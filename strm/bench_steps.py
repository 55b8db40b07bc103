"""What `strm bench` times: one step of each net, of v1's pipeline, and of the detector."""

import subprocess
import sys
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import torch
from sklearn.neural_network import MLPClassifier
from sklearn.pipeline import Pipeline, make_pipeline
from sklearn.preprocessing import StandardScaler

from strm.alphabet import ASL
from strm.bundle import Bundle
from strm.export import INT8_FILE, MODEL_FILE
from strm.landmarks import FPS, Hand, HandDetector, features102, motion_features, normalise, right_handed
from strm.model import TRM
from strm.onnx_model import OnnxModel
from strm.rivals import RIVALS

PAPER = "onnx_n6_T3"  # as often as the paper's net thinks, in ONNX
SEEN = (480, 640)  # of the detector's pictures: height, width


class Carried:
    """One stream: each call shows a net the same frame, and its state goes on."""

    def __init__(self, model: Callable, batch: int = 1):
        self.model, self.state = model, None
        self.x = torch.from_numpy(np.repeat(hands(1)[1], batch, 0))

    @torch.inference_mode()
    def __call__(self) -> None:
        _, self.state = self.model(self.x, prev_state=self.state, return_state=True)


class CarriedOnnx:
    """The same of an ONNX graph, without PyTorch."""

    def __init__(self, path: Path, batch: int = 1):
        model = OnnxModel(path)
        self.session, state = model.session, model.initial_state(batch)
        self.fed = {"x": np.repeat(hands(1)[1], batch, 0), "y": state[0].numpy(), "z": state[1].numpy()}

    def __call__(self) -> None:
        _, self.fed["y"], self.fed["z"] = self.session.run(None, self.fed)


class Living(CarriedOnnx):
    """A stream with all that it needs: each call turns the next hand into numbers and reads them."""

    def __init__(self, path: Path, frames: int):
        super().__init__(path)
        self.points = [right_handed(h.points, h.width, h.height, h.handedness) for h in hands(64)[0]]
        self.motion, self.frame = None, 0
        for _ in range(frames):
            self()

    def __call__(self) -> None:
        points = self.points[self.frame % len(self.points)]
        x, self.motion = motion_features(points, self.frame * 1000 / FPS, self.motion)
        self.fed["x"], self.frame = x[None], self.frame + 1
        super().__call__()

    def bytes(self) -> int:
        return sum(np.asarray(part).nbytes for part in (*(self.motion or ()), self.fed["y"], self.fed["z"]))


def hands(frames: int, seed: int = 0) -> tuple[list[Hand], np.ndarray]:
    """Return a made-up hand that moves at random, as a detector gives it, and its numbers [frames, 63]."""
    rng = np.random.default_rng(seed)
    shape = rng.normal(0.5, 0.1, (21, 3)) + rng.normal(0, 0.005, (frames, 21, 3))
    points = shape.astype(np.float32)
    seen = [Hand(hand, "Right", 1.0, SEEN[1], SEEN[0]) for hand in points]
    return seen, normalise(points, SEEN[1], SEEN[0])[0]


def v1(classes: int) -> Pipeline:
    """Return v1's pipeline. What it was fitted on makes no difference to its speed."""
    x = np.random.default_rng(0).normal(0, 1, (10 * classes, 102)).astype(np.float32)
    y = np.arange(len(x)) % classes
    net = MLPClassifier((128, 64)).partial_fit(x, y, classes=np.arange(classes))
    return make_pipeline(StandardScaler().fit(x), net)


def pictures(count: int = 12) -> list[np.ndarray]:
    """Return frames [480, 640, 3] of a drawn hand that moves a little."""
    from strm import studio

    height, width = SEEN
    image = studio.sample(ASL.still[-1], np.random.default_rng(1), size=height).image
    wide = np.pad(image, ((0, 0), ((width - height) // 2,) * 2, (0, 0)), mode="edge")
    return [np.roll(wide, round(10 * np.sin(2 * np.pi * i / count)), 1) for i in range(count)]


class Watching:
    """The detector in video mode: each call shows it the next picture."""

    def __init__(self) -> None:
        self.detector, self.frames, self.count, self.found = HandDetector(video=True), pictures(), 0, 0

    def __call__(self) -> None:
        self.count += 1
        image = self.frames[self.count % len(self.frames)]
        self.found += self.detector.detect(image, self.count * 1000 / FPS) is not None


def compiled(model: TRM) -> Callable | str:
    """Return the model's compiled step, or why there is none."""
    step = torch.compile(model.forward, options={"cpp_wrapper": True})  # no Python between its parts
    try:
        Carried(step)()
    except Exception as error:  # a machine without a compiler says so in many ways
        return f"not measured: torch.compile failed here ({type(error).__name__})"
    return step


def steps(bundle: Bundle, folder: Path, quick: bool) -> tuple[dict[str, Callable[[], Any]], dict[str, str]]:
    """Return every step that is timed, by its name, and those that can't be, with the reason."""
    classes, skipped = len(bundle.class_names), {}
    calls: dict[str, Callable[[], Any]] = {"eager": Carried(bundle.model)}
    step = "not measured: --quick" if quick else compiled(bundle.model)
    if isinstance(step, str):
        skipped["compiled"] = step
    else:
        calls["compiled"] = Carried(step)
    calls |= {"onnx": CarriedOnnx(folder / MODEL_FILE), "onnx_int8": CarriedOnnx(folder / INT8_FILE)}
    calls[PAPER] = CarriedOnnx(folder / PAPER / MODEL_FILE)
    calls |= {f"rival_{name}": Carried(rival(classes).eval()) for name, rival in RIVALS.items()}
    features = features102(hands(1)[0][0].points, SEEN[1], SEEN[0])[None]
    calls["sklearn"] = partial(v1(classes).predict_proba, features)
    calls["mediapipe"] = Watching()
    return calls, skipped


def footprint(path: Path) -> float | str:
    """Return the megabytes that a Python needs at most which does nothing but read a frame with the graph."""
    if sys.platform != "linux":
        return "not measured: only Linux tells the most that a process had"
    script = (
        "import sys, numpy, onnxruntime\n"
        "session = onnxruntime.InferenceSession(sys.argv[1], providers=['CPUExecutionProvider'])\n"
        "session.run(None, {i.name: numpy.zeros((1, i.shape[1]), 'f') for i in session.get_inputs()})\n"
        "print(next(line.split()[1] for line in open('/proc/self/status') if line.startswith('VmHWM')))"
    )
    command = [sys.executable, "-c", script, str(path)]
    return int(subprocess.run(command, capture_output=True, text=True, check=True).stdout) / 1000
