"""The bench: what it times and counts is what it says. No test looks at a speed."""

import json

import numpy as np
import pytest
import torch

from strm import bench, bench_steps, cli, export, timing
from strm.bench_training import train_in_turns
from strm.model import TRM
from strm.rivals import RIVALS


@pytest.fixture
def clock(monkeypatch):
    """A clock that only `wait` moves, in milliseconds, and a machine whose slowness can be set."""

    class Clock:
        now, slow = 0.0, 1.0

        def wait(self, ms):
            return lambda: setattr(self, "now", self.now + ms * self.slow / 1000)

    clock = Clock()
    monkeypatch.setattr(timing.time, "perf_counter", lambda: clock.now)
    return clock


def test_a_slow_moment_meets_all_alike(clock):
    turns = []

    def slower():
        clock.slow = 10.0 if len(turns) > 8 else 1.0  # from the fourth round on: six calls come before them
        turns.append(1)
        clock.wait(5)()

    times = timing.in_turns({"first": slower, "other": clock.wait(10)}, rounds=6)
    assert times["first"] == pytest.approx([5, 5, 5, 50, 50, 50])
    assert times["first"] / times["other"] == pytest.approx([0.5] * 6), "the ratio does not know of it"
    assert timing.median(times["first"]) == pytest.approx(27.5) and timing.spread(times["first"]) == [5, 50]


def test_short_calls_are_timed_in_bursts(clock):
    calls = []

    def quick():
        calls.append(1)
        clock.wait(0.1)()

    times = timing.in_turns({"quick": quick, "long": clock.wait(40)}, rounds=2)
    assert times["quick"] == pytest.approx([0.1, 0.1]), "the time of one call, not of the burst"
    assert len(calls) - 6 == pytest.approx(2 * timing.BURST_MS / 0.1, abs=2)


def test_what_is_done_at_the_first_calls_only_does_not_count(clock):
    calls = []

    def compiling():
        calls.append(1)
        clock.wait(5000 if len(calls) < 3 else 0.1)()

    assert timing.in_turns({"compiling": compiling}, rounds=3)["compiling"] == pytest.approx([0.1] * 3)
    assert len(calls) > 30, "and does not shorten the bursts"


@pytest.mark.parametrize("n, T", [(2, 2), (6, 3)])
def test_arithmetic_is_that_of_the_layers(n, T):
    said = bench.arithmetic(TRM(num_classes=27, n_latent=n, T_deep=T).eval())
    latent, deep = 64 * 128 + 128 * 64, 128 * 128 + 128 * 64  # e and y of the latent block are shared work
    frame = 63 * 64 + 64 * 64 + 64 * 128 + 2 * 128 * 64 + 64 * 27
    assert said["flops"] == 2 * (frame + T * (64 * 128 + n * latent + deep))
    assert said["floor_ms"] == pytest.approx(said["flops"] / said["gflops_a_second"] / 1e6, rel=0.01)


def test_the_detector_follows_the_drawn_hand():
    watching = bench_steps.Watching()
    for _ in range(6):
        watching()
    assert watching.found == watching.count == 6, "lost, it would search the whole picture: another time"


def test_v1s_pipeline_has_its_shape():
    pipeline = bench_steps.v1(27)
    net = pipeline[-1]
    assert [weight.shape for weight in net.coefs_] == [(102, 128), (128, 64), (64, 27)]
    assert pipeline.predict_proba(np.zeros((1, 102), np.float32)).shape == (1, 27)


def test_without_a_compiler_the_rest_is_measured(monkeypatch):
    def broken(function, **options):
        def call(*args, **kwargs):
            raise RuntimeError("no C++ compiler")

        return call

    monkeypatch.setattr(torch, "compile", broken)
    reason = bench_steps.compiled(TRM(n_latent=1, T_deep=1).eval())
    assert reason == "not measured: torch.compile failed here (RuntimeError)"
    times, said = train_in_turns(24, 1, 1, batch=2, frames=2, rounds=1, compiled=True)
    assert set(times) == {"strm", "gru"} and said["compile"] == reason


def test_a_training_step_trains(monkeypatch):
    steps = []
    monkeypatch.setattr("strm.bench_training.in_turns", lambda calls, rounds: steps.append(calls) or {})
    made = []
    monkeypatch.setattr("strm.bench_training.TRM", lambda **shape: made.append(TRM(**shape)) or made[-1])
    train_in_turns(24, 2, 2, batch=3, frames=4, rounds=1, compiled=False)
    before = {name: value.clone() for name, value in made[0].named_parameters()}
    steps[0]["strm"]()
    for name, value in made[0].named_parameters():
        assert not torch.equal(value, before[name]), f"{name} was left out: the step is not a whole one"


def test_the_command(tmp_path, capsys, monkeypatch):
    monkeypatch.setattr(export, "judge", lambda bundle: None)  # tested there; it takes seconds
    path = tmp_path / "bench.json"
    assert cli.main(["bench", "--quick", "--json", "--out", str(path)]) == 0
    report = json.loads(capsys.readouterr().out)
    assert report == json.loads(path.read_text("utf-8"))
    steps = {"eager", "onnx", "onnx_int8", bench.PAPER, "sklearn", "mediapipe"}
    assert set(report["median_ms"]) == steps | {f"rival_{name}" for name in RIVALS}
    assert set(report["not_measured"]) == {"compiled"}
    asked = {"onnx_to_mediapipe", "onnx_to_sklearn", "train_to_gru", "train_to_gru_shipped"}
    assert asked <= set(report["ratios"]) and "train_to_gru_compiled" not in report["ratios"]
    for name, value in report["ratios"].items():
        low, high = report["ratio_spread"][name]
        assert 0 < low <= value <= high
    # y, z and the wrist in float32, palm in float32, the time in float64: and no more after 1,000 frames.
    assert set(report["growth"]["state_bytes_at_frame"].values()) == {4 * (64 + 64 + 2 + 1) + 8}
    assert report["machine"]["threads"] == 1
    if not torch.cuda.is_available():
        assert report["cuda"] == "not measured: no CUDA device"


def test_tables_are_printed_without_json(capsys, monkeypatch):
    report = {"median_ms": {"onnx": 0.03}, "spread_ms": {"onnx": [0.02, 0.04]}, "machine": {"cpu": "[slow]"}}
    report |= {"ratios": {"onnx_to_sklearn": 0.3}, "ratio_spread": {"onnx_to_sklearn": [0.2, 0.4]}}
    monkeypatch.setattr(bench, "measure", lambda model, quick: report)
    bench.run()
    said = capsys.readouterr().out
    for part in ("onnx_to_sklearn", "0.3", "0.04", "[slow]"):
        assert part in said


def test_the_demos_stages_are_timed(capsys):
    """How long they take is no test's business; that every stage was measured, and the shares add up, is."""
    assert cli.main(["bench", "--demo", "--json"]) == 0
    report = json.loads(capsys.readouterr().out)
    assert report["frames"] > 100 and set(report["median_ms"]) == {"detect", "read", "draw"}
    assert all(ms > 0 for ms in report["median_ms"].values()) and 0 < report["outside_the_detector"] < 1
