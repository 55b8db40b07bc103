"""A file of `strm export`, run by ONNX Runtime: no PyTorch in the step, the same answers."""

import json
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor

from strm.bundle import Bundle
from strm.files import UserError
from strm.foreign import read_bytes
from strm.model import State

MODEL_FILE = "model.onnx"
LARGEST = 2**28  # bytes
ELSEWHERE = b"\n\x08location"  # how a graph begins to say which file, of any folder, holds its numbers


def need(*packages: str) -> None:
    """Raise UserError where one of these packages is not installed."""
    for name in packages:
        if find_spec(name) is None:
            raise UserError(f"{name} is not installed: pip install {' '.join(packages)}.")


class OnnxModel:
    """A file of `strm export`, called as `TRM` is: for the same evaluation and the same `Recognizer`."""

    def __init__(self, path: str | Path):
        self.session = session(path)
        said = self.session.get_modelmeta().custom_metadata_map
        try:
            self.config, reset = json.loads(said["config"]), json.loads(said["reset"])
            self.reset = torch.tensor([reset["y"]]), torch.tensor([reset["z"]])
            if not isinstance(self.config, dict):
                raise TypeError
        except (KeyError, ValueError, TypeError, RecursionError):
            raise UserError(f"{path} is no model of `strm export`: make it anew.") from None

    def initial_state(self, batch: int) -> State:
        """Return the state before the first frame: (y, z), each [batch, latent_dim]."""
        return self.reset[0].expand(batch, -1), self.reset[1].expand(batch, -1)

    def __call__(self, x, prev_state: State | None = None, return_state: bool = False):
        """Read one frame x [B, 63]: logits [B, C], with `return_state` (that, (y, z))."""
        y, z = self.initial_state(len(x)) if prev_state is None else prev_state
        fed = {"x": np.asarray(x, np.float32), "y": y.numpy(), "z": z.numpy()}
        logits, y, z = map(torch.from_numpy, self.session.run(None, fed))
        return (logits, (y, z)) if return_state else logits

    def forward_sequence(self, x, state: State | None = None, lengths: Tensor | None = None):
        """Read streams x [B, S, 63]: (logits [B, S, C], state), as `TRM.forward_sequence`."""
        x = torch.as_tensor(x)
        state, every = self.initial_state(len(x)) if state is None else state, []
        for s, frame in enumerate(x.unbind(1)):
            logits, new = self(frame, state, return_state=True)
            live = torch.ones(len(x), 1, dtype=torch.bool) if lengths is None else (s < lengths)[:, None]
            state = torch.where(live, new[0], state[0]), torch.where(live, new[1], state[1])
            every.append(logits)
        return torch.stack(every, 1), state


def swift(bundle: Bundle, folder: str | Path) -> Bundle:
    """Return the same model run by ONNX Runtime, which is several times as fast, where that can be had.

    `folder` must hold the model.onnx of these very weights (its configuration tells), and onnxruntime must be
    installed; else the bundle comes back as it is.
    """
    path = Path(folder) / MODEL_FILE
    if find_spec("onnxruntime") is None or not path.is_file():
        return bundle
    model = OnnxModel(path)
    if model.config.get("weights_sha256") != bundle.config.get("weights_sha256"):
        return bundle  # it was exported before the last training
    return Bundle(model, bundle.config)  # type: ignore[arg-type]


def session(path: str | Path) -> Any:
    """Return an ONNX Runtime session on one thread: a net this small leaves two of them waiting."""
    need("onnxruntime")
    import onnxruntime

    if not Path(path).is_file():
        raise UserError(f"{path} is not there: `strm export` makes it.")
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = options.inter_op_num_threads = 1
    try:
        content = read_bytes(Path(path), LARGEST)
        if ELSEWHERE in content:
            raise ValueError("its numbers are in another file")
        return onnxruntime.InferenceSession(content, options, providers=["CPUExecutionProvider"])
    except Exception as error:  # it raises many kinds for a broken file; none of them is the user's concern
        raise UserError(f"{path} is no ONNX graph ({type(error).__name__}): make it anew.") from None
