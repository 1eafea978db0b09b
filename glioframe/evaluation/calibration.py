"""Whether a probability of 0.7 means seven in ten."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from glioframe.evaluation.discrimination import divide
from glioframe.evaluation.wilson import wilson_interval

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from glioframe.evaluation.interval import Interval

MOST_BINS = 10
LEAST_CASES_PER_BIN = 5


@dataclass(frozen=True, kw_only=True, slots=True)
class CalibrationBin:
    """Cases of neighboring probabilities.

    Attributes:
        mean_probability: What was said.
        positive_fraction: What came.
        num_cases: Cases in the bin.
        interval: Wilson's, of the positive fraction.
    """

    mean_probability: float
    positive_fraction: float
    num_cases: int
    interval: Interval


def num_calibration_bins(num_cases: int) -> int:
    """At most ten bins, of at least five cases each; one where there are fewer than ten cases."""
    return max(1, min(MOST_BINS, num_cases // LEAST_CASES_PER_BIN))


def weighted_brier(reference: NDArray[Any], probability: NDArray[Any], weights: NDArray[Any]) -> NDArray[np.float64]:
    """Mean squared difference of probability and reference: G. W. Brier, Mon. Weather Rev. 78 (1950) 1-3.

    0 is perfect, 0.25 is what saying 0.5 always gets. For each row of case weights (r, n); (r,).
    """
    squared_error = (np.asarray(probability, dtype=np.float64) - np.asarray(reference)) ** 2
    return divide(weights @ squared_error, weights.sum(axis=1))


def brier(reference: NDArray[Any], probability: NDArray[Any]) -> float:
    """:func:`weighted_brier` with each case counted once."""
    return float(weighted_brier(reference, probability, np.ones((1, len(reference))))[0])


def weighted_scaled_brier(
    reference: NDArray[Any], probability: NDArray[Any], weights: NDArray[Any]
) -> NDArray[np.float64]:
    """1 - Brier score / Brier score of always saying the share of positive cases.

    1 is perfect, 0 says no more than the share does, below 0 is worse than that: E. W. Steyerberg et al.,
    Epidemiology 21 (2010) 128-138. For each row of case weights (r, n); (r,), nan with one class only.
    """
    prevalence = divide(weights @ np.asarray(reference, dtype=np.float64), weights.sum(axis=1))
    return 1 - divide(weighted_brier(reference, probability, weights), prevalence * (1 - prevalence))


def weighted_ece(
    reference: NDArray[Any], probability: NDArray[Any], weights: NDArray[Any], *, num_bins: int
) -> NDArray[np.float64]:
    """Expected calibration error with bins of equal mass, for each row of case weights (r, n); (r,).

    sum over bins of (cases in bin / cases) x |mean probability - fraction positive|: M. P. Naeini et al., AAAI
    (2015) 2901-2907, with bins that hold equally many cases instead of being equally wide: K. Nguyen and
    B. O'Connor, EMNLP (2015) 1587-1598; J. Nixon et al., CVPR Workshops (2019). Cases of equal probability are
    never parted: all lie in the bin of their middle rank. It is biased upward in small samples, where a bin's
    fraction differs from its probability by chance alone.
    """
    order, bins = _bins(probability, weights, num_bins=num_bins)
    ordered = np.asarray(weights, dtype=np.float64)[:, order]
    gap = ordered * (np.asarray(probability, dtype=np.float64) - np.asarray(reference))[order]
    num_rows = len(ordered)
    cells = (bins + num_bins * np.arange(num_rows)[:, None]).ravel()
    gap_of_bin = np.bincount(cells, weights=gap.ravel(), minlength=num_rows * num_bins)
    return divide(np.abs(gap_of_bin).reshape(num_rows, num_bins).sum(axis=1), ordered.sum(axis=1))


def ece(reference: NDArray[Any], probability: NDArray[Any], *, num_bins: int | None = None) -> float:
    """:func:`weighted_ece` with each case counted once and, by default, :func:`num_calibration_bins`."""
    bins = num_calibration_bins(len(reference)) if num_bins is None else num_bins
    return float(weighted_ece(reference, probability, np.ones((1, len(reference))), num_bins=bins)[0])


def calibration_bins(
    reference: NDArray[Any], probability: NDArray[Any], *, num_bins: int | None = None
) -> list[CalibrationBin]:
    """The bins behind :func:`ece`, by rising probability; empty ones are left out."""
    wanted = num_calibration_bins(len(reference)) if num_bins is None else num_bins
    order, bins = _bins(probability, np.ones((1, len(reference))), num_bins=wanted)
    said, came = np.asarray(probability, dtype=np.float64)[order], np.asarray(reference, dtype=np.float64)[order]
    return [_bin(said[bins[0] == index], came[bins[0] == index]) for index in np.unique(bins[0])]


def _bin(said: NDArray[np.float64], came: NDArray[np.float64]) -> CalibrationBin:
    return CalibrationBin(
        mean_probability=float(said.mean()),
        positive_fraction=float(came.mean()),
        num_cases=said.size,
        interval=wilson_interval(float(came.mean()), said.size),
    )


def _bins(
    probability: NDArray[Any], weights: NDArray[Any], *, num_bins: int
) -> tuple[NDArray[np.intp], NDArray[np.intp]]:
    """The ascending order of the cases (n,), and each ordered case's bin for each row of weights (r, n)."""
    order = np.argsort(probability, kind="stable")
    _, first_of_tie, tie = np.unique(np.asarray(probability)[order], return_index=True, return_inverse=True)
    mass = np.add.reduceat(np.asarray(weights, dtype=np.float64)[:, order], first_of_tie, axis=1)
    middle_rank = np.cumsum(mass, axis=1) - mass / 2
    total = mass.sum(axis=1, keepdims=True)
    share = np.divide(middle_rank, total, out=np.zeros_like(middle_rank), where=total > 0)
    bins = np.minimum((share * num_bins).astype(np.intp), num_bins - 1)
    return order, bins[:, tie]
