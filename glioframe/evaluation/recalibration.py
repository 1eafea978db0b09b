"""Calibration in two numbers: are probabilities too high on the whole, and are they too extreme?

D. R. Cox, Biometrika 45 (1958) 562-565; B. Van Calster et al., J. Clin. Epidemiol. 74 (2016) 167-176. Intervals are
Wald's; where patients have several cases, with the sandwich variance over patients: K.-Y. Liang and S. L. Zeger,
Biometrika 73 (1986) 13-22.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
from scipy.special import expit, logit, ndtri

from glioframe.evaluation.interval import Interval

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

WALD = "Wald, logistic recalibration"
SANDWICH = "Wald, logistic recalibration, sandwich variance over patients"

NEAREST_TO_CERTAIN = 1e-4
"""Probabilities are kept this far from 0 and 1, whose logits are infinite."""

_MOST_STEPS = 100
_CONVERGED = 1e-10
_SMALLEST_STEP = 1e-6


@dataclass(frozen=True, kw_only=True, slots=True)
class Recalibrated:
    """One coefficient of a recalibration with its interval."""

    value: float
    interval: Interval


def calibration_intercept(
    reference: NDArray[Any], probability: NDArray[Any], patients: Sequence[str]
) -> Recalibrated | None:
    """Calibration in the large: a of logit P(y = 1) = a + logit p. 0 is perfect, below 0 the p are too high.

    Returns:
        None with one class only.
    """
    y, x = np.asarray(reference, dtype=np.float64), _logits(probability)
    if not 0 < y.sum() < y.size:
        return None
    return _fit(np.ones((y.size, 1)), y, offset=x, patients=patients, coefficient=0)


def calibration_slope(
    reference: NDArray[Any], probability: NDArray[Any], patients: Sequence[str]
) -> Recalibrated | None:
    """Slope b of logit P(y = 1) = a + b logit p. 1 is perfect, below 1 the p are too extreme, as after overfitting.

    Returns:
        None where there is no finite slope: some threshold parts the two classes without error, ties aside. A.
        Albert and J. A. Anderson, Biometrika 71 (1984) 1-10.
    """
    y, x = np.asarray(reference, dtype=np.float64), _logits(probability)
    positive, negative = x[y == 1], x[y == 0]
    if not (positive.size and negative.size and positive.min() < negative.max() and negative.min() < positive.max()):
        return None
    design = np.stack([np.ones_like(x), x], axis=1)
    return _fit(design, y, offset=np.zeros_like(x), patients=patients, coefficient=1)


def _logits(probability: NDArray[Any]) -> NDArray[np.float64]:
    p = np.clip(np.asarray(probability, dtype=np.float64), NEAREST_TO_CERTAIN, 1 - NEAREST_TO_CERTAIN)
    found: NDArray[np.float64] = logit(p)
    return found


def _fit(
    design: NDArray[np.float64],
    y: NDArray[np.float64],
    *,
    offset: NDArray[np.float64],
    patients: Sequence[str],
    coefficient: int,
) -> Recalibrated:
    """Maximum likelihood by Newton's steps, halved where they overshoot; the likelihood has one maximum."""
    beta = np.zeros(design.shape[1])
    for _ in range(_MOST_STEPS):
        fitted = expit(offset + design @ beta)
        gradient = design.T @ (y - fitted)
        step = np.linalg.solve(_information(design, fitted), gradient)
        size = 1.0
        while size > _SMALLEST_STEP and _log_likelihood(design, y, offset, beta + size * step) < _log_likelihood(
            design, y, offset, beta
        ):
            size /= 2
        beta = beta + size * step
        if np.abs(step).max() < _CONVERGED:
            break
    fitted = expit(offset + design @ beta)
    covariance, method = _covariance(design, y - fitted, _information(design, fitted), patients)
    reach = float(ndtri(0.975)) * math.sqrt(covariance[coefficient, coefficient])
    value = float(beta[coefficient])
    return Recalibrated(value=value, interval=Interval(low=value - reach, high=value + reach, method=method))


def _information(design: NDArray[np.float64], fitted: NDArray[np.float64]) -> NDArray[np.float64]:
    information: NDArray[np.float64] = (design * (fitted * (1 - fitted))[:, None]).T @ design
    return information


def _log_likelihood(
    design: NDArray[np.float64], y: NDArray[np.float64], offset: NDArray[np.float64], beta: NDArray[np.float64]
) -> float:
    linear = offset + design @ beta
    return float(-np.logaddexp(0, np.where(y == 1, -linear, linear)).sum())


def _covariance(
    design: NDArray[np.float64],
    residual: NDArray[np.float64],
    information: NDArray[np.float64],
    patients: Sequence[str],
) -> tuple[NDArray[np.float64], str]:
    inverse = np.asarray(np.linalg.inv(information), dtype=np.float64)
    names, patient_of_case = np.unique(np.asarray(patients, dtype=str), return_inverse=True)
    if names.size in (1, residual.size):
        return inverse, WALD
    scores = np.zeros((names.size, design.shape[1]))
    np.add.at(scores, patient_of_case, design * residual[:, None])
    meat: NDArray[np.float64] = names.size / (names.size - 1) * (scores.T @ scores)
    return inverse @ meat @ inverse, SANDWICH
