"""How sure a model may be, and that who judges it does not choose the temperature."""

import numpy as np
import pytest
from made_up import clip, photos, read, still_path

from strm import qualities
from strm.bundle import Bundle
from strm.data import people
from strm.qualities import FOLDS, TEMPERATURES, calibration_error, cooled


def test_who_is_as_sure_as_right_has_no_error():
    rng = np.random.default_rng(0)
    sure = rng.uniform(0.5, 1, 200_000)
    p = np.stack([sure, 1 - sure], 1)
    true = (rng.random(len(sure)) > sure).astype(int)
    assert calibration_error(p, true) < 0.01
    assert calibration_error(p, np.zeros(len(p), int)) == pytest.approx(0.25, abs=0.01), "too modest"
    assert calibration_error(np.array([[1.0, 0.0]] * 4), np.array([0, 1, 1, 1])) == pytest.approx(0.75)


def test_heat_makes_unsure_and_cold_sure():
    p = np.array([[0.7, 0.2, 0.1]])
    assert cooled(p, 2.0).max() < 0.7 < cooled(p, 0.5).max()
    np.testing.assert_allclose(cooled(p, 1.0), p)
    np.testing.assert_allclose(cooled(np.array([[1.0, 0.0]]), 0.3).sum(), 1)


def test_the_temperature_is_chosen_by_who_does_not_judge():
    low, high = TEMPERATURES.index(0.5), TEMPERATURES.index(1.5)

    def part(best):
        loss, error = np.ones(len(TEMPERATURES)), np.full(len(TEMPERATURES), 0.3)
        loss[best], error[best] = 0, 0.1
        return {"calibration": {"log_loss": loss.tolist(), "error": error.tolist()}}

    run = [part(low if set(fold) & set(qualities.CHOSE) else high) for fold in FOLDS]
    report = qualities._calibrated([run, run])
    assert report["temperature"]["seeds"] == [0.5, 0.5]
    assert report["error_with_temperature"]["mean"] == pytest.approx(0.3), "the judges would like another one"


def test_sureness_is_of_letters_as_they_are_read(tmp_path, monkeypatch):
    """Clips as clips, photos as photos; a photo of a moving letter and what is no letter do not count."""
    table = read(
        [photos("ABJ", 2), clip("A", 0, still_path(9), "a"), clip("nothing", 0, still_path(9), "n")], tmp_path
    )
    names = ["A", "B", "J", "nothing"]
    seen = []

    def sure_of_a(bundle, streams):
        seen.append([len(x) for x in streams])
        return np.repeat([[0.9, 0.1, 0, 0]], len(streams), 0)

    monkeypatch.setattr(qualities, "clip_probabilities", sure_of_a)
    report = qualities.calibration(Bundle(None, {"class_names": names}), table, ["p0"])
    assert seen == [[9] + [1] * 8] and report["n"] == 9, "one clip of p0, four photos of A and of B"
    raw = TEMPERATURES.index(1.0)
    assert report["error"][raw] == pytest.approx(0.9 - 5 / 9)
    assert report["log_loss"][raw] == pytest.approx(-(5 * np.log(0.9) + 4 * np.log(0.1)) / 9)


def test_tones_are_told_by_drawn_people_whom_no_training_saw(monkeypatch):
    seen = []

    def evaluate(bundle, table, sequence_mode):
        seen.append((set(people(table)), table["tone"].min(), table["tone"].max()))
        return {"accuracy": float(sequence_mode)}

    monkeypatch.setattr(qualities, "evaluate", evaluate)
    report = qualities.tones(None)
    assert report == {third: {"photos": 0.0, "clips": 1.0} for third in qualities.THIRDS}
    assert all(name.startswith("studio/judge/") for who, _, _ in seen for name in who)
    assert len(set.union(*(who for who, _, _ in seen))) == 7, "each of them has a tone"
    for (_, low, high), third in zip(seen, 2 * [*qualities.THIRDS.values()], strict=True):
        assert third[0] <= low <= high <= third[1]


def test_what_the_next_letter_costs_is_told_frame_by_frame():
    runs = [
        [{"after": [seed + author + f / 100 for f in range(24)], "fresh": [1.0] * 24} for author in (0, 2)]
        for seed in (0, 1)
    ]
    report = qualities._shares(runs)
    assert [r["seeds"] for r in report["after"]] == [
        pytest.approx([1 + (f - 1) / 100, 2 + (f - 1) / 100]) for f in qualities.FRAMES
    ], "a seed's figure is the mean of its authors, and the first frame is number 1"
    assert all(r["seeds"] == [1.0, 1.0] for r in report["fresh"])


def test_the_next_letter_is_an_authors_photo_and_not_a_clip(tmp_path, monkeypatch):
    """And the recipe that the search began with reads it beside ours, of which nothing else is asked."""
    table = read([photos("ABJ", 2), clip("A", 0, still_path(9), "a")], tmp_path)
    asked = []
    monkeypatch.setattr(qualities, "everyone", lambda: table)
    monkeypatch.setattr(qualities, "AUTHORS", ("p1",))
    monkeypatch.setattr(qualities, "contestant", lambda *what, **changes: asked.append((what, changes)))
    monkeypatch.setattr(qualities.probes, "succession", lambda bundle, x, labels: (len(x), set(labels)))
    report = qualities._task(qualities.BEFORE, ("p0", "p1"), 4)
    assert report == {"authors": {"p1": (8, {"A", "B"})}}
    assert asked == [(("strm", True, ("p0", "p1"), 4), {"epochs": 4, "amid": 0.0})]
