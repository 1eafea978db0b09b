"""What the calls at an operating point get right. A call is positive when the probability reaches the point.

D. G. Altman and J. M. Bland, BMJ 308 (1994) 1552 (sensitivity, specificity) and BMJ 309 (1994) 102 (predictive
values); K. H. Brodersen et al., ICPR (2010) 3121-3124 (balanced accuracy).
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from glioframe.evaluation.discrimination import divide

if TYPE_CHECKING:
    from numpy.typing import NDArray


@dataclass(frozen=True, kw_only=True, slots=True)
class Confusion:
    """Weights of the four outcomes, one entry per row of case weights: all (r,)."""

    true_positive: NDArray[np.float64]
    false_positive: NDArray[np.float64]
    false_negative: NDArray[np.float64]
    true_negative: NDArray[np.float64]

    @property
    def sensitivity(self) -> NDArray[np.float64]:
        """TP / (TP + FN): the share of positive cases that are called positive."""
        return divide(self.true_positive, self.true_positive + self.false_negative)

    @property
    def specificity(self) -> NDArray[np.float64]:
        """TN / (TN + FP): the share of negative cases that are called negative."""
        return divide(self.true_negative, self.true_negative + self.false_positive)

    @property
    def precision(self) -> NDArray[np.float64]:
        """TP / (TP + FP), the positive predictive value: the share of positive calls that are right."""
        return divide(self.true_positive, self.true_positive + self.false_positive)

    @property
    def balanced_accuracy(self) -> NDArray[np.float64]:
        """(sensitivity + specificity) / 2: 0.5 for any call that ignores the case."""
        return (self.sensitivity + self.specificity) / 2


def count_outcomes(reference: NDArray[Any], calls: NDArray[Any], weights: NDArray[Any] | None = None) -> Confusion:
    """Counts the outcomes.

    Args:
        reference: 1 for positive and 0 for negative, (n,).
        calls: Whether each case is called positive, (n,).
        weights: Case weights (r, n); without them each case counts once, r = 1.
    """
    positive = np.asarray(reference).astype(bool)
    called = np.asarray(calls).astype(bool)
    cases = np.ones((1, positive.size)) if weights is None else np.asarray(weights, dtype=np.float64)
    return Confusion(
        true_positive=cases @ (positive & called),
        false_positive=cases @ (~positive & called),
        false_negative=cases @ (positive & ~called),
        true_negative=cases @ (~positive & ~called),
    )
