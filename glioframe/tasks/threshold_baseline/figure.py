"""The values of both classes, and where each fold cut."""

from __future__ import annotations

import io
from typing import TYPE_CHECKING

import numpy as np
from matplotlib.figure import Figure

from glioframe.reporting.figure import NEGATIVE, POSITIVE

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from numpy.typing import NDArray


def values_png(values_of: Mapping[str, NDArray[np.float64]], cutoffs: Sequence[float], *, label: str) -> bytes:
    """A PNG of one row of points per class, with a line at the cut-off of each fold.

    Args:
        values_of: By class name, the negative class first.
        cutoffs: One per fold.
        label: Of the axis.
    """
    figure = Figure(figsize=(6.4, 2.4), dpi=110, layout="constrained")
    axes = figure.subplots()
    for row, (color, values) in enumerate(zip((NEGATIVE, POSITIVE), values_of.values(), strict=True)):
        spread = 0.25 * np.sin(2.4 * np.arange(len(values)))  # keeps equal values apart, the same at every drawing
        axes.plot(values, row + spread, "o", ms=4, color=color, alpha=0.7)
    for cutoff in cutoffs:
        axes.axvline(cutoff, color="0.4", lw=1, ls=(0, (4, 3)))
    axes.set_yticks(range(len(values_of)), list(values_of))
    axes.set_xlabel(label)
    axes.spines[["top", "right"]].set_visible(False)
    buffer = io.BytesIO()
    figure.savefig(buffer, format="png", metadata={"Software": None})
    return buffer.getvalue()
