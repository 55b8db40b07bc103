"""The nets that the S-TRM is compared with: the same interface, about the same size.

Each has `forward_sequence(x [B, S, 63], …, return_all_outputs)` and the scaler's buffers `mean` and `scale`.
"""

import torch
from torch import Tensor, nn

from strm.model import TRM


class StatelessTRM(TRM):
    """The same recursion without a memory: every frame starts from the reset state."""

    def forward_sequence(self, x, state=None, lengths=None, reset=None, return_all_outputs=False):
        """Read every frame of x [B, S, 63] on its own; as `TRM.forward_sequence`, whose state is ignored."""
        x = torch.as_tensor(x, dtype=self.mean.dtype, device=self.mean.device)
        every, _ = self(x.flatten(0, 1), return_all_outputs=True, return_state=True)
        logits = [out.unflatten(0, x.shape[:2]) for out in every]
        return (logits if return_all_outputs else logits[-1]), self.initial_state(len(x))


class MLP(nn.Module):
    """Two hidden layers, one frame, no memory, no recursion; 243 wide it has the S-TRM's size."""

    mean: Tensor
    scale: Tensor

    def __init__(
        self, input_dim: int = 63, num_classes: int = 24, hidden_dim: int = 243, dropout: float = 0.1
    ):
        super().__init__()
        self.register_buffer("mean", torch.zeros(input_dim))
        self.register_buffer("scale", torch.ones(input_dim))
        layers: list[nn.Module] = []
        for width in (input_dim, hidden_dim):
            layers += [nn.Linear(width, hidden_dim), nn.LayerNorm(hidden_dim), nn.GELU(), nn.Dropout(dropout)]
        self.layers = nn.Sequential(*layers, nn.Linear(hidden_dim, num_classes))

    def forward_sequence(self, x, state=None, lengths=None, reset=None, return_all_outputs=False):
        """Read every frame of x [B, S, 63]: (logits [B, S, C], None)."""
        x = torch.as_tensor(x, dtype=self.mean.dtype, device=self.mean.device)
        logits = self.layers((x - self.mean) / self.scale)
        return ([logits] if return_all_outputs else logits), None
