"""The ROC curve against scikit-learn, and its band against the binomial spread that it stands for."""

import numpy as np
import pytest
from sklearn.metrics import roc_auc_score
from sklearn.metrics import roc_curve as sklearn_roc_curve

from glioframe.evaluation.curves import roc_band, roc_curve


def draw(seed, num_cases=80):
    rng = np.random.default_rng(seed)
    reference = np.arange(num_cases) % 2
    return reference, np.round(1 / (1 + np.exp(-rng.standard_normal(num_cases) - reference)), 1)


@pytest.mark.parametrize("seed", range(3))
def test_curve_agrees_with_scikit_learn_and_its_area_is_the_auc(seed):
    reference, probability = draw(seed)
    curve = roc_curve(reference, probability)
    false_positive_rate, sensitivity, _ = sklearn_roc_curve(reference, probability, drop_intermediate=False)
    np.testing.assert_allclose(curve.false_positive_rate, false_positive_rate)
    np.testing.assert_allclose(curve.sensitivity, sensitivity)
    area = np.trapezoid(curve.sensitivity, curve.false_positive_rate)
    assert area == pytest.approx(roc_auc_score(reference, probability))


def test_band_encloses_the_curve_and_rises():
    reference, probability = draw(5)
    band = roc_band(reference, probability, [str(index) for index in range(80)])
    curve = roc_curve(reference, probability)
    height = np.interp(band.false_positive_rate[5:96], curve.false_positive_rate, curve.sensitivity)
    assert (band.low[5:96] <= height + 0.02).all()
    assert (height <= band.high[5:96] + 0.02).all()
    assert (np.diff(band.low) >= 0).all()
    assert band.high[-1] == band.low[-1] == 1


def test_band_at_zero_false_positives_has_the_binomial_width():
    # Positives are 0.9 or 0.1, negatives always 0.5: at rate 0 the sensitivity is a binomial share of 40.
    reference = np.repeat([1, 0], [40, 400])
    probability = np.concatenate([np.tile([0.9, 0.1], 20), np.full(400, 0.5)])
    band = roc_band(reference, probability, [str(index) for index in range(440)], num_resamples=4000)
    assert band.high[0] - band.low[0] == pytest.approx(2 * 1.96 * np.sqrt(0.25 / 40), rel=0.12)
