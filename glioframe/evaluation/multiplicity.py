"""Asking many questions at once without finding something by chance."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Sequence


def holm(p_values: Sequence[float]) -> list[float]:
    """Adjusted p values, in the order given: S. Holm, Scand. J. Stat. 6 (1979) 65-70.

    Rejecting where they are at most 0.05 makes a single false claim in the whole family with a probability of at
    most 5 %, however the questions depend on each other.
    """
    p = np.asarray(p_values, dtype=np.float64)
    order = np.argsort(p, kind="stable")
    stepped = p[order] * np.arange(p.size, 0, -1)
    adjusted = np.empty_like(p)
    adjusted[order] = np.minimum(1.0, np.maximum.accumulate(stepped)) if p.size else stepped
    return [float(value) for value in adjusted]
