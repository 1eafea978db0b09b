"""How well probabilities rank positive cases above negative ones.

The weighted forms take case weights (r, n), one row per resample, and give r values at once: how often each case
was drawn. Rows without both classes give nan.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

if TYPE_CHECKING:
    from numpy.typing import NDArray


def auc(reference: NDArray[Any], probability: NDArray[Any]) -> float:
    """Area under the ROC curve: the chance that a positive case gets the higher probability, ties counting half.

    The Mann-Whitney statistic over the number of pairs, by midranks: D. Bamber, J. Math. Psychol. 12 (1975)
    387-415; J. A. Hanley and B. J. McNeil, Radiology 143 (1982) 29-36. nan with one class only.
    """
    return float(weighted_auc(reference, probability, np.ones((1, len(reference))))[0])


def weighted_auc(reference: NDArray[Any], probability: NDArray[Any], weights: NDArray[Any]) -> NDArray[np.float64]:
    """:func:`auc` of each row of case weights (r, n); (r,)."""
    positive, negative = weights_at_distinct_probabilities(reference, probability, weights)
    negative_below = np.cumsum(negative, axis=1) - negative
    ordered_pairs = (positive * (negative_below + negative / 2)).sum(axis=1)
    return divide(ordered_pairs, positive.sum(axis=1) * negative.sum(axis=1))


def average_precision(reference: NDArray[Any], probability: NDArray[Any]) -> float:
    """Area under the precision-recall curve as a step function: sum over thresholds of precision x recall gained.

    No interpolation between thresholds, which would flatter: J. Davis and M. Goadrich, ICML (2006) 233-240.
    A model that ranks at random has the share of positive cases. nan with one class only.
    """
    return float(weighted_average_precision(reference, probability, np.ones((1, len(reference))))[0])


def weighted_average_precision(
    reference: NDArray[Any], probability: NDArray[Any], weights: NDArray[Any]
) -> NDArray[np.float64]:
    """:func:`average_precision` of each row of case weights (r, n); (r,)."""
    positive, negative = (part[:, ::-1] for part in weights_at_distinct_probabilities(reference, probability, weights))
    true_positive, false_positive = np.cumsum(positive, axis=1), np.cumsum(negative, axis=1)
    called = true_positive + false_positive
    precision = np.divide(true_positive, called, out=np.zeros_like(called), where=called > 0)
    has_both = np.where(negative.sum(axis=1) > 0, positive.sum(axis=1), 0.0)
    return divide((precision * positive).sum(axis=1), has_both)


def divide(numerator: NDArray[Any], denominator: NDArray[Any]) -> NDArray[np.float64]:
    """Elementwise quotient; nan where the denominator is 0, for it means: undefined."""
    undefined = np.full(np.broadcast_shapes(numerator.shape, denominator.shape), np.nan)
    np.divide(numerator, denominator, out=undefined, where=denominator != 0)
    return undefined


def weights_at_distinct_probabilities(
    reference: NDArray[Any], probability: NDArray[Any], weights: NDArray[Any]
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Weight of positive and of negative cases at each distinct probability, ascending: both (r, distinct)."""
    order = np.argsort(probability, kind="stable")
    _, first_of_tie = np.unique(np.asarray(probability)[order], return_index=True)
    is_positive = np.asarray(reference)[order].astype(np.float64)
    ordered = np.asarray(weights, dtype=np.float64)[:, order]
    positive = np.add.reduceat(ordered * is_positive, first_of_tie, axis=1)
    negative = np.add.reduceat(ordered * (1 - is_positive), first_of_tie, axis=1)
    return positive, negative
