"""Small files that swell when they are opened: refused in one sentence, in little memory and little time."""

import gzip
import io
import zipfile
from pathlib import Path

import pytest
import torch
from broken import archive, avi, greedy, model, one_sentence, png
from made_up import clip, photos, still_path

from strm.bundle import CONFIG_FILE, WEIGHTS_FILE

GROWTH = 300  # megabytes: what a reader may take for a file that it refuses
SECONDS = 10  # and of one core's time; without the checks these take minutes, or for ever


def zeros(megabytes: int) -> bytes:
    """An archive of one tensor of zeros, packed to a thousandth."""
    whole = io.BytesIO()
    torch.save({"answer.bias": torch.zeros(megabytes << 18)}, whole)
    out = io.BytesIO()
    with zipfile.ZipFile(whole) as old, zipfile.ZipFile(out, "w", zipfile.ZIP_DEFLATED) as new:
        for member in old.infolist():
            new.writestr(member.filename, old.read(member))
    return out.getvalue()


def hollow(path: Path, size: int, head: bytes = b"") -> Path:
    """A file that takes no room on the disk and is as large as it says."""
    with open(path, "wb") as file:
        file.write(head)
        file.truncate(size)
    return path


def table_of(path: Path, rows: int) -> Path:
    """A table of equal rows, packed."""
    made = photos("A", 1, each=1).to_csv(index=False).splitlines()
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
    assert [*made] == NAMES
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
