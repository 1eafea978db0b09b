"""One number that makes probabilities as certain as they deserve: temperature scaling (C. Guo et al., ICML 2017)."""

# ruff: noqa: N803, N806 - names end in their shape: B cases, K classes

from __future__ import annotations

import math
from typing import TYPE_CHECKING

import numpy as np
from scipy.optimize import minimize_scalar

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

SPREAD_OF_LOG = 0.5
"""Standard deviation of log T that is believed before any case is seen. Without it, five cases that are all told apart
would make every prediction certain; tests/benchmarks/temperature.py compares values. Hundreds of cases overrule it."""

_FURTHEST_LOG = 3.0
_SMALLEST = 1e-12


def fit_temperature(probabilities_BK: NDArray[np.float64], references_B: NDArray[np.int64]) -> float:
    """The temperature T of highest likelihood on cases that were not fitted, times a prior about T = 1.

    Args:
        probabilities_BK: Of each case and class.
        references_B: Class index of each case. Without cases T is 1.
    """
    if not len(references_B):
        return 1.0
    logits_BK = _logits(probabilities_BK)
    rows = np.arange(len(references_B))

    def surprise(log_temperature: float) -> float:
        scaled_BK = _log_softmax(logits_BK * math.exp(-log_temperature))
        return float(-scaled_BK[rows, references_B].sum()) + (log_temperature / SPREAD_OF_LOG) ** 2 / 2

    found = minimize_scalar(surprise, bounds=(-_FURTHEST_LOG, _FURTHEST_LOG), method="bounded")
    return math.exp(float(found.x))


def tempered(probabilities: Sequence[float], temperature: float) -> tuple[float, ...]:
    """Probabilities at a temperature: above 1 less certain, below 1 more, the order of classes the same."""
    if temperature == 1:
        return tuple(probabilities)
    logits_1K = _logits(np.asarray(probabilities, dtype=np.float64)[None])
    scaled: list[float] = np.exp(_log_softmax(logits_1K / temperature))[0].tolist()
    return tuple(scaled)


def _logits(probabilities_BK: NDArray[np.float64]) -> NDArray[np.float64]:
    """Up to a constant per case, which softmax takes away."""
    return np.log(np.maximum(probabilities_BK, _SMALLEST))


def _log_softmax(logits_BK: NDArray[np.float64]) -> NDArray[np.float64]:
    shifted_BK = logits_BK - logits_BK.max(axis=1, keepdims=True)
    result: NDArray[np.float64] = shifted_BK - np.log(np.exp(shifted_BK).sum(axis=1, keepdims=True))
    return result
