"""How large a difference must be before these patients can show it."""

from __future__ import annotations

from typing import TYPE_CHECKING

from scipy.special import ndtri

if TYPE_CHECKING:
    from collections.abc import Sequence

POWER = 0.8
LEVEL = 0.05
_LARGEST = 1.0
"""No two AUCs differ by more."""


def detectable_difference(standard_error: float, *, power: float = POWER, level: float = LEVEL) -> float:
    """The smallest true difference that a two-sided test shows with the given power.

    (z of 1 - level/2 + z of power) standard errors, the textbook formula solved for the difference; the standard
    error of a paired difference already holds the correlation of the two: N. A. Obuchowski and D. K. McClish, Stat.
    Med. 16 (1997) 1529-1542.
    """
    return float((ndtri(1 - level / 2) + ndtri(power)) * standard_error)


def resolvable_in_words(differences: Sequence[float]) -> str:
    """What some pairs of models must differ by in their AUC to be told apart: ``0.21 to 0.40``.

    Args:
        differences: Of each pair, as :func:`detectable_difference` gives it: one or more.

    Returns:
        Empty where no pair of AUCs can differ by so much.
    """
    low, high = min(differences), max(differences)
    if low >= _LARGEST:
        return ""
    if high >= _LARGEST:
        return f"{low:.2f} at best"
    shown = f"{low:.2f}", f"{high:.2f}"
    return shown[0] if shown[0] == shown[1] else " to ".join(shown)
