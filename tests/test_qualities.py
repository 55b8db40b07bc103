"""How sure a model may be, and that who judges it does not choose the temperature."""

import numpy as np
import pytest

from strm import qualities
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
