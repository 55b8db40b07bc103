"""Models on the Hugging Face Hub, against a real server on this machine (tests/hub_server.py)."""

import copy
import hashlib
import io
import json
import os
import pickle
import re
import shutil
import signal
import struct
import subprocess
import sys
import tempfile
import threading
import time
import traceback
from contextlib import contextmanager, redirect_stdout
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import onnxruntime
import pytest
import safetensors.torch
import torch
import yaml
from hub_server import HubServer
from huggingface_hub import HfApi, ModelCard, PyTorchModelHubMixin, constants
from huggingface_hub.utils import are_progress_bars_disabled

from strm import cli, hub
from strm.bundle import HUB_CONFIG_FILE, HUB_WEIGHTS_FILE, LARGEST_FILE, Bundle, describe, load
from strm.files import UserError, replacing
from strm.model import TRM

pytestmark = pytest.mark.filterwarnings("ignore:Use 'content")  # the library's, about its own library
CLASSES = ["A", "B", "J", "nothing"]
PEOPLE = ["signer-one-of-this-test", "signer-two-of-this-test"]
X = torch.tensor(np.random.default_rng(0).normal(size=(5, 63)))  # float64, as NumPy gives them
FILES = {"README.md", "config.json", "model.onnx", "model.safetensors", "points.onnx", "pytorch_model.pt"}


def made(seed: int = 0, **sizes) -> Bundle:
    torch.manual_seed(seed)
    model = TRM(num_classes=len(CLASSES), n_latent=2, T_deep=2, **sizes).eval()
    model.mean.copy_(torch.linspace(-1, 1, 63))
    model.scale.copy_(torch.linspace(0.5, 2, 63))
    provenance = {"strm": "0", "rows": 12345, "people": PEOPLE, "settings": {"lr": 0.25}}
    config = describe(model, CLASSES, 0.1, True, provenance)
    return Bundle(model, config | {"metrics": {"n": 678, "accuracy": 0.9125, "macro_f1": 0.875}})


def tensors(bundle: Bundle) -> dict[str, torch.Tensor]:
    return {name: value.clone() for name, value in bundle.model.state_dict().items()}


def same(one: TRM, other: TRM) -> bool:
    """Whether two models answer with the same bits, the second frame from the first one's state."""
    answers = []
    for model in (one, other):
        first, state = model(X, return_state=True)
        answers.append(torch.cat([first, model(X.flip(0), prev_state=state)]))
    return torch.equal(*answers)


@pytest.fixture(scope="module")
def pushed(tmp_path_factory):
    """A model that `strm push` sent to a Hub, and what it printed (the ONNX graphs take their time: once)."""
    home = tmp_path_factory.mktemp("pushed")
    made().save(home / "mine")
    with HubServer() as server, pytest.MonkeyPatch.context() as patch, redirect_stdout(io.StringIO()) as said:
        server.take_over(patch, home / "home", server.token)
        asked = ["push", "--repo_id", "reader/asl", "--private", "--model", str(home / "mine")]
        assert cli.main(asked) == 0
        yield SimpleNamespace(server=server, said=said.getvalue(), home=home)


@pytest.fixture(scope="module")
def folder(pushed) -> Path:
    """The files that were sent."""
    folder = pushed.home / "sent"
    folder.mkdir()
    for name, content in pushed.server.repos["reader/asl"].files().items():
        if name in FILES:
            (folder / name).write_bytes(content)
    return folder


@pytest.fixture
def server(monkeypatch, tmp_path):
    """An empty Hub, taken for the true one, where the reader is logged in."""
    with HubServer() as server:
        server.take_over(monkeypatch, tmp_path / "home", server.token)
        yield server


@pytest.fixture
def shared(server, folder) -> HubServer:
    """The same Hub with one public model, reader/asl."""
    hub.send(folder, "reader/asl")
    server.requests.clear()
    return server


def put(server: HubServer, repo: str = "reader/asl", branch: str = "main", **files: bytes | None) -> None:
    """Commit other files over those of a repository: config, weights."""
    names = {"config": HUB_CONFIG_FILE, "weights": HUB_WEIGHTS_FILE}
    server.repos[repo].commit("by hand", {names[name]: content for name, content in files.items()}, branch)


def python(server: HubServer, home: Path, code: str, token: str | None = None, **more: str):
    environment = os.environ | server.environment(home, token) | {"OMP_NUM_THREADS": "1"} | more
    return subprocess.run(
        [sys.executable, "-c", code], env=environment, capture_output=True, text=True, encoding="utf-8"
    )


def refused(*words: str, **options) -> str:
    """Fetch reader/asl: it is refused in one sentence with these words. Return the sentence."""
    with pytest.raises(UserError) as told:
        hub.fetch(options.pop("model", "reader/asl"), **options)
    return sentence(str(told.value), *words)


def sentence(said: str, *words: str) -> str:
    assert "\n" not in said and said.endswith(".") and len(said) < 400, said
    assert "hf_" not in said.replace("hf_hub", ""), f"a token: {said}"
    for word in words:
        assert word in said, said
    return said


# There and back


def test_pushed_by_the_command_then_loaded_in_a_new_process(pushed, tmp_path):
    server, model = pushed.server, made().model
    repo = server.repos["reader/asl"]
    assert pushed.said == f"Pushed: {server.url}/reader/asl/commit/{repo.commits[-1].oid}\n"
    assert len(repo.commits) == 2, "all in one commit, after the Hub's own first"
    assert repo.private and set(repo.files()) == FILES | {".gitattributes"}
    code = f"""
import torch
from strm.model import TRM
model = TRM.from_pretrained("reader/asl")
x = torch.tensor({X.tolist()}, dtype=torch.float64)
first, state = model(x, return_state=True)
print(model.training, model.config["class_names"])
print(torch.cat([first, model(x.flip(0), prev_state=state)]).tolist())
"""
    done = python(server, tmp_path, code, server.read_token)
    mode, logits = done.stdout.splitlines()
    first, state = model(X, return_state=True)
    expected = torch.cat([first, model(X.flip(0), prev_state=state)])
    assert mode == f"False {CLASSES}" and not done.stderr
    assert json.loads(logits) == expected.tolist(), "every bit of every logit"
    far = [token for _, path, token in server.requests if path.startswith("/far/")]
    assert far and not any(far), "where the large files lie, no token is shown"


PROMISED = """
from huggingface_hub import hf_hub_download
import torch, json
model_path = hf_hub_download(repo_id="your-username/asl-strm", filename="pytorch_model.pt")
config_path = hf_hub_download(repo_id="your-username/asl-strm", filename="config.json")
from strm.model import TRM
with open(config_path) as f:
    config = json.load(f)
model = TRM(input_dim=config["input_dim"], num_classes=config["num_classes"], latent_dim=config["latent_dim"],
            hidden_dim=config["hidden_dim"], n_latent=config["n_latent"], T_deep=config["T_deep"])
model.load_state_dict(torch.load(model_path, map_location="cpu"))
model.eval()

state = None
for landmarks in video_frames:
    x = torch.tensor(landmarks).unsqueeze(0)
    logits, state = model(x, prev_state=state, return_state=True)
    prediction = logits.argmax(dim=-1).item()
    print(f"Prediction: {class_names[prediction]}")
"""


def test_the_promised_lines_run_as_they_are_written(server, tmp_path, folder):
    server.user = "your-username"
    hub.send(folder, "your-username/asl-strm")
    before = "import numpy\nvideo_frames = numpy.random.default_rng(0).normal(size=(6, 63))\n"
    before += f"class_names = {CLASSES}\n"
    done = python(server, tmp_path / "elsewhere", before + PROMISED)
    frames = torch.tensor(np.random.default_rng(0).normal(size=(6, 63)))
    read = made().model.forward_sequence(frames[None])[0][0].argmax(-1)
    assert done.stdout.splitlines() == [f"Prediction: {CLASSES[number]}" for number in read]
    assert not done.stderr, "no warning either"


def test_the_cards_own_lines_run(shared, folder, monkeypatch):
    blocks = re.findall(r"```python\n(.*?)```", (folder / "README.md").read_text("utf-8"), re.S)
    assert len(blocks) == 2
    for block in blocks:
        names: dict = {}
        exec(block, names)
        assert same(names["model"], made().model)


# What is sent


def test_the_configuration_has_what_was_promised_and_no_names(folder):
    config, bundle = json.loads((folder / "config.json").read_text("utf-8")), made()
    for name in ("input_dim", "num_classes", "latent_dim", "hidden_dim", "n_latent", "T_deep"):
        assert config[name] == bundle.config[name]
    for name in ("class_names", "preprocessing", "scaler", "metrics", "alphabet", "fps"):
        assert config[name] == bundle.config[name]
    weights = (folder / "model.safetensors").read_bytes()
    assert config["weights_sha256"] == hashlib.sha256(weights).hexdigest()
    assert config["provenance"] == bundle.config["provenance"] | {"people": 2}
    for path in folder.iterdir():
        assert not any(name.encode() in path.read_bytes() for name in PEOPLE), path.name


def test_the_weights_are_the_same_in_both_files(folder):
    plain = torch.load(folder / "pytorch_model.pt", weights_only=True)
    safe = safetensors.torch.load_file(folder / "model.safetensors")
    expected = tensors(made())
    assert plain.keys() == safe.keys() == expected.keys()
    assert all(torch.equal(plain[name], value) for name, value in expected.items())
    assert all(torch.equal(safe[name], value) for name, value in expected.items())


def test_the_graph_answers_as_the_model(folder):
    session = onnxruntime.InferenceSession(folder / "model.onnx", providers=["CPUExecutionProvider"])
    zeros = np.zeros((5, 64), np.float32)
    logits = session.run(["logits"], {"x": X.numpy().astype(np.float32), "y": zeros, "z": zeros})[0]
    np.testing.assert_allclose(logits, made().model(X).detach().numpy(), atol=1e-5)


def test_the_card(folder):
    text = (folder / "README.md").read_text("utf-8")
    card = ModelCard(text)
    assert card.data.license == "mit" and card.data.library_name == "strm"
    assert "pytorch_model_hub_mixin" in card.data.tags
    figures = {result.metric_type: result.metric_value for result in card.data.eval_results}
    assert figures == {"accuracy": 0.9125, "f1": 0.875}
    for said in ("0.912", "0.875", "678", "12345", "| people | 2 |", "A B J nothing", "no translator"):
        assert said in text, said
    size = sum(p.numel() for p in made().model.parameters())
    assert f"{size:,} parameters" in text and "{" not in text.replace("{class_names", "")


def test_a_card_without_figures_says_so_and_takes_over_what_the_folder_says(tmp_path):
    from strm.card import card

    bundle = made()
    bundle.config["metrics"] = {}
    text = card(bundle, "reader/asl")
    assert "kept nobody apart" in text and ModelCard(text).data.eval_results is None
    notes = "# My weights\n\nRead <!--= data/a.json b .1f -->0.9<!--/--> of strangers.\n"
    notes += "```bash\n# as it is\n```\n## Why\n"
    text = card(bundle, "reader/asl", notes)
    assert "\n## My weights\n\nRead 0.9 of strangers." in text and "kept nobody apart" not in text
    assert "\n```bash\n# as it is\n```\n### Why" in text, "a comment in code is no heading"
    assert text == card(bundle, "reader/asl", notes), "always the same"
    assert "---" not in card(bundle, "reader/asl", text).split("---", 2)[2].replace("|---", ""), (
        "no card twice"
    )


def test_a_file_more_goes_along(server, monkeypatch, folder):
    monkeypatch.setattr(hub, "write", lambda bundle, to, *_: shutil.copytree(folder, to, dirs_exist_ok=True))
    hub.push(made(), "asl", more={"metrics.json": '{"history": []}\n'})
    assert server.repos["reader/asl"].files()["metrics.json"] == b'{"history": []}\n'


# The mixin


def test_the_library_s_own_way_of_loading_reads_our_files(folder):
    model = PyTorchModelHubMixin.from_pretrained.__func__(TRM, folder)
    assert isinstance(model, PyTorchModelHubMixin) and same(model, made().model)


def test_the_model_pushes_itself(server, folder, tmp_path, monkeypatch):
    sent = {}
    monkeypatch.setattr(hub, "push", lambda bundle, *rest: sent.update(bundle=bundle, rest=rest) or "url")
    model = TRM.from_pretrained(folder)
    assert model.push_to_hub("reader/asl", private=True, branch="v2", commit_message="Better") == "url"
    assert sent["rest"] == ("reader/asl", True, None, "v2", "Better")
    assert sent["bundle"].model is model and sent["bundle"].class_names == CLASSES
    monkeypatch.undo()


def test_a_model_trained_by_hand_must_be_told_its_classes(tmp_path):
    with pytest.raises(UserError, match="does not know its classes"):
        TRM(num_classes=4).save_pretrained(tmp_path)


def test_a_model_of_another_kind_is_not_called_so(folder):
    from strm.variants import Wired

    with pytest.raises(UserError, match="holds a TRM, not a Wired"):
        Wired.from_pretrained(folder)


def test_the_mixin_leaves_the_model_as_it_was():
    model = made().model
    assert all(same(model, other) for other in (copy.deepcopy(model), pickle.loads(pickle.dumps(model))))
    assert copy.deepcopy(model).config == model.config
    names = {name.split(".")[0] for name in model.state_dict()}
    parts = "see remember latent deep answer gate_y gate_z mean scale y_reset z_reset"
    assert names == set(parts.split())
    assert TRM(24, 5, dropout=0).config["dropout"] == 0 and TRM(24, 5).config["num_classes"] == 5


def test_the_model_s_module_stays_light(tmp_path):
    code = "import sys, strm.model\n"
    code += (
        "print([name for name in ('strm.hub', 'sklearn', 'pandas', 'onnx', 'hf_xet') if name in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    assert done.stdout == "[]\n", done.stderr


# Revisions, and the cache


def test_revisions(shared, folder, tmp_path):
    first = shared.repos["reader/asl"].branches["main"]
    newer, other = made(1), Path(shutil.copytree(folder, tmp_path / "other"))
    weights = safetensors.torch.save(tensors(newer))
    digest = hashlib.sha256(weights).hexdigest()
    (other / "model.safetensors").write_bytes(weights)
    (other / "config.json").write_text(json.dumps(newer.config | {"weights_sha256": digest}))
    hub.send(other, "reader/asl", revision="v2")
    repo = shared.repos["reader/asl"]
    assert repo.branches["main"] == first and repo.at("v2").parent == first
    HfApi().create_tag("reader/asl", tag="best", revision="v2")
    for name, revision in (("reader/asl", "v2"), ("reader/asl@v2", None), ("reader/asl@best", None)):
        assert same(hub.fetch(name, revision).model, newer.model)
    assert same(hub.fetch("reader/asl").model, made().model)
    hub.send(other, "reader/asl")
    assert same(hub.fetch("reader/asl").model, newer.model), "a branch is followed"
    shared.requests.clear()
    assert same(TRM.from_pretrained("reader/asl", revision=first), made().model)
    assert not shared.requests, "a commit that was fetched once is not asked for again"


def test_both_files_are_of_one_commit(shared, monkeypatch):
    """Somebody pushes between the download of the configuration and that of the weights."""
    newer, real = made(1), hub.hf_hub_download
    weights = safetensors.torch.save(tensors(newer))

    def meanwhile(repo, name, **options):
        path = real(repo, name, **options)
        if name == HUB_CONFIG_FILE and len(shared.repos["reader/asl"].commits) == 2:
            put(shared, weights=weights)
        return path

    monkeypatch.setattr(hub, "hf_hub_download", meanwhile)
    assert same(hub.fetch("reader/asl").model, made().model)


def test_a_second_load_needs_no_network(shared, tmp_path):
    before = hub.fetch("reader/asl").model
    shared.stop()
    assert same(hub.fetch("reader/asl").model, before)
    assert same(hub.fetch("reader/asl", local_files_only=True).model, before)
    refused("never fetched", cache_dir=tmp_path / "empty", local_files_only=True)


def test_offline_by_choice(shared, tmp_path, monkeypatch, capsys):
    before = hub.fetch("reader/asl").model
    shared.requests.clear()
    monkeypatch.setattr(constants, "HF_HUB_OFFLINE", True)  # as HF_HUB_OFFLINE=1 does
    assert same(TRM.from_pretrained("reader/asl"), before)
    monkeypatch.setattr(constants, "HF_HUB_CACHE", str(tmp_path / "empty"))
    assert cli.main(["export", "--model", "reader/asl"]) == 2
    sentence(capsys.readouterr().err.strip(), "HF_HUB_OFFLINE", "reader/asl")
    assert not shared.requests


def test_a_hub_that_is_out_of_order_is_no_reason_to_stop(shared):
    before = hub.fetch("reader/asl").model
    shared.fail_next(503, "HEAD", times=9)
    assert same(hub.fetch("reader/asl").model, before)


def test_a_damaged_copy_is_fetched_anew(shared, tmp_path):
    hub.fetch("reader/asl")
    (blob,) = (tmp_path / "home" / "hub").glob("**/snapshots/*/model.safetensors")
    content = bytearray(blob.read_bytes())
    content[-1] ^= 1
    blob.write_bytes(bytes(content))
    assert same(hub.fetch("reader/asl").model, made().model)
    assert hashlib.sha256(blob.read_bytes()).digest() != hashlib.sha256(content).digest()


# Folders and repositories


def test_a_folder_of_the_hub_is_loaded_and_one_of_ours(folder, tmp_path):
    assert same(load(folder).model, made().model) and same(TRM.from_pretrained(str(folder)), made().model)
    made(2).save(tmp_path)
    assert same(hub.fetch(tmp_path).model, made(2).model)


def test_what_is_a_folder_is_never_asked_of_the_hub(shared, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "reader").mkdir()
    for name in ("reader/asl", "./reader/asl", "asl", str(tmp_path / "asl"), Path("reader/asl"), Path("a/b")):
        with pytest.raises(UserError, match=r"holds no trm_config.json: train a model into it"):
            hub.fetch(name)
    assert not shared.requests
    assert same(hub.fetch("reader/asl@main").model, made().model), "unless it says a revision"


def test_an_untrained_model_is_no_question_for_the_hub(shared, tmp_path, monkeypatch, capsys):
    """`strm evaluate` before `strm train`: its default is a folder, though it looks like a repository."""
    monkeypatch.chdir(tmp_path)
    assert cli.main(["evaluate", "--csv", "a.csv"]) == 2
    assert "strm train --out_dir" in sentence(capsys.readouterr().err.strip()) and not shared.requests


@pytest.mark.parametrize(
    "command",
    ["export", "read a.jpg", "evaluate --csv a.csv", "bench", "push --repo_id a/b", "demo --source a.mp4"],
)
def test_every_command_takes_a_repository(shared, command, capsys):
    assert cli.main([*command.split(), "--model", "reader/none"]) == 2
    sentence(capsys.readouterr().err.strip(), "reader/none", "does not exist")


# What goes wrong when a model is fetched


def test_a_repository_that_is_not_there(shared):
    refused("reader/none", "your token may not see it", model="reader/none")
    refused("reader/none", "hf auth login", model="reader/none", token=False)


def test_a_private_one(shared):
    shared.repos["reader/asl"].private = True
    refused("private", "hf auth login", "HF_TOKEN", token=False)
    assert same(hub.fetch("reader/asl", token=shared.read_token).model, made().model)
    assert same(hub.fetch("reader/asl").model, made().model), "the token is HF_TOKEN's"


def test_a_wrong_token(shared):
    refused("does not accept the token", "settings/tokens", token="hf_" + "x" * 20)


@pytest.mark.parametrize("token", ["hf_sécrèt", "hf_a b", "hf_a\nb", "hf_a\x00"])
def test_a_token_that_would_break_the_request_is_not_quoted(shared, token, monkeypatch):
    refused("characters that no token has", token=token)
    with pytest.raises(UserError) as told:
        hub.push(made(), "reader/asl", token=token)
    sentence(str(told.value), "characters that no token has")
    assert not shared.requests


def test_no_such_revision(shared):
    refused("no revision v9", revision="v9")
    refused("no revision " + "0" * 40, revision="0" * 40)
    asked = len(shared.requests)
    refused("no revision ../../../x", model="reader/asl@../../../x")
    assert len(shared.requests) == asked


@pytest.mark.parametrize("name", ["a/b--c", "a/b.", "a/" + "b" * 200])
def test_what_is_no_name(shared, name):
    refused("no repository's name", model=name)


def test_nobody_answers(shared, tmp_path):
    shared.stop()
    began = time.monotonic()
    refused("no folder here", f"nobody answers at {shared.url}", "check the connection")
    assert time.monotonic() - began < 5, "no retries where nobody ever answered"


def test_a_hub_that_never_answers(shared, monkeypatch):
    monkeypatch.setattr(hub, "PATIENCE", 0.3)
    shared.hang_next("HEAD")
    refused("was lost", "nothing was kept")


@pytest.mark.parametrize("status", [429, 500, 503])
def test_a_hub_in_trouble(shared, status):
    shared.fail_next(status, "HEAD", times=9)
    refused(f"({status})", "run it again")


def test_a_page_that_asks_to_log_in_to_the_network(shared):
    shared.fail_next(200, times=99)
    refused("is no Hub", "HF_ENDPOINT")


def test_a_gated_one(shared, monkeypatch):
    from hub_server import _Handler, _Refused

    def gate(*_):
        raise _Refused(403, "Access is restricted", "GatedRepo")

    monkeypatch.setattr(_Handler, "_repo", gate)
    refused("open to those only who ask", f"{shared.url}/reader/asl")


@pytest.fixture
def hurry(monkeypatch):
    """Nobody waits between two tries."""
    monkeypatch.setattr(time, "sleep", lambda seconds: None)


def test_a_line_that_is_cut_now_and_then(shared, hurry):
    shared.cut_after(100_000, "GET /far", times=3)
    assert same(hub.fetch("reader/asl").model, made().model)
    assert shared.asked("GET /far") == 4


def test_a_line_that_is_cut_for_good_leaves_nothing_that_loads(shared, hurry, tmp_path):
    shared.cut_after(100_000, "GET /far", times=1)
    shared.cut_after(0, "GET /far")
    refused("was lost", "nothing was kept")
    left = [path for path in (tmp_path / "home").rglob("*") if path.is_file()]
    assert not [path for path in left if path.suffix == ".safetensors"], left
    (config,) = (tmp_path / "home").rglob("config.json")
    with pytest.raises(UserError, match=r"holds no model.safetensors"):
        load(config.parent)
    refused("never fetched", local_files_only=True)
    shared.faults.clear()
    assert same(hub.fetch("reader/asl").model, made().model)


def test_a_hub_that_vanishes_midway(shared, hurry):
    shared.vanish_at("GET /far")
    said = refused()
    assert "nobody answers" in said or "was lost" in said, said


@contextmanager
def full_disk(room: int):
    """A while in which no file grows beyond `room` bytes; no longer, as pytest writes its report to one."""
    resource = pytest.importorskip("resource", reason="Windows limits no file's size")
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (room, before[1]))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)


def test_a_full_disk_while_fetching(shared, tmp_path):
    with full_disk(100_000):
        refused("Make room there", str(tmp_path / "home"))
    assert not [*tmp_path.rglob("*.safetensors")]
    assert same(hub.fetch("reader/asl").model, made().model)


# Repositories that hold something else


def changed(**values) -> bytes:
    """The configuration with other values (... takes a key away)."""
    bundle = made()
    weights = safetensors.torch.save(tensors(bundle), metadata={"format": "pt"})
    config = bundle.config | {"weights_sha256": hashlib.sha256(weights).hexdigest()} | values
    return json.dumps({key: value for key, value in config.items() if value is not ...}).encode()


def with_weights(content: bytes, **values) -> dict[str, bytes]:
    digest = hashlib.sha256(content).hexdigest()
    return {"weights": content, "config": changed(weights_sha256=digest, **values)}


def header(value, body: int = 64, size: int | None = None) -> bytes:
    text = value if isinstance(value, bytes) else json.dumps(value).encode()
    return struct.pack("<Q", len(text) if size is None else size) + text + bytes(body)


ONE = {"dtype": "F32", "shape": [4], "data_offsets": [0, 16]}
FOREIGN = {
    "another net's": (
        {"config": b'{"model_type": "bert", "hidden_size": 768}'},
        "lacks or misstates input_dim",
    ),
    "no JSON": ({"config": b"<html>"}, "not a readable JSON"),
    "absurd sizes": ({"config": changed(latent_dim=10**9)}, "latent_dim"),
    "other classes": ({"config": changed(class_names=["A"])}, "class_names"),
    "classes for another net": (
        {"config": changed(class_names=["A"], num_classes=1)},
        "other names or shapes",
    ),
    "other sizes": ({"config": changed(hidden_dim=64)}, "other names or shapes"),
    "another hash": ({"config": changed(weights_sha256="0" * 64)}, "not the model that its configuration"),
    "no hash": ({"config": changed(weights_sha256=...)}, "weights_sha256"),
    "a pickle": (with_weights(pickle.dumps({"see.weight": [1]})), "no file of plain weights"),
    "cut short": (with_weights(header({"a": ONE}, 3)), "no file of plain weights"),
    "a huge header": (with_weights(header(b"{}", size=2**62)), "no file of plain weights"),
    "a header of nonsense": (with_weights(header(b"\xff{{[" * 50)), "no file of plain weights"),
    "a deep header": (with_weights(header(b"[" * 100_000)), "no file of plain weights"),
    "offsets beyond the end": (
        with_weights(header({"a": ONE | {"data_offsets": [0, 2**60]}})),
        "no file of plain weights",
    ),
    "a shape without end": (
        with_weights(header({"a": ONE | {"shape": [2**62, 2**62]}})),
        "no file of plain weights",
    ),
    "overlapping tensors": (with_weights(header({"a": ONE, "b": ONE})), "no file of plain weights"),
    "other tensors": (with_weights(header({"a": ONE}, 16)), "other names or shapes"),
    "nothing": (with_weights(b""), "no file of plain weights"),
    "NaN": (
        with_weights(safetensors.torch.save(tensors(made()) | {"scale": torch.full((63,), float("nan"))})),
        "NaN",
    ),
    "no weights": ({"weights": None}, "holds no model.safetensors"),
    "no configuration": ({"config": None}, "holds no config.json"),
}


@pytest.mark.parametrize("what", FOREIGN)
def test_a_foreign_or_broken_repository(shared, what):
    files, said = FOREIGN[what]
    put(shared, **files)
    refused(said)


def test_a_pickle_beside_is_never_opened(shared, tmp_path):
    """The library would take pytorch_model.bin where there are no safetensors."""

    class Bomb:
        def __reduce__(self):
            return Path.touch, (tmp_path / "ran",)

    buffer = io.BytesIO()
    torch.save({"see.weight": Bomb()}, buffer)
    names = ("pytorch_model.bin", "pytorch_model.pt", "trm_best.pt")
    shared.repos["reader/asl"].commit("bombs", dict.fromkeys(names, buffer.getvalue()))
    put(shared, weights=None)
    refused("holds no model.safetensors")
    assert not (tmp_path / "ran").exists() and not shared.asked("GET /reader/asl/resolve/main/pytorch")


def test_a_huge_file_is_not_fetched(shared, tmp_path):
    put(shared, weights=bytes(LARGEST_FILE + 1))
    refused("64 MB", "no model")
    assert not shared.asked("GET /far") and not shared.asked("GET /reader")


# What goes wrong when a model is pushed


def sending_fails(folder, *words: str, repo: str = "reader/asl", **options) -> str:
    with pytest.raises(UserError) as told:
        hub.send(folder, repo, **options)
    return sentence(str(told.value), *words)


def test_pushing_without_a_token(server, monkeypatch, capsys):
    monkeypatch.setenv("HF_TOKEN", "")
    assert cli.main(["push", "--repo_id", "reader/asl"]) == 2
    sentence(capsys.readouterr().err.strip(), "no token", "settings/tokens", "hf auth login")
    assert not server.requests


def test_the_stored_login_is_taken(server, monkeypatch, tmp_path, folder):
    monkeypatch.setenv("HF_TOKEN", "")
    (tmp_path / "home").mkdir()
    (tmp_path / "home" / "token").write_text(server.token)
    hub.send(folder, "reader/asl")
    assert set(server.repos["reader/asl"].files()) == FILES | {".gitattributes"}


@pytest.mark.parametrize("trouble", ["a wrong token", "no network", "no name"])
def test_pushing_fails_before_what_takes_long(server, trouble, monkeypatch):
    monkeypatch.setattr(hub, "write", None)
    token, name = server.token, "reader/asl"
    if trouble == "a wrong token":
        token, said = "hf_" + "x" * 20, "does not accept the token"
    elif trouble == "no name":
        name, said = "reader/a b", "no repository's name"
    else:
        server.stop()
        said = "Nothing was committed: nobody answers"
    with pytest.raises(UserError) as told:
        hub.push(made(), name, token=token)
    sentence(str(told.value), said)
    assert not server.repos


def test_a_token_that_may_only_read(server, folder):
    sending_fails(folder, "may not write to reader/asl", token=server.read_token)
    sending_fails(folder, "may not write to other/asl", repo="other/asl")
    assert not server.repos


def test_a_place_that_is_not_there_is_told_without_a_word_of_folders(server, folder):
    server.fail_next(404, "create")
    said = sending_fails(folder, "reader/asl does not exist on the Hub, or your token may not see it")
    assert "folder" not in said


def test_private_is_not_promised_of_a_public_one(shared, folder):
    sending_fails(folder, "public already", private=True)
    assert len(shared.repos["reader/asl"].commits) == 2


PLACES = "PUT /far", "preupload", "objects/batch", "verify", "/commit/", "validate"


@pytest.mark.parametrize("where", PLACES)
@pytest.mark.parametrize("fault", ["cut", "gone", 500, 503])
def test_a_push_that_breaks_off_leaves_no_half_commit(server, folder, hurry, where, fault):
    HfApi().create_repo("reader/asl")
    repo = server.repos["reader/asl"]
    before = dict(repo.branches)
    if fault == "cut":
        server.cut_after(10, where)
        words = "was lost", "what has arrived is not sent twice"
    elif fault == "gone":
        server.vanish_at(where)
        words = ()
    else:
        server.fail_next(fault, where, times=99)
        words = f"({fault})", "run it again"
    said = sending_fails(folder, *words)
    if fault == "gone":  # several threads send, and whoever fails first is heard
        assert "nobody answers" in said or "was lost" in said
    assert repo.branches == before and len(repo.commits) == 1
    if fault != "gone":
        server.faults.clear()
        hub.send(folder, "reader/asl")
        assert set(repo.files()) == FILES | {".gitattributes"} and len(repo.commits) == 2


def test_a_failed_push_leaves_no_new_branch(shared, folder, tmp_path):
    """It would hold what main holds, under a name that promises something else."""
    other = Path(shutil.copytree(folder, tmp_path / "other"))
    (other / "README.md").write_text("---\nlicense: mit\n---\nAnother.\n")
    shared.fail_next(500, "/commit/", times=9)
    sending_fails(other, "(500)", revision="v2")
    assert shared.repos["reader/asl"].branches.keys() == {"main"}
    refused("no revision v2", revision="v2")
    shared.repos["reader/asl"].commit("by hand", {"a": b""}, "v3")
    sending_fails(other, "(500)", revision="v3")
    assert shared.repos["reader/asl"].branches.keys() == {"main", "v3"}, "one that was there stays"


def test_a_short_trouble_is_survived(server, folder, hurry):
    server.fail_next(503, "PUT /far", times=2)
    hub.send(folder, "reader/asl")
    assert set(server.repos["reader/asl"].files()) == FILES | {".gitattributes"}


def test_pushing_the_same_again_makes_no_second_commit(shared, folder):
    oid = shared.repos["reader/asl"].branches["main"]
    assert hub.send(folder, "reader/asl").endswith(oid)
    assert len(shared.repos["reader/asl"].commits) == 2


@pytest.mark.skipif(sys.platform == "win32", reason="Windows wakes no thread that waits for an answer")
def test_an_interrupted_push_leaves_no_half_commit(server, folder):
    HfApi().create_repo("reader/asl")
    server.hang_next("/commit/")

    def interrupt():
        while not server.asked("/commit/"):
            time.sleep(0.02)
        signal.pthread_kill(threading.main_thread().ident, signal.SIGINT)

    threading.Thread(target=interrupt, daemon=True).start()
    with pytest.raises(KeyboardInterrupt):
        hub.send(folder, "reader/asl")
    assert len(server.repos["reader/asl"].commits) == 1
    assert not are_progress_bars_disabled(), "the library is as it was"


def test_a_card_survives_a_configuration_full_of_nonsense():
    from strm.card import card

    bundle = made()
    bundle.config |= {"metrics": ["a"], "provenance": 7, "alphabet": bundle.config["alphabet"] | {"name": 5}}
    assert "kept nobody apart" in card(Bundle(bundle.model, hub.nameless(bundle.config)), "reader/asl")
    bundle.config |= {"metrics": {"accuracy": "high"}, "provenance": {"settings": 3, "people": 2}}
    assert "| people | 2 |" in card(Bundle(bundle.model, hub.nameless(bundle.config)), "reader/asl")


def test_what_we_would_refuse_is_not_sent(server, folder, tmp_path):
    shutil.copytree(folder, tmp_path, dirs_exist_ok=True)
    (tmp_path / "config.json").write_bytes(changed(weights_sha256="0" * 64))
    sending_fails(tmp_path, "not the model that its configuration describes")
    assert not server.repos


@pytest.mark.parametrize("room", [1000, 20_000, 343_000], ids=["config", "weights", "graphs"])
def test_a_full_disk_while_pushing(server, tmp_path, room, monkeypatch):
    from strm import export

    def graphs(bundle, to):  # as large as the true ones, which take long to make
        with replacing(Path(to) / "model.onnx") as path:
            path.write_bytes(bytes(350_000))

    monkeypatch.setattr(export, "export", graphs)
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    with full_disk(room), pytest.raises(UserError) as told:
        hub.push(made(), "reader/asl")
    sentence(str(told.value), "Make room there")
    assert not server.repos and not [*tmp_path.iterdir()]


def test_no_token_in_whatever_is_said_or_kept(shared, folder, tmp_path, caplog, hurry):
    """Faults of every kind, with tracebacks, and logs at their loudest."""
    caplog.set_level("DEBUG")
    hub.fetch("reader/asl")
    calls = {
        "": lambda: hub.fetch("reader/none"),
        "HEAD": lambda: hub.fetch("reader/asl", cache_dir=tmp_path / "empty"),
        "/commit/": lambda: hub.send(folder, "reader/new"),
        "preupload": lambda: hub.send(folder, "reader/new"),
        "create": lambda: hub.send(folder, "other/asl"),
    }
    said = ""
    for match, call in calls.items():
        shared.faults.clear()
        if match:
            shared.cut_after(5, match)
        with pytest.raises(UserError) as told:
            call()
        said += "".join(traceback.format_exception(told.value))
    assert "api/repos/create" in caplog.text and said.count("UserError") >= 5
    assert shared.token not in caplog.text + said
    kept = [path for path in (tmp_path / "home").rglob("*") if path.is_file()]
    assert kept and not [path for path in kept if shared.token.encode() in path.read_bytes()]


def test_the_card_s_metadata_is_yaml_whatever_a_repository_is_called():
    from strm.card import card

    for name in ("reader/yes", "reader/1e3", "reader/null"):
        head = card(made(), name).split("---")[1]
        assert yaml.safe_load(head)["model-index"][0]["name"] == name.partition("/")[2]
