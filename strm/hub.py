"""Share a model on the Hugging Face Hub, and load one: by a folder's name or a repository's, all alike."""

import copy
import hashlib
import json
import os
import re
import tempfile
from collections.abc import Mapping
from contextlib import suppress
from io import BytesIO
from pathlib import Path
from typing import Any

import safetensors.torch
from huggingface_hub import CommitOperationAdd, HfApi, get_hf_file_metadata, hf_hub_download, hf_hub_url
from huggingface_hub.errors import LocalEntryNotFoundError
from huggingface_hub.utils import validate_repo_id

from strm.bundle import HUB_CONFIG_FILE, HUB_WEIGHTS_FILE, LARGEST_FILE, Bundle, load
from strm.checkpoint import packed
from strm.files import UserError, replacing
from strm.hub_errors import LOG_IN, NETWORK, TOKENS, missing, plainly, usable

PLAIN_FILE, CARD_FILE = "pytorch_model.pt", "README.md"
PATIENCE = 8  # seconds for the first answer: where none comes, the cache answers
_REPOSITORY = re.compile(r"[A-Za-z0-9][\w.-]*/[A-Za-z0-9][\w.-]*")


def fetch(
    model: str | Path,
    revision: str | None = None,
    token: str | bool | None = None,
    **options: Any,
) -> Bundle:
    """Load a model from a folder, or from a repository of the Hub: "user/name" or "user/name@revision".

    All that takes `--model` goes through here. A repository is fetched once and kept in the Hub's own cache;
    without a network, what is kept is read. `options` are hf_hub_download's: cache_dir, local_files_only,
    force_download. Raises UserError, one sentence, for all that goes wrong.
    """
    repo, _, at = str(model).partition("@")
    here = os.path.exists(model) or (not at and os.path.isdir(os.path.dirname(model)))
    if isinstance(model, Path) or here or not _REPOSITORY.fullmatch(repo):
        return load(model)
    secret, revision = usable(token), revision or at or None
    if ".." in (revision or ""):  # it becomes a file's name in the cache
        raise UserError(f"{repo} has no revision {revision}: name a branch, a tag or a commit of it.")
    options = {**options, "token": secret}
    with plainly(repo, revision, secret):
        folder = _download(repo, revision, options)
        try:
            return load(folder)
        except UserError:  # perhaps our copy only is damaged
            return load(_download(repo, revision, options | {"force_download": True}))


def _download(repo: str, revision: str | None, options: dict[str, Any]) -> Path:
    """Return the cache's folder with both files, of one commit."""

    def files(**changed) -> Path:
        config = Path(hf_hub_download(repo, HUB_CONFIG_FILE, revision=revision, **options | changed))
        hf_hub_download(repo, HUB_WEIGHTS_FILE, revision=config.parent.name, **options | changed)
        return config.parent

    kept = {"local_files_only": True, "force_download": False}
    if options.get("local_files_only"):
        return files(**kept)
    if re.fullmatch("[0-9a-f]{40}", revision or "") and not options.get("force_download"):
        with suppress(LocalEntryNotFoundError):  # a commit never changes: no need to ask
            return files(**kept)
    try:
        for name in (HUB_CONFIG_FILE, HUB_WEIGHTS_FILE):
            url = hf_hub_url(repo, name, revision=revision)
            size = get_hf_file_metadata(url, token=options["token"], timeout=PATIENCE).size or 0
            if size > LARGEST_FILE:
                raise UserError(f"{repo} has a {name} of {size >> 20} MB: it is no model of `strm push`.")
    except NETWORK as error:
        if not missing(error):
            raise
        try:
            return files(**kept)
        except LocalEntryNotFoundError:
            raise error from None
    return files()


def push(
    model: str | Path | Bundle,
    repo_id: str,
    private: bool = False,
    token: str | None = None,
    revision: str | None = None,
    message: str | None = None,
    more: Mapping[str, str] | None = None,
) -> str:
    """Send a model, a folder's or a bundle, to the Hub in one commit, and return the commit's URL.

    The repository is made where it is missing, the branch `revision` too. `token` must have the right to
    write; without one, that of HF_TOKEN or of `hf auth login` is taken. `more`: texts that go along, by their
    names. Raises UserError, one sentence, for all that goes wrong.
    """
    secret = usable(token)
    if not secret:
        raise UserError(f"There is no token for the Hub: make one that may write at {TOKENS}, then {LOG_IN}.")
    bundle = model if isinstance(model, Bundle) else fetch(model)
    notes = None if isinstance(model, Bundle) else Path(model) / CARD_FILE
    with plainly(repo_id, revision, secret, writing=True):  # before what takes long
        validate_repo_id(repo_id)
        account = HfApi().whoami(token=secret)["name"]
    repo_id = repo_id if "/" in repo_id else f"{account}/{repo_id}"
    with tempfile.TemporaryDirectory() as folder:
        write(bundle, folder, repo_id, notes)
        for name, text in (more or {}).items():
            (Path(folder) / name).write_text(text, "utf-8")
        return send(folder, repo_id, private, secret, revision, message)


def send(
    folder: str | Path,
    repo_id: str,
    private: bool = False,
    token: str | bool | None = None,
    revision: str | None = None,
    message: str | None = None,
) -> str:
    """Do the last step of `push`: send what `write` made, in one commit."""
    load(folder)  # nobody is sent what we would refuse
    secret = usable(token)
    with plainly(repo_id, revision, secret, writing=True):
        return _commit(Path(folder), repo_id, private, secret, revision, message or "Push an S-TRM")


def _commit(
    folder: Path, repo_id: str, private: bool, token: str | bool, revision: str | None, message: str
) -> str:
    api, new = HfApi(token=token), None
    repo_id = api.create_repo(repo_id, private=private or None, exist_ok=True).repo_id
    if private and not api.model_info(repo_id).private:
        raise UserError(
            f"{repo_id} is public already: make it private in its settings on the Hub, or take another name."
        )
    # create_commit, as upload_folder may make several of one folder; from memory, which sends by plain HTTP.
    files = [CommitOperationAdd(path.name, BytesIO(path.read_bytes())) for path in sorted(folder.iterdir())]
    if revision and all(branch.name != revision for branch in api.list_repo_refs(repo_id).branches):
        api.create_branch(repo_id, branch=(new := revision))
    try:
        return api.create_commit(repo_id, files, commit_message=message, revision=revision).commit_url
    except BaseException:
        if new:  # else a branch of this name would hold the model of another
            with suppress(Exception):
                api.delete_branch(repo_id, branch=new)
        raise


def nameless(config: dict[str, Any]) -> dict[str, Any]:
    """Return a configuration for everybody: with the number of those who signed instead of their names."""
    provenance = config.get("provenance")
    if not isinstance(provenance, dict) or not isinstance(provenance.get("people"), list):
        return config
    return config | {"provenance": provenance | {"people": len(provenance["people"])}}


def write(bundle: Bundle, folder: str | Path, repo_id: str = "user/name", notes: Path | None = None) -> None:
    """Write all that a repository of the Hub holds into `folder`: weights twice, config, ONNX and the card.

    config.json is `bundle.config` without the names of the people who signed (`nameless`).
    `notes` is a text that the card takes over.
    """
    from strm.card import card
    from strm.export import export

    folder, model = Path(folder), copy.deepcopy(bundle.model).cpu().eval()
    if "class_names" not in bundle.config:
        raise UserError(
            "This model does not know its classes: pass config=strm.bundle.describe(model, classes, …)."
        )
    state = {name: value.contiguous() for name, value in model.state_dict().items()}
    weights = safetensors.torch.save(state, metadata={"format": "pt"})
    config = nameless(bundle.config) | {"weights_sha256": hashlib.sha256(weights).hexdigest()}
    sent = Bundle(model, config)
    said = notes.read_text("utf-8", errors="replace") if notes and notes.is_file() else ""
    contents = {
        HUB_WEIGHTS_FILE: weights,
        PLAIN_FILE: packed(state),
        HUB_CONFIG_FILE: (json.dumps(config, indent=1, ensure_ascii=False) + "\n").encode(),
        CARD_FILE: card(sent, repo_id, said).encode(),
    }
    for name, content in contents.items():
        with replacing(folder / name) as path:
            path.write_bytes(content)
    export(sent, folder)  # at last, for it takes long
