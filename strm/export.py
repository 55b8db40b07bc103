"""The model for places without PyTorch: ONNX graphs, with the state as inputs and outputs.

`points.onnx` turns a hand into the 63 numbers, `model.onnx` these into logits, each with its own state:

    points [B, 21, 3], dt_ms [B], wrist [B, 2], palm [B] -> x [B, 63], wrist_next, palm_next
    x [B, 63], y [B, latent], z [B, latent] -> logits [B, classes], y_next, z_next

`points` are isotropic and right-handed (`strm.landmarks.right_handed`); dt_ms is the time since the frame
before. A stream begins with dt_ms = infinity, which forgets whatever wrist and palm (zeros will do), and with
the y and z under "reset" in the file's metadata, beside "class_names", "fps" and the whole "config", as JSON.
"""

import json
import logging
import tempfile
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from strm.bundle import WEIGHTS, Bundle
from strm.data import read_table, split_by_signer
from strm.evaluate import evaluate
from strm.files import replacing
from strm.hub import fetch
from strm.landmarks import KNUCKLES, PALM_MS, POINTS, WRIST, WRIST_MS
from strm.model import TRM
from strm.onnx_model import MODEL_FILE, OnnxModel, need

POINTS_FILE, INT8_FILE = "points.onnx", "model.int8.onnx"
OPSET = 20  # the first that has GELU as one operator


class PointsStep(nn.Module):
    """`strm.landmarks.motion_features` of one frame, in PyTorch."""

    def __init__(self, motion: bool = True):
        super().__init__()
        self.motion = motion

    def forward(self, points: Tensor, dt_ms: Tensor, wrist: Tensor, palm: Tensor) -> tuple[Tensor, ...]:
        here = points[:, WRIST, :2]
        size = (points[:, KNUCKLES] - points[:, :1]).square().sum(-1).sqrt().mean(-1)
        wrist = here + torch.exp(-dt_ms / WRIST_MS)[:, None] * (wrist - here)
        palm = size + torch.exp(-dt_ms / PALM_MS) * (palm - size)
        moved = (here - wrist) / palm[:, None] * float(self.motion)
        others = (points[:, 1:] - points[:, :1]) / palm[:, None, None]
        return torch.cat([moved, torch.zeros_like(moved[:, :1]), others.flatten(1)], 1), wrist, palm


class ModelStep(nn.Module):
    """`TRM.forward` of one frame, its state spelt out."""

    def __init__(self, model: TRM):
        super().__init__()
        self.model = model

    def forward(self, x: Tensor, y: Tensor, z: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        logits, (y, z) = self.model(x, (y, z), return_state=True)
        return logits, y, z


def export(bundle: Bundle, out_dir: str | Path) -> None:
    """Write points.onnx and model.onnx into `out_dir`."""
    need("onnx", "onnxruntime", "onnxscript")
    size, batch = bundle.model.y_reset.shape[0], 2
    hand = torch.zeros(batch, POINTS, 3), torch.zeros(batch), torch.zeros(batch, 2), torch.ones(batch)
    numbers = torch.zeros(batch, bundle.model.mean.shape[0])
    state = torch.zeros(batch, size), torch.zeros(batch, size)
    motion = bundle.config["preprocessing"]["motion"]
    graphs: tuple[tuple[str, nn.Module, tuple, str, str], ...] = (
        (POINTS_FILE, PointsStep(motion), hand, "points dt_ms wrist palm", "x wrist_next palm_next"),
        (MODEL_FILE, ModelStep(bundle.model), (numbers, *state), "x y z", "logits y_next z_next"),
    )
    for name, step, example, inputs, outputs in graphs:
        graph = _graph(step, example, inputs.split(), outputs.split())
        _describe(graph, bundle)
        with replacing(Path(out_dir) / name) as path:
            path.write_bytes(graph.SerializeToString())


@contextmanager
def _quiet() -> Iterator[None]:
    """Hush what the exporter says of packages that it does not need, and the quantiser of steps not taken."""
    before = logging.root.manager.disable
    logging.disable(logging.WARNING)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            yield
    finally:
        logging.disable(before)


def _graph(step: nn.Module, example: tuple, inputs: list[str], outputs: list[str]) -> Any:
    with _quiet():
        program = torch.onnx.export(
            step.eval(),
            example,
            input_names=inputs,
            output_names=outputs,
            dynamic_shapes=({0: torch.export.Dim("batch")},) * len(inputs),
            opset_version=OPSET,
            dynamo=True,
            verbose=False,
        )
    assert program is not None  # it is None only for the older exporter
    graph = program.model_proto
    for part in (*graph.graph.node, *graph.graph.input, *graph.graph.output, *graph.graph.value_info):
        part.ClearField("metadata_props")  # where in the source each came from: a sixth of the file
    return graph


def _describe(graph: Any, bundle: Bundle, **more: Any) -> None:
    """Put into the file what whoever runs it must know."""
    import onnx

    reset = {"y": bundle.model.y_reset.tolist(), "z": bundle.model.z_reset.tolist()}
    config = {key: value for key, value in bundle.config.items() if key != "scaler"}  # it is in the graph
    said = {"class_names": bundle.class_names, "fps": config["fps"], "reset": reset, "config": config} | more
    onnx.helper.set_model_props(graph, {key: json.dumps(value) for key, value in said.items()})


def export_int8(bundle: Bundle, out_dir: str | Path) -> dict[str, Any]:
    """Write model.int8.onnx, whose weights have 8 bits, beside model.onnx.

    Returns, and writes into the file's metadata as "accuracy", how both read the studio's drawn judges.
    """
    import onnx
    from onnxruntime.quantization import QuantType, quantize_dynamic

    with tempfile.TemporaryDirectory() as folder, replacing(Path(out_dir) / INT8_FILE) as path:
        folded = Path(folder) / "folded.onnx"
        onnx.save(_folded(Path(out_dir) / MODEL_FILE), folded)
        kind = {"DefaultTensorType": onnx.TensorProto.FLOAT}
        with _quiet():
            quantize_dynamic(folded, path, weight_type=QuantType.QInt8, extra_options=kind)
        accuracy = {
            name: judge(Bundle(OnnxModel(file), bundle.config))  # type: ignore[arg-type]
            for name, file in (("float32", Path(out_dir) / MODEL_FILE), ("int8", path))
        }
        graph = onnx.load(path)
        _describe(graph, bundle, accuracy=accuracy)
        path.write_bytes(graph.SerializeToString())
    return accuracy


def _folded(path: Path) -> Any:
    """Return the graph with all weights stored as [in, out], as the quantiser wants them.

    It transposes a weight at each use, and ours have several: used twice, it would be back where it was.
    """
    import onnx
    import onnxruntime

    with tempfile.TemporaryDirectory() as folder:
        options = onnxruntime.SessionOptions()
        options.graph_optimization_level = onnxruntime.GraphOptimizationLevel.ORT_ENABLE_BASIC
        options.optimized_model_filepath = str(Path(folder) / "folded.onnx")
        onnxruntime.InferenceSession(path, options, providers=["CPUExecutionProvider"])
        graph = onnx.load(options.optimized_model_filepath)
    weights = {weight.name: weight for weight in graph.graph.initializer}
    turned: set[str] = set()
    for node in graph.graph.node:
        for attribute in node.attribute:
            if node.op_type == "Gemm" and attribute.name == "transB" and attribute.i:
                attribute.i, name = 0, node.input[1]
                if name not in turned:
                    array = onnx.numpy_helper.to_array(weights[name]).T
                    weights[name].CopyFrom(onnx.numpy_helper.from_array(np.ascontiguousarray(array), name))
                turned.add(name)
    graph.graph.ClearField("value_info")  # shapes of before
    return graph


def judge(bundle: Bundle) -> dict[str, float] | None:
    """Return the accuracy on photos and clips of the studio's drawn judges; None where they are not."""
    from strm.studio.ship import FOLDER, KEPT

    tables = {kind: FOLDER / f"{kind}.csv.gz" for kind in ("photos", "clips")}
    if not all(path.is_file() for path in tables.values()):
        return None
    judges = {kind: split_by_signer(read_table(path), [KEPT])[1] for kind, path in tables.items()}
    return {kind: evaluate(bundle, table, kind == "clips")["accuracy"] for kind, table in judges.items()}


def run(model: str | None = None, out_dir: str | Path = "outputs/onnx", int8: bool = False) -> None:
    """Do what `strm export` does."""
    bundle = fetch(model or WEIGHTS)
    export(bundle, out_dir)
    names = [POINTS_FILE, MODEL_FILE]
    if int8:
        accuracy = export_int8(bundle, out_dir)
        names.append(INT8_FILE)
        for kind in accuracy["int8"] or ():
            was, now = (accuracy[name][kind] for name in ("float32", "int8"))
            print(f"8 bits instead of 32, accuracy on drawn {kind}: {was:.4f} -> {now:.4f}")
    for name in names:
        print(f"{Path(out_dir) / name}: {(Path(out_dir) / name).stat().st_size / 1000:.0f} KB")
