"""How fast, how large, how hungry: the S-TRM beside its rivals, v1 and the detector, in one run.

All is measured on one thread, in turns (`strm.timing`), and given as medians with the spread they had;
what lasts from machine to machine are the ratios. Only MediaPipe takes the threads that it likes.
"""

import copy
import json
import pickle
import tempfile
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import torch
from rich.console import Console
from rich.table import Table
from torch.utils.flop_counter import FlopCounterMode

from strm import timing
from strm.bench_steps import PAPER, CarriedOnnx, Living, footprint, steps, v1
from strm.bench_training import train_in_turns
from strm.bundle import WEIGHTS, WEIGHTS_FILE, Bundle
from strm.checkpoint import packed
from strm.evaluate import one_thread
from strm.export import MODEL_FILE, export, export_int8
from strm.handmodel import model_bundle
from strm.hub import fetch
from strm.landmarks import FEATURES
from strm.model import TRM

YOUNG, OLD = 100, 10_000  # frames of a stream
BATCHES = (1, 8, 64, 256)


def arithmetic(model: TRM) -> dict[str, float]:
    """Return what a step's multiplications and additions would take if nothing else took time."""
    with FlopCounterMode(display=False) as counter, torch.no_grad():
        model(torch.zeros(1, FEATURES))
    product = timing.multiplications()
    with FlopCounterMode(display=False) as of_product:
        product()
    ms = timing.in_turns({"product": product}, 20)["product"].min()
    rate = of_product.get_total_flops() / ms
    flops = counter.get_total_flops()
    return {"flops": flops, "gflops_a_second": round(rate / 1e6, 1), "floor_ms": timing.median(flops / rate)}


def growth(path: Path, rounds: int, old: int = OLD) -> dict[str, Any]:
    """Return how time and memory grow with a stream's length (preprocessing included) and with the batch."""
    streams = {str(age): Living(path, age) for age in (YOUNG, old)}
    times = timing.in_turns(streams, rounds)
    batches = timing.in_turns({str(size): CarriedOnnx(path, size) for size in BATCHES}, rounds)
    return {
        "ms_at_frame": {age: timing.median(each) for age, each in times.items()},
        "state_bytes_at_frame": {age: stream.bytes() for age, stream in streams.items()},
        "ms_at_batch": {size: timing.median(each) for size, each in batches.items()},
    }


def cuda(model: TRM, rounds: int) -> dict[str, float] | str:
    """Return the median milliseconds of a step on a CUDA device, as it is and as a captured graph."""
    if not torch.cuda.is_available():
        return "not measured: no CUDA device"
    model = copy.deepcopy(model).cuda()
    x, (y, z) = torch.zeros(1, FEATURES, device="cuda"), (v.clone() for v in model.initial_state(1))

    @torch.inference_mode()
    def step() -> None:
        _, (y_next, z_next) = model(x, (y, z), return_state=True)
        y.copy_(y_next)
        z.copy_(z_next)

    side = torch.cuda.Stream()
    with torch.cuda.stream(side):  # a capture wants a model that has run, on a stream of its own
        for _ in range(3):
            step()
    torch.cuda.synchronize()
    graph = torch.cuda.CUDAGraph()
    with torch.cuda.graph(graph):
        step()

    def done(call: Callable[[], None]) -> None:
        call()
        torch.cuda.synchronize()  # a call returns before the device is done

    times = timing.in_turns({"eager": partial(done, step), "graph": partial(done, graph.replay)}, rounds)
    return {name: timing.median(each) for name, each in times.items()}


def training(bundle: Bundle, quick: bool) -> tuple[dict[str, np.ndarray], dict[str, Any]]:
    """Time training steps, at the paper's depth and at this model's: (ratios to a GRU's step, the rest)."""
    classes, rounds = len(bundle.class_names), 2 if quick else 9
    batch, frames = (16, 3) if quick else (256, 15)
    depths = {"": (6, 3), "_shipped": (bundle.model.n_latent, bundle.model.T_deep)}
    ratios, said = {}, {}
    for name, (n, T) in depths.items():
        times, about = train_in_turns(classes, n, T, batch, frames, rounds, not quick and not name)
        said[f"n{n}_T{T}"] = about | {"ms": {net: timing.median(each) for net, each in times.items()}}
        ratios[f"train_to_gru{name}"] = times["strm"] / times["gru"]
        if "strm_compiled" in times:
            ratios["train_to_gru_compiled"] = times["strm_compiled"] / times["gru"]
    return ratios, said


def measure(model: str | Path, quick: bool = False) -> dict[str, Any]:
    """Do all of `strm bench`; `quick` takes few rounds, small batches, and compiles nothing."""
    bundle, rounds = fetch(model), 3 if quick else 40
    told = Console(stderr=True).status("exporting")
    with one_thread(), tempfile.TemporaryDirectory() as temporary, told:
        folder = Path(temporary)
        export(bundle, folder)
        accuracy = export_int8(bundle, folder)
        deep = TRM(num_classes=len(bundle.class_names)).eval()
        export(Bundle(deep, bundle.config), folder / PAPER)
        told.update("single steps; torch.compile takes a minute")
        calls, missing = steps(bundle, folder, quick)
        times = timing.in_turns(calls, rounds)
        ratios = {
            "onnx_to_mediapipe": times["onnx"] / times["mediapipe"],
            "onnx_to_sklearn": times["onnx"] / times["sklearn"],
            f"{PAPER}_to_sklearn": times[PAPER] / times["sklearn"],
        }
        told.update("streams and batches")
        disk = {WEIGHTS_FILE: len(packed(bundle.model.state_dict()))}
        disk |= {path.name: path.stat().st_size for path in folder.glob("*.onnx")}
        disk |= {"v1": len(pickle.dumps(v1(len(bundle.class_names)))), "mediapipe": len(model_bundle())}
        report: dict[str, Any] = {
            "median_ms": {name: timing.median(each) for name, each in times.items()},
            "spread_ms": {name: timing.spread(each) for name, each in times.items()},
            "not_measured": missing,
            "arithmetic": arithmetic(bundle.model),
            "growth": growth(folder / MODEL_FILE, rounds, 10 * YOUNG if quick else OLD),
            "bytes_on_disk": disk,
            "onnx_process_mb": footprint(folder / MODEL_FILE),
            "int8_accuracy": accuracy,
            "cuda": cuda(bundle.model, rounds),
        }
        told.update("training; compiling takes a minute or two")
        more, report["training"] = training(bundle, quick)
    ratios |= more
    report["ratios"] = {name: timing.median(each) for name, each in ratios.items()}
    report["ratio_spread"] = {name: timing.spread(each) for name, each in ratios.items()}
    return report | {"machine": timing.machine(threads=1)}


def run(model: str | None = None, as_json: bool = False, out: str | None = None, quick: bool = False) -> None:
    """Do what `strm bench` does: print tables or one JSON object, and write it into `out`."""
    report = measure(model or WEIGHTS, quick)
    if timing.tell(report, as_json, out):
        return
    console = Console()
    for title, of, spread in (
        ("a step, batch 1, one thread (ms)", "median_ms", "spread_ms"),
        ("ratio", "ratios", "ratio_spread"),
    ):
        table = Table(title, "median", "smallest", "largest")
        for name, value in report[of].items():
            table.add_row(name, f"{value:.3g}", *(f"{each:.3g}" for each in report[spread][name]))
        console.print(table)
    for key, value in report.items():
        if key not in ("median_ms", "spread_ms", "ratios", "ratio_spread"):
            console.print(f"{key.replace('_', ' ')}: {json.dumps(value)}", soft_wrap=True, markup=False)
