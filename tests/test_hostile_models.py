"""Weights, configurations and graphs that mean harm: nothing in them runs, and each is one sentence."""

import hashlib
import io
import json
import struct
import zipfile

import numpy as np
import pytest
import torch
from broken import LETTERS, Trap, archive, greedy, model, refused

from strm import checkpoint, onnx_model
from strm.bundle import CONFIG_FILE, HUB_CONFIG_FILE, HUB_WEIGHTS_FILE, WEIGHTS_FILE, load
from strm.model import TRM


@pytest.mark.parametrize("old", [False, True])
def test_a_checkpoint_that_runs_code_is_not_run(tmp_path, old):
    torch.save(
        {"mark": "mark", "state": {"a": Trap(tmp_path / "sprung")}},
        tmp_path / "checkpoint.pt",
        _use_new_zipfile_serialization=not old,
    )
    assert checkpoint.load(tmp_path / "checkpoint.pt", "mark") is None
    assert not (tmp_path / "sprung").exists()
    torch.load(tmp_path / "checkpoint.pt", weights_only=False)
    assert (tmp_path / "sprung").exists(), "it would have run"


def test_a_checkpoint_of_another_shape_is_none_at_all(tmp_path):
    for content in ([1], {"mark": "mark"}, {"mark": "mark", "state": 1}, {"state": {}}):
        (tmp_path / "c.pt").write_bytes(checkpoint.packed(content))
        assert checkpoint.load(tmp_path / "c.pt", "mark") is None
    (tmp_path / "c.pt").write_bytes(checkpoint.packed({"mark": "mark", "state": {"a": 1}}))
    assert checkpoint.load(tmp_path / "c.pt", "mark") == {"a": 1}
    (tmp_path / "folder.pt").mkdir()
    assert checkpoint.load(tmp_path / "folder.pt", "mark") is None


def renamed(content: bytes, name: str, other: str) -> bytes:
    out = io.BytesIO()
    with zipfile.ZipFile(io.BytesIO(content)) as old, zipfile.ZipFile(out, "w") as new:
        for member in old.infolist():
            new.writestr(member.filename.replace(name, other), old.read(member))
    return out.getvalue()


def disguises() -> dict[str, bytes]:
    """Archives that look like weights."""
    torch.manual_seed(0)
    net = TRM(num_classes=len(LETTERS), latent_dim=8, hidden_dim=8, n_latent=1, T_deep=1)
    honest = checkpoint.packed(net.state_dict())
    evil = io.BytesIO(honest)
    with zipfile.ZipFile(evil, "a") as file:
        file.writestr("archive/DATA.PKL", greedy(1 << 20))
    sparse = {"answer.bias": torch.zeros(len(LETTERS)).to_sparse()}
    return {
        "something before it": greedy(1 << 20) + honest,
        "something behind it": honest + greedy(1 << 20),
        "two programs": evil.getvalue(),
        "no program": renamed(honest, "data.pkl", "data.txt"),
        "up and away": renamed(honest, "archive/", "../../"),
        "an absolute name": renamed(honest, "archive/", "/tmp/"),
        "another kind of tensor": checkpoint.packed(net.state_dict() | sparse),
        "a class by its name": archive(b"\x80\x04\x8c\x08builtins\x94\x8c\x09bytearray\x94\x93\x94."),
        "a program that ends nowhere": archive(b"\x80\x02c"),
    }


@pytest.mark.parametrize("name", disguises())
def test_what_is_dressed_up_as_weights_is_refused_and_writes_nothing(tmp_path, name):
    folder = model(tmp_path / "a" / "b", disguises()[name])
    before = sorted(tmp_path.rglob("*"))
    said = refused(load, folder)
    assert WEIGHTS_FILE in said and sorted(tmp_path.rglob("*")) == before


def header(claims, length: int | None = None, body: bytes = b"") -> bytes:
    text = claims if isinstance(claims, bytes) else json.dumps(claims).encode()
    return struct.pack("<Q", len(text) if length is None else length) + text + body


@pytest.mark.parametrize(
    "content",
    [
        b"",
        b"\xff" * 8,
        header({}, 2**62),
        header(b"{" * 100_000),
        header({"answer.bias": {"dtype": "F32", "shape": [2**62], "data_offsets": [0, 2**62]}}),
        header({"answer.bias": {"dtype": "F32", "shape": [10], "data_offsets": [0, 40]}}),
        header({"answer.bias": {"dtype": "F32", "shape": [2], "data_offsets": [8, 0]}}, body=bytes(8)),
        header({f"t{i}": {"dtype": "F32", "shape": [0], "data_offsets": [0, 0]} for i in range(10_000)}),
        header({}),
        header([1, 2]),
    ],
    ids=["empty", "ones", "endless", "deep", "claims", "short", "back", "many", "none", "list"],
)
def test_a_header_that_lies_is_refused(tmp_path, content):
    """Safetensors, as they come from the Hub: a length and JSON before the numbers."""
    config = json.loads((model(tmp_path / "made") / CONFIG_FILE).read_text("utf-8"))
    folder = tmp_path / "hub"
    folder.mkdir()
    config["weights_sha256"] = hashlib.sha256(content).hexdigest()
    (folder / HUB_CONFIG_FILE).write_text(json.dumps(config), "utf-8")
    (folder / HUB_WEIGHTS_FILE).write_bytes(content)
    assert HUB_WEIGHTS_FILE in refused(load, folder)


@pytest.mark.parametrize(
    "changes",
    [
        {"class_names": ["\x1b[2J", *LETTERS[1:]]},
        {"class_names": ["\ud800", *LETTERS[1:]]},
        {"class_names": ["", *LETTERS[1:]]},
        {"class_names": ["A" * 10_000, *LETTERS[1:]]},
        {"class_names": ["A\nB", *LETTERS[1:]]},
        {"n_latent": 1024, "T_deep": 1024},
        {"n_latent": True},
        {"fps": 1e400},
        {"alphabet": {"moving": {"A": ["B"]}, "nothing": "nothing"}},
        {"weights_sha256": "../../../etc/passwd"},
    ],
    ids=str,
)
def test_a_configuration_that_means_harm_is_refused(tmp_path, changes):
    refused(load, model(tmp_path / "model", **changes))


def test_a_model_that_answers_no_numbers_is_named_and_nothing_is_typed(tmp_path):
    from made_up import pose

    from strm.landmarks import Hand
    from strm.stream import Recognizer

    bundle = load(model(tmp_path / "model"))
    bundle.model.answer.weight.data.fill_(3e38)
    recognizer = Recognizer(bundle, confidence=0)
    hand = Hand(pose("A").astype(np.float32), "Right", 0.9, 640, 480)
    assert "no numbers" in refused(recognizer.step, hand, 0.0)
    assert recognizer.text == "" and recognizer._state is None


@pytest.mark.parametrize("content", [b"", b"no graph", b"\x08\x07" * 50], ids=["empty", "words", "noise"])
def test_what_is_no_graph_is_refused(tmp_path, content):
    pytest.importorskip("onnxruntime")
    path = tmp_path / "model.onnx"
    refused(onnx_model.OnnxModel, path)
    path.write_bytes(content)
    refused(onnx_model.OnnxModel, path)


@pytest.mark.parametrize(
    "said",
    [
        {},
        {"config": "[" * 10**5, "reset": "{}"},
        {"config": "{}", "reset": "[]"},
        {"config": "{}", "reset": '{"y": "a", "z": [1]}'},
        {"config": "{}", "reset": '{"y": [1]}'},
    ],
    ids=["nothing", "deep", "list", "text", "half"],
)
def test_a_graph_of_another_kind_is_refused(tmp_path, said):
    onnx = pytest.importorskip("onnx")
    pytest.importorskip("onnxruntime")
    from onnx import TensorProto, helper

    value = helper.make_tensor_value_info("x", TensorProto.FLOAT, [1])
    out = helper.make_tensor_value_info("y", TensorProto.FLOAT, [1])
    graph = helper.make_graph([helper.make_node("Identity", ["x"], ["y"])], "g", [value], [out])
    made = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=9)
    helper.set_model_props(made, said)
    onnx.save(made, tmp_path / "m.onnx")
    refused(onnx_model.OnnxModel, tmp_path / "m.onnx")


def test_a_graph_reads_no_file_beside_its_folder(tmp_path):
    pytest.importorskip("onnx")
    pytest.importorskip("onnxruntime")
    from onnx import TensorProto, helper

    (tmp_path / "secret").write_bytes(b"\0" * 16)
    (tmp_path / "model").mkdir()
    stolen = TensorProto(
        name="stolen", data_type=TensorProto.FLOAT, dims=[4], data_location=TensorProto.EXTERNAL
    )
    stolen.external_data.add(key="location", value="../secret")
    out = helper.make_tensor_value_info("y", TensorProto.FLOAT, [4])
    graph = helper.make_graph([helper.make_node("Identity", ["stolen"], ["y"])], "g", [], [out], [stolen])
    made = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=9)
    (tmp_path / "model" / "m.onnx").write_bytes(made.SerializeToString())
    refused(onnx_model.session, tmp_path / "model" / "m.onnx")
