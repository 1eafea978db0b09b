"""The ROC curve with its band and the operating point."""

from __future__ import annotations

from typing import TYPE_CHECKING

from glioframe.evaluation.confusion import count_outcomes
from glioframe.evaluation.curves import roc_band, roc_curve
from glioframe.reporting.figure import FAINT, INK, LEGEND, NEGATIVE, POSITIVE, inline_svg, new_figure

if TYPE_CHECKING:
    from glioframe.evaluation.sample import Sample


def draw_roc(sample: Sample, *, name: str) -> str:
    """SVG of the ROC curve; the sample must hold both classes."""
    figure, (axes,) = new_figure(width_in=4.6, height_in=4.3)
    curve = roc_curve(sample.reference, sample.probability)
    band = roc_band(sample.reference, sample.probability, sample.patients)
    outcomes = count_outcomes(sample.reference, sample.calls)
    sensitivity, specificity = float(outcomes.sensitivity[0]), float(outcomes.specificity[0])
    axes.fill_between(
        band.false_positive_rate, band.low, band.high, color=NEGATIVE, alpha=0.18, lw=0, label="95 % band"
    )
    axes.plot([0, 1], [0, 1], color=FAINT, lw=1, ls=(0, (4, 3)), label="chance")
    axes.plot(curve.false_positive_rate, curve.sensitivity, color=NEGATIVE, lw=2, label="model")
    axes.plot(
        [1 - specificity], [sensitivity], "o", ms=8, mfc=POSITIVE, mec=INK, mew=0.8, label="operating point", zorder=5
    )
    axes.set(xlim=(-0.02, 1.02), ylim=(-0.02, 1.02), aspect="equal")
    axes.set_xlabel("1 - specificity")
    axes.set_ylabel("sensitivity")
    axes.legend(loc="lower right", **LEGEND)
    description = (
        f"ROC curve with a 95 % bootstrap band. At the operating point the sensitivity is {sensitivity:.2f} and the "
        f"specificity {specificity:.2f}."
    )
    return inline_svg(figure, name=name, description=description)
