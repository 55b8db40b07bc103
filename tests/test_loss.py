"""Deep supervision equals its formula."""

import math

import pytest
import torch
import torch.nn.functional as F

from strm.loss import DeepSupervisionLoss


def by_hand(all_logits, targets, decay, smoothing):
    """Sum over t of lambda^(T-t) times the smoothed cross-entropy, written out with logarithms."""
    total, last = 0.0, len(all_logits)
    for t, logits in enumerate(all_logits, 1):
        log_p = logits - logits.exp().sum(-1, keepdim=True).log()
        wanted = torch.full_like(logits, smoothing / logits.shape[-1])
        wanted[range(len(targets)), targets] += 1 - smoothing
        total = total + decay ** (last - t) * -(wanted * log_p).sum(-1).mean()
    return total


@pytest.mark.parametrize(("decay", "smoothing"), [(0.9, 0.1), (1.0, 0.0), (0.5, 0.2)])
def test_the_loss_is_the_formula(decay, smoothing):
    torch.manual_seed(0)
    all_logits = [torch.randn(7, 24) for _ in range(3)]
    targets = torch.randint(24, (7,))
    loss = DeepSupervisionLoss(24, decay, smoothing)(all_logits, targets)
    assert torch.allclose(loss, by_hand(all_logits, targets, decay, smoothing), atol=1e-6)


def test_the_defaults_are_those_promised():
    torch.manual_seed(1)
    all_logits, targets = [torch.randn(5, 24) for _ in range(3)], torch.arange(5)
    assert torch.allclose(
        DeepSupervisionLoss()(all_logits, targets), by_hand(all_logits, targets, 0.9, 0.1), atol=1e-6
    )


def test_the_last_answer_counts_most():
    right, wrong = torch.tensor([[9.0, 0.0]]), torch.tensor([[0.0, 9.0]])
    loss_fn, target = DeepSupervisionLoss(2, 0.5), torch.tensor([0])
    assert loss_fn([wrong, right], target) < loss_fn([right, wrong], target)


def test_an_even_guess_costs_the_logarithm_of_the_classes():
    loss = DeepSupervisionLoss(24, 0.9)([torch.zeros(4, 24)] * 3, torch.zeros(4, dtype=torch.long))
    assert math.isclose(loss.item(), (1 + 0.9 + 0.81) * math.log(24), rel_tol=1e-6)


def test_weights_choose_the_frames_that_count():
    torch.manual_seed(2)
    logits, targets = [torch.randn(2, 5, 3)], torch.randint(3, (2, 5))
    weights = torch.zeros(2, 5)
    weights[1, 3] = 0.7
    alone = F.cross_entropy(logits[0][1, 3], targets[1, 3], label_smoothing=0.1)
    assert torch.allclose(DeepSupervisionLoss(3)(logits, targets, weights), alone, atol=1e-6), (
        "frames of weight 0 must not count, and the scale of the weights must not matter"
    )


@pytest.mark.parametrize("all_logits", [[], [torch.zeros(2, 5)]])
def test_wrong_logits_are_named(all_logits):
    with pytest.raises(ValueError, match="24 classes"):
        DeepSupervisionLoss(24)(all_logits, torch.zeros(2, dtype=torch.long))
