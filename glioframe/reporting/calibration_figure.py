"""What the probabilities promised against what came."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
from matplotlib.ticker import MaxNLocator

from glioframe.evaluation.calibration import calibration_bins
from glioframe.reporting.figure import FAINT, LEGEND, NEGATIVE, POSITIVE, inline_svg, literal, new_figure

if TYPE_CHECKING:
    from matplotlib.axes import Axes

    from glioframe.evaluation.sample import Sample

_HISTOGRAM_EDGES = [index / 20 for index in range(21)]


def draw_calibration(sample: Sample, classes: tuple[str, str], *, name: str) -> str:
    """SVG of the calibration curve in bins of equal mass, above a histogram of the probabilities.

    Args:
        sample: The cases.
        classes: What the negative and the positive class are called.
        name: Unique on the page.
    """
    figure, (axes, histogram) = new_figure(width_in=4.6, height_in=4.3, rows=2)
    bins = calibration_bins(sample.reference, sample.probability)
    said = np.array([found.mean_probability for found in bins])
    came = np.array([found.positive_fraction for found in bins])
    limits = np.array([found.interval.limits for found in bins]).T
    axes.plot([0, 1], [0, 1], color=FAINT, lw=1, ls=(0, (4, 3)), label="perfect")
    axes.errorbar(
        said,
        came,
        yerr=np.abs(limits - came),
        fmt="o-",
        color=NEGATIVE,
        ms=6,
        lw=1.5,
        elinewidth=1.2,
        capsize=3,
        label="model, 95 % Wilson",
    )
    axes.set(xlim=(-0.02, 1.02), ylim=(-0.04, 1.04))
    axes.set_ylabel("fraction positive")
    axes.tick_params(labelbottom=False)
    axes.legend(loc="upper left", **LEGEND)
    _draw_histogram(histogram, sample, classes)
    listed = "; ".join(
        f"said {found.mean_probability:.2f}, came {found.positive_fraction:.2f} of {found.num_cases}" for found in bins
    )
    return inline_svg(figure, name=name, description=f"Calibration in bins of equally many cases: {listed}.")


def _draw_histogram(axes: Axes, sample: Sample, classes: tuple[str, str]) -> None:
    parts = [sample.probability[~sample.reference], sample.probability[sample.reference]]
    names = [literal(name) for name in classes]
    axes.hist(parts, bins=_HISTOGRAM_EDGES, stacked=True, color=[NEGATIVE, POSITIVE], rwidth=0.9, label=names)
    axes.legend(loc="lower center", bbox_to_anchor=(0.5, 1.0), ncols=2, **LEGEND)
    axes.set(xlim=(-0.02, 1.02))
    axes.set_xlabel(f"probability of {literal(classes[1])}")
    axes.set_ylabel("cases")
    axes.yaxis.set_major_locator(MaxNLocator(nbins=3, integer=True))
