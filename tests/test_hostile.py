"""Files that mean harm, or are merely broken: refused in one sentence, in little memory, and nothing runs."""

import gzip
import hashlib
import io
import json
import struct
import zipfile
import zlib
from pathlib import Path

import numpy as np
import pytest
import torch
from made_up import clip, photos, still_path

from strm.alphabet import ASL
from strm.bundle import CONFIG_FILE, WEIGHTS_FILE, Bundle, describe
from strm.files import UserError
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


def avi(path: Path, width: int, height: int) -> Path:
    """A film of one small picture whose headers claim another size."""
    import cv2

    writer = cv2.VideoWriter(str(path), cv2.VideoWriter_fourcc(*"MJPG"), 15, (64, 48))
    for _ in range(3):
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
