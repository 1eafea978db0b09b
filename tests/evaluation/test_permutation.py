"""Swapping models against doing it the long way, and Holm's adjustment against its definition."""

from itertools import product

import numpy as np
import pytest
from scipy.stats import false_discovery_control, rankdata
from sklearn.metrics import roc_auc_score

from glioframe.evaluation.multiplicity import holm
from glioframe.evaluation.permutation import permutation_p_value, swap_effects


def draw(rng, num_cases=12, *, gain=0.0):
    reference = np.arange(num_cases) % 2
    return (
        reference,
        rng.standard_normal(num_cases) + reference * (1 + gain),
        rng.standard_normal(num_cases) + reference,
    )


def differences_the_long_way(reference, first, second, patients):
    """The difference of the AUCs after every way of swapping, from the swapped ranks themselves."""
    a, b = rankdata(first), rankdata(second)
    is_positive = reference == 1

    def auc(scores):
        above = np.subtract.outer(scores[is_positive], scores[~is_positive])
        return np.mean((np.sign(above) + 1) / 2)

    found = []
    for swapped in product([False, True], repeat=max(patients) + 1):
        is_swapped = np.array(swapped)[patients]
        left, right = np.where(is_swapped, b, a), np.where(is_swapped, a, b)
        found.append(auc(left) - auc(right))
    return np.array(found)


@pytest.mark.parametrize("patients", [list(range(12)), [0, 1, 2, 3, 4, 0, 1, 2, 3, 4, 0, 1]])
def test_the_exact_p_value_is_the_share_of_all_swaps_that_are_as_unusual(patients):
    reference, first, second = draw(np.random.default_rng(0), gain=1.5)
    found = differences_the_long_way(reference, first, second, patients)
    expected = np.mean(np.abs(found) >= abs(found[0]) - 1e-12)
    effects = swap_effects(reference, first, second, np.array(patients), num_patients=max(patients) + 1)
    assert effects.sum() == pytest.approx(roc_auc_score(reference, first) - roc_auc_score(reference, second))
    assert permutation_p_value(effects) == pytest.approx(expected)


def test_random_swaps_agree_with_the_exact_p_value():
    rng = np.random.default_rng(1)
    effects = rng.standard_normal(16) + 0.4
    signs = np.array(list(product([-1, 1], repeat=16)))
    exact = np.mean(np.abs(signs @ effects) >= abs(effects.sum()) - 1e-12)
    # Standard deviation of a share in 40,000 swaps: at most 0.0025.
    assert permutation_p_value(effects, num_permutations=40_000, seed=2) == pytest.approx(exact, abs=0.01)


def test_the_scale_of_a_model_does_not_matter():
    reference, first, second = draw(np.random.default_rng(3), gain=1.0)
    plain = swap_effects(reference, first, second, np.arange(12), num_patients=12)
    stretched = swap_effects(reference, np.exp(3 * first), second / 100, np.arange(12), num_patients=12)
    np.testing.assert_allclose(stretched, plain)


def test_interchangeable_models_are_rejected_about_as_often_as_said():
    rng = np.random.default_rng(4)
    p_values = [
        permutation_p_value(
            swap_effects(*draw(rng, 40), np.arange(40), num_patients=40), num_permutations=400, seed=seed
        )
        for seed in range(600)
    ]
    # Four standard deviations of a share of 5 % in 600: 3.6 percentage points.
    assert np.mean(np.array(p_values) <= 0.05) == pytest.approx(0.05, abs=0.036)


def test_a_useless_and_a_perfect_model_are_told_apart_and_the_p_value_is_never_zero():
    rng = np.random.default_rng(5)
    reference = np.arange(60) % 2
    effects = swap_effects(reference, reference + 0.1 * rng.random(60), rng.random(60), np.arange(60), num_patients=60)
    assert permutation_p_value(effects, num_permutations=999, seed=0) == 1 / 1000


def test_the_same_seed_gives_the_same_p_value():
    effects = np.random.default_rng(6).standard_normal(30)
    assert permutation_p_value(effects, seed=7) == permutation_p_value(effects, seed=7)


def test_holms_adjustment_of_a_worked_example():
    # Sorted 0.01, 0.02, 0.03, 0.04 times 4, 3, 2, 1 is 0.04, 0.06, 0.06, 0.04; a later one is never smaller.
    assert holm([0.04, 0.01, 0.03, 0.02]) == pytest.approx([0.06, 0.04, 0.06, 0.06])
    assert holm([0.6, 0.9]) == [1.0, 1.0]
    assert holm([]) == []


def test_holm_lies_between_no_adjustment_with_false_discoveries_and_bonferroni():
    p = np.random.default_rng(8).random(9) ** 4
    adjusted = np.array(holm(p))
    assert np.all(false_discovery_control(p, method="bh") <= adjusted + 1e-12)
    assert np.all(adjusted <= np.minimum(1, 9 * p) + 1e-12)


def test_holm_makes_a_false_claim_in_at_most_one_family_in_twenty():
    rng = np.random.default_rng(9)
    claims = [min(holm(rng.random(6))) < 0.05 for _ in range(4000)]
    assert np.mean(claims) < 0.05 + 4 * np.sqrt(0.05 * 0.95 / 4000)
