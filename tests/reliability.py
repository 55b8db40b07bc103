"""What the long tests saw of bad days, kept in data/results/reliability.json for the book and for README."""

import json
from pathlib import Path

from strm.files import replacing

PATH = Path(__file__).parents[1] / "data" / "results" / "reliability.json"


def record(name: str, **figures: object) -> None:
    """Write what a test saw under its name, in place of what it saw before; all other figures stay.

    figures: numbers, texts, and lists and dictionaries of them. A test calls this last, when all has held.
    """
    kept = json.loads(PATH.read_text("utf-8")) if PATH.exists() else {"made by": "pytest -m long"}
    kept[name] = kept.get(name, {}) | figures
    with replacing(PATH) as part:
        part.write_text(json.dumps(kept, indent=1, sort_keys=True) + "\n", "utf-8")
