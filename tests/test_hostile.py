"""Files that mean harm, or are merely broken: refused in one sentence, in little memory, and nothing runs."""

import csv
import gzip
import hashlib
import io
import json
import os
import struct
import zipfile
import zlib
from pathlib import Path

import numpy as np
import pytest
import torch
from made_up import clip, photos, still_path

from strm import checkpoint, cli, extract, onnx_model, pictures
from strm.alphabet import ASL
from strm.bundle import (
    CONFIG_FILE,
    HUB_CONFIG_FILE,
    HUB_WEIGHTS_FILE,
    WEIGHTS_FILE,
    Bundle,
    describe,
    load,
)
from strm.data import COORDINATES, read_table
from strm.files import UserError
from strm.filmed import open_film
from strm.model import TRM

GROWTH = 300  # megabytes: what a reader may take for a file that it refuses
SECONDS = 10  # and of one core's time; without the checks these take minutes, or for ever
LETTERS = [*ASL.still]


def one_sentence(said: str) -> bool:
    return "\n" not in said and said.isprintable() and said.endswith(".") and "Traceback" not in said


def refused(call, *arguments) -> str:
    with pytest.raises(UserError) as error:
        call(*arguments)
    assert one_sentence(str(error.value)), str(error.value)
    return str(error.value)


# --- what swells


def model(folder: Path, weights: bytes | None = None, **changes) -> Path:
    """A small model's folder, with other weights (and their true hash) or another configuration."""
    torch.manual_seed(0)
    net = TRM(num_classes=len(LETTERS), latent_dim=8, hidden_dim=8, n_latent=1, T_deep=1).eval()
    Bundle(net, describe(net, LETTERS, 0.1, True, {})).save(folder)
    if weights is not None:
        (folder / WEIGHTS_FILE).write_bytes(weights)
        changes["weights_sha256"] = hashlib.sha256(weights).hexdigest()
    config = json.loads((folder / CONFIG_FILE).read_text("utf-8")) | changes
    (folder / CONFIG_FILE).write_text(json.dumps(config), "utf-8")
    return folder


def archive(program: bytes, more: dict[str, bytes] | None = None, packed: bool = False) -> bytes:
    """An archive as `torch.save` writes it, with this pickle in it."""
    content = io.BytesIO()
    with zipfile.ZipFile(content, "w", zipfile.ZIP_DEFLATED if packed else zipfile.ZIP_STORED) as file:
        parts = {"data.pkl": program, "version": b"3\n", "byteorder": b"little"} | (more or {})
        for name, part in parts.items():
            file.writestr(f"archive/{name}", part)
    return content.getvalue()


def greedy(count: int) -> bytes:
    """A pickle of 40 bytes that asks for so many: bytearray(count)."""
    return b"\x80\x02c__builtin__\nbytearray\n\x8a\x05" + count.to_bytes(5, "little") + b"\x85R."


def zeros(megabytes: int) -> bytes:
    """The weights of a small net, and behind them a tensor of zeros, packed to a thousandth."""
    whole = io.BytesIO()
    torch.save({"answer.bias": torch.zeros(megabytes << 18)}, whole)
    out = io.BytesIO()
    with zipfile.ZipFile(whole) as old, zipfile.ZipFile(out, "w", zipfile.ZIP_DEFLATED) as new:
        for member in old.infolist():
            new.writestr(member.filename, old.read(member))
    return out.getvalue()


def png(width: int, height: int) -> bytes:
    """A picture of black pixels, or so it says."""

    def part(name: bytes, content: bytes) -> bytes:
        return (
            struct.pack(">I", len(content)) + name + content + struct.pack(">I", zlib.crc32(name + content))
        )

    head = struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0)
    return (
        b"\x89PNG\r\n\x1a\n"
        + part(b"IHDR", head)
        + part(b"IDAT", zlib.compress(bytes(10**6)))
        + part(b"IEND", b"")
    )


def hollow(path: Path, size: int, head: bytes = b"") -> Path:
    """A file that takes no room on the disk and is as large as it says."""
    with open(path, "wb") as file:
        file.write(head)
        file.truncate(size)
    return path


def table_of(path: Path, rows: int, label: str = "A") -> Path:
    """A table of equal rows, packed."""
    made = photos("A", 1, each=1).assign(label=label).to_csv(index=False).splitlines()
    with gzip.open(path, "wb", 1) as file:
        file.write(f"{made[0]}\n".encode())
        block = f"{made[1]}\n".encode() * 1000
        for _ in range(rows // 1000):
            file.write(block)
    return path


def wide(path: Path, columns: int) -> Path:
    names = ",".join(["label", *(f"x{i}" for i in range(columns))])
    path.write_text(f"{names}\nA{',0' * columns}\n")
    return path


def long_clip(path: Path, last: float) -> Path:
    made = clip("A", 0, still_path(2), "c")
    made["t_ms"] = [0.0, last]
    made.to_csv(path, index=False)
    return path


def avi(path: Path, width: int, height: int, frames: int = 3) -> Path:
    """A film of small pictures whose headers claim another size."""
    import cv2

    writer = cv2.VideoWriter(str(path), cv2.VideoWriter_fourcc(*"MJPG"), 15, (64, 48))
    for _ in range(frames):
        writer.write(np.zeros((48, 64, 3), np.uint8))
    writer.release()
    content = path.read_bytes()
    small, large = struct.pack("<ii", 64, 48), struct.pack("<ii", width, height)
    assert small in content
    path.write_bytes(content.replace(small, large))
    return path


def box(name: bytes, content: bytes, claimed: int | None = None) -> bytes:
    """A part of an MP4 file; `claimed`: its size as a file of more than 4 GB tells it."""
    if claimed is None:
        return struct.pack(">I", 8 + len(content)) + name + content
    return struct.pack(">I", 1) + name + struct.pack(">Q", claimed) + content


def swelling(folder: Path) -> dict[str, tuple[str, Path, str]]:
    """What swells: the reader, the file, and what it must say."""
    plain = "is no file of plain weights"
    old = greedy(1 << 30)
    (folder / "checkpoint.pt").write_bytes(archive(greedy(1 << 30)))
    (folder / "old.pt").write_bytes(old)
    (folder / "small.png").write_bytes(png(8, 8))
    (folder / "claims.png").write_bytes(png(30_000, 30_000))
    hollow(model(folder / "large config") / CONFIG_FILE, 1 << 30, b" ")
    (model(folder / "many lists") / CONFIG_FILE).write_bytes(b"[" + b"[]," * (15 << 20) + b"[]]")
    hollow(model(folder / "large weights") / WEIGHTS_FILE, 1 << 30)
    return {
        "packed weights": ("bundle", model(folder / "zip", zeros(200)), plain),
        "a greedy pickle": ("bundle", model(folder / "greedy", archive(greedy(1 << 30))), plain),
        "a greedy pickle, packed": (
            "bundle",
            model(folder / "small", archive(greedy(1 << 30), packed=True)),
            plain,
        ),
        "a greedy pickle of the old kind": ("bundle", model(folder / "old", old), plain),
        "large weights": ("bundle", folder / "large weights", WEIGHTS_FILE),
        "a large configuration": ("bundle", folder / "large config", CONFIG_FILE),
        "a configuration of many lists": ("bundle", folder / "many lists", CONFIG_FILE),
        "a greedy checkpoint": ("checkpoint", folder / "checkpoint.pt", ""),
        "a greedy checkpoint of the old kind": ("checkpoint", folder / "old.pt", ""),
        "a packed table": ("table", table_of(folder / "a.csv.gz", 150_000), "unpacks to more than"),
        "one line": ("table", hollow(folder / "line.csv", 1 << 30, b"label,"), "a line is longer"),
        "a million columns": ("table", wide(folder / "wide.csv", 10**6), "a line is longer"),
        "years of one clip": (
            "clips",
            long_clip(folder / "long.csv", 1e12),
            "2 frames in 1000000000 seconds",
        ),
        "a picture that claims": ("photo", folder / "claims.png", ""),
        "a large picture": ("photo", hollow(folder / "large.jpg", 1 << 30, b"\xff\xd8\xff"), ""),
        "a film that claims": ("video", avi(folder / "claims.avi", 16_000, 16_000), ""),
    }


NAMES = [
    "packed weights",
    "a greedy pickle",
    "a greedy pickle, packed",
    "a greedy pickle of the old kind",
    "large weights",
    "a large configuration",
    "a configuration of many lists",
    "a greedy checkpoint",
    "a greedy checkpoint of the old kind",
    "a packed table",
    "one line",
    "a million columns",
    "years of one clip",
    "a picture that claims",
    "a large picture",
    "a film that claims",
]


@pytest.fixture(scope="session")
def swollen(tmp_path_factory):
    """What each reader said of each file, in one process of its own."""
    pytest.importorskip("resource", reason="this system does not tell how far a process grew")
    from limits import watched

    folder = tmp_path_factory.mktemp("swelling")
    made = swelling(folder)
    honest = [
        ("bundle", model(folder / "honest")),
        ("photo", folder / "small.png"),
    ]  # what the first use loads
    seen = watched(honest + [(reader, path) for reader, path, _ in made.values()])[len(honest) :]
    return {name: (*job, said) for (name, job), said in zip(made.items(), seen, strict=True)}


@pytest.mark.parametrize("name", NAMES)
def test_a_small_file_does_not_fill_the_memory(swollen, name):
    reader, _, words, seen = swollen[name]
    assert seen["mb"] < GROWTH and seen["s"] < SECONDS, seen
    if reader in ("photo", "checkpoint"):
        assert seen["kind"] is seen["said"] is None, "not used, and told of by who asked"
    elif reader == "video":
        assert seen["kind"] in (None, "EOFError"), seen
    else:
        assert seen["kind"] == "UserError" and words in seen["said"] and one_sentence(seen["said"]), seen


# --- weights and configurations


class Trap:
    """What a hostile pickle holds: a call, made while it is being read."""

    def __init__(self, path):
        self.path = path

    def __reduce__(self):
        return open, (str(self.path), "w")


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


# --- tables


def line(*cells: object) -> str:
    return ",".join(map(str, cells)) + "\n"


def plain_table() -> str:
    return photos("A", 1, each=2)[["label", *COORDINATES]].to_csv(index=False)


TABLES = {
    "nothing": b"",
    "a line's end": b"\n\n",
    "zero bytes": b"\0" * 5000,
    "UTF-16": plain_table().encode("utf-16"),
    "Latin-1": plain_table().replace("A,", "\xe9,").encode("latin-1"),
    "a pickle": greedy(1 << 30),
    "half a quotation": b'"label,x0\n' + b"A,1\n" * 50_000,
    "a quotation in the middle": plain_table().replace("A,", '"A,', 1).encode(),
    "one name twice": plain_table().replace("y0", "x0", 1).encode(),
    "a cell too many": plain_table().replace("\n", ",7\n").replace(",7\n", "\n", 1).encode(),
    "a cell too few": "".join(row.rpartition(",")[0] + "\n" for row in plain_table().splitlines()).encode(),
    "a name to the terminal": plain_table().replace("A,", "\x1b[2J,").encode(),
    "a name of a megabyte": plain_table().replace("A,", "A" * 2**20 + ",").encode(),
    "an address": b"http://localhost:1/a.csv",
}


@pytest.mark.parametrize("packed", [False, True])
@pytest.mark.parametrize("name", TABLES)
def test_what_is_no_table_is_refused(tmp_path, name, packed):
    path = tmp_path / ("t.csv.gz" if packed else "t.csv")
    path.write_bytes(gzip.compress(TABLES[name]) if packed else TABLES[name])
    said = refused(read_table, path)
    assert str(path) in said and len(said) < 1000


def test_what_is_packed_in_another_way_is_refused(tmp_path):
    import bz2
    import lzma

    content = plain_table().encode()
    inside = io.BytesIO()
    with zipfile.ZipFile(inside, "w") as file:
        file.writestr("../../t.csv", content)
    packed = {
        "gz": content,
        "zip": inside.getvalue(),
        "bz2": bz2.compress(content),
        "xz": lzma.compress(content),
    }
    for kind in (*packed, "tar", "zst"):
        path = tmp_path / f"t.csv.{kind}"
        path.write_bytes(packed.get(kind, b"\x28\xb5\x2f\xfd" * 9))
        refused(read_table, path)
    path = tmp_path / "cut.csv.gz"
    path.write_bytes(gzip.compress(content)[:-20])
    refused(read_table, path)
    assert len(list(tmp_path.iterdir())) == 7, "nothing is unpacked beside them"


def test_what_is_no_file_is_refused(tmp_path):
    (tmp_path / "folder.csv").mkdir()
    places = [
        tmp_path / "folder.csv",
        tmp_path / "nowhere.csv",
        tmp_path / "nul\0.csv",
        "http://localhost:1/t.csv",
    ]
    if hasattr(os, "symlink") and os.name != "nt":
        (tmp_path / "loop.csv").symlink_to(tmp_path / "loop.csv")
        (tmp_path / "endless.csv").symlink_to("/dev/zero")
        places += [tmp_path / "loop.csv", tmp_path / "endless.csv"]
    for place in places:
        refused(read_table, place)
        refused(load, place)
        refused(extract.extract_images, place, tmp_path / "out.csv")
    assert not (tmp_path / "out.csv").exists()


@pytest.mark.parametrize(
    "command", ["evaluate --model {} --csv {}", "train --csv {}", "images --root {} --out_csv {}", "read {}"]
)
def test_a_name_that_is_too_long_is_one_sentence(tmp_path, capfd, command):
    assert cli.main(command.replace("{}", str(tmp_path / ("a" * 5000))).split()) == 2
    assert one_sentence(capfd.readouterr().err.removesuffix("\n"))


def test_a_label_cannot_reach_the_terminal(tmp_path, capsys):
    path = tmp_path / "t.csv"
    path.write_text(plain_table().replace("A,", "\x1b[2J,"), "utf-8")
    assert cli.main(["evaluate", "--csv", str(path), "--model", str(model(tmp_path / "m"))]) == 2
    said = capsys.readouterr()
    assert one_sentence(said.err.removesuffix("\n")) and not said.out


# --- photos, videos and their names


STRANGE = [
    "=1+1",
    "+cmd",
    "-2",
    "@SUM(A1)",
    "a\nb",
    "\x1b[31mred",
    "a\rb",
    "%d",
    "concat:x|y",
    "'",
    'a"b',
    "a,b",
    "Ä",
]


@pytest.mark.skipif(os.name == "nt", reason="Windows allows no such names")
def test_no_name_of_a_photo_or_signer_breaks_the_table(hand_photo, tmp_path, capsys, monkeypatch):
    root = tmp_path / "photos"
    photo = hand_photo("B", tmp_path / "hand.png").read_bytes()
    monkeypatch.chdir(tmp_path)
    places = []
    for name in STRANGE:
        place = root / name / "B"
        place.mkdir(parents=True)
        (place / f"{name}.png").write_bytes(photo)
        places.append(place)
    bad = os.fsencode(root / "B") + b"\xff"
    os.makedirs(bad + b"/B")
    with open(bad + b"/B/\xfe.png", "wb") as file:
        file.write(photo)
    (root / "B").mkdir()
    (root / "B" / "empty.png").touch()
    (root / "B" / "folder.png").mkdir()
    (root / "B" / "loop.png").symlink_to(root / "B" / "loop.png")
    (root / "B" / "up").symlink_to(root)  # round and round
    (root / "B" / "endless.png").symlink_to("/dev/zero")
    os.mkfifo(root / "B" / "pipe.png")
    (root / "B" / "claims.png").write_bytes(png(30_000, 30_000))
    argv = ["images", "--root", "photos", "--out_csv", "out.csv", "--signer_level", "0", "--jobs", "1"]
    (root / "Z" / "B").mkdir(parents=True)
    for path in [*(root / "B").glob("*.png")]:
        path.rename(root / "Z" / "B" / path.name)
    (root / "B" / "up").rename(root / "Z" / "B" / "up")
    assert cli.main(argv) == 0
    said = capsys.readouterr()
    assert "rows 14" in said.out and "Cannot be used: photos 2" in said.out
    with open("out.csv", encoding="utf-8", newline="") as file:
        rows = list(csv.reader(file))
    assert len(rows) == 15 and {len(row) for row in rows} == {len(extract.COLUMNS)}
    assert not any(cell.startswith(extract.FORMULA) for row in rows for cell in row[:4])
    table = read_table("out.csv")
    assert len(table) == 14 and table["signer"].nunique() == 14 and table["clip"].is_unique
    listed = extract.missed_path("out.csv").read_text("utf-8")
    assert "empty.png" in listed and "claims.png" in listed
    assert not (root.parent / ".out.csv.work").exists()


@pytest.mark.parametrize("name", ["\x1b[2J.png", "a\nb.png", "a\udcffb.png"])
@pytest.mark.skipif(os.name == "nt", reason="Windows allows no such names")
def test_no_name_of_a_photo_reaches_the_terminal(hand_photo, tmp_path, capsys, name):
    photo = hand_photo("B", tmp_path / "hand.png").read_bytes()
    (tmp_path / name).write_bytes(photo)
    assert cli.main(["read", str(tmp_path / name)]) == 0
    assert cli.main(["read", str(tmp_path / f"no{name}")]) == 2
    said = capsys.readouterr()
    assert "\x1b[2J" not in said.out + said.err and one_sentence(said.err.removesuffix("\n"))
    assert (tmp_path / f"{Path(name).stem}.read.png").is_file()


def test_a_picture_that_claims_to_be_huge_is_refused_in_a_sentence(tmp_path):
    from strm.read import read_photo

    (tmp_path / "a.png").write_bytes(png(30_000, 30_000))
    assert "a.png is not a picture" in refused(read_photo, tmp_path / "a.png")
    if os.name != "nt":
        (tmp_path / "endless.png").symlink_to("/dev/zero")
        refused(read_photo, tmp_path / "endless.png")


def mp4(path: Path, frames: int = 4) -> bytes:
    import cv2

    writer = cv2.VideoWriter(str(path), cv2.VideoWriter_fourcc(*"mp4v"), 15, (64, 48))
    for i in range(frames):
        writer.write(np.full((48, 64, 3), 40 * i, np.uint8))
    writer.release()
    return path.read_bytes()


def test_a_film_that_shows_a_picture_for_years_is_read_at_a_usual_rate(tmp_path):
    """The fuzzer found that each fifteenth of a second of these years was looked at."""
    content = avi(tmp_path / "A.avi", 64, 48, 1).read_bytes()
    at = content.index(b"strh") + 28  # a picture lasts scale / rate seconds
    (tmp_path / "A.avi").write_bytes(content[:at] + struct.pack("<II", 2**31 - 1, 1) + content[at + 8 :])
    times = [t for _, t, _ in pictures.sample(tmp_path / "A.avi", 15)]
    assert times and max(times) < 1000


def test_a_film_whose_times_jump_is_left_out(monkeypatch, tmp_path):
    """Without a limit, each fifteenth of a second of the years between two frames would be looked at."""
    import cv2

    mp4(tmp_path / "A.mp4")
    stamps, open_video = iter([0.0, 66.0, 1e12, 1e12 + 66]), cv2.VideoCapture

    class Jumping:  # holds a video, for OpenCV frees a subclass of its own types wrongly
        def __init__(self, path):
            self.video = open_video(path)

        def __getattr__(self, name):
            return getattr(self.video, name)

        def get(self, what):
            return next(stamps) if what == cv2.CAP_PROP_POS_MSEC else self.video.get(what)

    monkeypatch.setattr(pictures.cv2, "VideoCapture", Jumping)
    with pytest.raises(EOFError, match="times that jump"):
        list(pictures.sample(tmp_path / "A.mp4", 15))


@pytest.mark.parametrize(
    "content",
    [
        b"",
        b"#EXTM3U\n#EXTINF:1,\nfile:///etc/passwd\n#EXT-X-ENDLIST\n",
        b"ffconcat version 1.0\nfile '/etc/passwd'\n",
        box(b"ftyp", b"isom") + box(b"moov", b"", 2**64 - 1),
        box(b"ftyp", b"isom") + box(b"free", b"", 2**63) + bytes(99),
        box(b"ftyp", b"isom") + box(b"free", b"", 2**62) + box(b"free", b"", 2**62) + bytes(99),
        box(b"moov", b"") * 1000,
        bytes(10_000),
    ],
    ids=["empty", "playlist", "list of files", "endless box", "far box", "far boxes", "boxes", "zeros"],
)
def test_what_is_no_film_is_told_of_in_words(tmp_path, content):
    (tmp_path / "A.mp4").write_bytes(content)
    with pytest.raises(EOFError):
        list(pictures.sample(tmp_path / "A.mp4", 15))
    assert pictures._movie_ms(tmp_path / "A.mp4") >= 0


@pytest.mark.parametrize(
    "content",
    [b"", b"words", b"\xff\xfe", b"frame\n" + b"1," * 50_000, b"nan", b"frame twice", b"far", b"no number"],
    ids=["empty", "words", "noise", "long", "nan", "twice", "far", "text"],
)
def test_a_table_beside_a_film_that_is_not_its_own_is_refused(tmp_path, content):
    names = ["frame", "t_ms", "letter", "inside", "handedness", *(f"t{name}" for name in COORDINATES)]
    rows = [[number, 0.0, "A", 1, "Right", *[0.5] * 63] for number in (0, 1)]
    honest = "".join(line(*row) for row in (names, *rows)).encode()
    mp4(tmp_path / "A.mp4")
    (tmp_path / "A.csv").write_bytes(honest)
    assert len(open_film(tmp_path / "A.mp4").hands) == 2
    wrong = {b"nan": b"nan", b"far": b"1e300", b"no number": b"near"}
    if content in wrong:
        content = honest.replace(b"0.5", wrong[content], 1)
    elif content == b"frame twice":
        content = honest.replace(b"\n1,", b"\n0,")
    (tmp_path / "A.csv").write_bytes(content)
    assert "A.csv is no table" in refused(open_film, tmp_path / "A.mp4")


@pytest.mark.skipif(os.name == "nt", reason="Windows allows no such names")
def test_a_films_name_is_a_name_only(tmp_path, monkeypatch):
    mp4(tmp_path / "x.mp4")
    (tmp_path / "concat:x.mp4|x.mp4").write_bytes(b"no film")
    monkeypatch.chdir(tmp_path)
    assert len(list(pictures.sample(Path("x.mp4"), 15))) == 4
    with pytest.raises(EOFError):
        list(pictures.sample(Path("concat:x.mp4|x.mp4"), 15))


def test_parts_that_are_none_are_made_again(hand_photo, tmp_path, monkeypatch):
    """What another program left beside the CSV is not copied into it."""
    (tmp_path / "B").mkdir()
    for i in range(3):
        hand_photo("B", tmp_path / "B" / f"{i}.png", i)
    monkeypatch.setattr(extract, "CHUNK", 1)
    first = extract.read_part
    monkeypatch.setattr(extract.shutil, "rmtree", lambda *_, **__: None)  # the parts stay
    extract.extract_images(tmp_path, tmp_path / "o.csv")
    expected = (tmp_path / "o.csv").read_bytes()
    parts = sorted(tmp_path.glob(".o.csv.work/**/*.json"))
    assert len(parts) == 3 and first(parts[0], len(extract.COLUMNS)) is not None
    parts[0].write_text('[[["=cmd"]], []]', "utf-8")
    parts[1].write_text("[" * 100_000, "utf-8")
    parts[2].unlink()
    parts[2].mkdir()
    with pytest.raises(UserError) as error:
        extract.extract_images(tmp_path, tmp_path / "o.csv")
    assert one_sentence(str(error.value)) and (tmp_path / "o.csv").read_bytes() == expected
    parts[2].rmdir()
    extract.extract_images(tmp_path, tmp_path / "o.csv")
    assert (tmp_path / "o.csv").read_bytes() == expected
