"""How large a difference must be before these patients can show it."""

from __future__ import annotations

from scipy.special import ndtri

POWER = 0.8
LEVEL = 0.05


def detectable_difference(standard_error: float, *, power: float = POWER, level: float = LEVEL) -> float:
    """The smallest true difference that a two-sided test shows with the given power.

    (z of 1 - level/2 + z of power) standard errors, the textbook formula solved for the difference; the standard
    error of a paired difference already holds the correlation of the two: N. A. Obuchowski and D. K. McClish, Stat.
    Med. 16 (1997) 1529-1542.
    """
    return float((ndtri(1 - level / 2) + ndtri(power)) * standard_error)
