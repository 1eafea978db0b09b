"""Scores of repeated cross-validation are not independent: the folds share most of their training cases."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from scipy.stats import t as student_t

from glioframe.evaluation.interval import Interval

if TYPE_CHECKING:
    from collections.abc import Sequence

CORRECTED_T = "t interval of the folds, corrected by Nadeau and Bengio"
_LEAST_FOLDS = 2


@dataclass(frozen=True, kw_only=True, slots=True)
class CorrectedMean:
    """The mean over folds of a score, or of the difference of two models' scores.

    Attributes:
        mean: Over all folds of all repeats.
        interval: 95 %; None where all folds agree.
        p_value: Two-sided, of a mean of 0; None where all folds agree.
    """

    mean: float
    interval: Interval | None
    p_value: float | None


def corrected_mean(scores: Sequence[float], *, num_train: int, num_val: int, confidence: float = 0.95) -> CorrectedMean:
    """The corrected resampled t: C. Nadeau and Y. Bengio, Mach. Learn. 52 (2003) 239-281, section 4.

    The variance of the mean of J folds is (1 / J + num_val / num_train) times their sample variance, instead of
    1 / J times: the second term stands for the correlation of folds that share training cases, and does not shrink
    with more repeats. J - 1 degrees of freedom.

    Args:
        scores: One per fold and repeat, or the differences of two models on the same folds.
        num_train: Cases (patients) that a fold trains on.
        num_val: Cases (patients) that a fold is scored on.
        confidence: Nominal coverage.

    Raises:
        ValueError: Fewer than two folds, or sizes below 1.
    """
    values = np.asarray(scores, dtype=np.float64)
    if values.size < _LEAST_FOLDS or min(num_train, num_val) < 1:
        message = f"two or more scores and sizes of at least 1, not {values.size} scores of {num_train} and {num_val}"
        raise ValueError(message)
    mean, degrees = float(values.mean()), values.size - 1
    standard_error = math.sqrt((1 / values.size + num_val / num_train) * float(values.var(ddof=1)))
    if standard_error == 0:
        return CorrectedMean(mean=mean, interval=None, p_value=None)
    reach = float(student_t.ppf((1 + confidence) / 2, degrees)) * standard_error
    return CorrectedMean(
        mean=mean,
        interval=Interval(low=mean - reach, high=mean + reach, method=CORRECTED_T),
        p_value=float(2 * student_t.sf(abs(mean) / standard_error, degrees)),
    )
