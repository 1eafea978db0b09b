"""Score intervals: they stay honest at 0 and 1, where a bootstrap collapses to a point."""

from __future__ import annotations

import math
from statistics import NormalDist
from typing import TYPE_CHECKING

from glioframe.evaluation.interval import Interval

if TYPE_CHECKING:
    from collections.abc import Callable

WILSON = "Wilson score"
NEWCOMBE_PAIR = "Wilson scores, combined by Newcombe's square-and-add"
NEWCOMBE_AUC = "Newcombe score"

_BISECTIONS = 60


def wilson_interval(proportion: float, num_trials: int, *, confidence: float = 0.95) -> Interval:
    """Interval of a binomial proportion: E. B. Wilson, JASA 22 (1927) 209-212.

    Args:
        proportion: Observed, in [0, 1].
        num_trials: Independent trials behind it, at least 1.
        confidence: Nominal coverage.
    """
    z = _z(confidence)
    spread = z * math.sqrt(proportion * (1 - proportion) / num_trials + (z / (2 * num_trials)) ** 2)
    center = proportion + z**2 / (2 * num_trials)
    shrink = 1 + z**2 / num_trials
    # The limits enclose the proportion; at 0 and 1 they touch it, which rounding must not undo.
    return Interval(
        low=min(proportion, max(0.0, (center - spread) / shrink)),
        high=max(proportion, min(1.0, (center + spread) / shrink)),
        method=WILSON,
    )


def mean_of_two_interval(first: tuple[float, int], second: tuple[float, int], *, confidence: float = 0.95) -> Interval:
    """Interval of the mean of two independent proportions, each given with its number of trials.

    Square-and-add of Wilson limits: R. G. Newcombe, Stat. Med. 17 (1998) 873-890, method 10, for a sum in place
    of a difference.
    """
    limits = [wilson_interval(*pair, confidence=confidence) for pair in (first, second)]
    proportions = (first[0], second[0])
    mean = sum(proportions) / 2
    below = math.hypot(*(p - limit.low for p, limit in zip(proportions, limits, strict=True))) / 2
    above = math.hypot(*(limit.high - p for p, limit in zip(proportions, limits, strict=True))) / 2
    return Interval(low=max(0.0, mean - below), high=min(1.0, mean + above), method=NEWCOMBE_PAIR)


def auc_score_interval(auc: float, num_positive: int, num_negative: int, *, confidence: float = 0.95) -> Interval:
    """Interval of an AUC as the values that a score test does not reject.

    Method 5 of R. G. Newcombe, Stat. Med. 25 (2006) 559-573: |AUC - a| = z sqrt(V(a)), where V is Hanley and
    McNeil's variance with both numbers of cases replaced by their mean inside the brackets.
    """
    z = _z(confidence)
    shared = (num_positive + num_negative) / 2 - 1

    def rejected(candidate: float) -> bool:
        bracket = 1 + shared * ((1 - candidate) / (2 - candidate) + candidate / (1 + candidate))
        variance = candidate * (1 - candidate) * bracket / (num_positive * num_negative)
        return abs(auc - candidate) > z * math.sqrt(variance)

    return Interval(
        low=_edge(rejected, inside=auc, outside=0.0),
        high=_edge(rejected, inside=auc, outside=1.0),
        method=NEWCOMBE_AUC,
    )


def _edge(rejected: Callable[[float], bool], *, inside: float, outside: float) -> float:
    if not rejected(outside):
        return outside
    for _ in range(_BISECTIONS):
        middle = (inside + outside) / 2
        if rejected(middle):
            outside = middle
        else:
            inside = middle
    return (inside + outside) / 2


def _z(confidence: float) -> float:
    return NormalDist().inv_cdf((1 + confidence) / 2)
