"""The corrected resampled t against its formula, the plain t test, and simulated cross-validation of nothing."""

import numpy as np
import pytest
from scipy.stats import t, ttest_1samp

from glioframe.evaluation.repeated_cv import corrected_mean


def test_without_shared_training_cases_it_is_the_plain_t_test():
    scores = np.random.default_rng(0).standard_normal(12) + 0.4
    expected = ttest_1samp(scores, 0.0)
    found = corrected_mean(list(scores), num_train=10**12, num_val=1)
    assert found.p_value == pytest.approx(expected.pvalue)
    assert found.interval.limits == pytest.approx(tuple(expected.confidence_interval()))


def test_a_worked_example():
    # Mean 0.02, variance 0.0005; 5 folds of 8 to 2: standard error sqrt((1/5 + 1/4) 0.0005) = 0.015.
    scores = [0.05, 0.02, -0.01, 0.04, 0.0]
    found = corrected_mean(scores, num_train=80, num_val=20)
    standard_error = np.sqrt(0.45 * np.var(scores, ddof=1))
    assert found.mean == pytest.approx(0.02)
    assert found.interval.high == pytest.approx(0.02 + t.ppf(0.975, 4) * standard_error)
    assert found.p_value == pytest.approx(2 * t.sf(0.02 / standard_error, 4))


def test_more_repeats_of_the_same_folds_do_not_make_it_much_surer():
    scores = list(np.random.default_rng(1).standard_normal(5))
    once, often = (corrected_mean(scores * times, num_train=80, num_val=20).interval for times in (1, 40))
    # Even infinitely many leave the term num_val / num_train.
    assert often.high - often.low > 2 * 1.96 * np.sqrt(0.25 * np.var(scores))
    assert often.high - often.low < once.high - once.low


def test_two_equal_models_are_told_apart_rarely_where_the_plain_t_test_errs_often():
    rng = np.random.default_rng(2)
    corrected, plain = [], []
    for _ in range(300):
        # Two learners that each predict the mean of one of two equally noisy halves of the training cases.
        values, sides = rng.standard_normal((2, 60)), []
        for _ in range(10):
            order = rng.permutation(60)
            for val in np.split(order, 5):
                train = np.setdiff1d(order, val)
                errors = [(values[k, val] - values[k, train].mean()) ** 2 for k in range(2)]
                sides.append(errors[0].mean() - errors[1].mean())
        corrected.append(corrected_mean(sides, num_train=48, num_val=12).p_value < 0.05)
        plain.append(ttest_1samp(sides, 0.0).pvalue < 0.05)
    assert np.mean(plain) > 0.3
    assert np.mean(corrected) < 0.5 * np.mean(plain)


def test_folds_that_all_agree_have_no_interval():
    found = corrected_mean([0.7] * 5, num_train=40, num_val=10)
    assert (found.mean, found.interval, found.p_value) == (pytest.approx(0.7), None, None)


def test_one_fold_is_refused():
    with pytest.raises(ValueError, match="two or more scores"):
        corrected_mean([0.7], num_train=40, num_val=10)
