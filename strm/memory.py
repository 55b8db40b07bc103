"""What memory is worth, on drawn people only: I or J, D or Z, moving and still. Anybody can make this table.

One change at a time: the gradient that crosses the frames, the gates that forget, the place where the state
enters, the still poses among the lessons, and rivals of the same size. Writes data/results/memory.json.
"""

import hashlib
import inspect
from collections.abc import Callable
from dataclasses import asdict, dataclass, replace
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
from torch import Tensor, nn

from strm import moving, pairs
from strm.alphabet import ASL
from strm.bundle import Bundle
from strm.data import people
from strm.evaluate import evaluate, model_input
from strm.model import TRM, State
from strm.moving import Teacher, Usual, followers, strokes, tables, usual
from strm.rivals import GRU, MLP, Conv, StatelessTRM
from strm.train import fit
from strm.trainer import Settings
from strm.trials import learned, run_all, spread
from strm.variants import Wired

# Without the motion slot: nothing but a net's own memory knows what moved.
RECIPE = Settings(
    epochs=8,
    batch_size=96,
    lr=3e-3,
    sequence_mode=True,
    seq_len=24,
    n_latent=2,
    T_deep=2,
    dropout=0.0,
    per_letter=40,
    motion=False,
    album=0,
    drawn_streams=1500,
)


class Detached(TRM):
    """Carries its state like ours, and cuts the gradient there: what came before is never to blame."""

    def think(self, seen: Tensor, state: State) -> tuple[list[Tensor], State]:
        """Think about one frame, as `TRM.think`."""
        return super().think(seen, (state[0].detach(), state[1].detach()))


@dataclass(frozen=True)
class Variant:
    """A net, the lessons it gets, and whether the wrist's slot tells it what moved."""

    net: Callable[..., nn.Module]
    still_poses: bool = True
    motion: bool = False

    def learn(self, seed: int = 0, keep: tuple | None = None, **changes: Any) -> Bundle:
        """Train it; keep: a name under which `strm.trials.learned` keeps the model."""
        settings = replace(RECIPE, seed=seed, motion=self.motion, **changes)
        trainer, table = (Teacher, tables()[0]) if self.still_poses else (Usual, usual(tables()[0]))
        if keep:
            return learned(lambda: table, settings, self.net, *keep, trainer=trainer)
        return fit(table, settings, net=self.net, trainer=trainer, progress=False)


SHAPE: dict[str, Any] = {"n_latent": 2, "T_deep": 2, "dropout": 0.0}
OURS, STATELESS = partial(TRM, **SHAPE), partial(StatelessTRM, **SHAPE)
VARIANTS = {
    "ours": Variant(OURS),
    "gradient cut": Variant(partial(Detached, **SHAPE)),
    "no gates": Variant(partial(Wired, memory="ungated", hidden_dim=164, **SHAPE)),
    "starting point": Variant(partial(Wired, memory="start", hidden_dim=137, **SHAPE)),
    "no still poses": Variant(OURS, still_poses=False),
    "stateless": Variant(STATELESS),
    "stateless, no still poses": Variant(STATELESS, still_poses=False),
    "mlp": Variant(partial(MLP, dropout=0.0)),
    "conv": Variant(partial(Conv, dropout=0.0)),
    "gru": Variant(partial(GRU, dropout=0.0)),
    "ours with slot": Variant(OURS, motion=True),
    "stateless with slot": Variant(STATELESS, motion=True),
}


def let_go(bundle: Bundle) -> float:
    """Return the share of second letters that are read as themselves, by the mean over their hold."""
    right = []
    for clip in followers():
        x = model_input(clip.hands[None], bundle.config["preprocessing"]["motion"])
        logits, _ = bundle.model.forward_sequence(x)
        mean = logits[0, -int(clip.name) :].softmax(-1).mean(0)
        right.append(bundle.class_names[int(mean.argmax())] == clip.label)
    return float(np.mean(right))


def judged(bundle: Bundle) -> dict[str, Any]:
    """Let the judges read: minimal pairs by letter and kind, clips of letters, letters after letters."""
    trials, out = strokes(), {}
    report = pairs.judge(bundle, trials)
    for letter in ASL.moving:
        rows = [shares[letter] for shares in report["per_person"].values() if letter in shares]
        for kind in ("moving", "stopped", "turned", "start", "as_start", "balanced"):
            out[f"{letter}_{kind}"] = float(np.mean([row[kind] for row in rows if kind in row]))
    table = tables()[1]
    letters = evaluate(bundle, table[table["label"] != ASL.nothing], sequence_mode=True)
    return out | {"pairs": report["balanced"], "clips": letters["accuracy"], "next": let_go(bundle)}


def _code() -> str:
    """Name the code that a training here depends on, besides that of all trainings."""
    text = Path(moving.__file__).read_text("utf-8") + "".join(map(inspect.getsource, (Detached, Variant)))
    return hashlib.sha256(text.encode()).hexdigest()[:12]


def _task(name: str, seed: int, code: str) -> dict[str, Any]:
    bundle = VARIANTS[name].learn(seed, keep=("memory", name, code))
    size = sum(p.numel() for p in bundle.model.parameters())
    return {"parameters": size} | judged(bundle)


def memory_table(seeds: int, workers: int) -> dict[str, Any]:
    """Everything that data/results/memory.json tells."""
    jobs = [(name, seed, _code()) for seed in range(seeds) for name in VARIANTS]
    done = dict(zip(jobs, run_all("memory", _task, jobs, workers), strict=True))
    who = sorted({*people(tables()[1])})
    out: dict[str, Any] = {"settings": asdict(RECIPE), "seeds": seeds, "judges": who, "nets": {}}
    out["strokes"] = sum(trial.kind == "moving" for trial in strokes())
    for name in VARIANTS:
        runs = [done[name, seed, _code()] for seed in range(seeds)]
        one = {measure: spread([run[measure] for run in runs]) for measure in runs[0]}
        out["nets"][name] = one | {"parameters": runs[0]["parameters"]}
    return out
