"""The bootstrap over patients against scipy, theory and simulated coverage."""

import numpy as np
import pytest
from scipy.stats import bootstrap, norm, rankdata

from glioframe.evaluation.bootstrap import BCA, PERCENTILE, PatientBootstrap
from glioframe.evaluation.calibration import ece, weighted_ece
from glioframe.evaluation.discrimination import auc, divide, weighted_auc

TRUE_AUC = norm.cdf(1.2 / np.sqrt(2))


def names(num_patients):
    return [f"sub{index:04d}" for index in range(num_patients)]


def mean_of(values):
    return lambda weights: divide(weights @ values, weights.sum(axis=1))


def draw_scores(rng, num_cases):
    reference = np.arange(num_cases) % 2
    return reference, norm.cdf(rng.standard_normal(num_cases) + 1.2 * reference)


def auc_by_ranks(reference, probability, axis=-1):
    ranks = rankdata(probability, axis=axis)
    positive, negative = reference.sum(axis=axis), (1 - reference).sum(axis=axis)
    return ((ranks * reference).sum(axis=axis) - positive * (positive + 1) / 2) / (positive * negative)


def test_interval_of_a_skewed_mean_agrees_with_scipys_bca():
    values = np.random.default_rng(0).exponential(size=40)
    expected = bootstrap((values,), np.mean, n_resamples=20_000, method="BCa", rng=np.random.default_rng(1))
    found = PatientBootstrap(names(40), num_resamples=20_000, seed=2).interval(mean_of(values))
    assert found.method == BCA
    assert found.limits == pytest.approx(tuple(expected.confidence_interval), abs=0.02)


def test_interval_of_the_auc_agrees_with_scipys_bca_when_every_patient_has_one_case():
    reference, probability = draw_scores(np.random.default_rng(3), 60)
    expected = bootstrap(
        (reference, probability),
        auc_by_ranks,
        paired=True,
        n_resamples=9999,
        method="BCa",
        rng=np.random.default_rng(4),
    )
    found = PatientBootstrap(names(60), num_resamples=9999, seed=5).interval(
        lambda weights: weighted_auc(reference, probability, weights)
    )
    assert found.limits == pytest.approx(tuple(expected.confidence_interval), abs=0.01)


def test_standard_deviation_of_the_resampled_mean_is_the_standard_error():
    values = np.random.default_rng(0).standard_normal(50)
    spread = PatientBootstrap(names(50), num_resamples=20_000, seed=1).distribution(mean_of(values)).std()
    assert spread == pytest.approx(values.std() / np.sqrt(50), rel=0.03)


def test_repeating_each_case_leaves_the_interval_as_it_is_when_patients_are_drawn():
    reference, probability = draw_scores(np.random.default_rng(6), 40)

    def interval(patients, times):
        y, p = np.repeat(reference, times), np.repeat(probability, times)
        drawn = PatientBootstrap(patients, num_resamples=1000, seed=7)
        return drawn.interval(lambda weights: weighted_auc(y, p, weights))

    once = interval(names(40), 1)
    thrice = interval(np.repeat(names(40), 3), 3)
    assert thrice.limits == pytest.approx(once.limits, abs=1e-9)
    taken_for_independent = interval(names(120), 3)
    assert once.high - once.low > 1.4 * (taken_for_independent.high - taken_for_independent.low)


def test_the_jackknife_leaves_out_all_cases_of_a_patient():
    values = np.array([1.0, 2.0, 4.0, 8.0])
    found = PatientBootstrap(["a", "b", "a", "c"]).jackknife(mean_of(values))
    np.testing.assert_allclose(found, [(2 + 8) / 2, (1 + 4 + 8) / 3, (1 + 2 + 4) / 3])


def test_the_same_seed_gives_the_same_interval():
    reference, probability = draw_scores(np.random.default_rng(8), 30)
    found = {
        PatientBootstrap(names(30), num_resamples=200, seed=9).interval(
            lambda weights: weighted_auc(reference, probability, weights)
        )
        for _ in range(3)
    }
    assert len(found) == 1


def test_a_statistic_without_spread_has_no_interval():
    reference = np.array([0, 0, 0, 1, 1, 1])
    perfect = PatientBootstrap(names(6)).interval(lambda weights: weighted_auc(reference, reference / 2, weights))
    assert perfect is None


def test_a_single_positive_patient_falls_back_to_the_percentile_interval():
    # Without that patient the AUC is undefined, so there is no jackknife.
    reference = np.array([1, 0, 0, 0, 0, 0, 0, 0])
    probability = np.array([0.6, 0.1, 0.2, 0.3, 0.4, 0.5, 0.7, 0.8])
    found = PatientBootstrap(names(8)).interval(lambda weights: weighted_auc(reference, probability, weights))
    assert found.method == PERCENTILE
    assert found.low <= auc(reference, probability) <= found.high


def test_an_estimate_at_the_edge_of_all_resamples_stays_inside_its_interval():
    values = np.array([1.0, 2.0, 3.0, 4.0])

    def number_of_absent_patients(weights):
        return (weights == 0).sum(axis=1) + mean_of(values)(weights) * 1e-6

    found = PatientBootstrap(names(4), num_resamples=500).interval(number_of_absent_patients)
    assert found.low <= number_of_absent_patients(np.ones((1, 4)))[0] <= found.high


def test_a_calibration_error_near_zero_is_not_taken_for_certain():
    # Six of eight are positive, and each was given three quarters: as well calibrated as can be, by luck.
    reference = np.array([1, 1, 1, 1, 1, 1, 0, 0])
    probability = np.full(8, 0.75) + np.linspace(-1e-3, 1e-3, 8)
    found = PatientBootstrap(names(8)).interval(
        lambda weights: weighted_ece(reference, probability, weights, num_bins=1)
    )
    assert found.method == PERCENTILE
    # 11 % of draws of eight patients have four positive ones or fewer: wrong by a quarter, or more.
    assert found.low <= ece(reference, probability, num_bins=1) < 0.01
    assert found.high > 0.24


def coverage(num_simulations, *, num_cases, num_resamples):
    rng = np.random.default_rng(10)
    covered = 0
    for seed in range(num_simulations):
        reference, probability = draw_scores(rng, num_cases)
        found = PatientBootstrap(names(num_cases), num_resamples=num_resamples, seed=seed).interval(
            lambda weights, y=reference, p=probability: weighted_auc(y, p, weights)
        )
        covered += found.low <= TRUE_AUC <= found.high
    return covered / num_simulations


def test_the_95_percent_interval_of_the_auc_covers_the_truth_about_that_often():
    assert 0.88 <= coverage(150, num_cases=60, num_resamples=500) <= 0.99


@pytest.mark.slow
def test_the_95_percent_interval_of_the_auc_of_a_hundred_cases_covers_the_truth_at_its_nominal_rate():
    assert 0.93 <= coverage(2000, num_cases=100, num_resamples=2000) <= 0.97
