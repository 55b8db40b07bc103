"""Part files of `strm images` and `strm videos`: what was found in some files, kept until all are done."""

import json
from pathlib import Path
from typing import Any

from strm.files import replacing
from strm.foreign import read_bytes

LARGEST = 2**28  # bytes; a photo's row has 700, an hour's of video 40 million
MISSED = ("file", "frame", "t_ms", "why")


def write_part(path: Path, rows: list[list], missed: list[list]) -> None:
    """Keep rows of the table, and what gave none: lists of texts and numbers."""
    with replacing(path) as temporary:
        temporary.write_text(json.dumps([rows, missed]), encoding="utf-8")


def read_part(path: Path, columns: int) -> tuple[list[list], list[list]] | None:
    """Return (rows, missed) as they were kept; None for what is no such file: that work is done again."""
    try:
        found = json.loads(read_bytes(path, LARGEST))
    except (OSError, ValueError, RecursionError):
        return None
    if not isinstance(found, list) or len(found) != 2:
        return None
    rows, missed = found
    return (rows, missed) if _table(rows, columns) and _table(missed, len(MISSED)) else None


def _table(rows: Any, columns: int) -> bool:
    return isinstance(rows, list) and all(
        isinstance(row, list)
        and len(row) == columns
        and all(isinstance(cell, str | int | float) for cell in row)
        for row in rows
    )
