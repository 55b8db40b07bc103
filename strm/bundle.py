"""The saved model: three files, checked before use. Nothing that came from elsewhere is ever unpickled."""

import hashlib
import io
import json
from contextlib import ExitStack
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import joblib
import safetensors.torch
import torch
from sklearn.preprocessing import StandardScaler

from strm.alphabet import ASL
from strm.checkpoint import packed
from strm.files import UserError, replacing
from strm.foreign import check_archive, read_bytes
from strm.landmarks import FEATURES, FPS, PALM_MS, WRIST_MS
from strm.model import TRM

WEIGHTS_FILE, CONFIG_FILE, SCALER_FILE = "trm_best.pt", "trm_config.json", "trm_scaler.joblib"
HUB_WEIGHTS_FILE, HUB_CONFIG_FILE = "model.safetensors", "config.json"  # what the Hugging Face Hub calls them
SHAPE = ("input_dim", "num_classes", "latent_dim", "hidden_dim", "n_latent", "T_deep")
LARGEST = 1024  # no honest size of this model is larger: a hostile config must not fill the memory
LARGEST_CONFIG = 4 << 20  # bytes; as Python's lists, they take twenty times as much
MOST_STEPS = 1024  # updates of z in a frame: more would stand still
LONGEST_NAME = 64  # characters of a class
LARGEST_FILE = 64 << 20  # bytes; the weights of a model of these sizes have at most 52 MB
_HERE = Path(__file__).parent
# The weights that ship: data/weights in a checkout, inside the package once installed.
WEIGHTS = next(
    (w for w in (_HERE.parent / "data" / "weights", _HERE / "_weights") if w.is_dir()), _HERE / "_weights"
)


@dataclass
class Bundle:
    """A trained model in eval mode and the configuration that it needs to be used.

    `config` holds the sizes, `class_names`, `fps`, `alphabet`, `scaler` (mean and scale of the 63 numbers),
    `preprocessing`, `metrics` and `provenance`. `history` has one dictionary an epoch.
    """

    model: TRM
    config: dict[str, Any]
    history: list[dict[str, float]] = field(default_factory=list)

    def __post_init__(self) -> None:
        if isinstance(self.model, TRM):
            self.model._hub_mixin_config = self.config  # so that model.config and model.push_to_hub know it

    @property
    def class_names(self) -> list[str]:
        """The classes in the order of the logits."""
        return self.config["class_names"]

    def save(self, folder: str | Path) -> None:
        """Write weights, configuration and, for users of scikit-learn, the scaler (never read back).

        Raises UserError for a model that diverged: `load` would refuse it.
        """
        if not all(torch.isfinite(value).all() for value in self.model.state_dict().values()):
            raise UserError("The training diverged, its weights are no numbers: choose a smaller --lr.")
        folder = Path(folder)
        mean, scale = self.model.mean.double().numpy(), self.model.scale.double().numpy()
        weights = packed({name: value.detach().cpu() for name, value in self.model.state_dict().items()})
        self.config["weights_sha256"] = hashlib.sha256(weights).hexdigest()
        scaler = StandardScaler()
        scaler.mean_, scaler.scale_, scaler.var_, scaler.n_features_in_ = mean, scale, scale**2, len(mean)
        config = json.dumps(self.config, indent=1, ensure_ascii=False) + "\n"
        # All are written before the first takes its old one's place: a full disk leaves the old model whole.
        with ExitStack() as stack:
            names = (CONFIG_FILE, SCALER_FILE, WEIGHTS_FILE)
            parts = [stack.enter_context(replacing(folder / name)) for name in names]
            parts[0].write_text(config, encoding="utf-8")
            joblib.dump(scaler, parts[1])
            parts[2].write_bytes(weights)


def describe(
    model: TRM, classes: list[str], dropout: float, motion: bool, provenance: dict
) -> dict[str, Any]:
    """Return the configuration of a model that answers with these classes."""
    return {
        "model": type(model).__name__,
        "input_dim": len(model.mean),
        "num_classes": len(classes),
        "latent_dim": len(model.y_reset),
        "hidden_dim": model.latent.first.out_features,
        "n_latent": model.n_latent,
        "T_deep": model.T_deep,
        "dropout": dropout,
        "class_names": classes,
        "fps": FPS,
        "alphabet": {"name": ASL.name, "moving": ASL.moving, "nothing": ASL.nothing},
        "preprocessing": {
            "function": "strm.landmarks.normalise",
            "wrist_ms": WRIST_MS,
            "palm_ms": PALM_MS,
            "motion": motion,
        },
        "scaler": {"mean": model.mean.tolist(), "scale": model.scale.tolist()},
        "metrics": {},
        "provenance": provenance,
    }


def load(folder: str | Path) -> Bundle:
    """Load what `Bundle.save` wrote, or what `strm.hub` fetched, both files checked before use.

    Raises UserError, in one sentence, for a folder that holds no such model.
    """
    folder = Path(folder)
    if folder.is_file():
        raise UserError(f"{folder} is a file: name its folder, {folder.parent}.")
    from_hub = (folder / HUB_CONFIG_FILE).is_file() and not (folder / CONFIG_FILE).is_file()
    names = (HUB_CONFIG_FILE, HUB_WEIGHTS_FILE) if from_hub else (CONFIG_FILE, WEIGHTS_FILE)
    again = "fetch the folder again" if from_hub else "train again"
    for name in names:
        if not (folder / name).is_file():
            advice = again if from_hub else f"train a model into it (strm train --out_dir {folder})"
            raise UserError(f"{folder} holds no {name}: {advice}.")
        if (size := (folder / name).stat().st_size) > LARGEST_FILE:
            raise UserError(f"{folder / name} has {size >> 20} MB, more than any model of ours: {again}.")
    config = _config(folder / names[0])
    path, foreign = folder / names[1], "is not the model that its configuration describes"
    content = path.read_bytes()
    if hashlib.sha256(content).hexdigest() != config["weights_sha256"]:
        raise UserError(f"{path} {foreign} (damaged, or from elsewhere): {again} or copy both files again.")
    try:  # plain tensors only: no code can run
        if from_hub:
            state = safetensors.torch.load(content)
        else:
            check_archive(content)
            state = torch.load(io.BytesIO(content), map_location="cpu", weights_only=True)
    except Exception as error:  # both raise many kinds for a broken file; none of them is the user's concern
        raise UserError(f"{path} is no file of plain weights ({type(error).__name__}): {again}.") from None
    model = TRM(**{name: config[name] for name in SHAPE}, dropout=config["dropout"])
    try:
        model.load_state_dict(state)
    except (RuntimeError, TypeError, AttributeError):
        raise UserError(f"{path} {foreign}: its tensors have other names or shapes.") from None
    if (
        not all(torch.isfinite(value).all() for value in model.state_dict().values())
        or (model.scale <= 0).any()
    ):
        raise UserError(f"{path} holds NaN, infinite or zero constants: {again}.")
    return Bundle(model.eval(), config)


def _config(path: Path) -> dict[str, Any]:
    try:
        config = json.loads(read_bytes(path, LARGEST_CONFIG))
    except (OSError, ValueError, RecursionError) as error:
        raise UserError(
            f"{path} is not a readable JSON file ({type(error).__name__}): copy it again."
        ) from None
    broken = UserError(f"{path} is not the configuration of an S-TRM: it lacks or misstates")
    if not isinstance(config, dict):
        raise UserError(f"{broken} everything.")
    for name in SHAPE:
        if type(config.get(name)) is not int or not 1 <= config[name] <= LARGEST:
            raise UserError(f"{broken} {name}.")
    if config["n_latent"] * config["T_deep"] > MOST_STEPS:
        raise UserError(f"{broken} n_latent and T_deep: together they are too many steps.")
    if config["input_dim"] != FEATURES:
        raise UserError(f"{broken} input_dim: a hand has {FEATURES} numbers.")
    if not isinstance(config.get("dropout"), int | float) or not 0 <= config["dropout"] < 1:
        raise UserError(f"{broken} dropout.")
    if not isinstance(config.get("fps"), int | float) or not 1 <= config["fps"] <= LARGEST:
        raise UserError(f"{broken} fps.")
    names = config.get("class_names")
    if (
        not isinstance(names, list)
        or len(names) != config["num_classes"]
        or not all(isinstance(n, str) and n.isprintable() and 0 < len(n) <= LONGEST_NAME for n in names)
        or len(set(names)) != len(names)
    ):
        raise UserError(f"{broken} class_names.")
    alphabet, preprocessing = config.get("alphabet"), config.get("preprocessing")
    if (
        not isinstance(alphabet, dict)
        or not isinstance(alphabet.get("moving"), dict)
        or not all(isinstance(start, str) for start in alphabet["moving"].values())
        or not isinstance(alphabet.get("nothing"), str)
    ):
        raise UserError(f"{broken} alphabet.")
    if not isinstance(preprocessing, dict) or not isinstance(preprocessing.get("motion"), bool):
        raise UserError(f"{broken} preprocessing.")
    if not isinstance(config.get("weights_sha256"), str):
        raise UserError(f"{broken} weights_sha256.")
    return config
