"""ONNX: the graphs read every frame of a stream as PyTorch does, and say what whoever runs them must know."""

import json

import numpy as np
import pytest
import torch

from strm import cli, export, onnx_model
from strm.alphabet import ASL
from strm.bundle import WEIGHTS, Bundle, describe, load
from strm.export import INT8_FILE, MODEL_FILE, POINTS_FILE
from strm.files import UserError
from strm.landmarks import Hand, motion_features
from strm.model import TRM
from strm.onnx_model import OnnxModel, session, swift
from strm.stream import Recognizer

LETTERS = [*ASL.still, *ASL.moving, ASL.nothing]
FRAMES = 1000


def made(motion: bool = True) -> Bundle:
    """A model that was never trained, with constants and a reset state of its own."""
    torch.manual_seed(0)
    model = TRM(num_classes=len(LETTERS), n_latent=2, T_deep=2).eval()
    with torch.no_grad():
        model.mean.copy_(torch.linspace(-1, 1, 63))
        model.scale.copy_(torch.linspace(0.5, 2, 63))
        model.y_reset.normal_()
        model.z_reset.normal_()
        for gate in (model.gate_y, model.gate_z):
            gate.bias.normal_()
    return Bundle(model, describe(model, LETTERS, 0.1, motion, {}))


@pytest.fixture(scope="module")
def bundle():
    return made()


@pytest.fixture(scope="module")
def folder(bundle, tmp_path_factory):
    folder = tmp_path_factory.mktemp("onnx")
    export.export(bundle, folder)
    return folder


@pytest.fixture(scope="module")
def stream():
    """A hand that moves at random: points [S, 21, 3] in pixels, and times with gaps of 1 ms to 2 s."""
    rng = np.random.default_rng(0)
    shape = rng.normal(0, 60, (21, 3)) + rng.normal(0, 4, (FRAMES, 21, 3)).cumsum(0) * 0.3
    place = np.concatenate([rng.normal(0, 9, (FRAMES, 1, 2)).cumsum(0), np.zeros((FRAMES, 1, 1))], -1)
    gaps = np.exp(rng.uniform(np.log(1), np.log(2000), FRAMES))
    return (400 + shape + place).astype(np.float32), gaps.cumsum()


def numbers_of(graph, points, times):
    """What points.onnx makes of a stream, frame by frame: [S, 63]."""
    wrist, palm, out = np.zeros((1, 2), np.float32), np.zeros(1, np.float32), []
    for dt, hand in zip(np.diff(times, prepend=-np.inf), points, strict=True):
        fed = {"points": hand[None], "dt_ms": np.array([dt], np.float32), "wrist": wrist, "palm": palm}
        x, wrist, palm = graph.run(None, fed)
        out.append(x[0])
    return np.array(out)


def test_a_thousand_frames_from_points_to_logits(bundle, folder, stream):
    points, times = stream
    x, _ = motion_features(points, times)
    assert np.abs(x[1:, :2]).max() > 0.5, "the wrist moves, and its slot says so"
    numbers = numbers_of(session(folder / POINTS_FILE), points, times)
    assert np.abs(numbers - x).max() < 1e-5
    theirs, ours, model = None, None, OnnxModel(folder / MODEL_FILE)
    worst = 0.0
    with torch.inference_mode():
        for frame, said in zip(x, numbers, strict=True):
            logits, theirs = model(said[None], theirs, return_state=True)
            wanted, ours = bundle.model(frame[None], ours, return_state=True)
            pairs = ((logits, wanted), *zip(theirs, ours, strict=True))
            worst = max(worst, *((a - b).abs().max().item() for a, b in pairs))
    assert worst < 1e-5, f"logits or state part from PyTorch's by {worst:.1e} somewhere in {FRAMES} frames"


def test_a_model_without_the_motion_slot(tmp_path, stream):
    export.export(made(motion=False), tmp_path)
    x, _ = motion_features(*stream)
    x[:, :3] = 0
    assert np.abs(numbers_of(session(tmp_path / POINTS_FILE), *stream)[:50] - x[:50]).max() < 1e-5


def test_streams_of_many_lengths_at_once(bundle, folder):
    x, lengths = torch.randn(5, 7, 63), torch.tensor([7, 1, 3, 7, 2])
    logits, state = OnnxModel(folder / MODEL_FILE).forward_sequence(x, lengths=lengths)
    with torch.inference_mode():
        wanted, wanted_state = bundle.model.forward_sequence(x, lengths=lengths)
    for a, b in ((logits, wanted), *zip(state, wanted_state, strict=True)):
        assert torch.allclose(a, b, atol=1e-5)


def test_the_file_says_what_its_user_needs(bundle, folder):
    said = session(folder / MODEL_FILE).get_modelmeta().custom_metadata_map
    assert json.loads(said["class_names"]) == LETTERS
    assert json.loads(said["fps"]) == 15
    assert json.loads(said["config"])["preprocessing"] == bundle.config["preprocessing"]
    assert json.loads(said["reset"])["y"] == pytest.approx(bundle.model.y_reset.tolist())
    for name in (POINTS_FILE, MODEL_FILE):
        assert b".py" not in (folder / name).read_bytes(), f"{name} tells of files of who made it"


def test_the_recogniser_runs_it(bundle, folder, stream):
    onnx = OnnxModel(folder / MODEL_FILE)
    read = [Recognizer(b) for b in (bundle, Bundle(onnx, onnx.config))]
    for i, points in enumerate(stream[0][:60]):
        hand = Hand(points / 800, "Right", 1.0, 800, 800)
        ours, theirs = (recognizer.step(hand, i * 33.0) for recognizer in read)
        assert theirs.confidence == pytest.approx(ours.confidence, abs=1e-5)
        assert [name for name, _ in theirs.top3] == [name for name, _ in ours.top3]


def test_the_swift_model_is_taken_where_it_is_the_same(tmp_path, monkeypatch):
    """ONNX Runtime reads instead of PyTorch only if it is there, and the graph is of these very weights."""
    trained = made()
    trained.save(tmp_path)
    assert swift(trained, tmp_path) is trained, "there is no graph yet"
    export.export(trained, tmp_path)
    quick = swift(trained, tmp_path)
    assert isinstance(quick.model, OnnxModel) and quick.config is trained.config
    with torch.no_grad():
        trained.model.answer.bias += 1
    trained.save(tmp_path)
    assert swift(trained, tmp_path) is trained, "the graph is of the weights before"
    monkeypatch.setattr(onnx_model, "find_spec", lambda name: None)
    assert swift(load(WEIGHTS), WEIGHTS).model.__class__ is TRM


def test_eight_bits_read_almost_the_same(bundle, folder, monkeypatch):
    monkeypatch.setattr(export, "judge", lambda bundle: {"photos": 0.5})
    assert export.export_int8(bundle, folder) == {"float32": {"photos": 0.5}, "int8": {"photos": 0.5}}
    small, x = OnnxModel(folder / INT8_FILE), torch.randn(64, 10, 63)
    assert (folder / INT8_FILE).stat().st_size < (folder / MODEL_FILE).stat().st_size / 2
    with torch.inference_mode():
        wanted, _ = bundle.model.forward_sequence(x)
    logits, _ = small.forward_sequence(x)
    # A weight that was transposed once too often would leave nothing in common.
    assert ((logits - wanted).norm() / wanted.norm()).item() < 0.1
    said = small.session.get_modelmeta().custom_metadata_map
    assert json.loads(said["accuracy"])["int8"] == {"photos": 0.5}


def test_the_loss_of_accuracy_is_that_of_the_studios_judges(monkeypatch, tmp_path):
    from strm.bundle import WEIGHTS, load

    report = export.judge(load(WEIGHTS))
    assert set(report) == {"photos", "clips"} and all(0.3 < share < 1 for share in report.values())
    monkeypatch.setattr("strm.studio.ship.FOLDER", tmp_path)
    assert export.judge(load(WEIGHTS)) is None, "an installed package has no drawn judges"


def test_the_command(bundle, tmp_path, capsys):
    bundle.save(tmp_path / "model")
    assert cli.main(["export", "--model", str(tmp_path / "model"), "--out_dir", str(tmp_path / "out")]) == 0
    assert sorted(path.name for path in (tmp_path / "out").iterdir()) == [MODEL_FILE, POINTS_FILE]
    assert f"{MODEL_FILE}: " in capsys.readouterr().out
    assert cli.main(["export", "--model", str(tmp_path / "nothing")]) == 2
    assert capsys.readouterr().err.count("\n") == 1


def test_what_is_not_installed_is_named(bundle, tmp_path, monkeypatch):
    monkeypatch.setattr(onnx_model, "find_spec", lambda name: None if name == "onnxscript" else name)
    with pytest.raises(
        UserError, match=r"^onnxscript is not installed: pip install onnx onnxruntime onnxscript\.$"
    ):
        export.export(bundle, tmp_path)


def test_what_is_no_model_is_refused(folder, tmp_path):
    (tmp_path / "noise.onnx").write_bytes(b"noise")
    for path in (tmp_path / "none.onnx", tmp_path / "noise.onnx"):
        with pytest.raises(UserError, match=path.name) as error:
            OnnxModel(path)
        assert "\n" not in str(error.value)
