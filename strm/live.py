"""The model for the page: its weights as plain numbers that `book/_static/live/strm.mjs` reads."""

import json
from pathlib import Path

import numpy as np

from strm.bundle import Bundle
from strm.files import replacing

MODEL_FILE, WEIGHTS_FILE = "model.json", "weights.bin"


def write_model(bundle: Bundle, folder: str | Path) -> None:
    """Write a bundle as model.json, with its configuration, and weights.bin: float32, little-endian.

    model.json tells where in the file each tensor of the state dict begins and how many numbers it has.
    """
    tensors, parts, begins = {}, [], 0
    for name, value in bundle.model.state_dict().items():
        numbers = value.detach().cpu().numpy().astype("<f4").ravel()
        tensors[name] = [begins, len(numbers)]
        parts.append(numbers)
        begins += len(numbers)
    kept = ("class_names", "fps", "alphabet", "preprocessing", "n_latent", "T_deep", "weights_sha256")
    config = {key: bundle.config[key] for key in kept if key in bundle.config}
    description = {"config": config, "weights": WEIGHTS_FILE, "tensors": tensors}
    with replacing(Path(folder) / WEIGHTS_FILE) as path:
        path.write_bytes(np.concatenate(parts).tobytes())
    with replacing(Path(folder) / MODEL_FILE) as path:
        path.write_text(json.dumps(description, ensure_ascii=False) + "\n", encoding="utf-8")
