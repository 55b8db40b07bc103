"""The Stateful Tiny Recursive Model: a small net that thinks several times about each frame and remembers.

Symbols as in the paper (Jolicoeur-Martineau, "Less is More: Recursive Reasoning with Tiny Networks", 2025,
arXiv:2510.04871): x the input, y the current answer, z the latent thought, n latent updates in each of
T cycles.
Ours adds a memory: (y, z) is carried from one frame to the next.
"""

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from strm.pretrained import Pretrained

State = tuple[Tensor, Tensor]  # (y, z), each [B, latent_dim]


def norm(v: Tensor) -> Tensor:
    """Layer normalisation without parameters: it keeps the state bounded over an endless stream."""
    return F.layer_norm(v, v.shape[-1:])


class Block(nn.Module):
    """Two linear layers with a normalised GELU between: the only kind of thought this model has."""

    def __init__(self, input_dim: int, hidden_dim: int, output_dim: int, dropout: float):
        super().__init__()
        self.first = nn.Linear(input_dim, hidden_dim)
        self.second = nn.Linear(hidden_dim, output_dim)
        self.dropout = nn.Dropout(dropout)

    def rest(self, hidden: Tensor) -> Tensor:
        """Go on from what the first layer gave."""
        return self.second(self.dropout(F.gelu(norm(hidden))))

    def forward(self, *parts: Tensor) -> Tensor:
        return self.rest(self.first(torch.cat(parts, -1)))


class TRM(nn.Module, Pretrained):
    """Read one frame, or a stream of frames, of 63 numbers (see `strm.landmarks.normalise`).

    For each frame, with the state (y_prev, z_prev) from the frame before:

    1. e = W_in x + W_m y_prev: what is seen and what is remembered. It enters *every* update below. A state
       that were only the starting point would be washed out by a net that thinks towards a fixed point.
    2. y = e, z = z_prev. T times: n times z <- norm(z + latent(e, y, z)), once y <- norm(y + deep(y, z)).
       Each cycle gives an answer, logits_t = W_out y.
    3. Gates write the new state after the thinking: y_next = g y_prev + (1 - g) y, and z likewise.
    """

    mean: Tensor
    scale: Tensor
    y_reset: Tensor
    z_reset: Tensor

    def __init__(
        self,
        input_dim: int = 63,
        num_classes: int = 24,
        latent_dim: int = 64,
        hidden_dim: int = 128,
        n_latent: int = 6,
        T_deep: int = 3,
        dropout: float = 0.1,
    ):
        super().__init__()
        if min(input_dim, num_classes, latent_dim, hidden_dim, n_latent, T_deep) < 1 or not 0 <= dropout < 1:
            raise ValueError("every size must be at least 1, and dropout at least 0 and below 1.")
        self.n_latent, self.T_deep = n_latent, T_deep
        self.see = nn.Linear(input_dim, latent_dim)  # W_in
        self.remember = nn.Linear(latent_dim, latent_dim, bias=False)  # W_m
        self.latent = Block(3 * latent_dim, hidden_dim, latent_dim, dropout)
        self.deep = Block(2 * latent_dim, hidden_dim, latent_dim, dropout)
        self.answer = nn.Linear(latent_dim, num_classes)  # W_out
        self.gate_y = nn.Linear(2 * latent_dim, latent_dim)
        self.gate_z = nn.Linear(2 * latent_dim, latent_dim)
        for gate in (self.gate_y, self.gate_z):
            nn.init.zeros_(gate.bias)  # half open: a memory that starts shut never learns what it is for
        # Constants that travel with the weights: the scaler of x, fitted on the training part only, and the
        # reset state (a buffer, not a parameter: so `prev_state=None` is a state like any other).
        self.register_buffer("mean", torch.zeros(input_dim))
        self.register_buffer("scale", torch.ones(input_dim))
        self.register_buffer("y_reset", torch.zeros(latent_dim))
        self.register_buffer("z_reset", torch.zeros(latent_dim))

    def initial_state(self, batch: int) -> State:
        """Return the state before the first frame: (y, z), each [batch, latent_dim]."""
        return self.y_reset.expand(batch, -1), self.z_reset.expand(batch, -1)

    def encode(self, x) -> Tensor:
        """Scale x [..., input_dim] (any float type, unscaled) and project it: [..., latent_dim]."""
        x = torch.as_tensor(x, dtype=self.mean.dtype, device=self.mean.device)
        if x.shape[-1] != self.mean.shape[0]:
            raise ValueError(f"x must end in {self.mean.shape[0]} numbers, not in shape {tuple(x.shape)}.")
        return self.see((x - self.mean) / self.scale)

    def think(self, seen: Tensor, state: State) -> tuple[list[Tensor], State]:
        """Think about one encoded frame [B, latent_dim]: T answers [B, latent_dim], and the next state."""
        y_prev, z_prev = state
        e = seen + self.remember(y_prev)
        y, z, answers = e, z_prev, []
        # latent(e, y, z) begins with one linear layer, so its three shares can be computed apart. That of e
        # is the same in all updates of a frame, that of y within a cycle: exact, and a third cheaper.
        of_e, of_y, of_z = self.latent.first.weight.split(e.shape[-1], dim=1)
        from_e = F.linear(e, of_e, self.latent.first.bias)
        for _ in range(self.T_deep):
            from_ey = torch.addmm(from_e, y, of_y.T)
            for _ in range(self.n_latent):
                z = norm(z + self.latent.rest(torch.addmm(from_ey, z, of_z.T)))
            y = norm(y + self.deep(y, z))
            answers.append(y)
        gate_y = torch.sigmoid(self.gate_y(torch.cat([y_prev, y], -1)))
        gate_z = torch.sigmoid(self.gate_z(torch.cat([z_prev, z], -1)))
        return answers, (gate_y * y_prev + (1 - gate_y) * y, gate_z * z_prev + (1 - gate_z) * z)

    def forward(
        self, x, prev_state: State | None = None, return_all_outputs: bool = False, return_state: bool = False
    ):
        """Read one frame x [B, input_dim]: logits [B, C].

        With `return_all_outputs` the list of T logits instead; with `return_state` (that, (y, z)).
        `prev_state=None` is the reset state. The return type is the same in train and eval mode.
        """
        seen = self.encode(x)
        if seen.ndim != 2:
            raise ValueError(f"x must be [B, {self.mean.shape[0]}], not {tuple(x.shape)}: one frame a row.")
        answers, state = self.think(seen, self.initial_state(len(seen)) if prev_state is None else prev_state)
        out = [self.answer(y) for y in answers] if return_all_outputs else self.answer(answers[-1])
        return (out, state) if return_state else out

    def forward_sequence(
        self,
        x,
        state: State | None = None,
        lengths: Tensor | None = None,
        reset: Tensor | None = None,
        return_all_outputs: bool = False,
    ):
        """Read streams x [B, S, input_dim] frame by frame: (logits [B, S, C], state).

        The gradient crosses the frames (true backpropagation through time). `lengths` [B]: frames of each row
        that count; later ones leave the state as it is. `reset` [B, S], bool: who forgets before a frame.
        With `return_all_outputs` the list of T logits [B, S, C] takes the place of the last one.
        """
        seen = self.encode(x)  # all frames at once
        if seen.ndim != 3 or seen.shape[1] == 0:
            raise ValueError(
                f"x must be [B, S, {self.mean.shape[0]}] with S of 1 or more, not {tuple(x.shape)}."
            )
        start = self.initial_state(len(seen))
        state = start if state is None else state
        frames: list[list[Tensor]] = []
        for s, frame in enumerate(seen.unbind(1)):
            if reset is not None:
                forget = reset[:, s, None]
                state = torch.where(forget, start[0], state[0]), torch.where(forget, start[1], state[1])
            answers, new = self.think(frame, state)
            if lengths is not None:
                live = (s < lengths)[:, None]
                new = torch.where(live, new[0], state[0]), torch.where(live, new[1], state[1])
            state = new
            frames.append(answers)
        cycles = zip(*frames, strict=True) if return_all_outputs else [[answers[-1] for answers in frames]]
        logits = [self.answer(torch.stack(list(cycle), 1)) for cycle in cycles]
        return (logits if return_all_outputs else logits[0]), state
