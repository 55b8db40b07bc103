"""`strm kaggle` and the notebooks for the cloud: secrets, uploads, sessions that are cut, no token anywhere."""

import json
import re
import subprocess
import sys
import time
from pathlib import Path
from types import ModuleType

import pytest
import torch
from github_server import GitHubServer
from hub_server import HubServer
from made_up import photos

from strm import bundle, cli, hub, kaggle
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


def test_with_secrets_all_goes_to_the_hub_and_the_fork_but_no_token_and_no_name(
    account, table, tmp_path, monkeypatch, capsys
):
    hub_server, github = account
    out = tmp_path / "out"
    flags = ["--hf_private", "--sequence_mode", "--seq_len", "4", "--val_signers", "p2"]
    assert cli.main(command(table, out, *flags)) == 0
    said = capsys.readouterr()
    repo = hub_server.repos["reader/asl"]
    sent = repo.files()
    assert repo.private
    assert {
        "config.json",
        "model.safetensors",
        "pytorch_model.pt",
        "model.onnx",
        "README.md",
        "metrics.json",
    } <= set(sent)
    assert {path.name for path in out.iterdir()} == LEFT
    assert equal(hub.fetch("reader/asl"), bundle.load(out)), "the best weights, and no others"
    metrics = json.loads(sent["metrics.json"])
    assert [epoch["epoch"] for epoch in metrics["history"]] == [1, 2] and metrics["val"]["n"] == 12
    (branch,) = set(github.branches) - {"main"}
    assert branch == f"training-{bundle.load(out).config['weights_sha256'][:8]}"
    pushed = github.files(branch)
    assert set(pushed) - set(github.files("main")) == {
        f"data/trained/asl/{name}" for name in ("README.md", "metrics.json")
    }
    assert json.loads(pushed["data/trained/asl/metrics.json"]) == metrics
    assert pushed["data/trained/asl/README.md"] == (out / "card.md").read_text("utf-8")
    assert f"{github.repo}/tree/{branch}" in said.out
    shown = [
        said.out,
        said.err,
        *pushed.values(),
        *(path for _, path, _ in hub_server.requests + github.requests),
    ]
    shown += [content.decode("latin-1") for content in sent.values()]
    shown += [path.read_bytes().decode("latin-1") for path in out.iterdir()]
    for token in tokens(*account):
        assert not any(token in text for text in shown)
    for text in (
        sent["metrics.json"].decode(),
        sent["README.md"].decode(),
        pushed["data/trained/asl/README.md"],
    ):
        assert not re.search(r"\bp[012]\b", text), "who signed is told to nobody"


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
    monkeypatch.setenv("HF_TOKEN", hub_server.token)
    github.fail = None
    assert cli.main(command(table, out)) == 0
    assert not epochs and "asl" in str(hub_server.repos) and len(github.branches) == 2
    assert not hub_server.repos["reader/asl"].private
    assert equal(bundle.load(out), model) and {path.name for path in out.iterdir()} == LEFT


def test_a_killed_training_goes_on_when_the_same_command_runs_again(table, tmp_path, monkeypatch):
    out, many = tmp_path / "out", ["--epochs", "20", "--sequence_mode", "--seq_len", "4"]
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
    assert 0 < done < 20 and "trm_best.pt" not in {path.name for path in out.iterdir()}
    epochs, real = [], Trainer.epoch
    monkeypatch.setattr(Trainer, "epoch", lambda self, n, tell: (epochs.append(n), real(self, n, tell))[1])
    assert cli.main(arguments) == 0
    assert epochs == list(range(done, 20)), "what was done is not done again"
    assert {path.name for path in out.iterdir()} == LEFT
    assert cli.main(command(table, tmp_path / "whole", *many)) == 0
    assert equal(bundle.load(out), bundle.load(tmp_path / "whole"))
