"""The weights that ship: they load, keep still when the hand does, and read rendered hands."""

import numpy as np
import pytest
import torch

from strm.alphabet import ASL
from strm.bundle import WEIGHTS, load
from strm.data import read_table
from strm.landmarks import FEATURES
from strm.qualities import THIRDS
from strm.studio import sample
from strm.studio.ship import FOLDER, KEPT


@pytest.fixture(scope="module")
def bundle():
    return load(WEIGHTS)


def test_they_answer_with_the_alphabet_and_nothing(bundle):
    assert bundle.class_names == [*ASL.letters, ASL.nothing], "27-way, unmasked"


def test_the_card_tells_their_size_and_where_they_come_from(bundle):
    card = (WEIGHTS / "README.md").read_text("utf-8")
    count = sum(p.numel() for p in bundle.model.parameters())
    assert f"{count:,} parameters" in card
    for person in bundle.config["provenance"]["people"]:
        assert person.split("/")[0] in card, "every set that the weights learned from is named"


def test_the_card_says_how_few_people_judge_each_third_of_the_skin_tones():
    photos = read_table(FOLDER / "photos.csv.gz")
    tone = photos[photos["signer"].str.startswith(KEPT)].groupby("signer")["tone"].first()
    assert [tone.between(*third).sum() for third in THIRDS.values()] == [1, 3, 3]
    card = (WEIGHTS / "README.md").read_text("utf-8")
    assert "one person in the first row,\nthree in each of the others" in card


@torch.inference_mode()
def test_what_ships_for_onnx_is_of_these_weights(bundle):
    model = pytest.importorskip("strm.onnx_model").OnnxModel(WEIGHTS / "model.onnx")
    assert model.config["weights_sha256"] == bundle.config["weights_sha256"], "strm export it anew"
    rng, state, theirs = np.random.default_rng(1), None, None
    for _ in range(30):
        x = torch.tensor(bundle.model.mean.numpy() + rng.normal(0, 0.3, (1, FEATURES)), dtype=torch.float32)
        logits, state = bundle.model(x, prev_state=state, return_state=True)
        found, theirs = model(x, prev_state=theirs, return_state=True)
        assert (logits - torch.as_tensor(found)).abs().max() < 1e-4


@torch.inference_mode()
def test_ten_thousand_equal_frames_change_nothing(bundle):
    """A held sign must not decay: same letter to the end, and a state within its bounds."""
    means = bundle.model.mean.numpy()
    rng = np.random.default_rng(0)
    x = torch.tensor(
        means + bundle.model.scale.numpy() * rng.normal(0, 1, (16, FEATURES)), dtype=torch.float32
    )
    state, settled = None, None
    for frame in range(10_000):
        logits, state = bundle.model(x, prev_state=state, return_state=True)
        if frame == 30:  # two seconds: the memory has seen what there is
            settled = logits.argmax(-1)
    assert torch.equal(logits.argmax(-1), settled)
    assert max(part.abs().max().item() for part in state) <= 8.0, "sqrt(64) bounds a normalised state"


@torch.inference_mode()
def test_a_change_of_a_millionth_changes_nothing(bundle):
    """The predecessor's scaler blew noise in the wrist's depth up to unit variance."""
    x = bundle.model.mean.repeat(1, 20, 1)
    before, _ = bundle.model.forward_sequence(x)
    after, _ = bundle.model.forward_sequence(x + 1e-6)
    assert (before - after).abs().max() < 1e-3
    assert bundle.model.scale.min() >= 0.1


def test_they_read_clear_letters_of_rendered_hands(bundle):
    """Drawn hands are not people: only letters that the renderer draws well are asked for."""
    from strm.landmarks import HandDetector
    from strm.read import read_hand

    right = total = 0
    with HandDetector() as detector:
        for letter in "BLVWYF":
            for seed in range(4):
                hand = detector.detect(sample(letter, np.random.default_rng(seed)).image)
                if hand is not None:
                    total += 1
                    right += read_hand(bundle, hand).letter == letter
    assert total >= 20, "the detector finds rendered hands"
    assert right >= 0.7 * total, f"{right} of {total}: chance is 1 in 27"
