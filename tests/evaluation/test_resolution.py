"""The difference that a cohort can show, against the share of simulated cohorts that do show it."""

import numpy as np
import pytest
from scipy.stats import norm

from glioframe.evaluation.delong import auc_covariance, auc_parts, delong_test
from glioframe.evaluation.resolution import detectable_difference, resolvable_in_words


def draw_test(rng, *, num_cases, aucs):
    reference = np.arange(num_cases) % 2
    shared, own = rng.standard_normal(num_cases), rng.standard_normal((2, num_cases))
    scores = np.sqrt(0.6) * shared + np.sqrt(0.4) * own + np.sqrt(2) * norm.ppf(aucs)[:, None] * reference
    parts = [auc_parts(reference, score, np.arange(num_cases), num_patients=num_cases) for score in scores]
    return delong_test((parts[0].auc, parts[1].auc), auc_covariance(parts))


def test_it_is_2_8_standard_errors():
    assert detectable_difference(0.05) == pytest.approx(0.05 * (1.959964 + 0.841621), rel=1e-5)


def test_a_difference_of_that_size_is_shown_by_four_cohorts_in_five():
    rng = np.random.default_rng(0)
    low = 0.70
    first = [draw_test(rng, num_cases=120, aucs=np.array([low, low])).standard_error for _ in range(100)]
    high = low + detectable_difference(float(np.median(first)))
    tests = [draw_test(rng, num_cases=120, aucs=np.array([high, low])) for _ in range(600)]
    # The better model's AUC varies less, so that the power is a little higher; a share of 600 is known to 1.6 points.
    assert np.mean([test.p_value < 0.05 for test in tests]) == pytest.approx(0.82, abs=0.06)


def test_differences_that_no_two_aucs_have_are_not_promised():
    assert resolvable_in_words([0.21, 0.4, 0.3]) == "0.21 to 0.40"
    assert resolvable_in_words([0.2]) == "0.20"
    assert resolvable_in_words([0.33, 1.69]) == "0.33 at best"
    assert resolvable_in_words([1.2, 1.69]) == ""
