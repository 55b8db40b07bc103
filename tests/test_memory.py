"""What memory is worth: lessons with and without still poses, nets changed in one thing, and a table."""

import json
from collections import Counter
from pathlib import Path

import joblib
import numpy as np
import pytest
import torch

from strm import compare, memory, moving, pairs, trials
from strm.alphabet import ASL
from strm.bundle import Bundle
from strm.data import clips, is_moving, people
from strm.rivals import MLP

RESULTS = Path(__file__).parents[1] / "data" / "results" / "memory.json"
STILL = set(ASL.moving.values())


def reached(net, frames=6):
    """Which frames the last answer's gradient reaches: [S] bool."""
    torch.manual_seed(1)
    x = torch.randn(1, frames, 63, requires_grad=True)
    net.forward_sequence(x)[0][0, -1].square().sum().backward()
    return (x.grad[0].abs().amax(-1) > 0).tolist()


# The nets


def test_cut_off_from_its_past_it_answers_the_same_and_learns_from_one_frame_only():
    torch.manual_seed(0)
    ours, cut = memory.OURS(num_classes=5), memory.Detached(num_classes=5, **memory.SHAPE)
    cut.load_state_dict(ours.state_dict())
    x = torch.randn(2, 6, 63)
    torch.testing.assert_close(ours.forward_sequence(x)[0], cut.forward_sequence(x)[0])
    assert reached(ours) == [True] * 6
    assert reached(cut) == [False] * 5 + [True]


def test_gates_that_nobody_can_blame_never_learn():
    """Ours trains all of itself in one step; with the gradient cut, what writes the state has none."""
    silent = {}
    for name in ("ours", "gradient cut"):
        torch.manual_seed(0)
        net = memory.VARIANTS[name].net(num_classes=5)
        net.forward_sequence(torch.randn(4, 6, 63))[0].square().sum().backward()
        silent[name] = {
            part
            for part, module in net.named_children()
            for p in module.parameters()
            if p.grad is None or p.grad.abs().max() == 0
        }
    assert silent == {"ours": set(), "gradient cut": {"gate_y", "gate_z"}}


def test_each_variant_changes_one_thing_and_nobody_wins_by_size():
    ours = memory.VARIANTS["ours"]
    for name, variant in memory.VARIANTS.items():
        changes = [variant.net is not ours.net, not variant.still_poses, variant.motion]
        assert sum(changes) == {"ours": 0, "stateless with slot": 2, "stateless, no still poses": 2}.get(
            name, 1
        )
    sizes = [sum(p.numel() for p in v.net(num_classes=5).parameters()) for v in memory.VARIANTS.values()]
    assert max(sizes) < 1.08 * min(sizes)


# The lessons


def test_who_judges_has_taught_nobody():
    train, judges = moving.tables()
    assert {name.split("/")[1] for name in people(judges)} == {"judge"} and len({*people(judges)}) == 7
    assert set(train["clip"]).isdisjoint(judges["clip"])
    assert train["clip"].str.startswith("studio/learn/").all() and set(people(train)) == {"studio"}
    assert set(train["label"]) == set(judges["label"]) == {*moving.LETTERS, ASL.nothing}


def test_usual_lessons_show_no_pose_of_a_movement_standing_still():
    train, _ = moving.tables()
    table = moving.usual(train)
    assert set(table["label"]) == {*moving.LETTERS}, "nothing is no letter"
    assert set(table["label"][~is_moving(table)]) == STILL, "a photo of a J is a pose of it"
    rng = np.random.default_rng(0)
    lessons = moving.Movements(table, 12, 2, 8)
    _, y, weights = lessons.epoch(rng)
    shown = {lessons.classes[i] for i in set(y[weights > 0])}
    assert shown == {*moving.LETTERS}
    with_poses = moving.Strokes(train, 12, 2, 30)
    _, y, weights = with_poses.epoch(rng)
    assert {with_poses.classes[i] for i in set(y[weights > 0])} == {*moving.LETTERS, ASL.nothing}


def test_streams_are_drawn_once_and_shown_in_every_epoch():
    lessons, rng = moving.Strokes(moving.tables()[0], 12, 1, 10), np.random.default_rng(0)
    (one, _, _), (two, _, _) = lessons.epoch(rng), lessons.epoch(rng)
    np.testing.assert_array_equal(one[-10:], two[-10:])
    assert not np.array_equal(one[:5], two[:5]), "what the table shows is varied anew"
    other = moving.Strokes(moving.tables()[0], 12, 1, 10).epoch(np.random.default_rng(1))[0]
    assert not np.array_equal(one[-10:], other[-10:]), "another seed draws others"


def test_every_frame_of_a_stream_says_what_it_shows():
    for still_poses in (True, False):
        x, labels, weights = moving.streams(20, 16, 3, still_poses)
        assert x.shape == (20, 16, 21, 3) and np.isfinite(x).all()
        assert {*labels[weights > 0]} <= {*moving.LETTERS} | ({ASL.nothing} if still_poses else set())


# Who judges


def test_every_stroke_stands_still_in_several_ways():
    todo = moving.strokes()
    count = {kind: sum(t.kind == kind for t in todo) for kind in ("moving", *pairs.KINDS)}
    strokes = sum(c.label in ASL.moving for c in clips(moving.tables()[1]))
    assert count["moving"] == strokes == 28
    assert all(count[kind] == strokes * moving.ROUNDS for kind in ("stopped", "turned", "start"))


def test_the_table_is_judged_by_people_who_chose_nothing():
    """The recipe was chosen in view of the drawn people of `tables`; others are drawn to judge it."""
    clips_ = memory.strangers()
    shown = Counter((clip.person, clip.label) for clip in clips_)
    assert len({person for person, _ in shown}) == memory.PEOPLE and set(shown.values()) == {memory.EACH}
    assert {letter for _, letter in shown} == {*moving.LETTERS}
    known = {clip.hands.tobytes() for clip in clips(moving.tables()[1])}
    assert known.isdisjoint(clip.hands.tobytes() for clip in clips_)
    count = Counter(trial.kind for trial in memory.minimal_pairs())
    strokes = memory.PEOPLE * memory.EACH * len(ASL.moving)
    assert count == dict.fromkeys(("moving", "stopped", "turned", "start"), strokes)


def test_another_way_to_judge_is_not_taken_for_this_one():
    """Kept judgements know by which code they were made."""
    now = memory._code(memory.judged)
    assert now == memory._code(memory.judged) != memory._code(memory.let_go)


def test_a_second_letter_comes_after_another_one():
    todo = moving.followers()
    assert len(todo) == moving.NEXT_PEOPLE * len(moving.NEXT)
    for first, second in moving.NEXT:
        assert second in STILL and second not in (first, ASL.moving.get(first))
    assert all(2 <= int(clip.name) < len(clip.hands) for clip in todo)

    class Clings(MLP):
        """Reads the second letter while it is held, or at all times but then."""

        def __init__(self, last):
            super().__init__(num_classes=2)
            self.last = last

        def forward_sequence(self, x, *_, **__):
            clip = next(seen)
            right = names.index(clip.label)
            held = torch.arange(x.shape[1]) >= x.shape[1] - int(clip.name)
            answer = torch.where(held == self.last, right, 1 - right)
            return torch.nn.functional.one_hot(answer, 2).float()[None], None

    names = sorted(STILL)
    for last in (True, False):
        seen = iter(todo)
        bundle = Bundle(Clings(last), {"class_names": names, "preprocessing": {"motion": False}})
        assert memory.let_go(bundle) == float(last)


# The table


@pytest.fixture
def quick(tmp_path, monkeypatch):
    """No training takes time, and there are no real people."""
    seen = []

    def fit(train, settings, progress=True, net=None, trainer=None):
        seen.append((net, settings, trainer))
        torch.manual_seed(settings.seed)
        names = ASL.order({*moving.LETTERS, ASL.nothing})
        config = {"class_names": names, "preprocessing": {"motion": settings.motion}}
        return Bundle(net(num_classes=len(names)).eval(), config)

    monkeypatch.setattr(trials, "fit", fit)
    monkeypatch.setattr(joblib, "Parallel", lambda **_: lambda calls: (f(*a, **k) for f, a, k in calls))
    monkeypatch.setattr(
        memory, "VARIANTS", {k: memory.VARIANTS[k] for k in ("ours", "no still poses", "mlp")}
    )
    monkeypatch.delenv("STRM_REAL_DATA", raising=False)
    monkeypatch.chdir(tmp_path)
    return seen


def test_anybody_can_make_the_table_and_an_interrupted_one_goes_on(quick, tmp_path):
    for _ in range(2):
        compare.run("memory", tmp_path, seeds=2, jobs=1)
        assert len(quick) == 3 * 2, "what was trained is not trained again"
    assert [trainer for _, _, trainer in quick] == [moving.Teacher, moving.Usual, moving.Teacher] * 2
    assert {settings.seed for _, settings, _ in quick} == {0, 1}
    table = json.loads((tmp_path / "memory.json").read_text("utf-8"))
    assert table["made by"] == "strm compare memory --seeds 2" and (table["judges"], table["strokes"]) == (
        30,
        120,
    )
    for net in table["nets"].values():
        assert {"pairs", "clips", "next", "J_moving", "Z_stopped"} <= set(net)
        assert len(net["pairs"]["seeds"]) == 2 and 0 <= net["pairs"]["mean"] <= 1


def test_the_table_holds_what_the_book_says():
    results = json.loads(RESULTS.read_text("utf-8"))
    nets = results["nets"]
    assert results["seeds"] >= 3 and set(nets) == set(memory.VARIANTS)

    def seeds(net, measure="pairs"):
        return nets[net][measure]["seeds"]

    assert min(seeds("ours", "J_balanced")) >= 0.9, "I or J: it remembers"
    for net in ("stateless", "mlp"):
        assert np.mean(seeds(net)) <= 0.6, "without any memory one can hardly tell"
        assert min(seeds("ours")) > max(seeds(net)) + 0.2, "this is what memory is worth"
    careless = nets["stateless, no still poses"]
    # The shortcut: it reads most strokes, mirrored ones apart, and takes most still poses for strokes.
    assert careless["J_moving"]["mean"] >= 0.8 and careless["J_stopped"]["mean"] <= 0.2
    assert min(seeds("ours")) > max(seeds("no still poses")), "and what the lessons are worth"
    assert max(seeds("gradient cut")) < min(seeds("ours")), "and what the gradient is worth"
    for careless in ("no still poses", "stateless, no still poses"):
        assert nets[careless]["clips"]["mean"] > nets["ours"]["clips"]["mean"], "a shortcut pays"
    assert min(net["next"]["mean"] for net in nets.values()) >= 0.9, "nobody clings to the last letter"
    only_slot = nets["stateless with slot"]
    gain = [only_slot[f"{c}_balanced"]["mean"] - nets["stateless"][f"{c}_balanced"]["mean"] for c in "JZ"]
    assert gain[1] > gain[0] + 0.1, "the wrist draws a Z, and hardly a J"
    assert nets["ours with slot"]["pairs"]["mean"] == max(net["pairs"]["mean"] for net in nets.values())
    sizes = [net["parameters"] for net in nets.values()]
    assert max(sizes) < 1.08 * min(sizes)
