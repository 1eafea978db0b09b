"""Outcomes of calls against scikit-learn and arithmetic."""

import numpy as np
import pytest
from sklearn.metrics import balanced_accuracy_score, precision_score, recall_score

from glioframe.evaluation.confusion import count_outcomes


@pytest.mark.parametrize("seed", range(5))
def test_rates_agree_with_scikit_learn(seed):
    rng = np.random.default_rng(seed)
    reference, calls = rng.random((2, 50)) < 0.4
    confusion = count_outcomes(reference, calls)
    assert confusion.sensitivity[0] == pytest.approx(recall_score(reference, calls))
    assert confusion.specificity[0] == pytest.approx(recall_score(~reference, ~calls))
    assert confusion.precision[0] == pytest.approx(precision_score(reference, calls))
    assert confusion.balanced_accuracy[0] == pytest.approx(balanced_accuracy_score(reference, calls))


def test_precision_is_undefined_when_nothing_is_called_positive():
    confusion = count_outcomes(np.array([1, 0, 1]), np.zeros(3))
    assert np.isnan(confusion.precision[0])
    assert confusion.sensitivity[0] == 0
    assert confusion.specificity[0] == 1
    assert confusion.balanced_accuracy[0] == 0.5


def test_weights_count_cases_as_often_as_they_were_drawn():
    confusion = count_outcomes(np.array([1, 1, 0, 0]), np.array([1, 0, 1, 0]), np.array([[2, 1, 0, 5], [0, 4, 1, 0]]))
    assert confusion.true_positive.tolist() == [2, 0]
    assert confusion.false_negative.tolist() == [1, 4]
    assert confusion.false_positive.tolist() == [0, 1]
    assert confusion.true_negative.tolist() == [5, 0]
