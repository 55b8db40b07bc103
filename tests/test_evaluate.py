"""Judging: the numbers that a report holds, worked out by hand on models that say what they are told."""

import json

import numpy as np
import pandas as pd
import pytest
import torch
from made_up import clip, photos, pose, read, rows, still_path
from sklearn.metrics import accuracy_score, f1_score

from strm import cli
from strm import evaluate as module
from strm.alphabet import ASL
from strm.bundle import Bundle, describe
from strm.evaluate import clip_probabilities, evaluate
from strm.model import TRM

KEYS = {"n", "accuracy", "macro_f1", "per_letter", "per_signer", "per_source", "confusions"}


class Told:
    """Answers what is written into the hand: the z of points 12 and 10, in units of that of point 11.

    Point 12 names the class, point 10 says with which probability; the others share the rest.
    """

    def __init__(self, classes):
        self.classes, self.seen = classes, []

    def forward_sequence(self, x, lengths):
        self.seen.append(x)
        unit = x[..., 3 * 11 + 2]
        said = (x[..., 3 * 12 + 2] / unit).round().long()
        sure = (x[..., 3 * 10 + 2] / unit)[..., None]
        rest = ((1 - sure) / (self.classes - 1)).expand(*said.shape, self.classes)
        return rest.scatter(-1, said[..., None], sure).log(), None


def told(classes, motion=True):
    config = {"class_names": classes, "preprocessing": {"motion": motion}}
    return Bundle(Told(len(classes)), config)


def saying(classes, answers, sure=0.9, label="A"):
    """Hands [N, 21, 3] that say these answers, with these probabilities."""
    points = np.repeat(pose(label)[None], len(answers), 0)
    points[:, 0, 2] = 0
    points[:, 11, 2] = 0.05
    points[:, 12, 2] = 0.05 * np.array([classes.index(answer) for answer in answers])
    points[:, 10, 2] = 0.05 * np.broadcast_to(sure, len(answers))
    return points


CLASSES = ["A", "B", "I", "J", "nothing"]
TRUE = ["A", "A", "A", "B", "B", "I", "J", "J", "A", "B"]
READ = ["A", "B", "A", "B", "A", "J", "J", "I", "A", "nothing"]
SIGNERS = ["ann", "ann", "ann", "ann", "ann", "bob", "bob", "bob", "", ""]
SOURCES = ["s1"] * 5 + ["s2"] * 5


def judged_by_hand(report):
    assert set(report) >= KEYS
    assert report["n"] == 10
    assert report["accuracy"] == pytest.approx(0.5) == accuracy_score(TRUE, READ)
    labels = ["A", "B", "I", "J"]  # what is there; 'nothing' is only ever read
    # A: precision 3/4, recall 3/4; B: 1/2 and 1/3; I: 0; J: 1/2 and 1/2.
    assert report["macro_f1"] == pytest.approx((0.75 + 0.4 + 0 + 0.5) / 4)
    assert report["macro_f1"] == pytest.approx(f1_score(TRUE, READ, labels=labels, average="macro"))
    assert report["per_letter"] == pytest.approx({"A": 3 / 4, "B": 1 / 3, "I": 0.0, "J": 1 / 2})
    assert report["per_signer"] == pytest.approx({"ann": 3 / 5, "bob": 1 / 3, "s2": 1 / 2})
    assert report["per_source"] == pytest.approx({"s1": 3 / 5, "s2": 2 / 5})
    wrong = [["A", "B", 1], ["B", "A", 1], ["I", "J", 1], ["J", "I", 1], ["B", "nothing", 1]]
    assert sorted(report["confusions"]) == sorted(wrong)
    assert report["unknown"] == {} and report["absent"] == ["nothing"]


def test_frames_are_judged_one_by_one(tmp_path):
    table = rows(saying(CLASSES, READ), "A", signer=SIGNERS, source=SOURCES).assign(label=TRUE)
    report = evaluate(told(CLASSES), read(table, tmp_path))
    judged_by_hand(report)
    assert not [key for key in report if key.startswith("false")]


def films(answers=READ, true=TRUE, frames=6, **columns):
    """One clip for each answer, which is given in all frames; a little movement makes it no photo."""
    out = []
    for number, (answer, label) in enumerate(zip(answers, true, strict=True)):
        length = frames + number % 3
        points = saying(CLASSES, [answer] * length)
        points[..., :2] += still_path(length)[:, None]
        time = {"clip": f"c{number}", "frame": np.arange(length), "t_ms": np.arange(length) * 1000 / 15}
        own = {name: values[number] for name, values in columns.items()}
        out.append(rows(points, label, **time, **own))
    return pd.concat(out, ignore_index=True)


def test_clips_are_judged_as_wholes(tmp_path):
    table = read(films(signer=SIGNERS, source=SOURCES), tmp_path)
    report = evaluate(told(CLASSES), table, sequence_mode=True)
    judged_by_hand(report)
    assert report["false_j"] == pytest.approx(1 / 8), "one of the eight clips of other letters"
    assert report["false_z"] == 0
    by_frame = evaluate(told(CLASSES), table)
    assert by_frame["n"] == len(table), "without the mode every frame counts"


def test_false_strokes_need_other_letters(tmp_path):
    table = read(films(["J", "I"], ["J", "J"]), tmp_path)
    report = evaluate(told(CLASSES), table, sequence_mode=True)
    assert report["false_j"] is None and report["false_z"] == 0


def test_confusions_come_most_frequent_first(tmp_path):
    table = rows(saying(CLASSES, [*"BBAAAB"]), "A").assign(label=[*"AAABBB"])
    assert evaluate(told(CLASSES), read(table, tmp_path))["confusions"] == [["A", "B", 2], ["B", "A", 2]]
    table = rows(saying(CLASSES, [*"BIAAAB"]), "A").assign(label=[*"AAABBB"])
    assert evaluate(told(CLASSES), read(table, tmp_path))["confusions"][0] == ["B", "A", 2]


@pytest.mark.parametrize(
    ("length", "counted"), [(1, 1), (2, 1), (3, 1), (4, 1), (5, 2), (9, 3), (10, 3), (11, 4), (30, 10)]
)
def test_the_last_third_of_a_clip_counts(length, counted):
    classes = ["A", "B", "C"]
    answers = ["A"] * (length - counted) + ["B"] * counted
    sure = np.random.default_rng(length).uniform(0.4, 0.9, length)
    points = saying(classes, answers, sure).astype(np.float32)
    (found,) = clip_probabilities(told(classes), [points])
    mean = sure[-counted:].mean()
    np.testing.assert_allclose(found, [(1 - mean) / 2, mean, (1 - mean) / 2], atol=1e-4)


def test_it_is_the_mean_probability_not_a_vote():
    classes = ["A", "B", "C"]
    points = saying(classes, [*"CCCCCCAAB"], [0.9] * 6 + [0.4, 0.4, 0.98]).astype(np.float32)
    (found,) = clip_probabilities(told(classes), [points])
    np.testing.assert_allclose(found, [0.27, 0.5267, 0.2033], atol=1e-3)
    assert found.argmax() == 1, "two uncertain frames for A weigh less than a sure one for B"


@pytest.fixture
def untrained():
    torch.manual_seed(0)
    model = TRM(num_classes=5, n_latent=2, T_deep=2)
    with torch.no_grad():
        model.answer.weight *= 3
    return Bundle(model.eval(), describe(model, CLASSES, 0.1, True, {}))


def streams(lengths):
    out = []
    for number, length in enumerate(lengths):
        table = clip("ABI"[number % 3], number, still_path(length, number) * 30, "c")
        out.append(
            table[[f"{a}{i}" for i in range(21) for a in "xyz"]].to_numpy(np.float32).reshape(-1, 21, 3)
        )
    return out


@pytest.mark.parametrize("batch", [2, 512])
def test_clips_of_any_length_are_read_as_if_alone(untrained, monkeypatch, batch):
    """What pads a short clip beside a long one is never seen, and the order is that of the clips."""
    monkeypatch.setattr(module, "BATCH", batch)
    clips = streams([7, 40, 1, 16, 2, 3, 33, 7])
    together = clip_probabilities(untrained, clips)
    alone = np.concatenate([clip_probabilities(untrained, [one]) for one in clips])
    np.testing.assert_allclose(together, alone, atol=1e-6)
    np.testing.assert_allclose(together.sum(1), 1, atol=1e-6)
    assert np.abs(together[0] - together[1]).max() > 1e-3


@torch.inference_mode()
def test_a_clip_is_read_with_its_memory(untrained):
    (stream,) = streams([9])
    (found,) = clip_probabilities(untrained, [stream])
    state, probabilities = None, []
    for x in module.model_input(stream[None])[0]:
        logits, state = untrained.model(x[None], prev_state=state, return_state=True)
        probabilities.append(logits.softmax(-1)[0].numpy())
    wanted = np.mean(probabilities[-3:], 0)
    halves = [np.mean(probabilities[start : start + 8], 0) for start in range(2)]  # the half seconds in it
    movement = np.isin(untrained.class_names, [*ASL.moving])
    assert movement.any() and not movement.all()
    wanted[movement] = np.max(halves, 0)[movement]
    np.testing.assert_allclose(found, wanted / wanted.sum(), atol=1e-6)
    forgetful = [clip_probabilities(untrained, [frame[None]])[0] for frame in stream]
    assert np.abs(found - np.mean(forgetful[-3:], 0)).max() > 1e-3


def test_what_comes_after_a_stroke_takes_nothing_away():
    """For half a second in the middle of a clip the net saw a moving letter, before and after a still one."""
    names = ["A", "D", "Z"]
    shown = np.full((40, 3), 0.05)
    shown[:, 1] = 0.8
    shown[12:20] = [0.05, 0.05, 0.9]
    moving = np.array([name in ASL.moving for name in names])
    assert names[module._of_clip(shown, moving).argmax()] == "Z"
    glimpse = shown.copy()
    glimpse[12:18] = shown[0]  # two frames only: no stroke is that short
    assert names[module._of_clip(glimpse, moving).argmax()] == "D"
    np.testing.assert_allclose(module._of_clip(shown, moving).sum(), 1)
    still = np.where(np.arange(40)[:, None] < 30, [0.9, 0.05, 0.05], [0.05, 0.9, 0.05])
    assert names[module._of_clip(still, moving).argmax()] == "D", "of still letters the end counts"


def test_a_model_taught_without_motion_is_shown_none():
    points = saying(CLASSES, ["A"] * 6).astype(np.float32)
    points[..., :2] += np.linspace(0, 0.2, 6, dtype=np.float32)[:, None, None]
    slots = []
    for motion in (True, False):
        bundle = told(CLASSES, motion)
        clip_probabilities(bundle, [points])
        slots.append(bundle.model.seen[0][0, -1, :3].abs())
    assert (slots[0][:2] > 0.05).all() and not slots[1].any(), "neither across nor up and down"


def test_the_threads_are_left_as_they_were():
    torch.set_num_threads(2)
    try:
        with pytest.raises(KeyError), module.one_thread():
            assert torch.get_num_threads() == 1
            raise KeyError
        assert torch.get_num_threads() == 2
    finally:
        torch.set_num_threads(1)


@pytest.mark.parametrize("sequence_mode", [False, True])
def test_labels_that_the_model_does_not_know_are_reported(tmp_path, sequence_mode):
    known = ["A", "B", "nothing"]
    table = rows(saying(known, [*"AABBA"]), "A").assign(label=["A", "Q", "Q", "B", "space"])
    report = evaluate(told(known), read(table, tmp_path), sequence_mode)
    assert report["n"] == 2 and report["accuracy"] == 1 and report["per_letter"] == {"A": 1.0, "B": 1.0}
    assert report["unknown"] == {"Q": 2, "space": 1} and report["absent"] == ["nothing"]


@pytest.mark.parametrize("sequence_mode", [False, True])
def test_nothing_left_to_judge_is_no_crash(tmp_path, capsys, monkeypatch, sequence_mode):
    table = photos("Q", people=1)
    report = evaluate(told(CLASSES), read(table, tmp_path), sequence_mode)
    assert report["n"] == 0 and report["accuracy"] is None and report["macro_f1"] is None
    assert report["unknown"] == {"Q": 4} and report["absent"] == CLASSES and report["per_letter"] == {}
    monkeypatch.setattr(module, "fetch", lambda folder: told(CLASSES))
    for as_json in (False, True):
        module.run([str(tmp_path / "made_up_0.csv")], "somewhere", sequence_mode, as_json)
        said = capsys.readouterr().out
        assert json.loads(said)["n"] == 0 if as_json else "4" in said and "Q" in said


@pytest.mark.parametrize("label", ["held:J", "held:Z", "word:hello"])
def test_special_labels_count_as_what_they_show(tmp_path, label):
    classes = ["D", "I", "J", "Z", "nothing"]
    meant = {"held:J": "I", "held:Z": "D", "word:hello": "nothing"}[label]
    table = rows(saying(classes, [meant, "J"]), label)
    report = evaluate(told(classes), read(table, tmp_path), sequence_mode=True)
    assert report["per_letter"] == {meant: 0.5} and report["confusions"] == [[meant, "J", 1]]
    assert report["false_j"] == 0.5 and report["false_z"] == 0


# The command


@pytest.fixture
def model_folder(untrained, tmp_path):
    untrained.save(tmp_path / "model")
    return str(tmp_path / "model")


@pytest.fixture
def csv(tmp_path):
    table = pd.concat([films(signer=SIGNERS), photos("Q", people=1, each=2)])
    table.to_csv(tmp_path / "table.csv", index=False)
    return str(tmp_path / "table.csv")


@pytest.mark.parametrize("mode", [[], ["--sequence_mode"]])
def test_json_is_one_object_and_nothing_else(csv, model_folder, capsys, mode):
    assert cli.main(["evaluate", "--csv", csv, "--model", model_folder, "--json", *mode]) == 0
    out, err = capsys.readouterr()
    report = json.loads(out)
    more = {"unknown", "absent"} | ({"false_j", "false_z"} if mode else set())
    assert set(report) == KEYS | more and out.count("\n") == 1 and not err
    assert report["n"] == (10 if mode else sum(6 + number % 3 for number in range(10)))
    assert report["unknown"] == {"Q": 2}
    assert list(report["per_letter"]) == ASL.order(set(report["per_letter"])) == ["A", "B", "I", "J"]
    for kind in ("per_letter", "per_signer", "per_source"):
        assert report[kind] and all(isinstance(value, float) for value in report[kind].values())


def test_several_files_are_judged_together(csv, model_folder, tmp_path, capsys):
    photos("A", people=2, start=5).to_csv(tmp_path / "more.csv", index=False)
    more = str(tmp_path / "more.csv")
    assert cli.main(["evaluate", "--csv", csv, more, "--model", model_folder, "--json"]) == 0
    assert set(json.loads(capsys.readouterr().out)["per_source"]) == {"table", "more"}


def test_the_table_holds_the_same_numbers(tmp_path, capsys, monkeypatch):
    monkeypatch.setattr(module, "fetch", lambda folder: told(CLASSES))
    names = ["[ann]" if name == "ann" else name for name in SIGNERS]  # brackets are markup elsewhere
    films(signer=names, source=SOURCES).to_csv(tmp_path / "a.csv", index=False)
    assert cli.main(["evaluate", "--csv", str(tmp_path / "a.csv"), "--sequence_mode"]) == 0
    said = capsys.readouterr().out
    for words in (
        "10 clips: accuracy 0.500, macro-F1 0.412",
        "[ann]",
        "0.750",
        "s2",
        "B read as nothing: 1",
        "FALSE J: 0.1250",
        "Not judged: nothing",
    ):
        assert words in said
    assert cli.main(["evaluate", "--csv", str(tmp_path / "a.csv")]) == 0
    said = capsys.readouterr().out
    assert "frames: accuracy" in said and "FALSE" not in said


def test_a_table_says_which_letters_the_model_does_not_know(csv, model_folder, capsys):
    assert cli.main(["evaluate", "--csv", csv, "--model", model_folder]) == 0
    assert "2 frames of Q" in capsys.readouterr().out


@pytest.mark.parametrize("bad", ["no file", "no model", "a label", "a column", "no rows", "two at one time"])
def test_mistakes_are_one_sentence_and_2(csv, model_folder, tmp_path, capsys, bad):
    table, path = pd.read_csv(csv), tmp_path / "bad.csv"
    if bad == "a label":
        table.loc[0, "label"] = "hello"
    elif bad == "a column":
        table = table.drop(columns="y4")
    elif bad == "no rows":
        table = table.iloc[:0]
    elif bad == "two at one time":
        table["t_ms"] = 0
    if bad != "no file":
        table.to_csv(path, index=False)
    model = str(tmp_path) if bad == "no model" else model_folder
    command = ["evaluate", "--csv", str(path), "--model", model, "--sequence_mode", "--json"]
    assert cli.main(command) == 2
    out, err = capsys.readouterr()
    assert not out and err.count("\n") == 1 and err.endswith(".\n") and "Traceback" not in err
