"""Brier score and calibration error against scikit-learn, arithmetic and simulation."""

import numpy as np
import pytest
from sklearn.calibration import calibration_curve
from sklearn.metrics import brier_score_loss

from glioframe.evaluation.calibration import brier, calibration_bins, ece, num_calibration_bins, weighted_ece


def simulate(num_cases, *, exponent=1.0, seed=0):
    """Cases whose chance of being positive is what is said, to the power of ``exponent``."""
    rng = np.random.default_rng(seed)
    said = rng.random(num_cases)
    return rng.random(num_cases) < said**exponent, said


def test_brier_score_agrees_with_scikit_learn():
    reference, probability = simulate(200)
    assert brier(reference, probability) == pytest.approx(brier_score_loss(reference, probability))


def test_brier_score_of_a_perfectly_calibrated_uniform_predictor_is_one_sixth():
    # E[p (1 - p)] for p uniform on [0, 1].
    assert brier(*simulate(100_000)) == pytest.approx(1 / 6, abs=0.003)


def test_a_perfectly_calibrated_predictor_has_no_calibration_error():
    assert ece(*simulate(100_000)) < 0.01


def test_calibration_error_of_a_known_distortion_is_its_mean_size():
    # E|p - p^2| for p uniform on [0, 1] is 1/2 - 1/3; ten bins lose nothing, for the sign never changes.
    assert ece(*simulate(100_000, exponent=2.0)) == pytest.approx(1 / 6, abs=0.01)


def test_with_one_bin_the_error_is_the_difference_of_the_means():
    reference, probability = simulate(50, exponent=3.0)
    expected = abs(probability.mean() - reference.mean())
    assert ece(reference, probability, num_bins=1) == pytest.approx(expected)


def test_bins_agree_with_the_quantile_bins_of_scikit_learn():
    reference, probability = simulate(400)
    bins = calibration_bins(reference, probability)
    came, said = calibration_curve(reference, probability, n_bins=10, strategy="quantile")
    assert [found.num_cases for found in bins] == [40] * 10
    np.testing.assert_allclose([found.positive_fraction for found in bins], came)
    np.testing.assert_allclose([found.mean_probability for found in bins], said)
    gaps = [abs(found.mean_probability - found.positive_fraction) for found in bins]
    assert ece(reference, probability) == pytest.approx(np.mean(gaps))


def test_equal_probabilities_are_never_parted():
    probability = np.repeat([0.1, 0.6, 0.9], [3, 40, 7])
    reference = np.arange(50) % 2
    bins = calibration_bins(reference, probability, num_bins=10)
    assert [(found.num_cases, found.mean_probability) for found in bins] == [
        (3, pytest.approx(0.1)),
        (40, pytest.approx(0.6)),
        (7, pytest.approx(0.9)),
    ]


def test_the_order_of_the_cases_does_not_matter():
    reference, probability = simulate(60)
    probability = np.round(probability, 1)
    order = np.random.default_rng(1).permutation(60)
    assert ece(reference[order], probability[order]) == pytest.approx(ece(reference, probability))


def test_weights_count_like_copies():
    reference, probability = simulate(30)
    weights = np.random.default_rng(0).integers(0, 4, size=(1, 30))
    copies = np.repeat(np.arange(30), weights[0])
    expected = ece(reference[copies], probability[copies], num_bins=4)
    assert weighted_ece(reference, probability, weights, num_bins=4)[0] == pytest.approx(expected)


@pytest.mark.parametrize(("num_cases", "num_bins"), [(1, 1), (9, 1), (10, 2), (24, 4), (50, 10), (5000, 10)])
def test_bins_hold_at_least_five_cases_and_are_at_most_ten(num_cases, num_bins):
    assert num_calibration_bins(num_cases) == num_bins
