"""A net this small is trained on one core: on two, busy with others, it once took ten times as long."""

import numpy as np
import pandas as pd
import pytest
import torch
from made_up import pose, rows

from strm import train
from strm.data import read_table
from strm.train import Settings, fit


@pytest.fixture
def two_threads():
    before = torch.get_num_threads()
    torch.set_num_threads(2)
    yield
    torch.set_num_threads(before)


def test_training_uses_one_core_and_gives_back_the_others(two_threads, monkeypatch, tmp_path):
    path = tmp_path / "hands.csv"
    hands = [rows(np.stack([pose(letter)] * 4), letter, signer="ann") for letter in "AB"]
    pd.concat(hands).to_csv(path, index=False)
    seen = []
    epoch = train.Trainer.epoch

    def watched(self, *args):
        seen.append(torch.get_num_threads())
        return epoch(self, *args)

    monkeypatch.setattr(train.Trainer, "epoch", watched)
    fit(read_table(path), Settings(epochs=1, batch_size=4, n_latent=1, T_deep=1), progress=False)
    assert seen == [1]
    assert torch.get_num_threads() == 2
