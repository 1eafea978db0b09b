"""From scores to probabilities that mean what they say, learned from rows that the scores' model had not seen."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, ClassVar

import numpy as np
from scipy.optimize import minimize
from scipy.special import log_softmax, softmax

from glioframe.artifacts.json_file import STRICT

if TYPE_CHECKING:
    from numpy.typing import NDArray

_SLOPES = (0.05, 20.0)
"""Never negative: where the inner folds found nothing, the ranking of new cases must not be turned around."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Calibration:
    """Probabilities are the softmax of ``slope * score + offset``.

    J. C. Platt (1999) for two classes; A. Alexandari et al., ICML (2020), call it bias-corrected temperature scaling.

    Attributes:
        slope: The same for all classes, positive: it keeps the ranking.
        offsets: One per class; the first is 0.
    """

    __pydantic_config__: ClassVar[dict[str, Any]] = STRICT
    slope: float
    offsets: tuple[float, ...]

    def probabilities(self, scores: NDArray[np.float64]) -> NDArray[np.float64]:
        """Of each class (n, k), from scores (n, k)."""
        result: NDArray[np.float64] = softmax(self.slope * scores + np.array(self.offsets), axis=1)
        return result


def fit_calibration(scores: NDArray[np.float64], classes: NDArray[np.int64]) -> Calibration:
    """Minimizes the log loss against Platt's smoothed targets, which keep the slope finite for separable classes.

    Args:
        scores: Of held-out rows, (n, k); with no row, nothing is changed.
        classes: Their classes, (n,).
    """
    num_rows, num_classes = scores.shape
    if num_rows == 0:
        return Calibration(slope=1.0, offsets=(0.0,) * num_classes)
    counts = np.bincount(classes, minlength=num_classes)
    certainty = (counts + 1) / (counts + 2)
    targets = np.repeat((1 - certainty)[classes][:, None] / (num_classes - 1), num_classes, axis=1)
    targets[np.arange(num_rows), classes] = certainty[classes]

    def loss(parameters: NDArray[np.float64]) -> float:
        offsets = np.concatenate([[0.0], parameters[1:]])
        log_probabilities: NDArray[np.float64] = log_softmax(parameters[0] * scores + offsets, axis=1)
        return float(-np.sum(targets * log_probabilities) / num_rows)

    start = np.concatenate([[1.0], np.zeros(num_classes - 1)])
    found = minimize(loss, start, method="L-BFGS-B", bounds=[_SLOPES] + [(-20.0, 20.0)] * (num_classes - 1)).x
    return Calibration(slope=float(found[0]), offsets=(0.0, *map(float, found[1:])))
