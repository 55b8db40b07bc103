"""On which device a training computes, and in which precision."""

import torch

from strm.files import UserError


def device_of(name: str) -> torch.device:
    """Return the device called cpu, cuda, mps or auto; UserError where this machine has none."""
    found = {"cuda": torch.cuda.is_available(), "mps": torch.backends.mps.is_available(), "cpu": True}
    if name == "auto":
        name = next(kind for kind in found if found[kind])
    if not found.get(name, False):
        raise UserError(f"This machine has no {name} device for PyTorch: choose --device cpu or auto.")
    return torch.device(name)


def precision_of(name: str, device: torch.device) -> torch.dtype:
    """Return the type in which products are computed: float32, bfloat16, float16, or auto's choice.

    auto: on a CUDA device what its tensor cores take, bfloat16 from Ampere on, float16 from Volta on (the T4
    of Kaggle and Colab); elsewhere, and on older ones, float32.
    """
    if name != "auto":
        return getattr(torch, name)
    age = torch.cuda.get_device_capability(device)[0] if device.type == "cuda" else 0
    return torch.bfloat16 if age >= 8 else torch.float16 if age == 7 else torch.float32
