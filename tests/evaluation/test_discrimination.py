"""AUC and AUPRC against counting, closed forms and scikit-learn."""

import numpy as np
import pytest
from scipy.stats import mannwhitneyu, norm
from sklearn.metrics import average_precision_score, roc_auc_score

from glioframe.evaluation.discrimination import auc, average_precision, weighted_auc, weighted_average_precision


def draw(seed, *, num_cases=60, levels=1000):
    rng = np.random.default_rng(seed)
    reference = rng.permutation(np.arange(num_cases) % 3 == 0)
    return reference, np.round(rng.random(num_cases) * levels) / levels


@pytest.mark.parametrize("levels", [1000, 7, 2])
@pytest.mark.parametrize("seed", range(5))
def test_auc_and_average_precision_agree_with_scikit_learn_with_and_without_ties(seed, levels):
    reference, probability = draw(seed, levels=levels)
    assert auc(reference, probability) == pytest.approx(roc_auc_score(reference, probability), abs=1e-12)
    expected = average_precision_score(reference, probability)
    assert average_precision(reference, probability) == pytest.approx(expected, abs=1e-12)


def test_auc_is_the_mann_whitney_statistic_per_pair():
    reference, probability = draw(1, levels=9)
    statistic = mannwhitneyu(probability[reference], probability[~reference]).statistic
    assert auc(reference, probability) == pytest.approx(statistic / (reference.sum() * (~reference).sum()))


def test_auc_of_two_normal_distributions_is_phi_of_their_distance_over_root_two():
    rng = np.random.default_rng(0)
    reference = np.arange(40_000) % 2
    score = rng.standard_normal(reference.size) + 1.0 * reference
    assert auc(reference, norm.cdf(score)) == pytest.approx(norm.cdf(1 / np.sqrt(2)), abs=0.01)


def test_auc_turns_over_with_the_classes_and_ignores_monotone_rescaling():
    reference, probability = draw(2)
    assert auc(~reference, probability) == pytest.approx(1 - auc(reference, probability))
    assert auc(reference, probability**3) == auc(reference, probability)


def test_a_constant_probability_ranks_like_a_coin():
    reference = np.array([1, 0, 0, 1, 0])
    assert auc(reference, np.full(5, 0.4)) == 0.5
    assert average_precision(reference, np.full(5, 0.4)) == pytest.approx(2 / 5)


@pytest.mark.parametrize("reference", [[0, 0, 0], [1, 1, 1]])
def test_one_class_alone_has_neither_auc_nor_average_precision(reference):
    probability = np.array([0.2, 0.5, 0.9])
    assert np.isnan(auc(np.array(reference), probability))
    assert np.isnan(average_precision(np.array(reference), probability))


def test_a_case_of_weight_three_counts_like_three_copies():
    reference, probability = draw(3, num_cases=20, levels=10)
    weights = np.random.default_rng(0).integers(0, 4, size=(1, 20))
    copies = np.repeat(np.arange(20), weights[0])
    assert weighted_auc(reference, probability, weights)[0] == pytest.approx(
        roc_auc_score(reference[copies], probability[copies])
    )
    assert weighted_average_precision(reference, probability, weights)[0] == pytest.approx(
        average_precision_score(reference[copies], probability[copies])
    )
