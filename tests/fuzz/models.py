"""Configurations, weights of both kinds with their true hash, and checkpoints."""

import atheris
from common import PLACE, fuzz, put, refusing

with atheris.instrument_imports(include=["strm"]):
    from strm import bundle, checkpoint

import hashlib
import json

import safetensors.torch
import torch

from strm.model import TRM

torch.manual_seed(0)
torch.set_num_threads(1)
NET = TRM(num_classes=2, latent_dim=2, hidden_dim=2, n_latent=1, T_deep=1).eval()
CONFIG = bundle.describe(NET, ["A", "B"], 0.1, True, {})
NAMES = {
    b"t": (bundle.CONFIG_FILE, bundle.WEIGHTS_FILE),
    b"s": (bundle.HUB_CONFIG_FILE, bundle.HUB_WEIGHTS_FILE),
}


def one(content: bytes) -> None:
    how, content = content[:1], content[1:]
    if how == b"p":
        found = checkpoint.load(put("checkpoint.pt", content), "mark")
        assert found is None or isinstance(found, dict)
        return
    for names in NAMES.values():
        for name in names:
            (PLACE / name).unlink(missing_ok=True)
    names = NAMES.get(how, NAMES[b"t"])
    if how in NAMES:
        put(names[1], content)
        put(names[0], json.dumps(CONFIG | {"weights_sha256": hashlib.sha256(content).hexdigest()}).encode())
    else:
        weights = checkpoint.packed(NET.state_dict())
        put(names[1], weights)
        put(names[0], content.replace(b"HASH", hashlib.sha256(weights).hexdigest().encode()))
    with refusing():
        model = bundle.load(PLACE).model
        assert all(torch.isfinite(value).all() for value in model.state_dict().values())


def seeds() -> list[bytes]:
    state = NET.state_dict()
    return [
        b"c" + json.dumps(CONFIG | {"weights_sha256": "HASH"}).encode(),
        b"t" + checkpoint.packed(state),
        b"s" + safetensors.torch.save(state),
        b"p" + checkpoint.packed({"mark": "mark", "state": {"history": [{"loss": 1.0}], "weights": state}}),
    ]


if __name__ == "__main__":
    fuzz(one, seeds())
