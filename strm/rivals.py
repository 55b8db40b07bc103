"""The nets that the S-TRM is compared with: the same interface, the same regularisers, about the same size.

What a rival remembers is a window of frames, [B, memory, width]: the newest hidden state of a GRU, the last
15 frames that a convolution looks back on, or nothing. So one piece of code carries and resets them all.
"""

from abc import ABC, abstractmethod
from collections.abc import Callable, Sequence
from itertools import combinations, pairwise

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from strm.landmarks import CORNERS, CURLS, FEATURES, MIDDLE_KNUCKLE, POINTS
from strm.model import TRM

SHORTEST_BONE = 0.05  # palm sizes; a hand that points at the camera has features without bound
V1_HIDDEN = (128, 64)


class Nothing(nn.Module):
    """Stands where a memory would be, and adds zero."""

    def forward(self, v: Tensor) -> Tensor:
        return v.new_zeros(())


class StatelessTRM(TRM):
    """The same recursion without a memory: every frame starts from the reset state.

    The weights that would read and write the state are left out, and its blocks are wider for it.
    """

    def __init__(self, hidden_dim: int = 174, **sizes):
        super().__init__(hidden_dim=hidden_dim, **sizes)
        for part in ("remember", "gate_y", "gate_z"):
            setattr(self, part, Nothing())

    def forward(self, x, prev_state=None, return_all_outputs=False, return_state=False):
        """Read one frame as `TRM.forward`, whatever came before it."""
        out = super().forward(x, None, return_all_outputs)
        return (out, self.initial_state(len(x))) if return_state else out

    def forward_sequence(self, x, state=None, lengths=None, reset=None, return_all_outputs=False):
        """Read every frame of x [B, S, 63] on its own; as `TRM.forward_sequence`, whose state is ignored."""
        x = torch.as_tensor(x, dtype=self.mean.dtype, device=self.mean.device)
        every = self(x.flatten(0, 1), return_all_outputs=True)
        logits = [out.unflatten(0, x.shape[:2]) for out in every]
        return (logits if return_all_outputs else logits[-1]), self.initial_state(len(x))


class Rival(nn.Module, ABC):
    """What all other rivals share: the scaler of the 63 numbers, and the memory of `memory` frames."""

    mean: Tensor
    scale: Tensor
    memory = 0

    def __init__(self) -> None:
        super().__init__()
        self.register_buffer("mean", torch.zeros(FEATURES))
        self.register_buffer("scale", torch.ones(FEATURES))

    def see(self, x: Tensor) -> Tensor:
        """Turn the numbers [B, S, 63] into what is read on: [B, S, width]."""
        return (x - self.mean) / self.scale

    def blank(self, first: Tensor) -> Tensor:
        """Return the memory before a first frame [B, 1, width]: [B, memory, width]."""
        return first[:, :0]

    @abstractmethod
    def read(self, seen: Tensor, past: Tensor) -> tuple[Tensor, Tensor]:
        """Return logits [B, S, C] of S frames and what to remember of each, [B, S, width]."""

    def forward_sequence(self, x, state=None, lengths=None, reset=None, return_all_outputs=False):
        """Read x [B, S, 63] as `TRM.forward_sequence` does; there is one answer only, T = 1."""
        seen = self.see(torch.as_tensor(x, dtype=self.mean.dtype, device=self.mean.device))
        state = self.blank(seen[:, :1]) if state is None else state
        frames, out = seen.shape[1], []
        # Between two frames at which somebody forgets, all frames are read at once.
        cuts = [] if reset is None else [s for s in range(1, frames) if reset[:, s].any()]
        for start, end in pairwise([0, *cuts, frames]):
            if reset is not None and self.memory:
                blank = self.blank(seen[:, start : start + 1])
                state = torch.where(reset[:, start, None, None], blank, state)
            logits, news = self.read(seen[:, start:end], state)
            out.append(logits)
            if self.memory:
                history = torch.cat([state, news], 1)
                lived = torch.full((len(seen),), end) if lengths is None else lengths
                last = (lived.to(seen.device) - start).clamp(0, end - start)[:, None]
                window = last + torch.arange(self.memory, device=seen.device)
                state = history[torch.arange(len(seen), device=seen.device)[:, None], window]
        logits = torch.cat(out, 1)
        return ([logits] if return_all_outputs else logits), state

    def forward(self, x, prev_state=None, return_all_outputs=False, return_state=False):
        """Read one frame x [B, 63] as `TRM.forward` does."""
        x = torch.as_tensor(x, dtype=self.mean.dtype, device=self.mean.device)
        logits, state = self.forward_sequence(x[:, None], prev_state)
        out = [logits[:, 0]] if return_all_outputs else logits[:, 0]
        return (out, state) if return_state else out


class MLP(Rival):
    """Two hidden layers, one frame, no memory, no recursion; 243 wide it has the S-TRM's size."""

    def __init__(
        self, input_dim: int = FEATURES, num_classes: int = 24, hidden_dim: int = 243, dropout: float = 0.1
    ):
        super().__init__()
        layers: list[nn.Module] = []
        for width in (input_dim, hidden_dim):
            layers += [nn.Linear(width, hidden_dim), nn.LayerNorm(hidden_dim), nn.GELU(), nn.Dropout(dropout)]
        self.layers = nn.Sequential(*layers, nn.Linear(hidden_dim, num_classes))

    def read(self, seen: Tensor, past: Tensor) -> tuple[Tensor, Tensor]:
        return self.layers(seen), past


def features102(x: Tensor) -> Tensor:
    """Turn the S-TRM's numbers [..., 63] into v1's 102, as `strm.landmarks.features102` does with points.

    The wrist's slot is not looked at: every other point is relative to the wrist.
    """
    flat = x.unflatten(-1, (POINTS, 3))[..., :2]
    flat = torch.cat([torch.zeros_like(flat[..., :1, :]), flat[..., 1:, :]], -2)
    bone = flat[..., MIDDLE_KNUCKLE, :]
    length = bone.norm(dim=-1, keepdim=True).clamp_min(SHORTEST_BONE)
    up = bone / length
    axes = torch.stack([torch.stack([-up[..., 1], up[..., 0]], -1), -up], -1)
    flat = flat @ axes / length[..., None]
    one, other = torch.tensor([*combinations(CORNERS, 2), *CURLS], device=x.device).T
    return torch.cat([flat.flatten(-2), (flat[..., one, :] - flat[..., other, :]).norm(dim=-1)], -1)


class FeatureMLP(MLP):
    """The first generation's idea: an MLP on 102 features that do not change when the hand turns or moves.

    hidden: v1's two layers with ReLU, and nothing else; without it the same layers as `MLP`.
    `mean` and `scale` belong to the 63 numbers; those of the 102 are averages over the batches of a training.
    """

    features_mean: Tensor
    features_var: Tensor

    def __init__(
        self,
        num_classes: int = 24,
        hidden_dim: int = 230,
        hidden: Sequence[int] | None = None,
        dropout: float = 0.1,
    ):
        count = 2 * POINTS + len([*combinations(CORNERS, 2), *CURLS])
        super().__init__(count, num_classes, hidden_dim, dropout)
        if hidden:
            layers: list[nn.Module] = []
            for width, after in pairwise([count, *hidden]):
                layers += [nn.Linear(width, after), nn.ReLU()]
            self.layers = nn.Sequential(*layers, nn.Linear(hidden[-1], num_classes))
        self.register_buffer("features_mean", torch.zeros(count))
        self.register_buffer("features_var", torch.ones(count))

    @torch.no_grad()
    def see(self, x: Tensor) -> Tensor:
        """Return standardised features [B, S, 102] of x [B, S, 63]."""
        features = features102(x).flatten(0, 1)
        scaled = F.batch_norm(features, self.features_mean, self.features_var, training=self.training)
        return scaled.unflatten(0, x.shape[:2])


class Conv(Rival):
    """Three convolutions that together see 16 frames; before a stream begins, its first frame stood still."""

    memory = 15

    def __init__(self, num_classes: int = 24, width: int = 68, kernel: int = 6, dropout: float = 0.1):
        super().__init__()
        sizes = [FEATURES, width, width, width]
        self.convs = nn.ModuleList(nn.Conv1d(a, b, kernel) for a, b in pairwise(sizes))
        self.norms = nn.ModuleList(nn.LayerNorm(width) for _ in self.convs)
        self.dropout = nn.Dropout(dropout)
        self.answer = nn.Linear(width, num_classes)
        self.memory = (kernel - 1) * len(self.convs)

    def blank(self, first: Tensor) -> Tensor:
        return first.expand(-1, self.memory, -1)

    def read(self, seen: Tensor, past: Tensor) -> tuple[Tensor, Tensor]:
        h = torch.cat([past, seen], 1)
        for conv, norm in zip(self.convs, self.norms, strict=True):
            h = self.dropout(F.gelu(norm(conv(h.transpose(1, 2)).transpose(1, 2))))
        return self.answer(h), seen


class GRU(Rival):
    """A gated recurrent unit behind a Linear and a LayerNorm: the usual way to remember."""

    memory = 1

    def __init__(
        self, num_classes: int = 24, seen_dim: int = 128, hidden_dim: int = 104, dropout: float = 0.1
    ):
        super().__init__()
        self.encode = nn.Sequential(
            nn.Linear(FEATURES, seen_dim), nn.LayerNorm(seen_dim), nn.GELU(), nn.Dropout(dropout)
        )
        self.gru = nn.GRU(seen_dim, hidden_dim, batch_first=True)
        self.answer = nn.Sequential(nn.Dropout(dropout), nn.Linear(hidden_dim, num_classes))

    def see(self, x: Tensor) -> Tensor:
        return self.encode(super().see(x))

    def blank(self, first: Tensor) -> Tensor:
        return first.new_zeros(len(first), 1, self.gru.hidden_size)

    def read(self, seen: Tensor, past: Tensor) -> tuple[Tensor, Tensor]:
        hidden, _ = self.gru(seen, past.transpose(0, 1).contiguous())
        return self.answer(hidden), hidden


# Every rival by its name: a function from the number of classes to a net, at n = T = 2.
RIVALS: dict[str, Callable[[int], nn.Module]] = {
    "stateless": lambda num_classes: StatelessTRM(num_classes=num_classes, n_latent=2, T_deep=2),
    "conv": lambda num_classes: Conv(num_classes),
    "gru": lambda num_classes: GRU(num_classes),
    "mlp": lambda num_classes: MLP(num_classes=num_classes),
    "features": lambda num_classes: FeatureMLP(num_classes),
    "v1": lambda num_classes: FeatureMLP(num_classes, hidden=V1_HIDDEN),
}
