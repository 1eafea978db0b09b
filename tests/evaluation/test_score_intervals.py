"""Wilson's and Newcombe's intervals against scipy, published examples and their defining equations."""

import numpy as np
import pytest
from scipy.stats import binomtest, norm

from glioframe.evaluation.wilson import auc_score_interval, mean_of_two_interval, wilson_interval


@pytest.mark.parametrize(("positive", "num_trials"), [(0, 1), (0, 12), (1, 8), (5, 10), (29, 30), (30, 30)])
def test_wilson_interval_agrees_with_scipy(positive, num_trials):
    expected = binomtest(positive, num_trials).proportion_ci(method="wilson")
    assert wilson_interval(positive / num_trials, num_trials).limits == pytest.approx(tuple(expected), abs=1e-12)


def test_wilson_interval_of_eighty_one_in_263_is_the_one_that_newcombe_published():
    # R. G. Newcombe, Stat. Med. 17 (1998) 857-872, table I: 0.2553 to 0.3662.
    assert wilson_interval(81 / 263, 263).limits == pytest.approx((0.2553, 0.3662), abs=5e-5)


def test_interval_of_a_mean_is_the_difference_interval_that_newcombe_published_mirrored_and_halved():
    # R. G. Newcombe, Stat. Med. 17 (1998) 873-890, table II, method 10: 56/70 - 48/80 lies in 0.0524 to 0.3339.
    # p1 - p2 = p1 + (1 - p2) - 1, so its interval is twice the mean's, minus one.
    low, high = mean_of_two_interval((56 / 70, 70), (1 - 48 / 80, 80)).limits
    assert (2 * low - 1, 2 * high - 1) == pytest.approx((0.0524, 0.3339), abs=5e-5)


@pytest.mark.parametrize("auc", [0.3, 0.5, 0.8, 0.95])
def test_limits_of_the_auc_are_the_values_that_lie_just_z_standard_errors_away(auc):
    num_positive, num_negative = 12, 25
    shared = (num_positive + num_negative) / 2 - 1
    for limit in auc_score_interval(auc, num_positive, num_negative).limits:
        bracket = 1 + shared * (1 - limit) / (2 - limit) + shared * limit / (1 + limit)
        standard_error = np.sqrt(limit * (1 - limit) * bracket / (num_positive * num_negative))
        assert abs(auc - limit) == pytest.approx(norm.ppf(0.975) * standard_error, rel=1e-6)


def test_a_perfect_auc_of_few_cases_is_not_certain_and_more_cases_make_it_surer():
    few, many = auc_score_interval(1.0, 4, 4), auc_score_interval(1.0, 100, 100)
    assert few.high == many.high == 1.0
    assert 0.4 < few.low < 0.75
    assert 0.95 < many.low < 1.0


def test_score_interval_of_the_auc_covers_the_truth_where_the_bootstrap_would_collapse():
    rng = np.random.default_rng(0)
    truth = norm.cdf(2.5 / np.sqrt(2))  # 0.961: with 8 + 8 cases a perfect sample is common
    positive = rng.standard_normal((1000, 8, 1)) + 2.5
    negative = rng.standard_normal((1000, 1, 8))
    observed = (positive > negative).mean(axis=(1, 2))
    limits = {value: auc_score_interval(value, 8, 8).limits for value in np.unique(observed)}
    covered = np.mean([limits[value][0] <= truth <= limits[value][1] for value in observed])
    assert covered >= 0.93
