"""One training by several processes, on several GPUs or machines: `accelerate launch … -m strm train …`."""

import os
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn.utils import parameters_to_vector, vector_to_parameters

from strm.files import UserError


def leads() -> bool:
    """Tell whether this process is the one that writes and talks: the only one, or the first of several."""
    return os.environ.get("RANK", "0") == "0"


class Team:
    """The processes that train one model; without a launcher, this one alone, and nothing here costs a thing.

    Every process draws the same batch, learns from its own rows of it, and adds its gradient to the others':
    the sum is the whole batch's. So all take the same step, which is the one that a process alone would take.
    """

    def __init__(self, device: torch.device):
        """device: the kind asked for; `self.device` is this process's own."""
        self.size, self.rank, self.device = int(os.environ.get("WORLD_SIZE", "1")), 0, device
        if self.size == 1:
            return
        try:
            from accelerate import Accelerator
        except ImportError as error:
            raise UserError(
                f'Training together needs accelerate ({error}): pip install "strm[scale]".'
            ) from error
        here = int(os.environ.get("LOCAL_RANK", "0"))
        if device.type == "mps" or (device.type == "cuda" and here >= torch.cuda.device_count()):
            raise UserError(
                f"This machine has no {device.type} device for each process: start fewer, or --device cpu."
            )
        self.accelerator = Accelerator(cpu=device.type == "cpu")
        self.rank, self.device = self.accelerator.process_index, self.accelerator.device

    def mine(self, *batch: Tensor) -> list[Tensor]:
        """Return this process's rows of tensors [B, …]: every size-th, from its own rank on."""
        return [part[self.rank :: self.size] for part in batch]

    def sum(self, value: Tensor) -> Tensor:
        """Add up a tensor over all processes."""
        return value if self.size == 1 else self.accelerator.reduce(value, "sum")

    def add_gradients(self, model: nn.Module) -> None:
        """Give every process the sum of all processes' gradients."""
        if self.size > 1:
            gradients = [p.grad for p in model.parameters() if p.grad is not None]
            vector_to_parameters(self.sum(parameters_to_vector(gradients)), gradients)

    def agreed(self, value: Any) -> Any:
        """Return what the first process says, in all of them: machines may differ in the last digit."""
        if self.size == 1:
            return value
        from accelerate.utils import broadcast_object_list

        return broadcast_object_list([value])[0]
