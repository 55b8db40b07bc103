"""Train on a computer in the cloud: its secrets, a training that goes on where it was cut, the uploads."""

import json
import os
import re
import sys
from collections.abc import Callable
from dataclasses import dataclass
from importlib import import_module
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from strm import github, hub, train
from strm.bundle import CONFIG_FILE, SCALER_FILE, WEIGHTS_FILE, Bundle
from strm.card import card
from strm.device import device_of, precision_of
from strm.files import UserError, replacing
from strm.hub_errors import plainly
from strm.onnx_model import need
from strm.team import leads
from strm.trainer import Settings

SECRETS = ("HF_TOKEN", "HF_REPO_ID", "GITHUB_TOKEN", "GITHUB_REPO")
CARD_FILE = "card.md"
LEFT = (WEIGHTS_FILE, CONFIG_FILE, SCALER_FILE, train.METRICS_FILE, CARD_FILE)
Store = Callable[[str], str | None]


@dataclass(frozen=True)
class Upload:
    """A place where a trained model goes. Both functions raise UserError, one sentence, if it does not."""

    place: str
    check: Callable[[], Any]  # whether it could go there, before hours of training
    send: Callable[[Path, Bundle], str]  # of the model's folder; returns the address


def run(
    csv: list[str],
    settings: Settings,
    val_signers: list[str],
    out_dir: str | Path,
    fps: float = 30.0,
    private: bool = False,
) -> int:
    """Do what `strm kaggle` does: train into `out_dir`, then upload where the secrets lead.

    Returns 0, or 1 where the model is trained but an upload failed: the same call then uploads, and trains no
    more. Raises UserError for secrets that cannot be right, and for what cannot be learnt.
    """
    if not leads():  # one of several processes that train together: the first one tells and uploads
        train.run(csv, settings, val_signers, out_dir, fps, keep=True)
        return 0
    found, out = secrets(), Path(out_dir)
    uploads, device = _uploads(found, private), device_of(settings.device)
    precision = str(precision_of(settings.precision, device)).removeprefix("torch.")
    places = " and ".join(upload.place for upload in uploads)
    print(
        f"Training on {device.type}, in {precision}. Then the model goes to {places or 'no other computer'}."
    )
    for upload in uploads:
        try:
            upload.check()
        except UserError as error:
            print(f"{error} The training begins all the same.", file=sys.stderr)
    bundle = train.run(csv, settings, val_signers, out, fps, keep=True)
    name = found.get("HF_REPO_ID", out.resolve().name)
    with replacing(out / CARD_FILE) as path:
        path.write_text(card(Bundle(bundle.model, hub.nameless(bundle.config)), name), "utf-8")
    failed = False
    for upload in uploads:
        try:
            upload.check()
            print(f"To {upload.place}: {upload.send(out, bundle)}")
        except UserError as error:
            failed = True
            print(error, file=sys.stderr)
    print(f"In {out.resolve()}: {', '.join(name for name in LEFT if (out / name).exists())}.")
    if failed:
        print("The same command tries again to upload, and trains no more.", file=sys.stderr)
        return 1
    (out / train.CHECKPOINT).unlink(missing_ok=True)
    return 0


def secrets() -> dict[str, str]:
    """Return those of SECRETS that the environment, Kaggle's secrets or Colab's hold, asked in this order.

    Raises UserError for one that cannot be what it should be. No value is ever printed.
    """
    found: dict[str, str] = {}
    stores = _stores()
    for name in SECRETS:
        for store in list(stores):
            try:
                value = (store(name) or "").strip()
            except ConnectionError:
                print("Without a network, this session's secrets stay out of reach.", file=sys.stderr)
                stores.remove(store)
                continue
            except Exception:  # each store has its own way to say that it holds none of this name
                continue
            if value:
                found[name] = value
                break
    for name, value in found.items():
        if not re.fullmatch(r"[!-~]+", value):
            raise UserError(
                f"The secret {name} has a space, a line break or an accent in it: paste it again."
            )
    for name in ("HF_REPO_ID", "GITHUB_REPO"):  # a token that was pasted there must not name anything
        if name in found and not re.fullmatch(r"[\w.-]+/[\w.-]+", found[name]):
            raise UserError(f"The secret {name} must read owner/name: ann/asl-strm, for example.")
    if "HF_REPO_ID" in found and "HF_TOKEN" not in found:
        raise UserError(
            "There is a secret HF_REPO_ID but no HF_TOKEN: add a token that may write "
            "(https://huggingface.co/settings/tokens), or remove HF_REPO_ID to train without the Hub."
        )
    return found


def _stores() -> list[Store]:
    stores: list[Store] = [os.environ.get]
    clouds: dict[str, Callable[[Any], Store]] = {
        "kaggle_secrets": lambda module: module.UserSecretsClient().get_secret,
        "google.colab.userdata": lambda module: module.get,
    }
    for name, store in clouds.items():
        try:
            stores.append(store(import_module(name)))
        except Exception:  # we are not in this cloud
            continue
    return stores


def _uploads(found: dict[str, str], private: bool) -> list[Upload]:
    uploads = []
    if "HF_TOKEN" in found and "HF_REPO_ID" in found:
        token, repo = found["HF_TOKEN"], found["HF_REPO_ID"]

        def known() -> None:
            need("onnx", "onnxruntime", "onnxscript")
            from huggingface_hub import HfApi

            with plainly(repo, None, token, writing=True):
                HfApi(token=token).whoami()

        def to_hub(out: Path, bundle: Bundle) -> str:
            with TemporaryDirectory() as folder:
                hub.write(bundle, folder, repo)
                (Path(folder) / train.METRICS_FILE).write_text(_nameless(out), "utf-8")
                return hub.send(folder, repo, private, token, message="Trained by strm kaggle")

        uploads.append(Upload("the Hub", known, to_hub))
    elif "HF_TOKEN" in found:
        print("There is a secret HF_TOKEN but no HF_REPO_ID: the Hub is left out.", file=sys.stderr)
    if "GITHUB_TOKEN" in found:
        name = found.get("HF_REPO_ID", "model").rpartition("/")[2]
        account = github.GitHub(found["GITHUB_TOKEN"], found.get("GITHUB_REPO"))

        def to_github(out: Path, bundle: Bundle) -> str:
            files = {"README.md": (out / CARD_FILE).read_text("utf-8"), train.METRICS_FILE: _nameless(out)}
            files = {f"data/trained/{name}/{file}": text for file, text in files.items()}
            branch = f"training-{bundle.config['weights_sha256'][:8]}"  # the same model, the same branch
            return account.push(files, branch, f"Metrics and card of {name}")

        uploads.append(Upload("GitHub", account.home, to_github))
    return uploads


def _nameless(out: Path) -> str:
    """Return metrics.json for everybody: how many people signed, and not who."""
    metrics = json.loads((out / train.METRICS_FILE).read_text("utf-8"))
    metrics["people"] = len(metrics["people"])
    if "val" in metrics:
        metrics["val_signers"] = len(metrics["val_signers"])
        metrics["val"] = {key: metrics["val"][key] for key in metrics["val"] if not key.startswith("per_s")}
    return json.dumps(metrics, indent=1) + "\n"
