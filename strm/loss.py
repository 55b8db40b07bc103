"""Deep supervision: every one of the T answers is asked to be right, the last one most of all."""

from collections.abc import Sequence

import torch
import torch.nn.functional as F
from torch import Tensor, nn


class DeepSupervisionLoss(nn.Module):
    """Sum over t = 1 … T of weight_decay^(T-t) times the cross-entropy of logits_t.

    weight_decay: the paper's lambda; 1 asks of all answers alike, 0 of the last one only.
    label_smoothing: the share of the target that is spread over all classes.
    """

    def __init__(self, num_classes: int = 24, weight_decay: float = 0.9, label_smoothing: float = 0.1):
        super().__init__()
        self.num_classes, self.weight_decay, self.label_smoothing = num_classes, weight_decay, label_smoothing

    def forward(self, all_logits: Sequence[Tensor], targets: Tensor, weights: Tensor | None = None) -> Tensor:
        """Return the loss, a scalar.

        all_logits: T tensors [..., num_classes]; targets: class numbers [...], or how likely each class shall
        be, [..., num_classes]; weights: [...], how much each target counts (a frame between two letters: 0);
        without them all count alike.
        """
        if not len(all_logits) or any(logits.shape[-1] != self.num_classes for logits in all_logits):
            raise ValueError(f"all_logits must be a list of tensors that end in {self.num_classes} classes.")
        frames = all_logits[0].shape[:-1]
        wanted = targets.reshape(-1, self.num_classes) if targets.is_floating_point() else targets.flatten()
        weights = torch.ones(frames, device=targets.device) if weights is None else weights
        share = (weights / weights.sum().clamp_min(1e-9)).flatten()  # where nothing counts, nothing is lost
        total = all_logits[0].new_zeros(())
        for after, logits in enumerate(reversed(all_logits)):  # after = T - t
            each = F.cross_entropy(
                logits.flatten(0, -2),
                wanted,
                label_smoothing=self.label_smoothing,
                reduction="none",
            )
            total = total + self.weight_decay**after * (share * each).sum()
        return total
