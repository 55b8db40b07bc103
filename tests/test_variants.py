"""What was tried: every variation trains all it has, and ours among them is the net that ships."""

from dataclasses import replace

import numpy as np
import pytest
import torch
from made_up import clip, photos, read, still_path, stroke

from strm import search, strangers
from strm.alphabet import ASL
from strm.model import TRM
from strm.train import fit
from strm.trainer import Settings, Trainer
from strm.trials import NETS, SHAPE, STREAMS
from strm.variants import NORMS, CarriedSupervision, FlatRamps, NoNothing, Wired

SMALL = {"n_latent": 2, "T_deep": 2, "dropout": 0.0}
WIRED = {name: v for name, v in search.VARIATIONS.items() if v.wiring}
SETTINGS = Settings(epochs=1, sequence_mode=True, seq_len=8, per_letter=4, batch_size=16, **SMALL)


def test_unchanged_it_is_the_net_that_ships():
    torch.manual_seed(0)
    ours, wired = TRM(num_classes=27, **SMALL), Wired(num_classes=27, **SMALL)
    wired.load_state_dict(ours.state_dict())
    x = torch.randn(3, 7, 63)
    (one, state), (other, state2) = ours.forward_sequence(x), wired.forward_sequence(x)
    torch.testing.assert_close(one, other, rtol=0, atol=2e-6)
    torch.testing.assert_close(state, state2, rtol=0, atol=2e-6)


@pytest.mark.parametrize("name", WIRED)
def test_each_wiring_has_the_same_size_trains_all_of_itself_and_remembers(name):
    torch.manual_seed(0)
    net = WIRED[name].net()(num_classes=27)
    size = sum(p.numel() for p in net.parameters())
    assert abs(size / sum(p.numel() for p in TRM(num_classes=27, **SHAPE).parameters()) - 1) < 0.05
    x = torch.randn(64, 6, 63, requires_grad=True)  # some rows drop no state
    logits, _ = net.forward_sequence(x, return_all_outputs=True)
    sum(answer[:, -1].square().sum() for answer in logits).backward()
    assert all(p.grad is not None and p.grad.abs().max() > 0 for p in net.parameters())
    assert x.grad[:, 0].abs().max() > 0, "the gradient crosses the frames"


def test_another_wiring_thinks_otherwise():
    """Each differs from ours in what it computes, with the same weights where both have them."""
    x = torch.randn(2, 5, 63)
    answers = []
    for wiring in ({}, {"memory": "start"}, {"memory": "before"}, {"memory": "ungated"}, {"shared": True}):
        torch.manual_seed(1)
        answers.append(Wired(num_classes=5, **SMALL, **wiring).eval().forward_sequence(x)[0])
    for i, one in enumerate(answers):
        assert all((one - other).abs().max() > 1e-3 for other in answers[i + 1 :])


def test_norms_bound_the_state_or_leave_it():
    v = torch.randn(3, 64) * 50 + 7
    assert NORMS["layer"](v).mean(-1).abs().max() < 1e-5
    torch.testing.assert_close(NORMS["rms"](v).square().mean(-1), torch.ones(3))
    assert NORMS["rms"](v).mean(-1).abs().min() > 0.05, "it does not centre"
    assert NORMS["none"](v) is v


def test_dropped_states_are_forgotten_in_training_only():
    torch.manual_seed(0)
    net = Wired(num_classes=5, dropped=1.0, **SMALL)
    frame, state = torch.randn(2, 63), tuple(torch.randn(2, 64) for _ in "yz")
    torch.testing.assert_close(net.train()(frame, prev_state=state), net(frame))
    assert (net.eval()(frame, prev_state=state) - net(frame)).abs().max() > 1e-3


@pytest.fixture
def table(tmp_path):
    strokes = [clip("J", p, stroke(9 + p), f"j{p}{i}") for p in range(2) for i in range(3)]
    helds = [clip(c, p, still_path(9, p), f"{c}{p}") for c in "AI" for p in range(2)]
    return read([photos("AIJ", 2), *strokes, *helds], tmp_path)


def test_carried_supervision_thinks_on_and_cuts_the_gradient(table):
    plain, carried = (kind(table, SETTINGS, None) for kind in (Trainer, CarriedSupervision))
    batch = torch.randn(4, 8, 63), torch.randint(0, 3, (4, 8)), torch.ones(4, 8)
    carried.model.load_state_dict(plain.model.state_dict())
    logits, state = plain.model.forward_sequence(batch[0], return_all_outputs=True)
    again, _ = plain.model.forward_sequence(batch[0], state, return_all_outputs=True)
    wanted = (plain.loss(logits, *batch[1:]) + plain.loss(again, *batch[1:])) / 2
    torch.testing.assert_close(carried._loss(*batch)[0], wanted)
    assert (plain._loss(*batch)[0] - wanted).abs() > 1e-4


def test_flat_ramps_let_the_beginning_of_a_stroke_count_in_full(table):
    plain, flat = (kind(table, SETTINGS, None) for kind in (Trainer, FlatRamps))
    x, y, weights = plain.lessons.epoch(np.random.default_rng(0))
    strokes = y[:, 0] == plain.classes.index("J")
    some = x[strokes], y[strokes], weights[strokes]
    assert np.ptp(plain.lesson(some, np.random.default_rng(0))[2].numpy()[:, -1]) > 0.1
    assert set(flat.lesson(some, np.random.default_rng(0))[2].numpy()[:, -1]) == {np.float32(0.7)}


def test_without_nothing_a_stopped_hand_is_where_it_began(table):
    shown = [
        set(kind(table, SETTINGS, None).lessons.epoch(np.random.default_rng(0))[1].flat)
        for kind in (Trainer, NoNothing)
    ]
    nothing = Trainer(table, SETTINGS, None).classes.index(ASL.nothing)
    assert nothing in shown[0] and nothing not in shown[1]


def test_who_chooses_and_who_judges_are_different_people():
    choosers = {person for fold in search.CHOOSERS for person in fold}
    assert {*strangers.CHOSE} <= choosers
    judges = {person for fold in strangers.FOLDS for person in fold} - choosers
    assert len(judges & {*strangers.MOVERS}) >= 4


def test_rivals_are_tried_with_the_lessons_of_ours_and_take_what_was_tried():
    for net, (called, tried) in search.PUPILS.items():
        for lessons in tried:
            variation, ours = search.VARIATIONS[f"{called}, {lessons}"], search.VARIATIONS[lessons]
            assert variation.settings == ours.settings and variation.net() is NETS[net] is not ours.net()
    for net, own in strangers.OWN.items():
        taken = replace(STREAMS, **own)
        of_this_net = [v for v in search.VARIATIONS.values() if getattr(v, "rival", None) == net]
        assert taken in [replace(STREAMS, **search.BEGAN | v.settings) for v in of_this_net], net


@pytest.mark.parametrize("name", WIRED)
def test_a_variation_is_trained_as_it_says(table, name):
    variation = WIRED[name]
    settings = replace(SETTINGS, motion=variation.settings.get("motion", True))
    bundle = fit(table, settings, progress=False, net=variation.net(), trainer=variation.trainer)
    net = bundle.model
    asked = {"memory": net.memory, "shared": net.shared, "dropped": net.dropped} | variation.wiring
    assert (asked["memory"], asked["shared"], asked["dropped"]) == (net.memory, net.shared, net.dropped)
    assert net.norm is NORMS[asked.get("state_norm", "layer")]
    assert bundle.config["preprocessing"]["motion"] is settings.motion
