"""Every case as a dot: its probability, its class, and whether it was called right."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from glioframe.reporting.figure import FAINT, INK, NEGATIVE, POSITIVE, inline_svg, literal, new_figure

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from glioframe.evaluation.sample import Sample

_COLUMN = 0.015
_LARGEST_SPREAD = 0.38


def draw_probabilities(
    sample: Sample, operating_points: tuple[float, float], classes: tuple[str, str], *, name: str
) -> str:
    """SVG with one lane of dots per class.

    Args:
        sample: The cases.
        operating_points: The lowest and the highest over the folds.
        classes: What the negative and the positive class are called.
        name: Unique on the page.
    """
    figure, (axes,) = new_figure(width_in=9.6, height_in=2.3)
    low, high = operating_points
    axes.axvspan(low - 0.001, high + 0.001, color=FAINT, alpha=0.5, lw=0)
    for lane, color in enumerate((NEGATIVE, POSITIVE)):
        is_own = sample.reference == bool(lane)
        probability = sample.probability[is_own]
        is_right = (sample.calls == sample.reference)[is_own]
        height = lane + spread_dots(probability)
        axes.plot(probability[is_right], height[is_right], "o", ms=6, mfc=color, mec="none", alpha=0.75)
        axes.plot(probability[~is_right], height[~is_right], "X", ms=7, mfc=color, mec=INK, mew=0.6)
    axes.text((low + high) / 2, 1.62, "operating point", ha="center", va="bottom", fontsize=8, color=INK)
    axes.set(xlim=(-0.02, 1.02), ylim=(-0.6, 1.6))
    axes.set_yticks([0, 1], labels=[literal(name).replace(" ", "\n") for name in classes])
    axes.tick_params(axis="y", length=0)
    axes.set_xlabel(f"probability of {literal(classes[1])}")
    num_wrong = int((sample.calls != sample.reference).sum())
    description = f"Probabilities of {sample.num_cases} cases by class; {num_wrong} on the wrong side of the threshold."
    return inline_svg(figure, name=name, description=description)


def spread_dots(probability: NDArray[Any]) -> NDArray[np.float64]:
    """Offsets in [-0.38, 0.38] that keep dots of nearly equal probability from hiding each other; (n,)."""
    column = np.floor(probability / _COLUMN).astype(int)
    offsets = np.zeros(len(probability))
    for value in np.unique(column):
        members = np.flatnonzero(column == value)
        rank = np.arange(members.size) - (members.size - 1) / 2
        step = min(0.14, 2 * _LARGEST_SPREAD / max(1, members.size - 1))
        offsets[members] = rank * step
    return offsets
