"""Net benefit against counting by hand and against what it must be."""

import numpy as np
import pytest

from glioframe.evaluation.decision_curve import THRESHOLDS, decision_curve

PATIENTS = [f"sub{index}" for index in range(10)]


def test_net_benefit_of_a_worked_example():
    # At 0.2 the model acts on 5 cases, 3 of them positive: 3/10 - 2/10 x 0.25 = 0.25. On all: 4/10 - 6/10 x 0.25.
    reference = np.array([1, 1, 1, 1, 0, 0, 0, 0, 0, 0])
    probability = np.array([0.9, 0.8, 0.2, 0.1, 0.7, 0.3, 0.1, 0.1, 0.0, 0.0])
    found = decision_curve(reference, probability, PATIENTS, thresholds=np.array([0.2]))
    assert found.net_benefit == pytest.approx([0.25])
    assert found.treat_all == pytest.approx([0.25])


def test_a_perfect_model_gains_the_share_of_positive_cases_and_treating_all_breaks_even_at_it():
    reference = np.array([1, 1, 1, 0, 0, 0, 0, 0, 0, 0])
    found = decision_curve(reference, reference, PATIENTS, thresholds=np.array([0.1, 0.3, 0.5]))
    assert found.net_benefit == pytest.approx([0.3, 0.3, 0.3])
    assert found.treat_all[1] == pytest.approx(0.0)
    assert found.treat_all[2] < 0 < found.treat_all[0]


def test_a_model_that_acts_on_nobody_has_no_benefit_and_one_that_acts_on_all_has_treat_alls():
    reference = np.arange(10) % 2
    assert not decision_curve(reference, np.zeros(10), PATIENTS).net_benefit.any()
    everyone = decision_curve(reference, np.ones(10), PATIENTS)
    np.testing.assert_allclose(everyone.net_benefit, everyone.treat_all)


def test_calibrated_probabilities_never_do_worse_than_treating_all_or_none():
    rng = np.random.default_rng(0)
    probability = rng.beta(1, 2, size=50_000)
    reference = (rng.random(50_000) < probability).astype(int)
    found = decision_curve(reference, probability, list(map(str, range(50_000))), num_resamples=2)
    best_without = np.maximum(found.treat_all, 0)
    assert np.all(found.net_benefit > best_without - 0.004)
    assert found.net_benefit[THRESHOLDS.searchsorted(0.4)] > 0.02


def test_the_band_holds_the_curve_and_is_wider_when_cases_share_patients():
    rng = np.random.default_rng(1)
    reference = np.arange(60) % 2
    probability = np.clip(0.5 + 0.15 * (2 * reference - 1) + 0.2 * rng.standard_normal(60), 0, 1)
    single = decision_curve(reference, probability, list(map(str, range(60))))
    assert np.all(single.low <= single.net_benefit)
    assert np.all(single.net_benefit <= single.high)
    tripled = [np.repeat(part, 3) for part in (reference, probability)]
    grouped = decision_curve(*tripled, [str(index) for index in np.repeat(np.arange(60), 3)])
    apart = decision_curve(*tripled, [str(index) for index in range(180)])
    assert np.mean(grouped.high - grouped.low) > 1.4 * np.mean(apart.high - apart.low)
