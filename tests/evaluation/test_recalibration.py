"""Calibration intercept and slope against scikit-learn, score equations, known truth and separation."""

import numpy as np
import pytest
from scipy.special import expit, logit
from sklearn.linear_model import LogisticRegression

from glioframe.evaluation.calibration import brier, weighted_scaled_brier
from glioframe.evaluation.recalibration import SANDWICH, WALD, calibration_intercept, calibration_slope


def names(number):
    return [f"sub{index}" for index in range(number)]


def draw(rng, number=200, *, shift=0.0, stretch=1.0):
    """Outcomes of true probabilities, and probabilities whose logits are off by a shift and a factor."""
    true_logit = 1.2 * rng.standard_normal(number)
    return (rng.random(number) < expit(true_logit)).astype(int), expit(stretch * true_logit + shift)


def test_the_slope_agrees_with_scikit_learns_unpenalized_fit():
    reference, probability = draw(np.random.default_rng(0))
    fit = LogisticRegression(C=np.inf, tol=1e-10).fit(logit(probability)[:, None], reference)
    found = calibration_slope(reference, probability, names(200))
    assert found.value == pytest.approx(fit.coef_[0, 0], abs=1e-5)


def test_the_slopes_interval_is_that_of_the_information_matrix():
    reference, probability = draw(np.random.default_rng(1))
    x = logit(probability)
    fit = LogisticRegression(C=np.inf, tol=1e-10).fit(x[:, None], reference)
    weight = np.prod(fit.predict_proba(x[:, None]), axis=1)
    # Variance of the slope: 1 over the weighted sum of squares about the weighted mean.
    variance = 1 / (weight * (x - np.average(x, weights=weight)) ** 2).sum()
    found = calibration_slope(reference, probability, names(200)).interval
    assert found.method == WALD
    assert (found.high - found.low) / 2 == pytest.approx(1.959964 * np.sqrt(variance), rel=1e-4)


def test_the_intercept_makes_the_mean_probability_the_share_of_positive_cases():
    reference, probability = draw(np.random.default_rng(2), shift=0.9)
    found = calibration_intercept(reference, probability, names(200))
    moved = expit(logit(probability) + found.value)
    assert moved.mean() == pytest.approx(reference.mean(), abs=1e-9)
    half = (found.interval.high - found.interval.low) / 2
    assert half == pytest.approx(1.959964 / np.sqrt((moved * (1 - moved)).sum()))


@pytest.mark.parametrize(("shift", "stretch"), [(0.0, 1.0), (0.8, 1.0), (0.0, 2.0)])
def test_large_cohorts_show_what_was_done_to_the_probabilities(shift, stretch):
    reference, probability = draw(np.random.default_rng(3), 40_000, shift=shift, stretch=stretch)
    patients = names(40_000)
    assert calibration_slope(reference, probability, patients).value == pytest.approx(1 / stretch, abs=0.03)
    if stretch == 1.0:
        assert calibration_intercept(reference, probability, patients).value == pytest.approx(-shift, abs=0.05)


@pytest.mark.parametrize("number", [60, 150])
def test_intervals_hold_the_truth_about_as_often_as_they_say(number):
    rng = np.random.default_rng(number)
    covered = []
    for _ in range(400):
        reference, probability = draw(rng, number, shift=0.5, stretch=1.5)
        slope = calibration_slope(reference, probability, names(number)).interval
        covered.append(slope.low <= 1 / 1.5 <= slope.high)
    # Four standard deviations of a share of 95 % in 400 are 4.4 percentage points.
    assert np.mean(covered) == pytest.approx(0.95, abs=0.044)


def test_repeating_each_case_widens_nothing_when_its_patient_is_known():
    reference, probability = draw(np.random.default_rng(4), 100)
    once = calibration_slope(reference, probability, names(100)).interval
    thrice = calibration_slope(np.repeat(reference, 3), np.repeat(probability, 3), np.repeat(names(100), 3)).interval
    apart = calibration_slope(np.repeat(reference, 3), np.repeat(probability, 3), names(300)).interval
    assert thrice.method == SANDWICH
    assert thrice.high - thrice.low == pytest.approx(once.high - once.low, rel=0.2)
    assert apart.high - apart.low == pytest.approx((once.high - once.low) / np.sqrt(3), rel=1e-6)


@pytest.mark.parametrize(
    ("reference", "probability"),
    [
        ([0, 0, 1, 1], [0.1, 0.4, 0.6, 0.9]),  # parted
        ([1, 1, 0, 0], [0.1, 0.4, 0.6, 0.9]),  # parted the wrong way round
        ([0, 0, 1, 1], [0.1, 0.5, 0.5, 0.9]),  # parted but for a tie
        ([0, 1, 0, 1], [0.3, 0.3, 0.3, 0.3]),  # always the same
        ([1, 1, 1, 1], [0.1, 0.4, 0.6, 0.9]),  # one class
    ],
)
def test_without_overlap_of_the_classes_there_is_no_slope(reference, probability):
    assert calibration_slope(np.array(reference), np.array(probability), names(4)) is None


def test_separation_leaves_the_intercept_and_one_class_does_not():
    reference = np.array([0, 0, 1, 1])
    assert calibration_intercept(reference, np.array([0.1, 0.2, 0.8, 0.9]), names(4)).value == pytest.approx(
        0, abs=1e-9
    )
    assert calibration_intercept(np.ones(4), np.full(4, 0.4), names(4)) is None


def test_certain_probabilities_that_are_wrong_have_finite_coefficients():
    reference = np.array([0, 1, 0, 1, 1, 0])
    probability = np.array([0.0, 1.0, 1.0, 0.0, 1.0, 0.0])
    for coefficient in (calibration_intercept, calibration_slope):
        found = coefficient(reference, probability, names(6))
        assert np.isfinite([found.value, *found.interval.limits]).all()


def test_the_scaled_brier_score_is_the_share_of_explained_squares():
    reference, probability = draw(np.random.default_rng(5))
    once = np.ones((1, 200))
    explained = 1 - brier(reference, probability) / np.var(reference)
    assert weighted_scaled_brier(reference, probability, once)[0] == pytest.approx(explained)
    assert weighted_scaled_brier(reference, reference, once)[0] == 1.0
    assert weighted_scaled_brier(reference, np.full(200, reference.mean()), once)[0] == pytest.approx(0.0)
    assert np.isnan(weighted_scaled_brier(np.ones(200), probability, once)[0])
