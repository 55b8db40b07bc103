"""Every promise about the model, and the faults of its predecessor put back to see that a test notices."""

import numpy as np
import pytest
import torch
import torch.nn.functional as F

import strm.model
from strm.loss import DeepSupervisionLoss
from strm.model import TRM
from strm.rivals import MLP, StatelessTRM


@pytest.fixture
def model():
    torch.manual_seed(0)
    return TRM().eval()


@pytest.fixture
def x():
    return torch.randn(4, 15, 63, generator=torch.Generator().manual_seed(1))


def by_the_book(model, x, state):
    """The recursion as the chapters write it, without the sharing of work that `think` does."""

    def norm(v):
        return (v - v.mean(-1, keepdim=True)) / (v.var(-1, unbiased=False, keepdim=True) + 1e-5).sqrt()

    def block(b, *parts):
        return b.second(F.gelu(norm(b.first(torch.cat(parts, -1)))))

    y_prev, z_prev = state
    e = model.see((x - model.mean) / model.scale) + y_prev @ model.remember.weight.T
    y, z, logits = e, z_prev, []
    for _ in range(model.T_deep):
        for _ in range(model.n_latent):
            z = norm(z + block(model.latent, e, y, z))
        y = norm(y + block(model.deep, y, z))
        logits.append(model.answer(y))
    g_y = torch.sigmoid(model.gate_y(torch.cat([y_prev, y], -1)))
    g_z = torch.sigmoid(model.gate_z(torch.cat([z_prev, z], -1)))
    return logits, (g_y * y_prev + (1 - g_y) * y, g_z * z_prev + (1 - g_z) * z)


@pytest.mark.parametrize("shape", [{}, {"n_latent": 2, "T_deep": 2}, {"n_latent": 1, "T_deep": 1}])
def test_the_shared_work_is_exact(shape, x):
    torch.manual_seed(0)
    model, state = TRM(**shape).eval(), None
    model.mean.normal_()
    model.scale.uniform_(0.5, 2)
    for s in range(3):
        logits, new = model(x[:, s], state, return_all_outputs=True, return_state=True)
        wanted, wanted_state = by_the_book(model, x[:, s], state or model.initial_state(4))
        for got, want in zip([*logits, *new], [*wanted, *wanted_state], strict=True):
            assert torch.allclose(got, want, atol=1e-5)
        state = new


@pytest.mark.parametrize("training", [True, False])
def test_return_types_never_depend_on_the_mode(model, x, training):
    model.train(training)
    assert model(x[:, 0]).shape == (4, 24)
    every = model(x[:, 0], return_all_outputs=True)
    assert isinstance(every, list) and [o.shape for o in every] == [(4, 24)] * 3, "T logits"
    logits, (y, z) = model(x[:, 0], return_state=True)
    assert logits.shape == (4, 24) and y.shape == z.shape == (4, 64)
    every, (y, z) = model(x[:, 0], return_all_outputs=True, return_state=True)
    assert isinstance(every, list) and len(every) == 3 and y.shape == (4, 64)
    logits, (y, z) = model.forward_sequence(x)
    assert logits.shape == (4, 15, 24) and y.shape == (4, 64)
    every, _ = model.forward_sequence(x, return_all_outputs=True)
    assert isinstance(every, list) and [o.shape for o in every] == [(4, 15, 24)] * 3


def test_the_last_of_all_outputs_is_the_output(model, x):
    assert torch.equal(model(x[:, 0], return_all_outputs=True)[-1], model(x[:, 0]))
    assert torch.equal(
        model.forward_sequence(x, return_all_outputs=True)[0][-1], model.forward_sequence(x)[0]
    )


def test_the_loss_takes_all_outputs(model, x):
    targets = torch.tensor([0, 5, 23, 7])
    loss = DeepSupervisionLoss()(model(x[:, 0], return_all_outputs=True), targets)
    assert loss.ndim == 0 and torch.isfinite(loss)


def test_no_state_is_the_reset_state(model, x):
    model.y_reset.normal_()  # whatever the buffer holds, None means it
    model.z_reset.normal_()
    a, (ya, za) = model(x[:, 0], prev_state=None, return_state=True)
    b, (yb, zb) = model(x[:, 0], prev_state=model.initial_state(4), return_state=True)
    assert torch.equal(a, b) and torch.equal(ya, yb) and torch.equal(za, zb)
    assert {"y_reset", "z_reset"} <= set(dict(model.named_buffers())), "fixed buffers, not parameters"


def test_float64_and_numpy_are_cast(model, x):
    rows = x[:, 0].double().numpy()
    assert rows.dtype == np.float64
    assert torch.equal(model(torch.tensor(rows)), model(x[:, 0]))
    assert torch.equal(model(rows), model(x[:, 0]))


def test_streaming_equals_the_sequence(model, x):
    state, streamed = None, []
    for s in range(15):
        logits, state = model(x[:, s], prev_state=state, return_state=True)
        streamed.append(logits)
    whole, (y, z) = model.forward_sequence(x)
    assert torch.allclose(torch.stack(streamed, 1), whole, atol=1e-6)
    assert torch.allclose(state[0], y, atol=1e-6) and torch.allclose(state[1], z, atol=1e-6)


def test_a_sequence_can_be_cut_anywhere(model, x):
    whole, end = model.forward_sequence(x)
    first, state = model.forward_sequence(x[:, :6])
    second, end_of_cut = model.forward_sequence(x[:, 6:], state)
    assert torch.allclose(torch.cat([first, second], 1), whole, atol=1e-6)
    assert torch.allclose(end[0], end_of_cut[0], atol=1e-6)


def test_rows_are_reset_one_by_one(model, x):
    reset = torch.zeros(4, 15, dtype=torch.bool)
    reset[1, 7] = reset[3, 2] = True
    logits, _ = model.forward_sequence(x, reset=reset)
    plain, _ = model.forward_sequence(x)
    fresh, _ = model.forward_sequence(x[:, 7:])
    assert torch.allclose(logits[1, 7:], fresh[1], atol=1e-6), "a reset row begins anew"
    assert torch.allclose(logits[[0, 2]], plain[[0, 2]], atol=1e-6), "its neighbours do not"
    assert torch.allclose(logits[1, :7], plain[1, :7], atol=1e-6), "nor do its own earlier frames"
    assert not torch.allclose(logits[1, 7:], plain[1, 7:], atol=1e-3), "and it forgets something"


def test_frames_past_a_length_leave_the_state_alone(model, x):
    lengths = torch.tensor([15, 4, 9, 1])
    _, (y, z) = model.forward_sequence(x, lengths=lengths)
    for row, length in enumerate(lengths.tolist()):
        _, (y_alone, z_alone) = model.forward_sequence(x[row : row + 1, :length])
        assert torch.allclose(y[row], y_alone[0], atol=1e-6)
        assert torch.allclose(z[row], z_alone[0], atol=1e-6)


def gradient_over_frames(model, x):
    """|d (last answer) / d x_(t-k)| for k = 0, 1, …"""
    x = x.clone().requires_grad_()
    logits, _ = model.forward_sequence(x)
    logits[:, -1].square().sum().backward()
    return x.grad.norm(dim=-1).mean(0).flip(0)


def test_the_gradient_crosses_every_frame(model, x):
    reach = gradient_over_frames(model, x)
    assert len(reach) == 15 and (reach > 1e-6).all(), f"true BPTT reaches the first of 15 frames: {reach}"


def test_a_detached_state_is_noticed(model, x, monkeypatch):
    think = model.think

    def detached(seen, state):
        return think(seen, tuple(part.detach() for part in state))

    monkeypatch.setattr(model, "think", detached)
    reach = gradient_over_frames(model, x)
    assert reach[0] > 0 and (reach[1:] == 0).all(), "'BPTT' in name only: exactly 0 from frame to frame"


def parameters_without_gradient(model, x):
    """Names of parameters that one step of deep supervision leaves untouched."""
    logits, _ = model.forward_sequence(x, return_all_outputs=True)
    targets = torch.zeros(x.shape[:2], dtype=torch.long)
    DeepSupervisionLoss()(logits, targets).backward()
    return [n for n, p in model.named_parameters() if p.grad is None or not (p.grad != 0).any()]


@pytest.mark.parametrize("frames", [2, 15], ids=["two looks at a photo", "a stream"])
def test_every_parameter_learns(model, x, frames):
    assert parameters_without_gradient(model.train(), x[:, :frames]) == []


def test_gates_that_never_train_are_noticed(model, x, monkeypatch):
    think = model.think

    def frozen(seen, state):  # the predecessor's gates fed cycles that ran without a gradient
        answers, (y, z) = think(seen, state)
        return answers, (y.detach(), z.detach())

    monkeypatch.setattr(model, "think", frozen)
    dead = parameters_without_gradient(model.train(), x)
    assert {"gate_y.weight", "gate_z.weight"} <= set(dead)


def longest_state(model, frames):
    """Largest number in y or z while the same frame is seen over and over."""
    x, state, largest = torch.randn(1, 63), None, 0.0
    with torch.inference_mode():
        for _ in range(frames):
            _, state = model(x, prev_state=state, return_state=True)
            largest = max(largest, *(part.abs().max().item() for part in state))
    return largest


@pytest.mark.parametrize("seed", [0, 1])
def test_the_state_stays_bounded(seed):
    torch.manual_seed(seed)
    model = TRM(n_latent=2, T_deep=1).eval()
    with torch.no_grad():
        for parameter in model.parameters():
            parameter.mul_(3)  # any weights, not only well-behaved ones
    # A normalised vector of 64 numbers has none above sqrt(64); a gate only mixes such vectors.
    assert longest_state(model, 10_000) <= 8.0


def test_a_state_without_normalisation_is_noticed(monkeypatch):
    monkeypatch.setattr(strm.model, "norm", lambda v: v)
    torch.manual_seed(0)
    assert not longest_state(TRM(n_latent=2, T_deep=1).eval(), 300) <= 8.0


@pytest.mark.parametrize("classes", [24, 26, 29, 31])
def test_the_size_is_that_of_the_book(classes):
    count = sum(p.numel() for p in TRM(num_classes=classes).parameters())
    assert 75_000 <= count <= 85_000
    assert count == 82_432 + classes * 65, "as printed in the README: the last layer has 65 numbers a class"


@pytest.mark.parametrize("rival", [StatelessTRM, MLP])
def test_rivals_have_the_same_interface_and_about_the_same_size(rival, x, model):
    torch.manual_seed(0)
    net = rival().eval()
    ratio = sum(p.numel() for p in net.parameters()) / sum(p.numel() for p in model.parameters())
    assert 0.9 < ratio < 1.1
    logits, _ = net.forward_sequence(x)
    assert logits.shape == (4, 15, 24)
    every, _ = net.forward_sequence(x, return_all_outputs=True)
    assert torch.equal(every[-1], logits)
    shuffled = torch.randperm(15)
    assert torch.allclose(net.forward_sequence(x[:, shuffled])[0], logits[:, shuffled], atol=1e-5), (
        "a net without memory must not care about the order of frames"
    )


def test_the_stateless_rival_is_the_model_reset_at_every_frame(x):
    torch.manual_seed(0)
    net = StatelessTRM().eval()
    every_frame = torch.ones(4, 15, dtype=torch.bool)
    assert torch.allclose(
        net.forward_sequence(x)[0], TRM.forward_sequence(net, x, reset=every_frame)[0], atol=1e-6
    )


def test_the_memory_changes_what_is_read(model, x):
    fresh = model(x[:, -1])
    remembered = model.forward_sequence(x)[0][:, -1]
    assert (fresh - remembered).abs().max() > 0.01


@pytest.mark.parametrize("shape", [(63,), (2, 62), (2, 15, 63)])
def test_a_wrong_shape_is_named(model, shape):
    with pytest.raises(ValueError, match="63"):
        model(torch.zeros(shape))


@pytest.mark.parametrize("shape", [(2, 63), (2, 0, 63)])
def test_a_wrong_sequence_is_named(model, shape):
    with pytest.raises(ValueError, match="B, S, 63"):
        model.forward_sequence(torch.zeros(shape))


@pytest.mark.parametrize("wrong", [{"n_latent": 0}, {"T_deep": 0}, {"num_classes": 0}, {"dropout": 1.0}])
def test_wrong_sizes_are_named(wrong):
    with pytest.raises(ValueError, match="at least 1"):
        TRM(**wrong)
