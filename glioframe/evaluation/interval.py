"""What every interval is."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, kw_only=True, slots=True)
class Interval:
    """A two-sided confidence interval.

    Attributes:
        low: Lower limit.
        high: Upper limit.
        method: How it was formed, in words.
    """

    low: float
    high: float
    method: str

    @property
    def limits(self) -> tuple[float, float]:
        """(low, high)."""
        return (self.low, self.high)
