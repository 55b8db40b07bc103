"""One pupil of nine teachers: what they say together, and that the pupil listens."""

from functools import partial
from pathlib import Path

import numpy as np
import torch
import torch.nn.functional as F
from made_up import photos, read

from strm import taught
from strm.bundle import Bundle
from strm.data import hands
from strm.evaluate import clip_probabilities, evaluate
from strm.loss import DeepSupervisionLoss
from strm.model import TRM
from strm.rivals import GRU
from strm.train import fit
from strm.trainer import Settings

RESULTS = Path(__file__).parents[1] / "data" / "results"
QUICK = Settings(epochs=3, batch_size=32, lr=2e-3, n_latent=1, T_deep=2, dropout=0.0, per_letter=20, ema=0.0)


def test_several_nets_say_the_mean_of_what_each_says():
    torch.manual_seed(0)
    nets = [TRM(num_classes=5, n_latent=1, T_deep=1).eval(), GRU(num_classes=5).eval()]
    x = torch.randn(3, 6, 63)
    logits, state = taught.Together(nets).forward_sequence(x[:, :4])
    rest, _ = taught.Together(nets).forward_sequence(x[:, 4:], state)
    each = [net.forward_sequence(x)[0].softmax(-1) for net in nets]
    said = torch.cat([logits, rest], 1).exp()
    assert torch.allclose(said, (each[0] + each[1]) / 2, atol=1e-5), "each has a state of its own"
    assert torch.allclose(said.sum(-1), torch.ones(3, 6), atol=1e-5), "probabilities, as far as logits go"


def test_a_sure_opinion_is_a_target_like_any_other():
    torch.manual_seed(1)
    logits, targets = [torch.randn(4, 7, 5) for _ in range(2)], torch.randint(5, (4, 7))
    weights, loss = torch.rand(4, 7), DeepSupervisionLoss(5, 0.9, 0.0)
    sure = F.one_hot(targets, 5).float()
    assert torch.allclose(loss(logits, sure, weights), loss(logits, targets, weights), atol=1e-6)
    torn = DeepSupervisionLoss(2, 0.9, 0.0)([torch.zeros(1, 2)], torch.tensor([[0.5, 0.5]]))
    assert torch.isclose(torn, torch.tensor(np.log(2.0), dtype=torch.float32)), "entropy is what it costs"


class Stubborn(torch.nn.Module):
    """A teacher that takes every hand for one class."""

    def __init__(self, classes: int, number: int):
        super().__init__()
        self.said = torch.full((classes,), 1e-6).log()
        self.said[number] = 0.0

    def forward_sequence(self, x, state=None, lengths=None, reset=None):
        return self.said.expand(*x.shape[:2], -1), None


def test_a_pupil_listens_to_its_teachers(tmp_path, monkeypatch):
    """Teachers that lie make a pupil that errs: with the whole loss theirs, it says what they say."""
    table = read(photos("ABL", people=3, each=12), tmp_path)
    honest = evaluate(fit(table, QUICK, progress=False), table)["accuracy"]
    monkeypatch.setattr(taught, "SHARE", 1.0)
    trainer = partial(taught.Pupil, teachers=Stubborn(3, 1))
    liar = fit(table, QUICK, progress=False, trainer=trainer)
    said = clip_probabilities(liar, list(hands(table)[:, None])).argmax(1)
    assert honest >= 0.9 and set(said) == {1}
    monkeypatch.setattr(taught, "SHARE", 0.0)
    deaf = fit(table, QUICK, progress=False, trainer=trainer)
    plain = fit(table, QUICK, progress=False)
    same = zip(deaf.model.parameters(), plain.model.parameters(), strict=True)
    assert all(torch.equal(a, b) for a, b in same), "a pupil that does not listen learns as without teachers"


def test_the_teachers_of_a_fold_have_not_met_who_judges_it(monkeypatch):
    asked, learned_from = [], []

    def contestant(net, motion, fold, seed):
        asked.append((net, motion, fold, seed))
        return Bundle(GRU(num_classes=3).eval(), {"class_names": ["A", "B", "L"]})

    def fit_(table, settings, net=None, trainer=None, progress=True):
        learned_from.append((table, settings.seed, trainer.keywords["teachers"]))
        return Bundle(GRU(num_classes=3).eval(), {"class_names": ["A", "B", "L"]})

    monkeypatch.setattr(taught, "contestant", contestant)
    monkeypatch.setattr(taught, "fit", fit_)
    monkeypatch.setattr(taught, "without", lambda fold: f"all but {fold}")
    monkeypatch.setattr(taught, "judged", lambda bundle, fold, seed: {})
    fold = ("yash", "davidlee")
    taught._task("gru", fold, 1)
    assert {(net, seed) for net, _, _, seed in asked} == {
        (net, seed) for net in taught.TEACHERS for seed in range(taught.TEACHER_SEEDS)
    }
    assert {fold for _, _, fold, _ in asked} == {fold}, "they were trained without those who judge"
    ((table, seed, teachers),) = learned_from
    assert table == f"all but {fold}" and len(teachers.nets) == len(asked)
    assert seed not in {seed for _, _, _, seed in asked}, "the pupil draws its own lessons"
