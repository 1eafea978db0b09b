"""The operating point: Youden's index, brought as close to 0.5 as the data allow."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from glioframe.evaluation.operating_point import choose_operating_point


def test_separated_classes_are_split_halfway_between_their_nearest_cases():
    reference = np.array([0, 0, 1, 1])
    assert choose_operating_point(reference, np.array([0.05, 0.1, 0.2, 0.4])) == pytest.approx(0.15)


def test_one_half_is_kept_where_it_already_separates_the_classes():
    assert choose_operating_point(np.array([0, 1]), np.array([0.1, 0.6])) == 0.5


@pytest.mark.parametrize("reference", [[1, 1, 1], [0, 0, 0], []])
def test_one_class_alone_leaves_one_half(reference):
    assert choose_operating_point(np.array(reference), np.linspace(0.7, 0.9, len(reference))) == 0.5


def test_of_equally_good_thresholds_the_one_nearest_one_half_is_taken():
    # 0.1 < t <= 0.3 and 0.6 < t <= 0.9 both give a balanced accuracy of 3/4.
    reference = np.array([0, 1, 0, 1])
    assert choose_operating_point(reference, np.array([0.1, 0.3, 0.6, 0.9])) == pytest.approx(0.75)
    assert choose_operating_point(reference, np.array([0.1, 0.5, 0.8, 0.9])) == pytest.approx(0.5)


@settings(deadline=None)
@given(
    st.lists(st.tuples(st.booleans(), st.integers(0, 20)), min_size=2, max_size=30).filter(
        lambda cases: len({reference for reference, _ in cases}) == 2
    )
)
def test_no_threshold_has_a_higher_balanced_accuracy(cases):
    reference = np.array([case[0] for case in cases])
    probability = np.array([case[1] for case in cases]) / 20
    chosen = choose_operating_point(reference, probability)

    def balanced_accuracy(threshold):
        calls = probability >= threshold
        return (calls[reference].mean() + (~calls[~reference]).mean()) / 2

    best = max(balanced_accuracy(threshold) for threshold in np.linspace(0.001, 0.999, 400))
    assert balanced_accuracy(chosen) == pytest.approx(best)
    assert 0 <= chosen <= 1
