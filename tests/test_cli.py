"""The command line: each flag reaches its function, and a mistake is one sentence."""

import importlib
import subprocess
import sys
from pathlib import Path
from unittest.mock import create_autospec

import pytest

from strm import __version__, cli
from strm.files import UserError


@pytest.fixture
def called(monkeypatch):
    """Put a recording double with the true signature in a function's place."""

    def double(name, returns=None):
        module, function = name.rsplit(".", 1)
        real = getattr(importlib.import_module(module), function)
        spy = create_autospec(real, return_value=returns)
        monkeypatch.setattr(name, spy)
        return spy

    return double


def test_images(called):
    spy = called("strm.extract.extract_images")
    assert (
        cli.main(["images", "--root", "photos", "--out_csv", "o.csv", "--signer", "ann", "--jobs", "3"]) == 0
    )
    who = {"signer": "ann", "signer_level": None}
    spy.assert_called_once_with("photos", "o.csv", max_per_class=400, **who, jobs=3, dask=None)


def test_videos(called):
    spy = called("strm.extract.extract_videos")
    cli.main(
        [
            "videos",
            "--input_dir",
            "v",
            "--output_csv",
            "o.csv",
            "--fps",
            "29.97",
            "--signer_level",
            "0",
            "--jobs",
            "1",
        ]
    )
    spy.assert_called_once_with("v", "o.csv", fps=29.97, signer=None, signer_level=0, jobs=1, dask=None)
    many = ["videos", "--input_dir", "v", "--output_csv", "o.csv", "--dask", "host:8786"]
    assert cli.main(many) == 0 and spy.call_args.kwargs["dask"] == "host:8786"
    with pytest.raises(SystemExit):
        cli.main([*many, "--jobs", "2"])


def test_studio_dataset(called):
    from strm.studio.takes import Plan

    spy = called("strm.studio.dataset.make")
    flags = "--out_dir o --signers 6 --stills 0 --clips 3 --words 1 --seed 4 --jobs 2 --landmarks_only"
    assert cli.main(["studio", "dataset", *flags.split()]) == 0
    spy.assert_called_once_with("o", 6, Plan(0, 3, 1, 4, True), 2)
    cli.main(["studio", "dataset", "--jobs", "1"])
    spy.assert_called_with("outputs/studio", 40, Plan(), 1)


def test_studio_word_and_grid(called):
    spy = called("strm.studio.album.word_video")
    cli.main(["studio", "word", "JAZZ", "--out", "w.mp4", "--tone", "10", "--side", "Left", "--csv", "w.csv"])
    spy.assert_called_once_with("JAZZ", "w.mp4", 256, 0, 10, "Left", "w.csv")
    spy = called("strm.studio.album.grid")
    cli.main(["studio", "grid", "--out", "g.png", "--size", "96", "--seed", "2"])
    spy.assert_called_once_with("g.png", 96, 2, None, None)


def test_studio_ship(called):
    spy = called("strm.studio.ship.ship")
    cli.main(["studio", "ship", "--jobs", "2"])
    spy.assert_called_once_with("data/studio", 35, 0, 2)


def test_training_without_a_table_asks_the_studio(called):
    spy, shipped = (
        called("strm.train.run"),
        called("strm.studio.ship.shipped", returns=["p.csv.gz", "c.csv.gz"]),
    )
    cli.main(["train", "--sequence_mode"])
    shipped.assert_called_once_with(True)
    assert spy.call_args.args[0] == ["p.csv.gz", "c.csv.gz"]


def test_train(called):
    from strm.train import Settings

    spy = called("strm.train.run")
    flags = (
        "--epochs 2 --batch_size 8 --lr 0.01 --sequence_mode --seq_len 9 --n_latent 2 --T_deep 1 --dropout 0"
    )
    rest = "--seed 4 --val_signers ann bob --out_dir o --device auto --fps 25"
    cli.main(["train", "--csv", "a.csv", "b.csv", *flags.split(), *rest.split()])
    settings = Settings(
        epochs=2,
        batch_size=8,
        lr=0.01,
        sequence_mode=True,
        seq_len=9,
        n_latent=2,
        T_deep=1,
        dropout=0.0,
        seed=4,
        device="auto",
    )
    spy.assert_called_once_with(["a.csv", "b.csv"], settings, ["ann", "bob"], "o", 25.0)


def test_train_without_flags_is_the_settings_own_defaults(called):
    from strm.train import Settings

    spy = called("strm.train.run")
    cli.main(["train", "--csv", "a.csv"])
    spy.assert_called_once_with(["a.csv"], Settings(), [], "outputs/models", 30.0)


def test_evaluate(called):
    spy = called("strm.evaluate.run")
    cli.main(["evaluate", "--csv", "a.csv", "--sequence_mode", "--json"])
    spy.assert_called_once_with(["a.csv"], Path("outputs/models"), True, True, 30.0)


def test_compare(called):
    spy = called("strm.compare.run")
    cli.main(["compare", "strangers", "--seeds", "1"])
    spy.assert_called_once_with("strangers", out_dir="data/results", seeds=1, jobs=2)


def test_read_hands_on_its_exit_code(called):
    spy = called("strm.read.run", returns=1)
    assert cli.main(["read", "a.jpg", "b.jpg", "--out_dir", "o"]) == 1
    spy.assert_called_once_with(["a.jpg", "b.jpg"], None, "o")


def test_push(called):
    from strm.bundle import WEIGHTS

    spy = called("strm.hub.push", returns="https://hub/ann/asl/commit/1")
    assert cli.main(["push", "--repo_id", "ann/asl"]) == 0
    spy.assert_called_once_with(WEIGHTS, "ann/asl", False, revision=None)
    cli.main(["push", "--repo_id", "ann/asl", "--private", "--model", "mine", "--revision", "v2"])
    spy.assert_called_with("mine", "ann/asl", True, revision="v2")


def test_book(called):
    spy = called("strm.book.run")
    assert cli.main(["book", "--serve", "--only", "01_landmarks"]) == 0
    asked = {"out_dir": "outputs/book", "only": ["01_landmarks"], "force": False, "serve": 8000}
    spy.assert_called_once_with(**asked, fast=False, student=False, pdf=False)


def test_book_in_other_ways(called):
    spy = called("strm.book.run")
    assert cli.main(["book", "--fast", "--student", "--pdf"]) == 0
    said = spy.call_args.kwargs
    assert said["fast"] is said["student"] is said["pdf"] is True and said["serve"] is None


def test_a_users_mistake_is_one_sentence_and_2(called, capsys):
    called("strm.read.run").side_effect = UserError("a.jpg is no picture: save it as PNG.")
    assert cli.main(["read", "a.jpg"]) == 2
    out = capsys.readouterr()
    assert out.err == "a.jpg is no picture: save it as PNG.\n" and out.out == ""


def test_interrupting_is_no_crash(called, capsys):
    called("strm.read.run").side_effect = KeyboardInterrupt
    assert cli.main(["read", "a.jpg"]) == 130
    assert "same command again" in capsys.readouterr().err


@pytest.mark.parametrize(
    "arguments",
    [
        [],
        ["translate"],
        ["read"],
        ["studio"],
        ["studio", "dataset", "--signers", "0"],
        ["studio", "word", "A"],
        ["studio", "grid", "--out", "a.png", "--tone", "11"],
        ["train", "--csv", "a.csv", "--epochs", "0"],
        ["train", "--csv", "a.csv", "--lr", "fast"],
        ["train", "--csv", "a.csv", "--lr", "inf"],
        ["train", "--csv", "a.csv", "--dropout", "1"],
        ["train", "--csv", "a.csv", "--dropout", "nan"],
        ["train", "--csv", "a.csv", "--seed", "-3"],
        ["train", "--csv", "a.csv", "--device", "abacus"],
        ["images", "--root", "r", "--out_csv", "o", "--signer", "ann", "--signer_level", "1"],
        ["push"],
    ],
)
def test_what_it_does_not_understand_is_2(arguments, capsys):
    with pytest.raises(SystemExit) as stop:
        cli.main(arguments)
    assert stop.value.code == 2
    assert "usage: strm" in capsys.readouterr().err


def test_every_command_explains_itself(capsys):
    for command in ("images", "videos", "studio", "train", "evaluate", "compare", "read", "push", "book"):
        with pytest.raises(SystemExit) as stop:
            cli.main([command, "--help"])
        assert stop.value.code == 0
        assert f"usage: strm {command}" in capsys.readouterr().out


def python(code, **options):
    return subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, encoding="utf-8", **options
    )


def test_python_m_strm_is_the_same_and_loads_nothing_heavy():
    done = python(
        "import sys, runpy\n"
        "sys.argv = ['strm', '--version']\n"
        "try: runpy.run_module('strm', run_name='__main__')\n"
        "finally: print([name for name in ('torch', 'cv2', 'mediapipe', 'pandas') if name in sys.modules])"
    )
    assert done.stdout.splitlines() == [f"strm {__version__}", "[]"]


@pytest.mark.skipif(sys.platform == "win32", reason="Windows has no broken pipes")
def test_a_reader_that_has_seen_enough_is_no_error():
    talks = (
        "from strm import cli; cli._read = lambda args: [*map(print, range(10**6))]; cli.main(['read', 'x'])"
    )
    done = subprocess.run(
        f'{sys.executable} -c "{talks}" | head -1', shell=True, capture_output=True, text=True
    )
    assert done.stdout == "0\n" and done.stderr == ""
