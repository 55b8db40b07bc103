"""Past one machine: a cluster finds the rows that one machine finds, whatever happens to it meanwhile."""

import json
import subprocess
import sys
import threading
import time
from pathlib import Path

import cv2
import numpy as np
import pandas as pd
import psutil
import pytest
import torch
from made_up import photos
from reliability import record
from test_train import films

from strm import bench_scale, cli, extract, scale, studio
from strm.extract import extract_images, extract_videos, missed_path
from strm.files import UserError
from strm.scale import on_cluster

pytest.importorskip("distributed")
ROOT = Path(__file__).parents[1]


@pytest.fixture(scope="module")
def cluster():
    """A scheduler, and two workers that are processes of their own, brought back when they die.

    It gives a piece up that has killed two of them: by default four, which takes longer.
    """
    import dask
    from distributed import LocalCluster

    patience = dask.config.set({"distributed.scheduler.allowed-failures": 1})
    with (
        patience,
        LocalCluster(n_workers=2, processes=True, threads_per_worker=1, dashboard_address=":0") as made,
    ):
        yield made


def workers(cluster) -> set[int]:
    return {worker.pid for worker in cluster.workers.values() if worker.pid}


@pytest.fixture(scope="module")
def album(tmp_path_factory):
    """Twelve photos of drawn hands, one of nothing, one that is none; two videos, of a hand that moves on."""
    root = tmp_path_factory.mktemp("shared")
    hands = {letter: studio.sample(letter, np.random.default_rng(4), 160).image for letter in "BLY"}

    def save(picture, path):
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(cv2.imencode(".png", picture[..., ::-1])[1].tobytes())

    for letter, picture in hands.items():
        for i in range(4):
            save(np.roll(picture, 3 * i, axis=1), root / "photos" / letter / f"{i}.png")
    save(np.full((160, 160, 3), 128, np.uint8), root / "photos" / "B" / "nobody.png")
    (root / "photos" / "B" / "words.png").write_text("these are words", encoding="utf-8")
    (root / "films").mkdir()
    for letter in "BY":
        writer = cv2.VideoWriter(
            str(root / "films" / f"{letter}_1.avi"), cv2.VideoWriter_fourcc(*"MJPG"), 30, (160, 160)
        )
        for i in range(12):
            writer.write(np.roll(hands[letter], i, axis=1)[..., ::-1].copy())
        writer.release()
    return root


@pytest.fixture(scope="module")
def alone(album, tmp_path_factory):
    """What one process finds: (photos' CSV, videos' CSV)."""
    out = tmp_path_factory.mktemp("alone")
    extract_images(album / "photos", out / "photos.csv")
    extract_videos(album / "films", out / "clips.csv")
    return out / "photos.csv", out / "clips.csv"


def same(one: Path, other: Path) -> bool:
    return all(of(one).read_bytes() == of(other).read_bytes() for of in (Path, missed_path))


def test_a_cluster_finds_what_one_machine_finds(cluster, album, alone, tmp_path, monkeypatch):
    monkeypatch.setattr(extract, "CHUNK", 2)
    monkeypatch.chdir(tmp_path)  # the workers are elsewhere: what they get must be whole paths
    code = cli.main(
        ["images", "--root", str(album / "photos"), "--out_csv", "p.csv", "--dask", cluster.scheduler_address]
    )
    assert code == 0 and same(tmp_path / "p.csv", alone[0])
    extract_videos(album / "films", "c.csv", dask=cluster.scheduler_address)
    assert same(tmp_path / "c.csv", alone[1])
    assert not list(tmp_path.glob(".*")), "the parts are cleared away"


def test_a_worker_that_dies_costs_nothing(cluster, album, alone, tmp_path, monkeypatch):
    monkeypatch.setattr(extract, "CHUNK", 1)
    before, killed = workers(cluster), []

    def kill():
        until = time.monotonic() + 60
        while not list(tmp_path.glob(".p.csv.work/*/*.json")) and time.monotonic() < until:
            time.sleep(0.005)
        killed.append(min(before))
        psutil.Process(killed[0]).kill()

    killer = threading.Thread(target=kill)
    killer.start()
    extract_images(album / "photos", tmp_path / "p.csv", dask=cluster.scheduler_address)
    killer.join()
    assert killed and killed[0] not in workers(cluster)
    assert same(tmp_path / "p.csv", alone[0])


def test_a_lost_scheduler_is_told_and_what_was_done_is_kept(album, alone, tmp_path, monkeypatch):
    from distributed import LocalCluster

    monkeypatch.setattr(extract, "CHUNK", 1)
    cluster = LocalCluster(n_workers=1, processes=True, threads_per_worker=1, dashboard_address=":0")
    answers = scale.on_cluster

    def cut_off(*args, **options):
        for number, answer in enumerate(answers(*args, **options)):
            if number == 2:
                cluster.close()
            yield answer

    monkeypatch.setattr(extract, "on_cluster", cut_off)
    with pytest.raises(UserError, match="is gone: start it and its workers"):
        extract_images(album / "photos", tmp_path / "p.csv", dask=cluster.scheduler_address)
    assert not (tmp_path / "p.csv").exists()
    kept = len(list(tmp_path.glob(".p.csv.work/*/*.json")))
    assert kept >= 3
    looked, read = [], extract.read_picture
    monkeypatch.setattr(extract, "read_picture", lambda path: (looked.append(path), read(path))[1])
    extract_images(album / "photos", tmp_path / "p.csv")
    assert len(looked) == 14 - kept, "what was done is not done again"
    assert same(tmp_path / "p.csv", alone[0])


def ask(address, shared=()):
    return list(on_cluster(address, len, [("ab",)], shared))


@pytest.mark.parametrize("address", ["127.0.0.1:9", "nonsense", "tcp://host:port"])
def test_no_scheduler_is_one_sentence(monkeypatch, album, tmp_path, capsys, address):
    monkeypatch.setattr(scale, "ANSWER_S", 0.5)
    argv = [
        "images",
        "--root",
        str(album / "photos"),
        "--out_csv",
        str(tmp_path / "p.csv"),
        "--dask",
        address,
    ]
    assert cli.main(argv) == 2
    said = capsys.readouterr().err.splitlines()[-1]
    assert f"No Dask scheduler answers at '{address}'" in said and said.endswith(".")
    assert not (tmp_path / "p.csv").exists()


def test_no_worker_is_one_sentence(monkeypatch):
    from distributed import LocalCluster

    monkeypatch.setattr(scale, "WORKER_S", 0.5)
    with LocalCluster(n_workers=0, dashboard_address=":0") as empty:
        with pytest.raises(UserError, match="has no worker: start `dask worker"):
            ask(empty.scheduler_address)


def test_workers_must_be_as_this_machine_is(cluster, tmp_path, monkeypatch):
    assert ask(cluster.scheduler_address, [tmp_path]) == [2]
    with pytest.raises(UserError, match=r"sees no .*nowhere: use a folder that all machines share"):
        ask(cluster.scheduler_address, [tmp_path / "nowhere"])
    monkeypatch.setattr(scale, "__version__", "0.0")
    with pytest.raises(UserError, match=r"not 0\.0: install the same everywhere"):
        ask(cluster.scheduler_address)


def test_trouble_on_a_worker_is_told_as_if_it_were_here(cluster, album, tmp_path, monkeypatch):
    """A full disk there is a full disk."""

    def work(*piece):
        raise OSError(28, "No space left on device", "part.json")

    monkeypatch.setattr(extract, "_work", work)
    with pytest.raises(UserError, match=r"part\.json.*No space left.*Make room"):
        extract_images(album / "photos", tmp_path / "p.csv", dask=cluster.scheduler_address)


def test_a_missing_package_is_one_sentence(monkeypatch):
    monkeypatch.setitem(sys.modules, "distributed", None)
    with pytest.raises(UserError, match=r'pip install "strm\[scale\]"'):
        ask("127.0.0.1:9")


def test_a_piece_that_kills_its_workers_ends_the_run(cluster):
    """Joblib's own Dask backend would wait for it for ever."""

    def work(number):
        import os

        if number == 1:
            os._exit(1)
        return number

    with pytest.raises(
        UserError, match=r"died again and again of one piece of work.*what is done is kept\.$"
    ):
        list(on_cluster(cluster.scheduler_address, work, [(0,), (1,)], shared=[]))


# --- one training by several processes

LAUNCH = [sys.executable, "-m", "accelerate.commands.launch", "--multi_gpu", "--num_processes", "2"]
LAUNCH += [
    "--num_machines",
    "1",
    "--mixed_precision",
    "no",
    "--dynamo_backend",
    "no",
    "--main_process_port",
    "0",
]
TRAIN = [
    "train",
    "--dropout",
    "0",
    "--n_latent",
    "1",
    "--T_deep",
    "2",
    "--batch_size",
    "30",
    "--seq_len",
    "8",
]


@pytest.fixture(scope="module")
def table(tmp_path_factory):
    """Clips and photos of two people."""
    path = tmp_path_factory.mktemp("table") / "hands.csv"
    pd.concat([films(range(2)), photos("ABC", people=2)]).to_csv(path, index=False)
    return str(path)


def trained(folder: Path) -> tuple[np.ndarray, dict]:
    """Return (the losses of the epochs, the weights) of what a training left in a folder."""
    history = json.loads((folder / "metrics.json").read_text("utf-8"))["history"]
    return np.array([epoch["loss"] for epoch in history]), torch.load(
        folder / "trm_best.pt", weights_only=True
    )


def same_training(one: Path, other: Path) -> float:
    """Check that two trainings differ by rounding alone; return by how much the losses do."""
    (losses, weights), (others, other_weights) = trained(one), trained(other)
    assert losses.shape == others.shape
    for name, value in weights.items():
        torch.testing.assert_close(other_weights[name], value, rtol=0, atol=1e-4)
    np.testing.assert_allclose(others, losses, rtol=1e-6)
    return float(np.abs(others / losses - 1).max())


def test_two_processes_learn_what_one_does(table, tmp_path, monkeypatch):
    """With the same global batch: the rows of a step are shared out, and the gradients added."""
    train = [*TRAIN, "--csv", table, "--epochs", "1"]
    both = [[*train, "--out_dir", "photos"], [*train, "--out_dir", "streams", "--sequence_mode"]]
    script, alone, shared = tmp_path / "both.py", tmp_path / "alone", tmp_path / "shared"
    script.write_text(f"from strm import cli\nfor argv in {both}:\n    assert cli.main(argv) == 0\n", "utf-8")
    alone.mkdir(), shared.mkdir()
    monkeypatch.chdir(alone)
    assert [cli.main(argv) for argv in both] == [0, 0]
    done = subprocess.run(
        [*LAUNCH, str(script)], cwd=shared, capture_output=True, text=True, encoding="utf-8"
    )
    assert done.returncode == 0, done.stderr
    assert done.stdout.count("Saved a model") == 2, "one process tells, and writes"
    for kind in ("photos", "streams"):
        same_training(alone / kind, shared / kind)


@pytest.mark.long
def test_a_process_that_is_killed_ends_the_training_which_goes_on(table, tmp_path):
    argv = [*TRAIN, "--csv", table, "--epochs", "8"]
    command = [*LAUNCH, "-m", "strm", *argv, "--out_dir", str(tmp_path / "shared")]
    running = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    until = time.monotonic() + 300
    while not (tmp_path / "shared" / "checkpoint.pt").exists() and time.monotonic() < until:
        time.sleep(0.01)
    (second,) = (p for p in psutil.Process(running.pid).children() if p.environ().get("RANK") == "1")
    second.kill()
    assert running.wait(300) != 0, "the launcher ends the other one"
    assert not (tmp_path / "shared" / "trm_best.pt").exists()
    done_before = torch.load(tmp_path / "shared" / "checkpoint.pt", weights_only=True)["state"]["history"]
    assert subprocess.run(command, capture_output=True).returncode == 0
    assert cli.main([*argv, "--out_dir", str(tmp_path / "alone")]) == 0
    difference = same_training(tmp_path / "alone", tmp_path / "shared")
    epochs = {"epochs": 8, "epochs_before": len(done_before)}
    record("one of two training processes killed", **epochs, largest_difference_of_losses=difference)


# --- what large sets would cost


def test_the_costs_on_paper_are_the_rates_times_the_sets():
    rates = {
        "extraction": {"photo_s": 0.36, "frame_s": 0.1},
        "training": {"paper": {"photo_s": 0.006, "frame_s": 0.001}},
        "million_rows": {"csv_gb": 0.5, "read_s": 60.0, "memory_gb": 1.0, "training_memory_gb": 2.0},
    }
    costs = bench_scale.sums(rates)
    alphabet, spelling = costs["asl_alphabet"], costs["google_fingerspelling"]
    assert alphabet["extraction_core_hours"] == pytest.approx(87_000 * 0.36 / 3600)
    assert alphabet["extraction_of_400_core_minutes"] == pytest.approx(29 * 400 * 0.36 / 60)
    assert alphabet["pass_core_minutes"]["paper"] == pytest.approx(87_000 * 0.006 / 60)
    assert alphabet["memory_gb"] == pytest.approx(0.087)
    frames = 266 * 3600 * 30
    assert spelling["million_frames"] == pytest.approx(frames / 1e6)
    assert spelling["training_memory_gb"] == pytest.approx(2 * frames / 1e6)
    assert spelling["read_core_minutes"] == pytest.approx(frames / 1e6), "a minute a million"
    assert spelling["pass_core_hours"]["paper"] == pytest.approx(frames / 2 * 0.001 / 3600), "at 15 a second"


def test_the_published_costs_follow_from_the_published_rates():
    published = json.loads((ROOT / "data" / "results" / "scale.json").read_text("utf-8"))
    again = bench_scale.sums(published["rates"])
    for name, costs in again.items():
        for key, value in costs.items():
            assert published["sums"][name][key] == pytest.approx(value, rel=2e-3), (name, key)
    for kind in ("photos", "streams"):
        assert published["two_processes"][kind]["largest_difference"] < 1e-6, "rounding, no more"


def test_what_the_measuring_lacks_is_told_before_it_begins(tmp_path, monkeypatch, capsys):
    monkeypatch.setattr(bench_scale, "measure", None)
    monkeypatch.setattr("strm.onnx_model.find_spec", lambda name: None)
    assert cli.main(["bench", "--scale"]) == 2
    assert "accelerate is not installed" in capsys.readouterr().err
    monkeypatch.undo()
    monkeypatch.setattr(bench_scale, "measure", None)
    monkeypatch.setattr(bench_scale, "FOLDER", tmp_path / "nowhere")
    assert cli.main(["bench", "--scale"]) == 2
    assert "clone of the book" in capsys.readouterr().err


def test_the_command_writes_what_it_measured(tmp_path, monkeypatch, capsys):
    monkeypatch.setattr(
        bench_scale, "measure", lambda: {"rates": {"a": {"s": 1}}, "sums": {}, "two_processes": {}}
    )
    assert cli.main(["bench", "--scale", "--out", str(tmp_path / "s.json")]) == 0
    assert json.loads((tmp_path / "s.json").read_text("utf-8"))["rates"] == {"a": {"s": 1}}
    assert capsys.readouterr().out == 'a: {"s": 1}\n'


@pytest.mark.long
def test_the_rates_are_measured(capsys):
    assert cli.main(["bench", "--scale", "--json"]) == 0
    report = json.loads(capsys.readouterr().out)
    assert 0 < report["rates"]["extraction"]["photo_s"] < 10
    for each in report["rates"]["training"].values():
        assert 0 < each["photo_drawing_share"] < 1 and 0 < each["frame_drawing_share"] < 1
    for kind in ("photos", "streams"):
        assert report["two_processes"][kind]["largest_difference"] < 1e-6
