"""Chapter 4: what a student may have written, and what is to be said about it."""

from collections.abc import Callable
from typing import Any

import numpy as np
import torch
from torch import Tensor

from strm.exercises import NOT_YET, RIGHT, WRONG, exercise
from strm.model import TRM

FRAMES, PIECE = 7, 3


@exercise("4.1")
def truncated(function: Callable[[TRM, Tensor, int], Any]) -> str:
    with torch.random.fork_rng():
        torch.manual_seed(0)
        net = TRM(num_classes=3, n_latent=1, T_deep=1).eval()
        x = torch.randn(1, FRAMES, 63, requires_grad=True)
    logits = function(net, x, PIECE)
    if logits is ...:
        return NOT_YET
    logits = logits[0] if isinstance(logits, tuple) else logits
    true, _ = net.forward_sequence(x)
    fresh = torch.cat([net.forward_sequence(part)[0] for part in x.split(PIECE, 1)], 1)
    if logits.shape == fresh.shape and torch.allclose(logits, fresh, atol=1e-5):
        return "forgets"
    if logits.shape != true.shape or not torch.allclose(logits, true, atol=1e-5):
        return WRONG
    if not logits.requires_grad:
        return "no gradient"
    reached = _reached(logits, x)
    wanted = np.array([[s <= t and s // PIECE == t // PIECE for s in range(FRAMES)] for t in range(FRAMES)])
    if np.array_equal(reached, wanted):
        return RIGHT
    if np.array_equal(reached, np.tril(np.ones_like(wanted))):
        return "not cut"
    if np.array_equal(reached, np.eye(FRAMES, dtype=bool)):
        return "each frame"
    return "elsewhere"


def _reached(logits: Tensor, x: Tensor) -> np.ndarray:
    """Which answers depend on which frames: [S, S] bool."""
    answers = logits[0].square().sum(-1)
    rows = [torch.autograd.grad(one, x, retain_graph=True)[0][0] for one in answers]
    return (torch.stack(rows).abs().amax(-1) > 0).numpy()


def _share(answer: Any) -> float:
    """A share, given as 0.5 or as 50 (percent)."""
    value = float(answer)
    return value / 100 if value > 1 else value


@exercise("4.2")
def balanced(answer: Any) -> str:
    read, refused, still = 40, 30, 120
    found = _share(answer)
    said = {
        RIGHT: (read / 40 + refused / still) / 2,
        "plain": (read + refused) / (40 + still),
        "only moving": 1.0,
        "misread": (read / 40 + (still - refused) / still) / 2,
    }
    return next((name for name, value in said.items() if abs(found - value) < 0.004), WRONG)


@exercise("4.3")
def fade(answer: Any) -> str:
    frames = float(answer)
    if frames == 22:
        return RIGHT
    if 21 <= frames < 22:
        return "not yet below"
    if frames in (1, 9, 10):
        return "straight"
    return "half" if frames in (6, 7) else WRONG


@exercise("4.4")
def window(answer: Any) -> str:
    frames = float(answer)
    known = {31: RIGHT, 30: "fence", 16: "ours", 61: "camera", 60: "camera", 17: "ours", 15: "one second"}
    return known.get(int(frames), WRONG) if frames == int(frames) else WRONG


@exercise("4.5")
def hold(function: Callable[[np.ndarray], Any]) -> str:
    for frames in (8, 15):
        stroke = np.random.default_rng(frames).normal(size=(frames, 21, 3)).astype(np.float32)
        given = stroke.copy()
        found = function(given)
        if found is ...:
            return NOT_YET
        found = np.asarray(found)
        if not np.array_equal(given, stroke):
            return "overwrites"
        if found.shape == stroke.shape[1:]:
            return "a frame"
        if found.shape != stroke.shape:
            return "shape"
        if not np.allclose(found, found[:1]):
            return "moves"
        same = np.abs(stroke - found[:1]).max((1, 2)) < 1e-5
        if not same.any():
            return "no frame"
        if np.argmax(same) < frames // 2:
            return "first half"
    return RIGHT


@exercise("4.6")
def silent(answer: Any) -> str:
    parts = {answer} if isinstance(answer, str) else {str(part).split(".")[0] for part in answer}
    if parts == {"gate_y", "gate_z"}:
        return RIGHT
    if not parts <= {name for name, _ in TRM().named_children()}:
        return "names"
    if not parts:
        return "all train"
    if "remember" in parts:
        return "remember"
    return "one gate" if parts < {"gate_y", "gate_z"} else WRONG
