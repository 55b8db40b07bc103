"""What a training step costs: of the S-TRM, and of a GRU of the same size, whose loop is one fused call."""

import time
from collections.abc import Callable
from typing import Any

import numpy as np
import torch

from strm.landmarks import FEATURES
from strm.loss import DeepSupervisionLoss
from strm.model import TRM
from strm.rivals import GRU
from strm.timing import in_turns

# Drawing random numbers within the compiled code would keep the rest of it from being vectorised.
OPTIONS: dict[str, Any] = {"fallback_random": True}


def train_in_turns(
    classes: int, n_latent: int, T_deep: int, batch: int, frames: int, rounds: int, compiled: bool
) -> tuple[dict[str, np.ndarray], dict[str, Any]]:
    """Time training steps: forward, deep supervision, backward, AdamW.

    Returns (milliseconds of a step [rounds] by net: `strm`, `gru` and, where there is a compiler,
    `strm_compiled`; what was trained on, and how many seconds compiling took or why it was not done).
    """
    shape = {"num_classes": classes, "n_latent": n_latent, "T_deep": T_deep}
    nets = {"gru": GRU(classes), "strm": TRM(**shape)}
    calls = {name: _step(net, classes, batch, frames) for name, net in nets.items()}
    said: dict[str, Any] = {"n_latent": n_latent, "T_deep": T_deep, "batch": batch, "frames": frames}
    if compiled:
        model = TRM(**shape)
        # One frame's thinking: compiling a whole stream of them takes minutes and gains nothing.
        model.think = torch.compile(model.think, options=OPTIONS)  # type: ignore[method-assign]
        step, start = _step(model, classes, batch, frames), time.perf_counter()
        try:
            step()
        except Exception as error:  # a machine without a compiler says so in many ways
            said["compile"] = f"not measured: torch.compile failed here ({type(error).__name__})"
        else:
            said["compile_s"] = round(time.perf_counter() - start, 1)
            calls["strm_compiled"] = step
    return in_turns(calls, rounds), said


def _step(model: Any, classes: int, batch: int, frames: int) -> Callable[[], None]:
    x, targets = torch.randn(batch, frames, FEATURES), torch.randint(classes, (batch, frames))
    loss, optimiser = DeepSupervisionLoss(classes), torch.optim.AdamW(model.parameters())
    model.train()

    def step() -> None:
        logits, _ = model.forward_sequence(x, return_all_outputs=True)
        optimiser.zero_grad(set_to_none=True)
        loss(logits, targets).backward()
        optimiser.step()

    return step
