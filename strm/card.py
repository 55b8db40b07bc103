"""The model card: what a repository of the Hub shows of a model, each figure from its own configuration."""

import re
from typing import Any

from strm.bundle import Bundle

TAGS = ["fingerspelling", "sign-language", "hand-landmarks", "mediapipe", "onnx", "pytorch"]
TAGS += ["pytorch_model_hub_mixin", "model_hub_mixin"]  # so that the Hub shows how such a model is loaded
SOURCE = "https://github.com/Hakim78/AI-SignLanguage"


def card(bundle: Bundle, repo_id: str, notes: str = "") -> str:
    """Return README.md of the repository `repo_id`, its metadata in YAML first.

    `notes` is a text (Markdown) on this very model, taken over at the end.
    """
    from huggingface_hub import EvalResult, ModelCardData

    notes = _notes(notes)
    config = bundle.config
    metrics, provenance = (
        config[key] if isinstance(config.get(key), dict) else {} for key in ("metrics", "provenance")
    )
    name, size = repo_id.rpartition("/")[2], sum(p.numel() for p in bundle.model.parameters())
    alphabet = str(config["alphabet"].get("name", "?"))
    results = [
        EvalResult(
            task_type="other",
            dataset_type="hand-landmarks",
            dataset_name="people kept apart from the training",
            metric_type={"macro_f1": "f1"}.get(key, key),
            metric_name={"macro_f1": "macro F1"}.get(key, key),
            metric_value=metrics[key],
        )
        for key in ("accuracy", "macro_f1")
        if isinstance(metrics.get(key), int | float)
    ]
    data = ModelCardData(
        license="mit",
        library_name="strm",
        tags=[*TAGS, alphabet.lower()],
        model_name=name if results else None,
        eval_results=results or None,
    )
    moving = config["alphabet"]["moving"]
    return TEMPLATE.format(
        data=data.to_yaml().strip(),
        repo_id=repo_id,
        alphabet=alphabet,
        size=f"{size:,}",
        classes=" ".join(bundle.class_names),
        number=len(bundle.class_names),
        moving=" and ".join(moving) or "none",
        n=config["n_latent"],
        T=config["T_deep"],
        fps=config["fps"],
        figures=_figures(metrics, repo_id, notes),
        data_said=_data(provenance),
        source=SOURCE,
        notes=notes,
    )


def _figures(metrics: dict[str, Any], repo_id: str, notes: str) -> str:
    if not metrics and notes:
        return "Below, with how they were measured."
    if not metrics:
        return (
            "None: this training kept nobody apart to judge it. Do so, on people who did not train it:\n"
            f"`strm evaluate --csv theirs.csv --model {repo_id}`."
        )
    rows = "".join(
        f"| {key.replace('_', ' ')} | {value:.3f} |\n"
        if isinstance(value, float)
        else f"| {key} | {value} |\n"
        for key, value in metrics.items()
        if isinstance(value, int | float | str)
    )
    return f"""| | |
|---|---|
{rows}
Measured on people who were kept apart from the training. They chose its best epoch, so of strangers it reads
rather less. `n` counts what was judged."""


def _data(provenance: dict[str, Any]) -> str:
    settings = provenance.get("settings")
    settings = settings if isinstance(settings, dict) else {}
    said = {
        "rows of landmarks": provenance.get("rows"),
        "people": provenance.get("people"),
        "epochs": provenance.get("epochs_trained"),
        "strm": provenance.get("strm"),
        "PyTorch": provenance.get("torch"),
    } | {key: value for key, value in settings.items() if isinstance(value, int | float | str)}
    lines = [f"| {key} | {value} |" for key, value in said.items() if value is not None]
    return "\n".join(["| | |", "|---|---|", *lines]) if lines else "Unknown."


def _notes(text: str) -> str:
    """Return a card's own text, without the marks that name a figure's source; nothing of a Hub's card."""
    if not text or text.startswith("---"):
        return ""
    parts = re.sub(r"<!--.*?-->", "", text, flags=re.S).split("```")  # every second one is code
    parts[::2] = [re.sub(r"^(#+)", r"#\1", prose, flags=re.M) for prose in parts[::2]]
    return "\n\n" + "```".join(parts).strip()


TEMPLATE = """---
{data}
---

# S-TRM: reads {alphabet} fingerspelling from hand landmarks

A Stateful Tiny Recursive Model of {size} parameters. It reads the 21 landmarks that MediaPipe finds of a
hand, as 63 numbers a frame, thinks about each frame in {T} cycles of {n} updates, and carries what it
thought to the next frame. It has {number} classes: {classes}. Moving ones: {moving}. It expects {fps:g}
frames a second.

## Use it

```python
from strm.model import TRM

model = TRM.from_pretrained("{repo_id}")  # safetensors, checked; nothing is unpickled
class_names = model.config["class_names"]
```

`strm read photo.jpg --model {repo_id}` reads a photo, `strm demo --model {repo_id}` a webcam. With nothing
but PyTorch and the class:

```python
from huggingface_hub import hf_hub_download
import torch, json
model_path = hf_hub_download(repo_id="{repo_id}", filename="pytorch_model.pt")
config_path = hf_hub_download(repo_id="{repo_id}", filename="config.json")
from strm.model import TRM
with open(config_path) as f:
    config = json.load(f)
model = TRM(input_dim=config["input_dim"], num_classes=config["num_classes"], latent_dim=config["latent_dim"],
            hidden_dim=config["hidden_dim"], n_latent=config["n_latent"], T_deep=config["T_deep"])
model.load_state_dict(torch.load(model_path, map_location="cpu"))
model.eval()
```

`x` is a row of the 63 unscaled numbers of `strm.landmarks.normalise`; the scaler is among the weights.
Without PyTorch: `points.onnx` turns landmarks into the 63 numbers, `model.onnx` these into logits, both
with their state as inputs and outputs.

## Figures

{figures}

## Training

{data_said}

## What it can't do

Fingerspelling is a small part of a sign language, used for names and borrowed words. The language has its
own grammar and lives in movement, space, face and body. This model reads single letters from one hand,
spelling slowly, near a camera. It is no translator, must not stand in for an interpreter, and is no measure
of how well a person signs. Letters that look alike are easily confused. It reads people and cameras that it
has not met less well than those it has. Nothing was measured by age or skin tone on real people, unless it
is said below.

## Files

| file | what it is |
|---|---|
| `model.safetensors` | the weights; their SHA-256 is in `config.json` |
| `config.json` | sizes, classes, preprocessing, constants, figures, provenance |
| `pytorch_model.pt` | the same weights, a plain state dict for `torch.load` |
| `points.onnx`, `model.onnx` | the same without PyTorch |

Code and weights: MIT. Landmarks by MediaPipe Hands (Google). Source, book and citation: {source}.{notes}
"""
