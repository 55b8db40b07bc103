"""What the model has from the Hugging Face Hub: `TRM.from_pretrained`, `save_pretrained`, `push_to_hub`.

The interface is huggingface_hub's PyTorchModelHubMixin, as in thousands of models. Ours asks for more before
it believes a file, and sends more than weights: all of it is in `strm.hub`, imported when it is called for.
"""

from pathlib import Path
from typing import Any, TypeVar

from huggingface_hub import PyTorchModelHubMixin

Model = TypeVar("Model", bound="Pretrained")


class Pretrained(PyTorchModelHubMixin):
    """A model that can be fetched from the Hub and pushed to it, with the configuration that it needs."""

    @property
    def config(self) -> dict[str, Any]:
        """Its sizes; of a trained model also `class_names`, `preprocessing` and all else of `strm.bundle`."""
        return self._hub_mixin_config  # type: ignore[return-value]  # a dictionary ever since __new__

    @classmethod
    def from_pretrained(  # type: ignore[override]  # no arguments for the constructor: the file knows them
        cls: type[Model],
        pretrained_model_name_or_path: str | Path,
        *,
        revision: str | None = None,
        token: str | bool | None = None,
        cache_dir: str | Path | None = None,
        local_files_only: bool = False,
        force_download: bool = False,
    ) -> Model:
        """Return the model of a folder, or of a repository of the Hub ("user/name"), in eval mode.

        `revision` is a branch, a tag or a commit. Only safetensors are read, nothing is unpickled; sizes,
        classes and the hash of the weights are checked. Raises UserError, one sentence, where that fails.
        """
        from strm.files import UserError
        from strm.hub import fetch

        where = {"cache_dir": cache_dir, "local_files_only": local_files_only}
        name = pretrained_model_name_or_path
        model = fetch(name, revision, token, force_download=force_download, **where).model
        if not isinstance(model, cls):
            raise UserError(f"{name} holds a {type(model).__name__}, not a {cls.__name__}.")
        return model

    def push_to_hub(  # type: ignore[override]  # always one commit of the same files: no patterns to choose them
        self,
        repo_id: str,
        *,
        config: dict[str, Any] | None = None,
        commit_message: str | None = None,
        private: bool = False,
        token: str | None = None,
        branch: str | None = None,
        model_card_kwargs: None = None,  # save_pretrained(push_to_hub=True) says so; our card fills itself in
    ) -> str:
        """Send the model to the Hub in one commit and return the commit's URL.

        `config` says what a model trained by hand cannot know of itself (`strm.bundle.describe`).
        """
        from strm.hub import push

        return push(self._bundle(config), repo_id, private, token, branch, commit_message)

    def _save_pretrained(self, save_directory: Path) -> None:
        from strm.hub import write

        write(self._bundle(None), save_directory)

    def _bundle(self, config: dict[str, Any] | None):
        from strm.bundle import Bundle

        return Bundle(self, config or self.config)  # type: ignore[arg-type]
