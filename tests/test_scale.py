"""Past one machine: a cluster finds the rows that one machine finds, whatever happens to it meanwhile."""

import sys
import threading
import time
from pathlib import Path

import cv2
import joblib
import numpy as np
import psutil
import pytest

from strm import cli, extract, scale, studio
from strm.extract import extract_images, extract_videos, missed_path
from strm.files import UserError
from strm.scale import on_cluster

pytest.importorskip("distributed")


@pytest.fixture(scope="module")
def cluster():
    """A scheduler, and two workers that are processes of their own, brought back when they die."""
    from distributed import LocalCluster

    with LocalCluster(n_workers=2, processes=True, threads_per_worker=1, dashboard_address=None) as made:
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
        while not list(tmp_path.glob(".p.csv.work/*/*.json")):
            time.sleep(0.005)
        killed.append(min(before))
        psutil.Process(killed[0]).kill()

    killer = threading.Thread(target=kill)
    killer.start()
    extract_images(album / "photos", tmp_path / "p.csv", dask=cluster.scheduler_address)
    killer.join()
    assert killed and killed[0] not in workers(cluster)
    assert same(tmp_path / "p.csv", alone[0])
