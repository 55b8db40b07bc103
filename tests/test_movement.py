"""Strokes as measured: of a known path we know every number."""

import numpy as np
import pytest

from strm import movement
from strm.alphabet import ASL
from strm.data import Clip

(ZIGZAG,) = (letter for letter, path in ASL.paths.items() if path == "zigzag")


def stroke(size: float, wrist: float = 0.0, person: str = "a", frames: int = 31) -> Clip:
    """A fingertip waits, goes `size` hands to the left, then down as far, in two seconds, and waits."""
    corner = np.array([[0, 0], [-1, 0], [-1, 1]]) * size
    way = np.stack([np.interp(np.linspace(0, 2, frames), range(3), corner[:, i]) for i in (0, 1)], 1)
    way = np.concatenate([np.repeat(way[:1], 8, 0), way, np.repeat(way[-1:], 8, 0)])
    x = np.zeros((len(way), 21, 3), np.float32)
    x[:, 9, 1] = -1  # a hand of size 1
    x[:, :, :2] += wrist * way[:, None]
    x[:, 8, :2] = way
    return Clip(ZIGZAG, person, "made up", "clip", x * 40)


def test_a_known_stroke_has_its_known_measures():
    measured, way = movement.traced(stroke(2.0, wrist=0.5))
    assert measured["width"] == pytest.approx(2) and measured["height"] == pytest.approx(2)
    assert measured["path"] == pytest.approx(4, rel=0.05)
    assert measured["wrist_share"] == pytest.approx(0.5, rel=0.01)
    assert measured["seconds"] == pytest.approx(2, abs=0.15), "pauses do not count"
    np.testing.assert_allclose(way[movement.POINTS // 2], [-2, 0], atol=0.15)
    np.testing.assert_allclose(way[-1], [-2, 2], atol=1e-3)


def test_a_tremor_is_no_way():
    calm, trembling = stroke(2.0, wrist=0.5), stroke(2.0, wrist=0.5)
    trembling.hands[1::2, :, :2] += (
        0.05 * 40
    )  # across the way, to and fro: as if it went a fourth as far again
    for name in ("path", "wrist_share"):
        assert movement.traced(trembling)[0][name] == pytest.approx(movement.traced(calm)[0][name], rel=0.02)


def test_whoever_shows_many_strokes_weighs_no_more():
    strokes = [stroke(1.0, person="a")] * 9 + [stroke(3.0, person="b")] + [stroke(2.0, person="c")]
    told = movement.summary(strokes)
    assert told["strokes"] == 11 and told["people"] == 3
    assert [round(value) for value in told["width"].values()] == [1, 2, 3]
    assert np.array(told["path_of_tip"]["0.5"]).shape == (movement.POINTS, 2)


def test_quantiles_of_equal_weights_are_ranks():
    values = np.random.default_rng(0).permutation(np.arange(1, 101.0))
    assert movement.quantiles(values, np.ones(100)).tolist() == [10, 50, 90]


def test_the_drawn_strokes_resemble_peoples():
    """What the book claims of the studio, by the results file: medians lie within what people do."""
    import json
    from pathlib import Path

    table = json.loads((Path(__file__).parents[1] / "data/results/movement.json").read_text("utf-8"))
    for letter in ASL.moving:
        for name in ("width", "height", "path", "seconds"):
            low, _, high = table["people"][letter][name].values()
            assert low < table["drawn"][letter][name]["0.5"] < high, (letter, name)
