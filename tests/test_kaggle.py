"""`strm kaggle` and the notebooks of the cloud: secrets, uploads, sessions that are cut; no token shows."""

import json
import re
import shutil
import subprocess
import sys
import time
from pathlib import Path
from types import ModuleType
from unittest.mock import create_autospec

import nbformat
import papermill
import pytest
import safetensors.torch
import torch
import yaml
from github_server import GitHubServer
from hub_server import HubServer
from made_up import photos

from strm import book, bundle, cli, kaggle, train
from strm.card import SOURCE
from strm.files import UserError
from strm.github import GitHub
from strm.trainer import Trainer

ROOT = Path(__file__).parents[1]
CLOUD = ROOT / "book" / "cloud"
NOTEBOOKS = sorted(CLOUD.glob("*.ipynb"))
LEFT = {"trm_best.pt", "trm_config.json", "trm_scaler.joblib", "metrics.json", "card.md"}
SMALL = ["--n_latent", "1", "--T_deep", "1", "--batch_size", "30", "--device", "cpu"]


@pytest.fixture(autouse=True)
def no_secrets(monkeypatch):
    """Whoever runs the tests may have tokens of their own."""
    for name in kaggle.SECRETS:
        monkeypatch.delenv(name, raising=False)


@pytest.fixture
def table(tmp_path):
    path = tmp_path / "table.csv"
    photos("ABI", people=3).to_csv(path, index=False)
    return path


@pytest.fixture
def account(monkeypatch, tmp_path):
    """A Hub and a GitHub on this machine, and the secrets for both."""
    with HubServer() as hub_server, GitHubServer() as github:
        hub_server.take_over(monkeypatch, tmp_path / "hf", hub_server.token)
        secrets = {"HF_REPO_ID": "reader/asl", "GITHUB_TOKEN": github.token, "GITHUB_API_URL": github.url}
        for name, value in secrets.items():
            monkeypatch.setenv(name, value)
        yield hub_server, github


def command(table: Path, out: Path, *more: str) -> list[str]:
    return ["kaggle", "--csv", str(table), "--out_dir", str(out), "--epochs", "2", *SMALL, *more]


def weights(of) -> dict[str, torch.Tensor]:
    return of.model.state_dict()


def equal(one, two) -> bool:
    return all(torch.equal(value, weights(two)[name]) for name, value in weights(one).items())


def tokens(*servers) -> list[str]:
    return [token for server in servers for token in (server.token, server.read_token)]


# Secrets


class BackendError(Exception):
    pass


def on_kaggle(monkeypatch, kept: dict, error: Exception | None = None) -> list[str]:
    """Kaggle's module as its image has it: a client of the attached secrets. Returns what it was asked."""
    asked = []

    class UserSecretsClient:
        def get_secret(self, label):
            asked.append(label)
            if error is not None:
                raise error
            if label not in kept:
                raise BackendError(f"Unexpected response from the service. Response: {kept}")
            return kept[label]

    module = ModuleType("kaggle_secrets")
    module.UserSecretsClient = UserSecretsClient
    monkeypatch.setitem(sys.modules, "kaggle_secrets", module)
    return asked


def test_secrets_come_from_the_environment_and_from_kaggle(monkeypatch, capsys):
    on_kaggle(monkeypatch, {"HF_TOKEN": "hf_of_kaggle\n", "HF_REPO_ID": " ann/asl ", "GITHUB_TOKEN": ""})
    assert kaggle.secrets() == {"HF_TOKEN": "hf_of_kaggle", "HF_REPO_ID": "ann/asl"}
    monkeypatch.setenv("HF_TOKEN", "hf_of_mine")
    assert kaggle.secrets()["HF_TOKEN"] == "hf_of_mine", "what is set here is meant"
    assert capsys.readouterr() == ("", "")


def test_secrets_come_from_colab(monkeypatch):
    def get(key):
        if key != "HF_TOKEN":
            raise LookupError(f"Secret {key} does not exist.")
        return "hf_of_colab"

    module = ModuleType("google.colab.userdata")
    module.get = get
    monkeypatch.setitem(sys.modules, "google.colab", ModuleType("google.colab"))
    monkeypatch.setitem(sys.modules, "google.colab.userdata", module)
    assert kaggle.secrets() == {"HF_TOKEN": "hf_of_colab"}


def test_a_session_without_internet_is_asked_once(monkeypatch, capsys):
    asked = on_kaggle(
        monkeypatch, {}, ConnectionError("Connection error trying to communicate with service.")
    )
    assert kaggle.secrets() == {} and asked == ["HF_TOKEN"]
    assert capsys.readouterr().err.count("\n") == 1


@pytest.mark.parametrize(
    "kept, said",
    [
        ({"HF_TOKEN": "hf_se cret", "HF_REPO_ID": "ann/asl"}, "HF_TOKEN has a space"),
        ({"HF_TOKEN": "hf_se\ncret"}, "HF_TOKEN has a space"),
        ({"HF_TOKEN": "x", "HF_REPO_ID": "hf_secret"}, "HF_REPO_ID must read owner/name"),
        (
            {"GITHUB_TOKEN": "x", "GITHUB_REPO": "https://github.com/secret/asl"},
            "GITHUB_REPO must read owner/name",
        ),
        ({"HF_TOKEN": "hf_sécret"}, "HF_TOKEN has a space, a line break or an accent"),
        ({"HF_REPO_ID": "secret/asl"}, "no HF_TOKEN"),
    ],
)
def test_secrets_that_cannot_be_right_are_one_sentence_before_any_work(
    kept, said, monkeypatch, tmp_path, table, capsys
):
    for name, value in kept.items():
        monkeypatch.setenv(name, value)
    assert cli.main(command(table, tmp_path / "out")) == 2
    out, err = capsys.readouterr()
    assert said in err and err.count("\n") == 1 and not out
    assert "cret" not in err.replace("secret ", ""), "no value is shown"
    assert not (tmp_path / "out").exists()


# A training, and where it goes


def test_it_takes_the_flags_of_strm_train(monkeypatch):
    calls = {}
    for module in (train, kaggle):
        spy = create_autospec(module.run, return_value=0)
        monkeypatch.setattr(module, "run", spy)
        calls[module] = spy
    flags = ["--csv", "a.csv", "--epochs", "3", "--lr", "0.01", "--sequence_mode", "--fps", "25"]
    flags += ["--val_signers", "ann", "bob", "--out_dir", "o"]
    rest = ["--precision", "bfloat16", "--seq_len", "9", "--batch_size", "8", "--device", "cpu"]
    assert cli.main(["train", *flags, *rest]) == cli.main(["kaggle", *flags, *rest, "--hf_private"]) == 0
    assert calls[kaggle].call_args.args == (*calls[train].call_args.args, True)
    cli.main(["kaggle", "--csv", "a.csv"])
    _, settings, *_, private = calls[kaggle].call_args.args
    assert settings.device == "auto" and not private, "a GPU where there is one"


def test_without_a_hub_it_trains_and_says_what_it_left_where(table, tmp_path, monkeypatch, capsys):
    monkeypatch.setenv("HF_TOKEN", "hf_somebody_uses_it_for_other_things")
    out = tmp_path / "left"
    assert cli.main(command(table, out, "--hf_private")) == 0
    assert {path.name for path in out.iterdir()} == LEFT, "and no checkpoint"
    said = capsys.readouterr()
    assert f"In {out}: " in said.out and all(name in said.out for name in LEFT)
    assert "on cpu, in float32" in said.out and "no other computer" in said.out
    assert said.err.splitlines() == ["There is a secret HF_TOKEN but no HF_REPO_ID: the Hub is left out."]
    assert len(bundle.load(out).class_names) == 3


def test_a_failed_upload_is_told_before_the_training_and_made_up_for_without_another(
    account, table, tmp_path, monkeypatch, capsys
):
    hub_server, github = account
    monkeypatch.setenv("HF_TOKEN", "hf_wrong")
    github.fail = ("POST", 403)
    out = tmp_path / "out"
    assert cli.main(command(table, out)) == 1
    said = capsys.readouterr()
    first, *rest = said.err.splitlines()
    assert "does not accept the token" in first and first.endswith("all the same.")
    assert [line.split(":")[0] for line in rest] == [
        "The Hub does not accept the token",
        "GITHUB_TOKEN may not write there",
        "The same command tries again to upload, and trains no more.",
    ]
    assert "hf_wrong" not in said.out + said.err and not hub_server.repos and set(github.branches) == {"main"}
    assert {path.name for path in out.iterdir()} == LEFT | {"checkpoint.pt"}
    model, epochs = bundle.load(out), []
    monkeypatch.setattr(Trainer, "epoch", lambda self, number, tell: epochs.append(number))
    for name in ("HF_TOKEN", "HF_REPO_ID"):
        monkeypatch.delenv(name)
    github.fail = None
    assert cli.main(command(table, out)) == 0
    assert not epochs and len(github.branches) == 2
    assert equal(bundle.load(out), model) and {path.name for path in out.iterdir()} == LEFT


def test_of_several_processes_the_first_alone_tells_and_uploads(account, tmp_path, monkeypatch, capsys):
    """`accelerate launch -m strm kaggle`, on both of Kaggle's GPUs; here in the place of the second."""
    trained = create_autospec(train.run)
    monkeypatch.setattr(train, "run", trained)
    monkeypatch.setenv("RANK", "1")
    assert cli.main(command(tmp_path / "table.csv", tmp_path / "out")) == 0
    assert trained.call_args.kwargs == {"keep": True} and capsys.readouterr() == ("", "")
    assert not any(server.requests for server in account) and not (tmp_path / "out").exists()


def test_a_killed_training_goes_on_when_the_same_command_runs_again(table, tmp_path, monkeypatch):
    out, many = tmp_path / "out", ["--epochs", "8", "--sequence_mode", "--seq_len", "4"]
    arguments = command(table, out, *many)
    process = subprocess.Popen(
        [sys.executable, "-m", "strm", *arguments], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
    )
    while not (out / "checkpoint.pt").exists():
        assert process.poll() is None, "it ended before its first epoch did"
        time.sleep(0.005)
    process.kill()
    process.wait()
    state = torch.load(out / "checkpoint.pt", weights_only=True)["state"]
    done = len(state["history"])
    assert 0 < done < 8 and "trm_best.pt" not in {path.name for path in out.iterdir()}
    epochs, real = [], Trainer.epoch
    monkeypatch.setattr(Trainer, "epoch", lambda self, n, tell: (epochs.append(n), real(self, n, tell))[1])
    assert cli.main(arguments) == 0
    assert epochs == list(range(done, 8)), "what was done is not done again"
    assert {path.name for path in out.iterdir()} == LEFT
    assert cli.main(command(table, tmp_path / "whole", *many)) == 0
    assert equal(bundle.load(out), bundle.load(tmp_path / "whole"))


# The notebooks


def source(cell: dict) -> str:
    return "".join(cell["source"])


def cells(path: Path, kind: str = "code") -> dict[str, str]:
    found = json.loads(path.read_text("utf-8"))["cells"]
    return {cell["id"]: source(cell) for cell in found if cell["cell_type"] == kind}


def keep_secrets(cloud: str, folder: Path, secrets: dict[str, str]) -> None:
    """Put a stand-in for the cloud's own module into a folder of modules: it has these secrets."""
    if cloud == "kaggle":
        path, ask = (
            folder / "kaggle_secrets.py",
            "class UserSecretsClient:\n  def get_secret(self, label):\n    ",
        )
    else:
        path, ask = folder / "google" / "colab" / "userdata.py", "def get(label):\n    "
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(f"{ask}return {secrets!r}[label]\n", "utf-8")


@pytest.fixture
def session(monkeypatch, tmp_path, repository):
    """A session in a cloud, in an empty folder, with secrets for both servers: how to run its notebook."""
    with HubServer() as hub_server, GitHubServer() as github:
        folder, modules = tmp_path / "session", tmp_path / "modules"
        folder.mkdir()
        environment = hub_server.environment(tmp_path / "hf") | {
            "GITHUB_API_URL": github.url,
            "STRM_REPO": str(repository),
            "STRM_TAG": "some-tag",
            "PYTHONPATH": str(modules),
            "PYDEVD_DISABLE_FILE_VALIDATION": "1",
        }
        for name, value in environment.items():
            monkeypatch.setenv(name, value)

        def run(cloud: str, **parameters) -> nbformat.NotebookNode:
            secrets = {"HF_TOKEN": hub_server.token, "HF_REPO_ID": "reader/asl", "GITHUB_TOKEN": github.token}
            keep_secrets(cloud, modules, secrets)
            done = tmp_path / "done.ipynb"
            papermill.execute_notebook(
                CLOUD / f"{cloud}_train.ipynb", done, parameters, cwd=folder, progress_bar=False
            )
            for path in (done, *folder.rglob("mine/*"), *folder.glob("*.*")):
                for token in tokens(hub_server, github):
                    assert token.encode() not in path.read_bytes(), f"{path} holds a token"
            return nbformat.read(done, as_version=4)

        yield run, folder, hub_server, github


def said(notebook: nbformat.NotebookNode, cell: str) -> str:
    (found,) = [c for c in notebook.cells if c.id == cell]
    return "".join(output.get("text", "") for output in found.outputs)


def arrived(out: Path, hub_server: HubServer, github: GitHubServer) -> dict:
    """Look at what both servers got of the model in `out`, and return the metrics that came with it."""
    repo, model = hub_server.repos["reader/asl"], bundle.load(out)
    sent, (branch,) = repo.files(), set(github.branches) - {"main"}
    expected = "config.json model.safetensors pytorch_model.pt model.onnx README.md metrics.json"
    assert repo.private and set(expected.split()) <= set(sent)
    best = safetensors.torch.load(sent["model.safetensors"])
    assert all(torch.equal(value, best[name]) for name, value in weights(model).items()) and len(best) > 10
    assert branch == f"training-{model.config['weights_sha256'][:8]}"
    new = {path: text for path, text in github.files(branch).items() if path not in github.files("main")}
    assert set(new) == {"data/trained/asl/README.md", "data/trained/asl/metrics.json"}
    assert new["data/trained/asl/metrics.json"] == sent["metrics.json"].decode()
    assert new["data/trained/asl/README.md"] == (out / "card.md").read_text("utf-8")
    asked = [(path, header) for _, path, header in hub_server.requests + github.requests]
    for token in tokens(hub_server, github):  # in headers alone
        assert not any(token in path for path, _ in asked)
        assert not any(token.encode() in content for content in sent.values())
        assert not any(token in text for text in new.values())
    people = json.loads((out / "metrics.json").read_text("utf-8"))["people"]
    for text in (*new.values(), sent["config.json"].decode(), sent["README.md"].decode()):
        assert not any(re.search(rf"\b{name}\b", text) for name in people), "who signed is told to nobody"
    return json.loads(sent["metrics.json"])


def test_the_notebook_for_kaggle_makes_a_model_of_photos_and_videos_and_sends_it(
    session, tmp_path, hand_photo
):
    run, folder, hub_server, github = session
    for letter in "LV":
        (tmp_path / "photos" / letter).mkdir(parents=True)
        for number in range(2):
            hand_photo(letter, tmp_path / "photos" / letter / f"{number}.png", number)
    (tmp_path / "videos").mkdir()
    shutil.copy(ROOT / "data" / "studio" / "J.mp4", tmp_path / "videos" / "J_001.mp4")
    own = {kind: str(tmp_path / kind) for kind in ("photos", "videos")} | {"photo_signer": "wilhelmina"}
    made, out = run("kaggle", **own, epochs=1), folder / "mine"
    metrics = arrived(out, hub_server, github)
    assert metrics["people"] == 2 and [epoch["epoch"] for epoch in metrics["history"]] == [1]
    assert {path.name for path in out.iterdir()} >= LEFT | {"photos.csv", "videos.csv"}
    assert {"J", "L", "V"} <= set(bundle.load(out).class_names)
    assert "To the Hub: " in said(made, "train") and f"In {out}: " in said(made, "train")
    assert "drawn strangers" in said(made, "look")
    assert (folder / "strm-book" / "strm").is_dir(), "the code was fetched"


def test_the_notebook_for_colab_trains_on_a_table_and_sends_it(session, table):
    run, folder, hub_server, github = session
    made = run("colab", csv=[str(table)], val_signers=["p2"], epochs=2)
    metrics = arrived(folder / "mine", hub_server, github)
    assert metrics["people"] == 2 and metrics["val_signers"] == 1 and metrics["val"]["n"] == 12
    assert "classes: A B I" in said(made, "look") and "the people kept apart" in said(made, "look")
    assert not said(made, "photos") and not said(made, "videos")


@pytest.mark.parametrize("path", NOTEBOOKS, ids=lambda path: path.stem)
def test_notebooks_of_the_cloud_are_fit_to_commit(path):
    nbformat.validate(nbformat.read(path, as_version=4))
    code, prose = cells(path), cells(path, "markdown")
    names = [*code, *prose]
    assert len(set(names)) == len(names)
    assert all(re.fullmatch(r"[a-z][a-z0-9-]*", name) for name in names)
    for name, text in code.items():
        assert len(text.splitlines()) <= 40 and all(len(line) < 80 for line in text.splitlines()), name
    for name, text in prose.items():
        blocks = re.split(r"\n\s*\n|^(?=- )", text, flags=re.MULTILINE)
        assert all(len(block.split()) < 80 for block in blocks), name
        assert not re.search(r"\d\s?%|\b0\.\d{2,}", text), f"{name} claims a score"
        for link in re.findall(r"\]\(([^)#:\s]+)[)#]", text):
            assert (path.parent / link).exists(), f"{name} links to {link}"


@pytest.mark.parametrize("path", NOTEBOOKS, ids=lambda path: path.stem)
def test_their_first_cell_is_the_chapters_and_they_know_every_secret(path):
    setup = cells(path)["setup"]
    assert cells(ROOT / "book" / "04_bptt.ipynb")["setup"] in setup, "one way to fetch the code"
    assert not re.search(r"\b(torch|numpy)\b", setup), "leave theirs alone"
    pinned = (ROOT / "requirements.txt").read_text("utf-8").split()
    assert {"onnx==1.22.0", "mediapipe==0.10.14"} <= set(re.findall(r"[\w-]+==[\d.]+", setup)) <= set(pinned)
    text = "\n".join(cells(path, "markdown").values())
    assert all(f"`{name}`" in text for name in kaggle.SECRETS)
    assert not any(name in code for name in kaggle.SECRETS for code in cells(path).values())
    everything = "\n".join([*cells(path).values(), text])
    assert "asks people it has never met" in " ".join(text.split()), "what one person's photos cannot say"
    for words in ('"images"', '"--max_per_class", "400"', '"videos"', '"--fps", "15"', '"--sequence_mode"'):
        assert words in everything


def test_the_book_and_readme_open_them_where_they_run():
    address = SOURCE.removeprefix("https://github.com/")
    assert yaml.safe_load((ROOT / "_config.yml").read_text("utf-8"))["repository"]["url"] == SOURCE
    raw = f"https://raw.githubusercontent.com/{address}/main/book/cloud/kaggle_train.ipynb"
    colab = f"https://colab.research.google.com/github/{address}/blob/main/book/cloud/colab_train.ipynb"
    assert {path.name for path in NOTEBOOKS} == {"kaggle_train.ipynb", "colab_train.ipynb"}
    for page in (ROOT / "README.md", ROOT / "book" / "index.md"):
        text = page.read_text("utf-8")
        assert f"https://kaggle.com/kernels/welcome?src={raw}" in text and colab in text, page.name
    assert not any("cloud" in page for page in book.contents(ROOT)), "strm book would execute them"


# GitHub


def test_a_push_to_github_is_whole_and_goes_on_from_the_branch():
    with GitHubServer() as github, pytest.MonkeyPatch.context() as patch:
        patch.setenv("GITHUB_API_URL", github.url)
        account = GitHub(github.token)
        assert (
            account.push({"a/b.md": "one"}, "mine", "first") == f"https://github.com/{github.repo}/tree/mine"
        )
        account.push({"a/c.md": "two ✓"}, "mine", "second")
        assert github.files("mine") == github.files("main") | {"a/b.md": "one", "a/c.md": "two ✓"}
        github.moved = "reader/older-name"
        GitHub(github.token, "reader/older-name").push({"d.md": "three"}, "other", "third")
        assert "d.md" in github.files("other")
        assert ("GET", "/repositories/1", None) in github.requests, "a redirection is not told the token"


@pytest.mark.parametrize(
    "token, repo, fail, words",
    [
        ("unknown", None, None, "does not know this GITHUB_TOKEN"),
        ("read_token", None, None, "may not write"),
        ("token", "reader/nothing", None, "no such repository"),
        ("token", None, ("GET /repos/reader/AI-SignLanguage/git/ref", 409), "is empty"),
        ("token", None, ("POST", 422), "422"),
        ("token", None, ("/git/refs", 502), "try again later"),
        ("token", None, "/git/commits", "cannot be reached"),
    ],
)
def test_what_github_refuses_is_one_sentence_and_leaves_nothing(token, repo, fail, words, monkeypatch):
    with GitHubServer() as github:
        monkeypatch.setenv("GITHUB_API_URL", github.url)
        if isinstance(fail, str):
            github.cut = fail
        else:
            github.fail = fail
        secret = getattr(github, token, "github_pat_unknown")
        with pytest.raises(UserError, match=words) as refused:
            GitHub(secret, repo).push({"a.md": "one"}, "mine", "first")
        assert secret not in str(refused.value) and str(refused.value).endswith(".")
        assert refused.value.__suppress_context__, "what was asked, and its headers, stay out of tracebacks"
        assert set(github.branches) == {"main"}


def test_an_address_that_is_none_is_one_sentence(monkeypatch):
    monkeypatch.setenv("GITHUB_API_URL", "nowhere")
    with pytest.raises(UserError, match="cannot be reached"):
        GitHub("token").home()


def test_no_network_is_one_sentence_too(monkeypatch):
    with GitHubServer() as github:
        monkeypatch.setenv("GITHUB_API_URL", github.url)
    with pytest.raises(UserError, match="cannot be reached"):
        GitHub(github.token).push({"a.md": "one"}, "mine", "first")
