"""The loss agrees with torch's own and counts classes as told."""

import pytest
import torch
from torch.nn import functional

from glioframe.losses.classification import inverse_frequency_weights, weighted_cross_entropy

LOGITS = torch.tensor([[1.0, -2.0, 0.5], [0.0, 0.0, 0.0], [-1.0, 3.0, 2.0], [4.0, 1.0, -3.0]])
TARGET = torch.tensor([0, 2, 1, 2])


@pytest.mark.parametrize("smoothing", [0.0, 0.1])
def test_without_weights_it_is_torchs_cross_entropy(smoothing):
    expected = functional.cross_entropy(LOGITS, TARGET, label_smoothing=smoothing, reduction="none")
    torch.testing.assert_close(weighted_cross_entropy(LOGITS, TARGET, label_smoothing=smoothing), expected)


def test_weights_multiply_the_loss_of_their_class():
    weights = (2.0, 0.5, 3.0)
    expected = functional.cross_entropy(LOGITS, TARGET, weight=torch.tensor(weights), reduction="none")
    torch.testing.assert_close(weighted_cross_entropy(LOGITS, TARGET, class_weights=weights), expected)


def test_an_uninformed_prediction_costs_the_logarithm_of_the_number_of_classes():
    assert float(weighted_cross_entropy(torch.zeros(1, 3), torch.tensor([1]))) == pytest.approx(1.0986123)


def test_inverse_frequency_weights_give_every_class_the_same_total():
    counts = (30, 10, 2)
    weights = inverse_frequency_weights(counts)
    totals = [weight * count for weight, count in zip(weights, counts, strict=True)]
    assert totals == pytest.approx([14.0, 14.0, 14.0])


def test_a_class_without_cases_weighs_nothing():
    assert inverse_frequency_weights((4, 0, 4)) == pytest.approx((1.0, 0.0, 1.0))
