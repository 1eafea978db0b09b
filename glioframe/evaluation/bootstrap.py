"""Bootstrap over patients: sessions of one patient are drawn together, for they are not independent.

B. Efron, JASA 82 (1987) 171-185 (BCa); A. C. Davison and D. V. Hinkley, Bootstrap Methods and their Application
(1997), sections 3.8 (clusters) and 5.3.2 (acceleration from the jackknife).
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any, TypeAlias

import numpy as np
from numpy.typing import NDArray
from scipy.special import ndtr, ndtri

from glioframe.evaluation.interval import Interval

if TYPE_CHECKING:
    from collections.abc import Sequence

Statistic: TypeAlias = Callable[[NDArray[Any]], NDArray[np.float64]]
"""Case weights (r, n) to values (r,); nan where undefined, e.g. because one class is absent."""

BCA = "BCa bootstrap of patients"
PERCENTILE = "percentile bootstrap of patients"

_LEAST_DEFINED_SHARE = 0.1
_EQUAL = 1e-12
_LARGEST_BLOCK = 4_000_000  # weights at once: 32 MB


class PatientBootstrap:
    """Resamples of a cohort, drawn once and shared by all statistics of it.

    A resample draws as many patients as there are, with replacement; a case weighs as often as its patient was
    drawn. Resamples in which a statistic is undefined are left out of its distribution: intervals are conditional
    on both classes being present, as they are in the cohort itself.
    """

    def __init__(self, patients: Sequence[str], *, num_resamples: int = 2000, seed: int = 0) -> None:
        """Draws the resamples.

        Args:
            patients: The patient of each case, (n,).
            num_resamples: How many.
            seed: Of the draw.
        """
        names, self._patient_of_case = np.unique(np.asarray(patients, dtype=str), return_inverse=True)
        self.num_patients = len(names)
        even = np.full(self.num_patients, 1 / max(1, self.num_patients))
        self._counts = np.random.default_rng(seed).multinomial(self.num_patients, even, size=num_resamples)

    def case_weights(self) -> NDArray[np.float64]:
        """How often each case was drawn in each resample, (resamples, n)."""
        return self._counts[:, self._patient_of_case].astype(np.float64)

    def estimate(self, statistic: Statistic) -> float:
        """The statistic with each case counted once; nan where undefined."""
        return float(statistic(np.ones((1, len(self._patient_of_case))))[0])

    def distribution(self, statistic: Statistic) -> NDArray[np.float64]:
        """The statistic of each resample, undefined ones left out."""
        values = self._in_blocks(statistic, self._counts)
        return values[np.isfinite(values)]

    def jackknife(self, statistic: Statistic) -> NDArray[np.float64]:
        """The statistic without each patient in turn, (patients,); nan where undefined."""
        return self._in_blocks(statistic, 1 - np.eye(self.num_patients))

    def interval(self, statistic: Statistic, *, confidence: float = 0.95) -> Interval | None:
        """The BCa interval of a statistic.

        Falls back to the percentile interval, widened to hold the estimate, where BCa does not exist: leaving out
        one patient makes the statistic undefined, or the estimate lies in the tails of its own resamples, as that of
        a calibration error near zero does: corrected for so much bias, the interval would shrink to a point.

        Returns:
            None where the bootstrap says nothing: the statistic is undefined, or nearly always so in the
            resamples, or all resamples agree (a perfect score).
        """
        estimate = self.estimate(statistic)
        values = self.distribution(statistic)
        if not np.isfinite(estimate) or values.size < _LEAST_DEFINED_SHARE * len(self._counts):
            return None
        if np.ptp(values) < _EQUAL:
            return None
        tails = np.array([(1 - confidence) / 2, (1 + confidence) / 2])
        corrected = bca_tails(tails, estimate=estimate, distribution=values, jackknife=self.jackknife(statistic))
        if corrected is not None:
            low, high = np.quantile(values, corrected)
            return Interval(low=float(low), high=float(high), method=BCA)
        low, high = np.quantile(values, tails)
        return Interval(low=min(float(low), estimate), high=max(float(high), estimate), method=PERCENTILE)

    def _in_blocks(self, statistic: Statistic, counts: NDArray[Any]) -> NDArray[np.float64]:
        rows = max(1, _LARGEST_BLOCK // max(1, len(self._patient_of_case)))
        blocks = [counts[start : start + rows] for start in range(0, len(counts), rows)]
        weights = (block[:, self._patient_of_case].astype(np.float64) for block in blocks)
        return np.concatenate([statistic(block) for block in weights])


def bca_tails(
    tails: NDArray[np.float64],
    *,
    estimate: float,
    distribution: NDArray[np.float64],
    jackknife: NDArray[np.float64],
) -> NDArray[np.float64] | None:
    """Tail probabilities corrected for bias and acceleration: Efron (1987), equations 2.3, 6.6 and 4.1.

    Bias: z0 = probit of the share of resamples below the estimate, equal ones counting half. Acceleration:
    a = sum d^3 / (6 (sum d^2)^1.5), where d is the mean jackknife value minus each.

    Returns:
        Tails to take quantiles of the distribution at; None where the correction does not exist, or extrapolates.
    """
    below = np.count_nonzero(distribution < estimate - _EQUAL)
    equal = np.count_nonzero(np.abs(distribution - estimate) <= _EQUAL)
    share = (below + equal / 2) / distribution.size
    deviation = jackknife.mean() - jackknife
    squares = (deviation**2).sum()
    if not (tails.min() < share < tails.max() and squares > 0):  # also false for nan
        return None
    acceleration = (deviation**3).sum() / (6 * squares**1.5)
    bias = ndtri(share)
    shifted = bias + ndtri(tails)
    scale = 1 - acceleration * shifted
    if np.any(scale <= 0):
        return None
    corrected: NDArray[np.float64] = ndtr(bias + shifted / scale)
    return corrected
