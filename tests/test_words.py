"""Streams as words: typed against signed, worked out by hand on a model that reads scripts."""

import json

import numpy as np
import pandas as pd
import pytest
from made_up import read, rows
from test_stream import NAMES, bundle, hand_showing

from strm import cli, words
from strm.alphabet import ASL
from strm.bundle import Bundle, describe
from strm.data import read_table
from strm.files import UserError
from strm.model import TRM
from strm.words import distance, evaluate_words, kinds


def stream(label, shown, name, signer="ann", source="here", side="Right"):
    """A clip that shows each class for 0.6 s; a dash is a gap without a hand, as long."""
    points, t_ms = [], []
    for k, what in enumerate(shown):
        for s in range(9):
            if what != "-":
                points.append(hand_showing(what, side).points)
                t_ms.append((9 * k + s) * 1000 / 15)
    named = {"signer": signer, "source": source, "clip": name, "handedness": side}
    return rows(np.array(points), label, frame=range(len(points)), t_ms=t_ms, width=640, height=640, **named)


@pytest.fixture
def report(tmp_path):
    crowd = [
        stream("bad", "BAD", "1"),
        stream("LA", "LB", "2", source="there", side="Left"),  # A read as B
        stream("ALL", ["A", "L", "-", "-", "L"], "3", signer="bob"),
        stream("DL", "DBAL", "4", signer="bob"),  # two letters too many
        stream("nothing", "AA", "5", signer="cy"),
        stream("held:J", "I", "6", signer="cy"),
    ]
    return evaluate_words(bundle(), read(crowd, tmp_path, words=True))


def test_rates_are_pooled_over_letters(report):
    assert (report["n"], report["letters"]) == (6, 3 + 2 + 3 + 2 + 0 + 1)
    assert report["letter_error_rate"] == pytest.approx((0 + 1 + 0 + 2 + 1 + 0) / 11)
    assert report["right"] == pytest.approx(3 / 6)
    assert report["per_signer"] == {"ann": 1 / 5, "bob": 2 / 5, "cy": 1.0}
    assert report["per_source"] == {"here": 3 / 9, "there": 1 / 2}
    assert report["per_kind"] == {
        "doubled": 0,
        "movement": 2 / (3 + 2 + 1),
        "other": pytest.approx((1 + 1) / 2),
    }
    assert sorted(report["errors"]) == [["", "A", 1], ["DL", "DBAL", 1], ["LA", "LB", 1]]


@pytest.mark.parametrize(
    "signed, read_as, errors",
    [("", "", 0), ("A", "", 1), ("", "AB", 2), ("ABC", "AC", 1), ("ABC", "CAB", 2), ("JAZZ", "IAZ", 2)],
)
def test_the_distance_counts_the_fewest_changes(signed, read_as, errors):
    assert distance(signed, read_as) == distance(read_as, signed) == errors


def test_kinds_of_words():
    start = next(iter(ASL.moving.values()))
    assert kinds("BOB") == ["other"] and kinds("BALL") == ["doubled"] and kinds("B" + start) == ["movement"]
    assert kinds(start + start) == ["movement", "doubled"]


def test_labels_are_words_and_none_is_taken_for_an_empty_cell(tmp_path):
    """pandas takes NA and NULL for missing; here they are words, and so may a signer be called."""
    crowd = [stream(word, "A", f"{i}", signer="NA") for i, word in enumerate(("NA", "null", "New York"))]
    table = read(crowd, tmp_path, words=True)
    assert list(table["label"].unique()) == ["NA", "NULL", "NEWYORK"]
    assert set(evaluate_words(bundle(), table)["per_signer"]) == {"NA"}
    for label in ("J4ZZ", "", "jazz!"):
        with pytest.raises(UserError, match="is no word"):
            read(stream(label, "A", "x"), tmp_path, words=True)


def test_a_stateless_reader_forgets_every_frame(tmp_path):
    table = read(stream("A", "A", "1"), tmp_path, words=True)
    for stateful, oldest in ((True, 8), (False, 0)):
        reader = bundle()
        evaluate_words(reader, table, stateful)
        assert max(reader.model.ages) == oldest


def test_the_command_prints_what_it_measures(tmp_path, capsys):
    folder, path = tmp_path / "model", tmp_path / "words.csv"
    model = TRM(num_classes=len(NAMES), n_latent=1, T_deep=1)
    Bundle(model.eval(), describe(model, NAMES, 0.1, True, {})).save(folder)
    pd.concat([stream("bad", "BAD", "1"), stream("A", "A", "2", signer="[bold]")]).to_csv(path, index=False)
    command = ["evaluate", "--csv", str(path), "--model", str(folder), "--stream"]
    assert cli.main([*command, "--json"]) == 0
    told = json.loads(capsys.readouterr().out)
    assert told == words.evaluate_words(
        Bundle(model.eval(), {"class_names": NAMES}), read_table(path, words=True)
    )
    assert cli.main(command) == 0
    out = capsys.readouterr().out
    assert "2 streams: letter error rate" in out and "[bold]" in out
    assert cli.main([*command[:-1], "--stateless"]) == 2 and "--stream" in capsys.readouterr().err
    with pytest.raises(SystemExit):
        cli.main([*command, "--sequence_mode"])
