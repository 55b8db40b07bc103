"""What was tried: wirings of the memory and ways of teaching, one change at a time, good and bad.

Who chooses is left out of each training, and is not among those who judge the result in the other tables.
Writes data/results/search.json.
"""

from collections.abc import Callable
from dataclasses import asdict, dataclass, field, replace
from functools import partial
from typing import Any

from torch import nn

from strm.data import split_by_signer
from strm.strangers import CHOSE, FOLDS, judged, summary
from strm.trainer import Trainer
from strm.trials import DRAWN_PEOPLE, NETS, SHAPE, STREAMS, everyone, learned, run_all, with_drawn
from strm.variants import CarriedSupervision, FlatRamps, NoNothing, Wired

# The recipe when the search began: everything that was tried differs from it. What was found is in STREAMS.
BEGAN: dict[str, Any] = {"epochs": 4, "amid": 0.0}
CHOOSERS = tuple(fold for fold in FOLDS if set(fold) & set(CHOSE))


@dataclass(frozen=True)
class Variation:
    """One change of the recipe as it began: of its settings, of the net's wiring, of how it is taught."""

    settings: dict[str, Any] = field(default_factory=dict)
    wiring: dict[str, Any] = field(default_factory=dict)
    trainer: type[Trainer] = Trainer
    drawn_people: int = DRAWN_PEOPLE

    def net(self) -> Callable[..., nn.Module] | None:
        return partial(Wired, **SHAPE, **self.wiring) if self.wiring else None


@dataclass(frozen=True)
class Rival(Variation):
    """The recipe, changed or not, for another net: what is chosen for ours is tried for it too."""

    rival: str = ""

    def net(self) -> Callable[..., nn.Module] | None:
        return NETS[self.rival]


FIRST = "as it began"
LATER: dict[str, Any] = {"amid": 0.5, "epochs": 8}
LESSONS: dict[str, dict[str, Any]] = {
    FIRST: {},
    "8 epochs": {"epochs": 8},
    "photos amid streams": {"amid": 0.5},
    "photos amid streams, 8 epochs": LATER,
    "the same, half the learning rate": LATER | {"lr": 1e-3},
    "the same, twice the learning rate": LATER | {"lr": 4e-3},
    "the same, four times the learning rate": LATER | {"lr": 8e-3},
}
PUPILS = {  # those with a memory are tried with all; those that see one frame, with two
    "gru": ("GRU", tuple(LESSONS)),
    "conv": ("convolution", tuple(LESSONS)),
    "stateless": ("stateless S-TRM", ("photos amid streams, 8 epochs", "the same, twice the learning rate")),
    "mlp": ("MLP", ("photos amid streams, 8 epochs", "the same, twice the learning rate")),
}
FASTER = {name: Variation(settings) for name, settings in LESSONS.items() if name.startswith("the same")}
GROUPS: dict[str, dict[str, Variation]] = {
    "how the memory is wired": {
        "no slot": Variation({"motion": False}),
        "state as starting point": Variation(wiring={"memory": "start", "hidden_dim": 137}),
        "state as starting point, no slot": Variation(
            {"motion": False}, {"memory": "start", "hidden_dim": 137}
        ),
        "gates before the thinking": Variation(wiring={"memory": "before"}),
        "no gates": Variation(wiring={"memory": "ungated", "hidden_dim": 164}),
        "one shared block": Variation(wiring={"shared": True, "hidden_dim": 222}),
        "RMS norm": Variation(wiring={"state_norm": "rms"}),
        "no norm": Variation(wiring={"state_norm": "none"}),
        "30% of states dropped": Variation(wiring={"dropped": 0.3}),
    },
    "how long it thinks": {
        "n = 1, T = 1": Variation({"n_latent": 1, "T_deep": 1}),
        "n = 2, T = 3": Variation({"n_latent": 2, "T_deep": 3}),
        "n = 6, T = 3": Variation({"n_latent": 6, "T_deep": 3}),
    },
    "how it is taught": {
        "half as long streams": Variation({"seq_len": 16}),
        "twice as long streams": Variation({"seq_len": 64, "batch_size": 64}),
        "carried supervision": Variation(trainer=CarriedSupervision),
        "no average of weights": Variation({"ema": 0.0}),
        "flat ramps": Variation(trainer=FlatRamps),
        "no 'nothing' for stopped hands": Variation(trainer=NoNothing),
        "last answer only": Variation({"loss_decay": 0.0}),
        "dropout 0.1": Variation({"dropout": 0.1}),
        "2 epochs": Variation({"epochs": 2}),
        "8 epochs": Variation({"epochs": 8}),
        "batch of 256": Variation({"batch_size": 256, "lr": 3e-3}),
        "half the learning rate": Variation({"lr": 1e-3}),
        "twice the learning rate": Variation({"lr": 4e-3}),
    },
    "what it is taught with": {
        "no album": Variation({"album": 0}),
        "no drawn people": Variation({"drawn_streams": 0}, drawn_people=0),
        "no drawn streams": Variation({"drawn_streams": 0}),
        "3,000 drawn streams": Variation({"drawn_streams": 3000}),
        "drawn people count as 5": Variation(drawn_people=5),
        "photos amid streams": Variation({"amid": 0.5}),
        "most photos amid streams": Variation({"amid": 0.8}),
        "photos amid streams, 8 epochs": Variation(LATER),
        **FASTER,
        "photos amid streams, 12 epochs": Variation(LATER | {"epochs": 12}),
    },
    "what rivals learn from the same": {
        f"{called}, {lessons}": Rival(LESSONS[lessons], rival=net)
        for net, (called, tried) in PUPILS.items()
        for lessons in tried
    },
}
VARIATIONS = {FIRST: Variation()} | {name: v for group in GROUPS.values() for name, v in group.items()}


def _task(name: str, fold: tuple[str, ...], seed: int) -> dict[str, Any]:
    variation = VARIATIONS[name]
    settings = replace(STREAMS, seed=seed, **BEGAN | variation.settings)
    bundle = learned(
        lambda: with_drawn(split_by_signer(everyone(), fold)[0], variation.drawn_people),
        settings,
        variation.net(),
        variation,
        fold,
        trainer=variation.trainer,
    )
    size = sum(p.numel() for p in bundle.model.parameters())
    return {"parameters": size, "people": judged(bundle, fold, seed)}


def search_table(seeds: int, workers: int) -> dict[str, Any]:
    """Everything that data/results/search.json tells."""
    jobs = [(name, fold, seed) for seed in range(seeds) for name in VARIATIONS for fold in CHOOSERS]
    done = dict(zip(jobs, run_all("search", _task, jobs, workers), strict=True))
    out: dict[str, Any] = {"settings": asdict(replace(STREAMS, **BEGAN)), "seeds": seeds}
    out |= {"choosers": CHOOSERS, "groups": {title: [*group] for title, group in GROUPS.items()}, "tried": {}}
    for name in VARIATIONS:
        runs = [[done[name, fold, seed] for fold in CHOOSERS] for seed in range(seeds)]
        people = [{p: r for part in run for p, r in part["people"].items()} for run in runs]
        out["tried"][name] = {"parameters": runs[0][0]["parameters"]} | summary(people)
    return out
