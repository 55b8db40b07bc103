"""Training: it learns, from the training part alone, repeatably, and goes on where it was interrupted."""

import copy
import json
import pickle

import numpy as np
import pandas as pd
import pytest
import torch
from broken import Trap
from made_up import clip, photos, read, still_path, stroke

import strm.train
from strm import bundle, checkpoint, cli
from strm.device import device_of, precision_of
from strm.evaluate import evaluate
from strm.files import UserError
from strm.rivals import RIVALS
from strm.studio import lessons
from strm.train import fit, run
from strm.trainer import FLOOR, LOOKS, Settings, Trainer

SMALL = {"n_latent": 1, "T_deep": 2, "per_letter": 6, "batch_size": 30}
FRAMES = Settings(epochs=3, **SMALL)
STREAMS = Settings(epochs=2, sequence_mode=True, seq_len=8, **SMALL)
MODES = pytest.mark.parametrize("settings", [FRAMES, STREAMS], ids=["frames", "streams"])


@pytest.fixture
def table(tmp_path):
    return read(photos("ABI", people=2), tmp_path)


def weights(of):
    return {name: value.clone() for name, value in of.model.state_dict().items()}


def same(one, two, tolerance=0.0):
    return all(torch.allclose(one[name], two[name], rtol=0, atol=tolerance) for name in one)


def films(people):
    """Clips of held letters, and of one pose that is an I when held and a J when it goes down."""
    out = []
    for person in people:
        for i in range(4):
            held = [clip(label, person, still_path(14 + i, i), f"{label}{person}.{i}") for label in "ABI"]
            moving = clip("I", person, stroke(10 + i), f"J{person}.{i}").assign(label="J")
            out += [*held, moving]
    return pd.concat(out, ignore_index=True)


def test_photos_are_learnt(tmp_path):
    letters = "ABCFLY"
    settings = Settings(epochs=25, lr=5e-3, **SMALL)
    model = fit(read(photos(letters, people=4), tmp_path), settings, progress=False)
    unseen = read(photos(letters, people=3, start=50), tmp_path)
    report = evaluate(model, unseen)
    assert report["accuracy"] > 0.85, "people it never saw; chance is 0.17"
    losses = [epoch["loss"] for epoch in model.history]
    assert len(losses) == 25 and losses[-1] < 0.7 * losses[0]
    assert not model.model.training


def test_movement_is_learnt(tmp_path):
    settings = Settings(epochs=10, lr=5e-3, sequence_mode=True, seq_len=10, **SMALL)
    model = fit(read(films(range(3)), tmp_path), settings, progress=False)
    report = evaluate(model, read(films([50, 51, 52]), tmp_path), sequence_mode=True)
    assert report["n"] == 48 and report["accuracy"] > 0.8, "chance is 0.2"
    assert min(report["per_letter"]["I"], report["per_letter"]["J"]) > 0.7, "one pose: only movement tells"


@MODES
def test_one_step_moves_every_parameter(tmp_path, settings):
    """What feeds nothing would never be trained: photos are looked at twice, or the gates would not."""
    settings = Settings(epochs=1, batch_size=10**6, sequence_mode=settings.sequence_mode, per_letter=2)
    trainer = Trainer(read(photos("ABI", people=2), tmp_path), settings, None)
    before = {name: value.detach().clone() for name, value in trainer.model.named_parameters()}
    assert trainer.steps == 1
    trainer.epoch(0, lambda loss: None)
    for name, parameter in trainer.model.named_parameters():
        assert parameter.grad is not None and parameter.grad.abs().max() > 0, name
        assert not torch.equal(parameter, before[name]), name


@MODES
def test_the_same_seed_gives_the_same_model(table, settings):
    one = fit(table, settings, progress=False)
    torch.rand(7), np.random.rand(7)  # what else was drawn meanwhile makes no difference
    again = fit(table, settings, progress=False)
    assert same(weights(one), weights(again))
    other = fit(table, Settings(**(vars(settings) | {"seed": 1})), progress=False)
    assert not same(weights(one), weights(other), 1e-3)


@MODES
def test_who_judges_teaches_nothing_and_scales_nothing(tmp_path, settings):
    """The file's other half, with absurd hands, leaves every number of the model as it is."""
    settings = Settings(**(vars(settings) | {"epochs": 1}))
    train, judges = photos("ABI", people=2), photos("ABI", people=1, start=9)
    judges[[f"x{i}" for i in range(21)]] *= 1000
    alone = tmp_path / "alone.csv"
    train.to_csv(alone, index=False)
    both = tmp_path / "both.csv"
    pd.concat([judges, train]).to_csv(both, index=False)
    without = run([str(alone)], settings, [], tmp_path / "a")
    # Two files of one content have different names, and names are no numbers.
    beside = run([str(both)], settings, ["p9"], tmp_path / "b")
    assert same(weights(without), weights(beside))
    assert beside.config["provenance"]["people"] == ["p0", "p1"] and beside.config["metrics"]["n"] == 12
    poisoned = run([str(both)], settings, [], tmp_path / "c")
    assert (poisoned.model.scale > 2 * beside.model.scale).any(), "they would have been noticed"


@MODES
def test_a_number_that_never_varies_is_not_blown_up(tmp_path, settings):
    """The wrist's depth is noise of 1e-7 and no information; divided by its spread it would shout."""
    crowd = photos("ABI", people=3)
    crowd["z0"] = np.random.default_rng(0).normal(0, 1e-7, len(crowd))
    model = fit(read(crowd, tmp_path), settings, progress=False).model
    assert (model.scale >= FLOOR).all() and model.scale[2] == FLOOR
    constant = [number for number in range(63) if model.scale[number] == FLOOR]
    assert {*constant} >= ({2} if settings.sequence_mode else {0, 1, 2})
    x = torch.randn(64, 63)
    for number in constant:
        nudged = x.clone()
        nudged[:, number] += 1e-6
        assert (model(x) - model(nudged)).abs().max() < 1e-4


def test_photos_are_learnt_from_beside_streams(tmp_path):
    table = read([films(range(2)), photos("ABC", people=2)], tmp_path)
    with_album, without = (
        weights(fit(table, Settings(**(vars(STREAMS) | {"album": size})), progress=False)) for size in (8, 0)
    )
    assert not same(with_album, without, 1e-3)
    trainer = Trainer(table, STREAMS, None)
    x, y, _ = next(trainer._photos(trainer.album, np.random.default_rng(0)))
    assert x.shape[1] == 1, "an album smaller than a page is one page"
    assert {trainer.classes[number] for number in y.flat} == {"A", "B", "C", "I"}, "no movement is in it"


@pytest.mark.parametrize("net", [None, RIVALS["gru"], RIVALS["stateless"], RIVALS["mlp"]])
@pytest.mark.parametrize("amid", [0.0, 0.5, 1.0])
def test_photos_come_amid_streams(tmp_path, net, amid):
    """The states in which a batch of streams ended are where photos begin, and no gradient crosses over."""
    settings = Settings(**(vars(STREAMS) | {"amid": amid, "album": 40}))
    trainer = Trainer(read([films(range(2)), photos("ABC", people=2, each=20)], tmp_path), settings, net)
    read_, calls = trainer.model.forward_sequence, []

    def spy(numbers, **options):
        logits, ended = read_(numbers, **options)
        calls.append((numbers, options, ended))
        return logits, ended

    trainer.model.forward_sequence = spy
    trainer.epoch(0, lambda loss: None)
    streams, albums = calls[::2], calls[1::2]
    assert len(streams) == len(albums) == trainer.steps
    assert all("state" not in options for _, options, _ in streams)
    fresh = []
    for (_, _, ended), (numbers, options, _) in zip(streams, albums, strict=True):
        assert numbers.shape[:2] == (40, LOOKS)
        if not amid:
            assert "state" not in options and "reset" not in options
            continue
        ended, begun = ((s,) if isinstance(s, torch.Tensor) else s for s in (ended, options["state"]))
        for before, after in zip(ended, begun, strict=True):
            rows = torch.arange(40) % len(before)  # there are more photos than streams
            assert torch.equal(before[rows], after) and not after.requires_grad
        fresh.append(options["reset"])
    if amid:
        assert not torch.cat(fresh)[:, 1:].any(), "what the first look saw is kept"
        assert torch.cat(fresh)[:, 0].float().mean().item() == pytest.approx(1 - amid, abs=0.1)


def test_drawn_streams_teach_the_part_of_the_alphabet_that_is_asked_for(tmp_path):
    table = read(photos("ABI", people=2), tmp_path)
    few, more = (
        Trainer(table, Settings(**(vars(STREAMS) | {"drawn_streams": count})), None).lessons
        for count in (0, 12)
    )
    x, y, w = more.epoch(np.random.default_rng(0))
    assert len(x) == len(few.epoch(np.random.default_rng(0))[0]) + 12 and more.classes == few.classes
    drawn, labels, _ = lessons.streams(12, STREAMS.seq_len, int(np.random.default_rng(0).integers(2**31)))
    np.testing.assert_array_equal(x[-12:], drawn)
    known = np.isin(labels, more.classes)
    assert (w[-12:][~known] == 0).all() and (w[-12:][known] > 0).any()
    assert (np.array(more.classes)[y[-12:]] == labels)[known].all()


def test_a_rival_has_the_regularisers_of_the_settings(table):
    rival = Trainer(table, Settings(**(vars(STREAMS) | {"dropout": 0.3})), RIVALS["gru"]).model
    rates = [part.p for part in rival.modules() if isinstance(part, torch.nn.Dropout)]
    assert rates and set(rates) == {0.3}


def interrupted(monkeypatch, after):
    """Let the next training stop, as by Ctrl-C, in its epoch number `after`."""
    real = Trainer.epoch

    def epoch(self, number, tell):
        if number == after:
            # In the middle of an epoch: some steps were taken, and are lost.
            real(self, number, tell)
            raise KeyboardInterrupt
        return real(self, number, tell)

    monkeypatch.setattr(Trainer, "epoch", epoch)
    return lambda: monkeypatch.setattr(Trainer, "epoch", real)


@pytest.mark.parametrize("after", [0, 1, 3])
@pytest.mark.parametrize("judged", [False, True])
def test_an_interrupted_training_goes_on_to_the_same_model(table, tmp_path, monkeypatch, after, judged):
    settings = Settings(**(vars(FRAMES) | {"epochs": 4}))
    val = read(photos("ABI", people=1, start=9), tmp_path) if judged else None
    whole = fit(table, settings, val, progress=False)
    restore = interrupted(monkeypatch, after)
    unfinished = tmp_path / "checkpoint.pt"
    with pytest.raises(KeyboardInterrupt):
        fit(table, settings, val, progress=False, resume=unfinished)
    restore()
    assert unfinished.is_file() == (after > 0) and not list(tmp_path.glob("*.part"))
    epochs = []
    real = Trainer.epoch
    monkeypatch.setattr(Trainer, "epoch", lambda self, n, tell: (epochs.append(n), real(self, n, tell))[1])
    resumed = fit(table, settings, val, progress=False, resume=unfinished)
    assert epochs == list(range(after, 4)), "what was done is not done again"
    assert same(weights(whole), weights(resumed)) and resumed.history == whole.history


def test_an_interrupted_training_on_streams_goes_on_to_the_same_model(table, tmp_path, monkeypatch):
    whole = fit(table, STREAMS, progress=False)
    restore = interrupted(monkeypatch, 1)
    with pytest.raises(KeyboardInterrupt):
        fit(table, STREAMS, progress=False, resume=tmp_path / "c.pt")
    restore()
    assert same(weights(whole), weights(fit(table, STREAMS, progress=False, resume=tmp_path / "c.pt")))


def test_a_checkpoint_of_something_else_is_not_continued(table, tmp_path):
    plain = weights(fit(table, FRAMES, progress=False))
    path = tmp_path / "checkpoint.pt"

    def left_by(train, settings, val=None):
        fit(train, settings, val, progress=False, resume=path)

    left_by(table, Settings(**(vars(FRAMES) | {"lr": 2e-3})))
    assert same(plain, weights(fit(table, FRAMES, progress=False, resume=path))), "other settings"
    nudged = table.copy()
    nudged.loc[0, "x0"] += 1e-3
    left_by(nudged, FRAMES)
    assert same(plain, weights(fit(table, FRAMES, progress=False, resume=path))), "other data"
    left_by(table, FRAMES)
    whole = path.read_bytes()
    for damaged in (b"", whole[: len(whole) // 2], b"not a checkpoint", whole[:-2000] + bytes(2000)):
        path.write_bytes(damaged)
        assert same(plain, weights(fit(table, FRAMES, progress=False, resume=path)))


def test_a_checkpoint_that_is_not_continued_is_told(table, tmp_path, capsys):
    path = tmp_path / "checkpoint.pt"
    fit(table, FRAMES, progress=False, resume=path)
    fit(table, FRAMES, progress=False, resume=path)
    assert not capsys.readouterr().err, "gone on with: nothing to tell"
    fit(table, Settings(**(vars(FRAMES) | {"lr": 2e-3})), progress=False, resume=path)
    said = capsys.readouterr().err
    assert str(path) in said and said.endswith("begins anew.\n") and said.count("\n") == 1


def altered(state, *where, what):
    """A copy of a checkpoint's state with something else in one place."""
    state = inside = copy.deepcopy(state)
    for name in where[:-1]:
        inside = inside[name]
    inside[where[-1]] = what
    return state


def test_a_state_of_another_version_is_refused_before_anything_is_taken_up(table):
    first, then = (Trainer(table, FRAMES, None) for _ in range(2))
    first.epoch(0, lambda loss: None)
    good, before = first.state(), copy.deepcopy(then.state())
    for state in (
        {},
        altered(good, "model", what={"see.weight": torch.zeros(2)}),
        altered(good, "average", "mean", what=torch.zeros(63, dtype=torch.long)),
        altered(good, "optimiser", what=[1]),
        altered(good, "optimiser", "state", 0, "exp_avg", what=torch.zeros(3)),
        altered(good, "optimiser", "state", 10**6, what={}),
        altered(good, "optimiser", "param_groups", 0, "lr", what="fast"),
        altered(good, "schedule", what={"last_epoch": 1}),
    ):
        with pytest.raises(ValueError, match="another training"):
            then.go_on(state)
    assert checkpoint.alike(before, then.state()) and same(before["model"], then.model.state_dict())
    then.go_on(good)
    assert same(weights(first), weights(then))


def test_a_checkpoint_of_another_version_begins_anew(table, tmp_path, capsys, monkeypatch):
    """The mark fits, what stands under it does not."""
    plain, path = weights(fit(table, FRAMES, progress=False)), tmp_path / "checkpoint.pt"
    restore = interrupted(monkeypatch, 1)
    with pytest.raises(KeyboardInterrupt):
        fit(table, FRAMES, progress=False, resume=path)
    restore()
    mark = checkpoint.fingerprint(FRAMES, table, None)
    good = checkpoint.load(path, mark)
    for state in (
        altered(good, "trainer", "model", what={}),
        altered(good, "history", what=[{"epoch": 1, "loss": 1.0}] * 4),
        altered(good, "history", what=["an epoch"]),
        altered(good, "best", "weights", what={"answer.bias": torch.zeros(3)}),
        {"trainer": good["trainer"]},
    ):
        checkpoint.save(path, mark, state)
        assert same(plain, weights(fit(table, FRAMES, progress=False, resume=path)))
        assert capsys.readouterr().err.endswith("begins anew.\n")


def test_a_checkpoint_runs_no_code(table, tmp_path):
    path, sprung = tmp_path / "checkpoint.pt", tmp_path / "sprung"
    mark = checkpoint.fingerprint(FRAMES, table, None)
    torch.save({"mark": mark, "state": Trap(sprung)}, path)
    assert checkpoint.load(path, mark) is None
    path.write_bytes(pickle.dumps({"mark": mark, "state": Trap(sprung)}, protocol=2))
    assert checkpoint.load(path, mark) is None
    assert not sprung.exists()


def test_the_best_epoch_is_kept_and_patience_ends(table, monkeypatch):
    scores, seen = iter([0.2, 0.6, 0.5, 0.6, 0.1, 0.9]), []

    def judge(model, val, sequence_mode):
        seen.append(weights(model))
        return {"macro_f1": next(scores)}

    monkeypatch.setattr(strm.train, "evaluate", judge)
    model = fit(table, Settings(epochs=10, patience=3, **SMALL), table, progress=False)
    assert len(seen) == 5, "three epochs without a better one are enough"
    assert same(weights(model), seen[1]) and not same(weights(model), seen[-1])
    assert [epoch["val_macro_f1"] for epoch in model.history] == [0.2, 0.6, 0.5, 0.6, 0.1]


def test_without_judges_all_epochs_are_done(table):
    model = fit(table, Settings(epochs=5, patience=1, **SMALL), progress=False)
    assert len(model.history) == 5 and model.config["provenance"]["epochs_trained"] == 5


def test_a_device_that_is_not_there(monkeypatch, table, tmp_path, capsys):
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    monkeypatch.setattr(torch.backends.mps, "is_available", lambda: False)
    assert device_of("auto") == device_of("cpu") == torch.device("cpu")
    for name in ("cuda", "mps"):
        with pytest.raises(UserError, match=f"no {name} device"):
            device_of(name)
        with pytest.raises(UserError, match=f"no {name} device"):
            fit(table, Settings(device=name), progress=False)
        assert cli.main(["train", "--csv", str(tmp_path / "made_up_0.csv"), "--device", name]) == 2
        said = capsys.readouterr()
        assert name in said.err and said.err.count("\n") == 1
    monkeypatch.setattr(torch.cuda, "is_available", lambda: True)
    assert device_of("auto") == torch.device("cuda")


def test_precision_is_mixed_only_where_there_are_tensor_cores(monkeypatch):
    assert precision_of("auto", torch.device("cpu")) == torch.float32
    assert precision_of("bfloat16", torch.device("cpu")) == torch.bfloat16
    chosen = {6: torch.float32, 7: torch.float16, 8: torch.bfloat16, 9: torch.bfloat16}
    for age, precision in chosen.items():  # of a P100, a T4, an A100, an H100
        monkeypatch.setattr(torch.cuda, "get_device_capability", lambda device, age=age: (age, 0))
        assert precision_of("auto", torch.device("cuda")) == precision


def test_what_float16_learnt_about_its_gradients_is_kept(table):
    settings = Settings(**(vars(FRAMES) | {"precision": "float16"}))
    first, then = (Trainer(table, settings, None) for _ in range(2))
    first.epoch(0, lambda loss: None)
    then.go_on(first.state())
    assert then.scaler.state_dict() == first.scaler.state_dict() != {}
    then.epoch(1, lambda loss: None)
    assert then.scaler.state_dict()["_growth_tracker"] == 2 * first.steps, "no step was left out"


@MODES
@pytest.mark.parametrize("precision", ["bfloat16", "float16"])
def test_mixed_precision_learns_what_float32_learns(table, settings, precision, tmp_path):
    settings = vars(settings) | {"dropout": 0.0, "lr": 5e-3, "epochs": 4}
    full = fit(table, Settings(**settings), progress=False)
    mixed = fit(table, Settings(**(settings | {"precision": precision})), progress=False)
    losses = np.array([[epoch["loss"] for epoch in model.history] for model in (full, mixed)])
    np.testing.assert_allclose(losses[0], losses[1], rtol=0.02)  # bfloat16 has three digits
    assert not np.array_equal(*losses), "nothing was mixed"
    assert {value.dtype for value in weights(mixed).values()} == {torch.float32}
    unseen = read(photos("ABI", people=2, start=50), tmp_path)
    assert abs(evaluate(full, unseen)["accuracy"] - evaluate(mixed, unseen)["accuracy"]) < 0.1


@pytest.mark.parametrize("mode", [[], ["--sequence_mode"]])
@pytest.mark.parametrize("letter", ["A", "I", "J"])
def test_one_class_is_an_error(tmp_path, capsys, mode, letter):
    photos(letter, people=2).to_csv(tmp_path / "a.csv", index=False)
    out = tmp_path / "out"
    assert cli.main(["train", "--csv", str(tmp_path / "a.csv"), "--out_dir", str(out), *mode]) == 2
    said = capsys.readouterr()
    assert f"one class only ({letter})" in said.err and said.err.strip().count("\n") == (1 if mode else 0)
    assert not out.exists()


def test_judges_that_are_nobody_or_everybody_or_know_other_letters(tmp_path, capsys):
    crowd = pd.concat([photos("AB", people=2), photos("C", people=1, start=2)])
    crowd.to_csv(tmp_path / "a.csv", index=False)
    command = ["train", "--csv", str(tmp_path / "a.csv"), "--out_dir", str(tmp_path / "out"), "--val_signers"]
    for names, words in ((["p7"], "'p7'"), (["p0", "p1", "p2"], "everyone"), (["p2"], "no letter")):
        assert cli.main([*command, *names]) == 2
        said = capsys.readouterr()
        assert words in said.err and said.err.strip().count("\n") == 0
    assert not (tmp_path / "out").exists()


def test_photos_alone_can_teach_streams_and_it_says_so(tmp_path, capsys):
    photos("AB", people=2).to_csv(tmp_path / "a.csv", index=False)
    films([0]).to_csv(tmp_path / "b.csv", index=False)
    run([str(tmp_path / "a.csv")], STREAMS, [], tmp_path / "out")
    assert "only photos" in capsys.readouterr().err
    run([str(tmp_path / "a.csv"), str(tmp_path / "b.csv")], STREAMS, [], tmp_path / "out")
    assert "only photos" not in capsys.readouterr().err


FILES = {"trm_best.pt", "trm_config.json", "trm_scaler.joblib", "metrics.json"}


def test_the_command_writes_three_files_and_the_metrics(tmp_path, capsys):
    crowd = photos("ABC", people=3)
    crowd.to_csv(tmp_path / "a.csv", index=False)
    out = tmp_path / "new" / "models"
    flags = (
        "--epochs 2 --batch_size 16 --lr 0.01 --n_latent 1 --T_deep 2 --dropout 0 --seed 3 --val_signers p2"
    )
    assert cli.main(["train", "--csv", str(tmp_path / "a.csv"), *flags.split(), "--out_dir", str(out)]) == 0
    assert {path.name for path in out.iterdir()} == FILES, "and no checkpoint is left"
    assert "3 classes" in capsys.readouterr().out
    metrics = json.loads((out / "metrics.json").read_text("utf-8"))
    assert metrics["people"] == ["p0", "p1"] and metrics["train_rows"] == 24
    assert metrics["val_signers"] == ["p2"] and metrics["val"]["n"] == 12 and len(metrics["history"]) == 2
    back = bundle.load(out)
    assert (
        back.class_names == ["A", "B", "C"] and back.config["n_latent"] == 1 and back.config["dropout"] == 0
    )
    assert back.config["metrics"] == {key: metrics["val"][key] for key in ("n", "accuracy", "macro_f1")}
    assert back.config["provenance"]["settings"]["seed"] == 3
    report = evaluate(back, read(crowd[crowd["signer"] == "p2"], tmp_path))
    assert report["accuracy"] == metrics["val"]["accuracy"], "what is saved is what was judged"


def test_an_interrupted_command_leaves_only_what_it_needs_to_go_on(tmp_path, monkeypatch, capsys):
    photos("AB", people=2).to_csv(tmp_path / "a.csv", index=False)
    command = ["train", "--csv", str(tmp_path / "a.csv"), "--epochs", "3", "--n_latent", "1", "--T_deep", "1"]
    out = tmp_path / "out"
    restore = interrupted(monkeypatch, 1)
    assert cli.main([*command, "--out_dir", str(out)]) == 130
    assert [path.name for path in out.iterdir()] == ["checkpoint.pt"]
    restore()
    assert cli.main([*command, "--out_dir", str(out)]) == 0
    assert cli.main([*command, "--out_dir", str(tmp_path / "whole")]) == 0
    assert {path.name for path in out.iterdir()} == FILES
    assert same(weights(bundle.load(out)), weights(bundle.load(tmp_path / "whole")))


def mistaken(capsys, *command):
    """Run `strm train`, which must refuse before any work; return the sentence."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(Trainer, "epoch", None)
        assert cli.main(["train", *map(str, command)]) == 2
    said = capsys.readouterr()
    assert said.err.count("\n") == 1 and not said.out
    return said.err


def test_a_folder_that_cannot_be_written_is_told_before_the_training(tmp_path, capsys):
    photos("AB", people=1).to_csv(tmp_path / "a.csv", index=False)
    (tmp_path / "file").write_text("in the way", encoding="utf-8")
    for folder in (tmp_path / "file", tmp_path / "file" / "models"):
        assert "another folder" in mistaken(capsys, "--csv", tmp_path / "a.csv", "--out_dir", folder)


def test_a_model_that_could_not_be_loaded_is_not_trained(tmp_path, capsys):
    photos("AB", people=1).to_csv(tmp_path / "a.csv", index=False)
    command = ["--csv", tmp_path / "a.csv", "--out_dir", tmp_path / "out", "--n_latent", 400]
    assert "at most 1024" in mistaken(capsys, *command)
    assert not (tmp_path / "out").exists()


def test_a_seed_that_no_generator_takes_is_the_users_mistake(capsys):
    with pytest.raises(SystemExit) as ended:
        cli.main(["train", "--csv", "a.csv", "--seed", "9" * 30])
    assert ended.value.code == 2 and "--seed" in capsys.readouterr().err


def test_one_epoch_of_one_step_is_a_training_too(table):
    model = fit(
        table, Settings(epochs=1, batch_size=10**6, per_letter=1, n_latent=1, T_deep=1), progress=False
    )
    assert all(torch.isfinite(value).all() for value in model.model.state_dict().values())


@pytest.mark.parametrize("frames", [1, 2, 3])
def test_streams_may_be_very_short(tmp_path, frames):
    settings = Settings(**(vars(STREAMS) | {"seq_len": frames, "epochs": 1}))
    model = fit(read(films([0]), tmp_path), settings, progress=False)
    assert all(torch.isfinite(value).all() for value in model.model.state_dict().values())
