"""What memory is worth, on drawn people only: I or J, D or Z, moving and still. Anybody can make this table.

One change at a time: the gradient that crosses the frames, the gates that forget, the place where the state
enters, the still poses among the lessons, and rivals of the same size. Writes data/results/memory.json.
The recipe was chosen in view of the seven people of `moving.tables`. So others judge: drawn for it only.
"""

import hashlib
import inspect
from collections.abc import Callable
from dataclasses import asdict, dataclass, replace
from functools import lru_cache, partial
from pathlib import Path
from typing import Any

import numpy as np
from torch import Tensor, nn

from strm import moving, pairs
from strm.alphabet import ASL
from strm.bundle import Bundle
from strm.data import COMING, Clip
from strm.evaluate import clip_probabilities, model_input
from strm.model import TRM, State
from strm.moving import LETTERS, Teacher, Usual, followers, points_of, tables, usual
from strm.rivals import GRU, MLP, Conv, StatelessTRM
from strm.studio import random_signer
from strm.studio.streams import lesson
from strm.train import fit
from strm.trainer import Settings
from strm.trials import learned, run_all, spread
from strm.variants import Wired

PEOPLE, EACH, STRANGERS_SEED = 30, 2, 271_828  # who judges, and how often each shows a letter
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


@lru_cache(maxsize=1)
def strangers() -> list[Clip]:
    """Return clips of the four letters by people drawn for judging only, of a seed that nothing else uses."""
    rng, out = np.random.default_rng(STRANGERS_SEED), []
    for number in range(PEOPLE):
        signer = random_signer(rng)
        for letter in EACH * LETTERS:
            motion = lesson(letter, signer, rng)
            coming = int(np.isin(motion.phases, COMING).argmin())  # the first frame that is on no way
            x = points_of(motion, signer, rng)[coming:]
            out.append(Clip(letter, f"stranger {number}", "", "", x))
    return out


@lru_cache(maxsize=1)
def minimal_pairs() -> list[pairs.Trial]:
    """Return every stroke of the strangers, and its poses that stand still."""
    return pairs.trials(strangers(), np.random.default_rng(STRANGERS_SEED))


def judged(bundle: Bundle) -> dict[str, Any]:
    """Let a net read strangers: minimal pairs by letter and kind, clips of letters, letters after letters."""
    out: dict[str, Any] = {}
    report = pairs.judge(bundle, minimal_pairs())
    for letter in ASL.moving:
        rows = [shares[letter] for shares in report["per_person"].values() if letter in shares]
        for kind in ("moving", "stopped", "turned", "start", "as_start", "balanced"):
            out[f"{letter}_{kind}"] = float(np.mean([row[kind] for row in rows if kind in row]))
    names = np.array(bundle.class_names, dtype=object)
    read = names[clip_probabilities(bundle, [clip.hands for clip in strangers()]).argmax(1)]
    clips = np.mean([clip.label == letter for clip, letter in zip(strangers(), read, strict=True)])
    return out | {"pairs": report["balanced"], "clips": float(clips), "next": let_go(bundle)}


def _code(*parts: Any) -> str:
    """Name the code that a result here depends on, besides what `strm.trials` looks at."""
    text = Path(moving.__file__).read_text("utf-8") + "".join(map(inspect.getsource, parts))
    return hashlib.sha256(text.encode()).hexdigest()[:12]


def _task(name: str, seed: int, training: str, judging: str) -> dict[str, Any]:
    """Train, or take up, one net, and judge it; the two hashes say by which code."""
    bundle = VARIANTS[name].learn(seed, keep=("memory", name, training))
    size = sum(p.numel() for p in bundle.model.parameters())
    return {"parameters": size} | judged(bundle)


def memory_table(seeds: int, workers: int) -> dict[str, Any]:
    """Everything that data/results/memory.json tells."""
    code = _code(Detached, Variant), _code(strangers, minimal_pairs, judged, let_go)
    jobs = [(name, seed, *code) for seed in range(seeds) for name in VARIANTS]
    done = dict(zip(jobs, run_all("memory", _task, jobs, workers), strict=True))
    out: dict[str, Any] = {"settings": asdict(RECIPE), "seeds": seeds, "judges": PEOPLE, "nets": {}}
    out["strokes"] = sum(trial.kind == "moving" for trial in minimal_pairs())
    for name in VARIANTS:
        runs = [done[job] for job in jobs if job[0] == name]
        one = {measure: spread([run[measure] for run in runs]) for measure in runs[0]}
        out["nets"][name] = one | {"parameters": runs[0]["parameters"]}
    return out
