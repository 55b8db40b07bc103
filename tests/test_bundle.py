"""The saved model: what was saved is what is loaded, and nothing else is; no file of it can run code."""

import hashlib
import io
import json
import pickle
import zipfile

import joblib
import numpy as np
import pytest
import torch
from broken import Trap
from sklearn.preprocessing import StandardScaler

from strm import cli
from strm.alphabet import ASL
from strm.bundle import CONFIG_FILE, LARGEST, SCALER_FILE, WEIGHTS_FILE, Bundle, describe, load
from strm.files import UserError
from strm.landmarks import FPS
from strm.model import TRM

LETTERS = [*ASL.still]


@pytest.fixture
def made():
    """A model that was never trained, with constants of its own."""
    torch.manual_seed(0)
    model = TRM(num_classes=len(LETTERS), n_latent=2, T_deep=2, dropout=0.2)
    model.mean.copy_(torch.linspace(-1, 1, 63))
    model.scale.copy_(torch.linspace(0.1, 2, 63))
    return Bundle(model.eval(), describe(model, LETTERS, 0.2, True, {"seed": 0}))


@pytest.fixture
def folder(made, tmp_path):
    made.save(tmp_path / "model")
    return tmp_path / "model"


def refused(folder, *words):
    """What `folder` is refused with: one line, with the file's name and these words."""
    with pytest.raises(UserError) as error:
        load(folder)
    said = str(error.value)
    assert "\n" not in said and str(folder) in said and said.rstrip().endswith((".", ")."))
    for word in words:
        assert word in said


def put(folder, weights: bytes):
    """Put other weights in the folder, and their hash, as somebody who means harm would."""
    (folder / WEIGHTS_FILE).write_bytes(weights)
    change(folder, weights_sha256=hashlib.sha256(weights).hexdigest())


def change(folder, **values):
    path = folder / CONFIG_FILE
    config = json.loads(path.read_text("utf-8")) | values
    path.write_text(json.dumps({key: value for key, value in config.items() if value is not ...}), "utf-8")


def saved(state) -> bytes:
    file = io.BytesIO()
    torch.save(state, file)
    return file.getvalue()


@torch.inference_mode()
def test_what_was_saved_is_loaded(made, folder):
    back = load(folder)
    x = torch.randn(5, 12, 63)
    one, two = (bundle.model.forward_sequence(x, return_all_outputs=True) for bundle in (made, back))
    for logits, again in zip(one[0], two[0], strict=True):
        assert torch.equal(logits, again)
    assert torch.equal(one[1][0], two[1][0]) and torch.equal(one[1][1], two[1][1])
    assert not back.model.training and back.class_names == LETTERS
    assert back.config == json.loads((folder / CONFIG_FILE).read_text("utf-8"))


def test_saving_again_replaces_and_leaves_nothing_behind(made, folder):
    with torch.no_grad():
        made.model.answer.bias += 1
    made.save(folder)
    assert {path.name for path in folder.iterdir()} == {WEIGHTS_FILE, CONFIG_FILE, SCALER_FILE}
    assert torch.equal(load(folder).model.answer.bias, made.model.answer.bias)


def test_a_model_that_diverged_is_not_saved(made, tmp_path):
    made.model.answer.bias.data[0] = float("nan")
    with pytest.raises(UserError, match="smaller --lr"):
        made.save(tmp_path / "new")
    assert not (tmp_path / "new").exists()


def test_the_configuration_tells_all_that_is_needed(folder):
    config = json.loads((folder / CONFIG_FILE).read_text("utf-8"))
    shape = {
        "input_dim": 63,
        "num_classes": 24,
        "latent_dim": 64,
        "hidden_dim": 128,
        "n_latent": 2,
        "T_deep": 2,
    }
    assert shape.items() <= config.items() and config["dropout"] == 0.2
    assert config["class_names"] == LETTERS and config["fps"] == FPS
    assert config["alphabet"]["name"] == ASL.name and config["alphabet"]["moving"] == ASL.moving
    np.testing.assert_allclose(config["scaler"]["mean"], np.linspace(-1, 1, 63), atol=1e-6)
    np.testing.assert_allclose(config["scaler"]["scale"], np.linspace(0.1, 2, 63), atol=1e-6)
    assert config["preprocessing"]["function"] == "strm.landmarks.normalise"
    assert config["provenance"] == {"seed": 0} and config["metrics"] == {}
    assert config["weights_sha256"] == hashlib.sha256((folder / WEIGHTS_FILE).read_bytes()).hexdigest()


def test_the_weights_are_plain_tensors_of_about_340_kb(folder):
    state = torch.load(folder / WEIGHTS_FILE, weights_only=True)
    assert all(isinstance(value, torch.Tensor) for value in state.values())
    assert {"mean", "scale"} <= set(state), "the scaler travels with the weights"
    assert 310_000 < (folder / WEIGHTS_FILE).stat().st_size < 360_000


def test_the_scaler_is_for_users_of_scikit_learn(folder):
    scaler = joblib.load(folder / SCALER_FILE)
    assert isinstance(scaler, StandardScaler)
    model, x = load(folder).model, np.random.default_rng(0).normal(size=(4, 63))
    expected = (x - model.mean.numpy()) / model.scale.numpy()
    np.testing.assert_allclose(scaler.transform(x), expected, rtol=1e-5)


def test_a_file_in_the_place_of_its_folder_is_told_so(folder):
    with pytest.raises(UserError, match=r"trm_best\.pt is a file: name its folder"):
        load(folder / WEIGHTS_FILE)


def test_the_scaler_is_never_read(folder, tmp_path):
    sprung = tmp_path / "sprung"
    joblib.dump(Trap(sprung), folder / SCALER_FILE)
    load(folder)
    assert not sprung.exists()
    (folder / SCALER_FILE).unlink()
    load(folder)


@pytest.mark.filterwarnings("ignore:Detected pickle protocol")
@pytest.mark.parametrize("kind", ["pickle", "torch", "old torch", "a value", "joblib"])
def test_a_pickle_that_runs_code_is_not_run(folder, tmp_path, kind):
    sprung, path = tmp_path / "sprung", tmp_path / "trap"
    if kind == "pickle":
        path.write_bytes(pickle.dumps(Trap(sprung), protocol=2))
    elif kind == "joblib":
        joblib.dump(Trap(sprung), path)
    else:
        state = torch.load(folder / WEIGHTS_FILE, weights_only=True)
        content = state | {"answer.bias": Trap(sprung)} if kind == "a value" else Trap(sprung)
        torch.save(content, path, _use_new_zipfile_serialization=kind != "old torch")
    put(folder, path.read_bytes())
    refused(folder, "no file of plain weights")
    assert not sprung.exists()
    if kind == "pickle":
        pickle.loads(path.read_bytes()).close()
        assert sprung.exists(), "it would have run"


@pytest.mark.parametrize("name", [WEIGHTS_FILE, CONFIG_FILE])
def test_a_missing_file_is_named(folder, name):
    (folder / name).unlink()
    refused(folder, name, "strm train")
    (folder / name).mkdir()
    refused(folder, name)


def test_a_missing_folder(tmp_path):
    refused(tmp_path / "nowhere", CONFIG_FILE)


@pytest.mark.parametrize("kept", [0, 100, 0.5, -1])
@pytest.mark.parametrize("hashed", [False, True])
def test_truncated_weights(folder, kept, hashed):
    whole = (folder / WEIGHTS_FILE).read_bytes()
    part = whole[: int(len(whole) * kept)] if 0 < kept < 1 else whole[:kept]
    if hashed:
        put(folder, part)
    else:
        (folder / WEIGHTS_FILE).write_bytes(part)
    refused(folder, WEIGHTS_FILE)


def test_one_wrong_bit_is_noticed(folder):
    content = bytearray((folder / WEIGHTS_FILE).read_bytes())
    content[len(content) // 2] ^= 1
    (folder / WEIGHTS_FILE).write_bytes(content)
    refused(folder, "damaged")


def test_foreign_files_are_no_weights(folder, tmp_path, made):
    state = made.model.state_dict()
    with zipfile.ZipFile(tmp_path / "a.zip", "w") as archive:
        archive.writestr("readme.txt", "no model")
    foreign = {
        "noise": np.random.default_rng(0).bytes(340_000),
        "text": b"version https://git-lfs.github.com/spec/v1\n",
        "a zip": (tmp_path / "a.zip").read_bytes(),
        "a list": saved([1, 2, 3]),
        "a tensor": saved(torch.zeros(3)),
        "a number": saved(1.0),
        "nothing": saved({}),
        "other keys": saved({1: torch.zeros(2)}),
        "no tensors": saved(dict.fromkeys(state, "text")),
        "another net": saved(torch.nn.Linear(3, 3).state_dict()),
        "another shape": saved(TRM(num_classes=24, latent_dim=32).state_dict()),
        "other classes": saved(TRM(num_classes=26).state_dict()),
        "one more": saved(state | {"more": torch.zeros(1)}),
        "one less": saved({name: value for name, value in state.items() if name != "scale"}),
    }
    for content in foreign.values():
        put(folder, content)
        refused(folder, WEIGHTS_FILE)
    put(folder, saved(state))
    load(folder)


@pytest.mark.parametrize("value", [float("nan"), float("inf")])
@pytest.mark.parametrize("name", ["answer.bias", "latent.first.weight", "mean", "scale", "y_reset"])
def test_weights_that_are_no_numbers(folder, made, name, value):
    state = made.model.state_dict()
    state[name].view(-1)[0] = value
    put(folder, saved(state))
    refused(folder, "NaN")


@pytest.mark.parametrize("value", [0.0, -1.0])
def test_a_scale_that_divides_by_nothing(folder, made, value):
    state = made.model.state_dict()
    state["scale"][5] = value
    put(folder, saved(state))
    refused(folder, "zero")


@pytest.mark.parametrize(
    "content",
    [b"", b"{", b"\xff\xfe\x00", b"[" * 100_000, b"[1, 2]", b'"text"', b"null", b"3"],
    ids=["empty", "half", "binary", "deep", "list", "text", "null", "number"],
)
def test_a_damaged_configuration(folder, content):
    (folder / CONFIG_FILE).write_bytes(content)
    refused(folder, CONFIG_FILE)


@pytest.mark.parametrize("value", [..., None, 0, -1, 1.5, "64", True, [64], 10**9, LARGEST + 1])
@pytest.mark.parametrize(
    "name", ["input_dim", "num_classes", "latent_dim", "hidden_dim", "n_latent", "T_deep"]
)
def test_absurd_sizes(folder, name, value):
    """They are refused before anything of that size is made."""
    change(folder, **{name: value})
    refused(folder, CONFIG_FILE, name)


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("class_names", ...),
        ("class_names", "ABC"),
        ("class_names", LETTERS[:-1]),
        ("class_names", [*LETTERS[:-1], 5]),
        ("class_names", [*LETTERS[:-1], LETTERS[0]]),
        ("class_names", dict.fromkeys(LETTERS)),
        ("dropout", ...),
        ("dropout", "0.1"),
        ("dropout", 1),
        ("dropout", -0.1),
        ("dropout", float("nan")),
        ("fps", ...),
        ("fps", 0),
        ("fps", "15"),
        ("fps", float("inf")),
        ("preprocessing", ...),
        ("preprocessing", {}),
        ("preprocessing", {"motion": "yes"}),
        ("alphabet", ...),
        ("alphabet", {"moving": ["J"], "nothing": "nothing"}),
        ("alphabet", {"moving": {"J": 9}, "nothing": "nothing"}),
        ("alphabet", {"moving": {}}),
        ("input_dim", 42),
        ("weights_sha256", ...),
        ("weights_sha256", 7),
    ],
)
def test_a_configuration_that_lacks_or_misstates(folder, name, value):
    change(folder, **{name: value})
    refused(folder, CONFIG_FILE, name)


def test_sizes_that_the_weights_do_not_have(folder):
    change(folder, hidden_dim=64)
    refused(folder, WEIGHTS_FILE, "other names or shapes")


def test_the_command_line_says_so_in_one_line(folder, tmp_path, capsys):
    (folder / WEIGHTS_FILE).write_bytes(b"")
    assert cli.main(["evaluate", "--csv", str(tmp_path / "a.csv"), "--model", str(folder)]) == 2
    said = capsys.readouterr()
    assert WEIGHTS_FILE in said.err and said.err.count("\n") == 1 and not said.out


@pytest.mark.parametrize("kind", [np.float64, np.float32])
def test_the_promised_lines_run_as_they_are_written(folder, capsys, kind):
    """Inference with state as the documentation shows it, on local copies of what would be downloaded."""
    model_path, config_path = folder / WEIGHTS_FILE, folder / CONFIG_FILE
    video_frames = np.random.default_rng(0).normal(size=(4, 63)).astype(kind)
    made = load(folder).model

    with open(config_path) as f:
        config = json.load(f)
    class_names = config["class_names"]
    model = TRM(
        input_dim=config["input_dim"],
        num_classes=config["num_classes"],
        latent_dim=config["latent_dim"],
        hidden_dim=config["hidden_dim"],
        n_latent=config["n_latent"],
        T_deep=config["T_deep"],
    )
    model.load_state_dict(torch.load(model_path, map_location="cpu"))
    model.eval()

    state = None
    for landmarks in video_frames:
        x = torch.tensor(landmarks).unsqueeze(0)
        logits, state = model(x, prev_state=state, return_state=True)
        prediction = logits.argmax(dim=-1).item()
        print(f"Prediction: {class_names[prediction]}")

    read = made.forward_sequence(torch.tensor(video_frames)[None])[0][0].argmax(-1)
    expected = [f"Prediction: {class_names[number]}" for number in read]
    assert capsys.readouterr().out.splitlines() == expected
