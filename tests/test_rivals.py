"""Fair rivals: the S-TRM's size and interface, streams like wholes, a memory as long as they claim."""

import numpy as np
import pytest
import torch

from strm.bundle import Bundle
from strm.landmarks import Hand, motion_features
from strm.landmarks import features102 as features102_of_points
from strm.loss import DeepSupervisionLoss
from strm.model import TRM
from strm.rivals import RIVALS, features102
from strm.stream import Recognizer

CLASSES = 27
WINDOW = 16  # frames that the convolution sees
MEMORY = {
    "gru": 23,
    "conv": WINDOW - 1,
}  # how far back each looks, in a stream of 24 frames; others not at all


@pytest.fixture(params=RIVALS)
def name(request):
    return request.param


@pytest.fixture
def net(name):
    torch.manual_seed(0)
    model = RIVALS[name](CLASSES)
    model.mean.normal_()
    model.scale.uniform_(0.5, 2)
    return model.eval()


@pytest.fixture
def x():
    return torch.randn(3, 24, 63, generator=torch.Generator().manual_seed(1))


def parts(state):
    """The tensors of a state: (y, z), or one window of frames."""
    return state if isinstance(state, tuple) else (state,)


def test_each_has_the_size_of_the_strm(name, net):
    size = sum(p.numel() for p in TRM(num_classes=CLASSES, n_latent=2, T_deep=2).parameters())
    own = sum(p.numel() for p in net.parameters())
    if name == "v1":
        assert own == 102 * 128 + 128 + 128 * 64 + 64 + 64 * CLASSES + CLASSES, "v1's layers, nothing else"
    else:
        assert abs(own / size - 1) < 0.05, f"{own} beside {size}"


def test_a_stream_frame_by_frame_gives_what_the_whole_gives(net, x):
    whole, end = net.forward_sequence(x)
    assert whole.shape == (3, 24, CLASSES)
    state, frames = None, []
    for s in range(24):
        logits, state = net(x[:, s], prev_state=state, return_state=True)
        frames.append(logits)
    assert torch.allclose(torch.stack(frames, 1), whole, atol=1e-5)
    cut = net.forward_sequence(x[:, :9])
    rest = net.forward_sequence(x[:, 9:], cut[1])
    assert torch.allclose(torch.cat([cut[0], rest[0]], 1), whole, atol=1e-5)
    for got, also, wanted in zip(parts(state), parts(rest[1]), parts(end), strict=True):
        assert torch.allclose(got, wanted, atol=1e-5) and torch.allclose(also, wanted, atol=1e-5)


def test_before_a_stream_its_first_frame_stood_still():
    """A window that began with zeros would see the hand jump out of nowhere in its first second."""
    torch.manual_seed(0)
    net = RIVALS["conv"](CLASSES).eval()
    frame, waits = torch.randn(2, 1, 63), net.memory + 5
    logits, _ = net.forward_sequence(frame.expand(-1, waits, -1))
    assert torch.allclose(logits, logits[:, -1:].expand_as(logits), atol=1e-5)


def test_each_has_the_interface_of_the_strm(name, net, x):
    answers = 2 if name == "stateless" else 1
    every, state = net(x[:, 0], return_all_outputs=True, return_state=True)
    assert [out.shape for out in every] == [(3, CLASSES)] * answers
    assert torch.equal(net(x[:, 0]), every[-1])
    assert torch.equal(net(x[:, 0].double().numpy()), every[-1]), "NumPy's float64 is welcome"
    every, _ = net.forward_sequence(x, state, return_all_outputs=True)
    assert [out.shape for out in every] == [(3, 24, CLASSES)] * answers
    assert torch.equal(net.forward_sequence(x, state)[0], every[-1])


def test_what_comes_later_changes_no_earlier_answer(net, x):
    other = x.clone()
    other[:, 10:] += 1
    one, two = net.forward_sequence(x)[0], net.forward_sequence(other)[0]
    assert torch.allclose(one[:, :10], two[:, :10], atol=1e-6)
    assert not torch.allclose(one[:, 10], two[:, 10], atol=1e-3)


def test_each_remembers_as_far_as_it_says_and_no_further(name, net, x):
    if name in ("features", "v1"):  # their features have no gradient: try it out
        other = x.clone()
        other[:, :-1] += 1
        assert torch.allclose(net.forward_sequence(x)[0][:, -1], net.forward_sequence(other)[0][:, -1])
        return
    x.requires_grad_()
    net.forward_sequence(x)[0][:, -1].square().sum().backward()
    seen = x.grad.abs().amax((0, 2)) > 0
    reach = MEMORY.get(name, 0)
    assert seen.tolist() == [s >= 23 - reach for s in range(24)]


def test_a_reset_begins_anew_for_its_row_alone(net, x):
    reset = torch.zeros(3, 24, dtype=torch.bool)
    reset[0, 7] = reset[1, 7] = reset[1, 12] = reset[2, 0] = True
    logits, state = net.forward_sequence(x, reset=reset)
    for row, start in ((0, 7), (1, 12), (2, 0)):
        alone, end = net.forward_sequence(x[row : row + 1, start:])
        assert torch.allclose(logits[row, start:], alone[0], atol=1e-5)
        for got, wanted in zip(parts(state), parts(end), strict=True):
            assert torch.allclose(got[row], wanted[0], atol=1e-5)
    whole, _ = net.forward_sequence(x)
    assert torch.allclose(logits[0, :7], whole[0, :7], atol=1e-5), "before it nothing changes"
    _, before = net.forward_sequence(x)
    carried, _ = net.forward_sequence(x, before, reset=torch.ones(3, 1, dtype=torch.bool).expand(3, 24))
    fresh = torch.stack([net(x[:, s]) for s in range(24)], 1)
    assert torch.allclose(carried, fresh, atol=1e-5), "who always forgets reads single photos"


def test_frames_beyond_a_length_leave_the_state_as_it_is(net, x):
    lengths = torch.tensor([24, 5, 1])
    _, state = net.forward_sequence(x, lengths=lengths)
    for row, length in enumerate(lengths.tolist()):
        _, end = net.forward_sequence(x[row : row + 1, :length])
        for got, wanted in zip(parts(state), parts(end), strict=True):
            assert torch.allclose(got[row], wanted[0], atol=1e-5)


def test_lengths_and_resets_go_together(net, x):
    reset = torch.zeros(3, 24, dtype=torch.bool)
    reset[:, 4] = True
    _, state = net.forward_sequence(x, lengths=torch.tensor([9, 9, 9]), reset=reset)
    _, end = net.forward_sequence(x[:, 4:9])
    for got, wanted in zip(parts(state), parts(end), strict=True):
        assert torch.allclose(got, wanted, atol=1e-5)


def test_the_102_features_are_those_of_the_first_generation():
    """Whatever the motion slot says: the 63 numbers of a moving hand give what its points give."""
    rng = np.random.default_rng(0)
    hands = rng.normal(0, 40, (5, 30, 21, 3)).astype(np.float32)
    hands[..., 9, :] = hands[..., 0, :] + [10, -60, 5] + rng.normal(0, 9, (5, 30, 3))
    hands += rng.normal(0, 20, (5, 30, 1, 3)).astype(np.float32)  # the wrist moves
    x, _ = motion_features(hands)
    assert np.abs(x[..., :2]).max() > 0.1, "there is movement in the slot"
    got = features102(torch.from_numpy(x)).numpy()
    assert np.allclose(got, features102_of_points(hands), atol=1e-5)


def test_a_hand_without_a_size_gives_numbers_all_the_same():
    assert torch.isfinite(features102(torch.zeros(2, 63))).all()


def test_the_features_are_standardised_by_what_training_showed():
    torch.manual_seed(0)
    net = RIVALS["v1"](CLASSES)
    x = torch.randn(64, 4, 63) + torch.linspace(-1, 1, 63)
    for _ in range(100):
        net.train().forward_sequence(x)
    features = features102(x).flatten(0, 1)
    scaled = net.eval().see(x).flatten(0, 1)
    varied = features.std(0) > 0.01  # the wrist lies at the origin, the middle knuckle above it
    assert scaled.mean(0).abs().max() < 1e-2
    assert (scaled.std(0)[varied] - 1).abs().max() < 1e-2


def test_the_recogniser_runs_every_rival(net):
    config = {"class_names": [chr(65 + i) for i in range(26)] + ["nothing"]}
    recognizer = Recognizer(Bundle(net, config))
    rng, hand = np.random.default_rng(0), np.random.default_rng(1).random((21, 3)).astype(np.float32)
    for frame in range(20):
        moved = hand + rng.normal(0, 0.01, 3).astype(np.float32)
        reading = recognizer.step(Hand(moved, "Right", 1.0, 640, 480), frame * 1000 / 15)
    assert len(reading.top3) == 3 and 0 < reading.confidence <= 1


def test_every_rival_can_be_taught_and_its_weights_averaged(net, x):
    y = torch.arange(3)[:, None].expand(3, 24)
    loss_of, optimiser = DeepSupervisionLoss(CLASSES), torch.optim.AdamW(net.parameters(), lr=3e-3)
    losses = []
    for _ in range(8):
        loss = loss_of(net.train().forward_sequence(x, return_all_outputs=True)[0], y, torch.ones(3, 24))
        optimiser.zero_grad()
        loss.backward()
        optimiser.step()
        losses.append(loss.item())
    assert losses[-1] < 0.8 * losses[0]
    assert all(p.grad is not None and p.grad.abs().sum() > 0 for p in net.parameters())
    assert all(v.is_floating_point() and torch.isfinite(v).all() for v in net.state_dict().values())


def test_whatever_state_a_stateless_net_is_given_it_reads_the_frame_alone(x):
    net = RIVALS["stateless"](CLASSES).eval()
    foreign = torch.randn(3, 64), torch.randn(3, 64)
    assert torch.equal(net(x[:, 0], prev_state=foreign), net(x[:, 0]))
    assert torch.equal(net.forward_sequence(x, foreign)[0], net.forward_sequence(x)[0])
