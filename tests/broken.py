"""Files that mean harm, or are merely broken, made for tests; and what a refusal looks like."""

import hashlib
import io
import json
import struct
import zipfile
import zlib
from pathlib import Path

import cv2
import numpy as np
import pytest
import torch
from made_up import photos

from strm.alphabet import ASL
from strm.bundle import CONFIG_FILE, WEIGHTS_FILE, Bundle, describe
from strm.data import COORDINATES
from strm.files import UserError
from strm.model import TRM

LETTERS = [*ASL.still]


def one_sentence(said: str) -> bool:
    return "\n" not in said and said.isprintable() and said.endswith(".") and "Traceback" not in said


def refused(call, *arguments) -> str:
    with pytest.raises(UserError) as error:
        call(*arguments)
    assert one_sentence(str(error.value)), str(error.value)
    return str(error.value)


class Trap:
    """What a hostile pickle holds: a call, made while it is being read."""

    def __init__(self, path):
        self.path = path

    def __reduce__(self):
        return open, (str(self.path), "w")


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


def archive(program: bytes, packed: bool = False) -> bytes:
    """An archive as `torch.save` writes it, with this pickle in it."""
    content = io.BytesIO()
    with zipfile.ZipFile(content, "w", zipfile.ZIP_DEFLATED if packed else zipfile.ZIP_STORED) as file:
        for name, part in {"data.pkl": program, "version": b"3\n", "byteorder": b"little"}.items():
            file.writestr(f"archive/{name}", part)
    return content.getvalue()


def greedy(count: int) -> bytes:
    """A pickle of 40 bytes that asks for so many: bytearray(count)."""
    return b"\x80\x02c__builtin__\nbytearray\n\x8a\x05" + count.to_bytes(5, "little") + b"\x85R."


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


def avi(path: Path, width: int, height: int, frames: int = 3) -> Path:
    """A film of small pictures whose headers claim another size."""
    writer = cv2.VideoWriter(str(path), cv2.VideoWriter_fourcc(*"MJPG"), 15, (64, 48))
    for _ in range(frames):
        writer.write(np.zeros((48, 64, 3), np.uint8))
    writer.release()
    content = path.read_bytes()
    small, large = struct.pack("<ii", 64, 48), struct.pack("<ii", width, height)
    assert small in content
    path.write_bytes(content.replace(small, large))
    return path


def mp4(path: Path, frames: int = 4) -> bytes:
    writer = cv2.VideoWriter(str(path), cv2.VideoWriter_fourcc(*"mp4v"), 15, (64, 48))
    for i in range(frames):
        writer.write(np.full((48, 64, 3), 40 * i, np.uint8))
    writer.release()
    return path.read_bytes()


def plain_table() -> str:
    return photos("A", 1, each=2)[["label", *COORDINATES]].to_csv(index=False)
