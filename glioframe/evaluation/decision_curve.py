"""Would acting on the probabilities do more good than harm? Net benefit over the thresholds at which one may act.

A. J. Vickers and E. B. Elkin, Med. Decis. Making 26 (2006) 565-574.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from glioframe.evaluation.bootstrap import PatientBootstrap
from glioframe.evaluation.discrimination import divide

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

THRESHOLDS = np.linspace(0.05, 0.6, 56)
"""From acting at a chance of 1 in 20 to acting at 3 in 5."""


@dataclass(frozen=True, kw_only=True)
class DecisionCurve:
    """Net benefit in true positives per case; treating nobody has 0. All (k,).

    Attributes:
        thresholds: Probabilities from which on one acts.
        net_benefit: Of acting on the model.
        low: Lower 95 % limit at each threshold, from the bootstrap over patients.
        high: Upper limit.
        treat_all: Net benefit of acting on every case.
    """

    thresholds: NDArray[np.float64]
    net_benefit: NDArray[np.float64]
    low: NDArray[np.float64]
    high: NDArray[np.float64]
    treat_all: NDArray[np.float64]


def decision_curve(
    reference: NDArray[Any],
    probability: NDArray[Any],
    patients: Sequence[str],
    *,
    thresholds: NDArray[np.float64] = THRESHOLDS,
    num_resamples: int = 1000,
    seed: int = 0,
) -> DecisionCurve:
    """The curve with its pointwise percentile band.

    Args:
        reference: 1 for positive and 0 for negative, (n,).
        probability: Of the positive class, (n,).
        patients: The patient of each case, (n,).
        thresholds: Between 0 and 1, both excluded, (k,).
        num_resamples: Of the bootstrap over patients.
        seed: Of its draws.
    """
    once = np.ones((1, len(reference)))
    weights = PatientBootstrap(patients, num_resamples=num_resamples, seed=seed).case_weights()
    low, high = np.quantile(
        weighted_net_benefit(reference, probability, weights, thresholds=thresholds), (0.025, 0.975), axis=0
    )
    return DecisionCurve(
        thresholds=thresholds,
        net_benefit=weighted_net_benefit(reference, probability, once, thresholds=thresholds)[0],
        low=low,
        high=high,
        treat_all=weighted_net_benefit(reference, np.ones(len(reference)), once, thresholds=thresholds)[0],
    )


def weighted_net_benefit(
    reference: NDArray[Any], probability: NDArray[Any], weights: NDArray[Any], *, thresholds: NDArray[np.float64]
) -> NDArray[np.float64]:
    """TP / n - FP / n x t / (1 - t) at each threshold t, for each row of case weights (r, n); (r, k).

    A threshold says what a false alarm costs: who acts from a chance of 0.2 on holds a missed case for four times as
    bad as a needless treatment.
    """
    is_positive = np.asarray(reference).astype(bool)
    acts = np.asarray(probability)[:, None] >= thresholds
    cases = np.asarray(weights, dtype=np.float64)
    true_positive = cases @ (acts & is_positive[:, None])
    false_positive = cases @ (acts & ~is_positive[:, None])
    harm = thresholds / (1 - thresholds)
    return divide(true_positive - harm * false_positive, cases.sum(axis=1, keepdims=True))
