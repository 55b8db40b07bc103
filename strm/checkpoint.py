"""Go on after an interruption: a training's state in one file, which fits its own data and settings only."""

import hashlib
import io
import json
from dataclasses import asdict
from pathlib import Path
from typing import Any

import pandas as pd
import torch
from torch import Tensor

from strm.files import replacing
from strm.foreign import check_archive, read_bytes

LARGEST = 2**29  # bytes; the largest model's weights, their averages, the best and AdamW's moments: 260 MB


def fingerprint(settings: Any, *tables: pd.DataFrame | None) -> str:
    """Name a training by its settings and its data: another one's checkpoint is never continued."""
    mark = hashlib.sha256(json.dumps(asdict(settings), sort_keys=True).encode())
    for table in tables:
        if table is not None:
            mark.update(pd.util.hash_pandas_object(table, index=False).to_numpy().tobytes())
    return mark.hexdigest()


def packed(what: Any) -> bytes:
    """Return what `torch.save` writes. Into a file, it hides from us that a disk is full, and names the file
    inside: so that equal weights are equal bytes, and any trouble is an OSError, we write it ourselves."""
    buffer = io.BytesIO()
    torch.save(what, buffer)
    return buffer.getvalue()


def save(path: Path, mark: str, state: dict[str, Any]) -> None:
    """Write `state` (tensors, numbers, lists and dictionaries of them) under its training's mark."""
    with replacing(path) as temporary:
        temporary.write_bytes(packed({"mark": mark, "state": state}))


def load(path: Path | None, mark: str) -> dict[str, Any] | None:
    """Return what was saved under this mark; None where there is nothing, or nothing that fits."""
    if path is None or not path.is_file():
        return None
    try:
        content = read_bytes(path, LARGEST)
        check_archive(content)
        saved = torch.load(io.BytesIO(content), map_location="cpu", weights_only=True)
    except Exception:  # torch raises many kinds for a damaged file; it costs a new start, no more
        return None
    fits = isinstance(saved, dict) and saved.get("mark") == mark and isinstance(saved.get("state"), dict)
    return saved["state"] if fits else None


def alike(one: Any, other: Any) -> bool:
    """Whether two states hold the same things, whatever their values: names, lengths, shapes and types."""
    if isinstance(one, Tensor) and isinstance(other, Tensor):
        return one.shape == other.shape and one.dtype == other.dtype
    if type(one) is not type(other) and not (isinstance(one, dict) and isinstance(other, dict)):
        return False
    if isinstance(one, dict):
        return one.keys() == other.keys() and all(alike(one[name], other[name]) for name in one)
    if isinstance(one, list | tuple):
        return len(one) == len(other) and all(map(alike, one, other))
    return True
