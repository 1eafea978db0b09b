"""The ROC curve and its band."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from glioframe.evaluation.bootstrap import PatientBootstrap
from glioframe.evaluation.discrimination import divide, weights_at_distinct_probabilities

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray


@dataclass(frozen=True, kw_only=True)
class RocCurve:
    """Sensitivity against 1 - specificity over all thresholds, from (0, 0) to (1, 1); both (k,)."""

    false_positive_rate: NDArray[np.float64]
    sensitivity: NDArray[np.float64]


@dataclass(frozen=True, kw_only=True)
class RocBand:
    """Pointwise 95 % limits of the sensitivity at given false positive rates; all (k,)."""

    false_positive_rate: NDArray[np.float64]
    low: NDArray[np.float64]
    high: NDArray[np.float64]


def roc_curve(reference: NDArray[Any], probability: NDArray[Any]) -> RocCurve:
    """The empirical ROC curve; tied cases of both classes make a slanted piece, so its area is the AUC.

    T. Fawcett, Pattern Recognit. Lett. 27 (2006) 861-874. Needs both classes.
    """
    false_positive_rate, sensitivity = _rates(reference, probability, np.ones((1, len(reference))))
    return RocCurve(false_positive_rate=false_positive_rate[0], sensitivity=sensitivity[0])


def roc_band(
    reference: NDArray[Any],
    probability: NDArray[Any],
    patients: Sequence[str],
    *,
    num_resamples: int = 1000,
    seed: int = 0,
) -> RocBand:
    """Percentile band of the sensitivity at each false positive rate, from the bootstrap over patients.

    Vertical averaging as in Fawcett (2006), section 9.1. Resamples with one class only are left out.
    """
    grid = np.linspace(0, 1, 101)
    weights = PatientBootstrap(patients, num_resamples=num_resamples, seed=seed).case_weights()
    curves = zip(*_rates(reference, probability, weights), strict=True)
    heights = [_height_at(grid, *curve) for curve in curves if np.isfinite(curve).all()]
    low, high = np.quantile(heights, (0.025, 0.975), axis=0)
    return RocBand(false_positive_rate=grid, low=low, high=high)


def _rates(
    reference: NDArray[Any], probability: NDArray[Any], weights: NDArray[Any]
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """False positive rate and sensitivity from the strictest threshold to the laxest, (r, thresholds + 1)."""
    positive, negative = (
        np.pad(part[:, ::-1], ((0, 0), (1, 0)))
        for part in weights_at_distinct_probabilities(reference, probability, weights)
    )
    false_positive_rate = divide(np.cumsum(negative, axis=1), negative.sum(axis=1, keepdims=True))
    return false_positive_rate, divide(np.cumsum(positive, axis=1), positive.sum(axis=1, keepdims=True))


def _height_at(
    grid: NDArray[np.float64], false_positive_rate: NDArray[np.float64], sensitivity: NDArray[np.float64]
) -> NDArray[np.float64]:
    """Sensitivity at each rate of the grid; at a vertical step its top, between two points the straight line."""
    left = np.searchsorted(false_positive_rate, grid, side="right") - 1
    right = np.minimum(left + 1, len(sensitivity) - 1)
    run = false_positive_rate[right] - false_positive_rate[left]
    share = np.divide(grid - false_positive_rate[left], run, out=np.zeros_like(grid), where=run > 0)
    height: NDArray[np.float64] = sensitivity[left] + share * (sensitivity[right] - sensitivity[left])
    return height
