"""Several models on the same cases in one picture: ROC curves, calibration, net benefit."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from glioframe.evaluation.calibration import calibration_bins
from glioframe.evaluation.curves import roc_band, roc_curve
from glioframe.evaluation.decision_curve import decision_curve
from glioframe.evaluation.discrimination import auc
from glioframe.reporting.figure import FAINT, INK, LEGEND, SERIES, inline_svg, literal, new_figure

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from glioframe.evaluation.sample import Sample

MOST_MODELS = len(SERIES)
_MOST_BANDS = 3
_MOST_BINS = 5
_CASES_PER_BIN = 10
_BAND: dict[str, Any] = {"alpha": 0.12, "lw": 0}
_CHANCE_LINE: dict[str, Any] = {"color": FAINT, "lw": 1, "ls": (0, (4, 3))}


def draw_roc_overlay(samples: Mapping[str, Sample], *, name: str) -> str:
    """SVG of the ROC curves; of up to three models with their 95 % bands, for more would hide each other.

    Args:
        samples: By model, at most seven; each must hold both classes.
        name: Unique on the page.
    """
    figure, (axes,) = new_figure(width_in=4.6, height_in=4.3)
    axes.plot([0, 1], [0, 1], **_CHANCE_LINE)
    told = []
    for model, sample, style in _styled(samples):
        curve = roc_curve(sample.reference, sample.probability)
        band = roc_band(sample.reference, sample.probability, sample.patients)
        area = auc(sample.reference, sample.probability)
        if len(samples) <= _MOST_BANDS:
            axes.fill_between(band.false_positive_rate, band.low, band.high, color=style["color"], **_BAND)
        axes.plot(curve.false_positive_rate, curve.sensitivity, label=f"{literal(model)}: AUC {area:.2f}", **style)
        told.append(f"{model} {area:.2f}")
    axes.set(xlim=(-0.02, 1.02), ylim=(-0.02, 1.02), aspect="equal")
    axes.set_xlabel("1 - specificity")
    axes.set_ylabel("sensitivity")
    axes.legend(loc="lower right", **LEGEND)
    return inline_svg(figure, name=name, description=f"ROC curves. AUC: {', '.join(told)}.")


def draw_calibration_overlay(samples: Mapping[str, Sample], *, name: str) -> str:
    """SVG of the calibration curves with Wilson's 95 % intervals, in at most five bins of at least ten cases.

    Args:
        samples: By model, at most seven.
        name: Unique on the page.
    """
    figure, (axes,) = new_figure(width_in=4.6, height_in=4.3)
    axes.plot([0, 1], [0, 1], label="perfect", **_CHANCE_LINE)
    told = []
    for model, sample, style in _styled(samples):
        num_bins = max(1, min(_MOST_BINS, sample.num_cases // _CASES_PER_BIN))
        bins = calibration_bins(sample.reference, sample.probability, num_bins=num_bins)
        said = np.array([found.mean_probability for found in bins])
        came = np.array([found.positive_fraction for found in bins])
        limits = np.array([found.interval.limits for found in bins]).T
        axes.vlines(said, *limits, color=style["color"], lw=1, alpha=0.6)
        axes.plot(said, came, marker="o", ms=4, label=literal(model), **style)
        gap = float(np.average(np.abs(said - came), weights=[found.num_cases for found in bins]))
        told.append(f"{model} {gap:.2f}")
    axes.set(xlim=(-0.02, 1.02), ylim=(-0.04, 1.04))
    axes.set_xlabel("probability of the positive class")
    axes.set_ylabel("fraction positive")
    axes.legend(loc="upper left", **LEGEND)
    description = f"Calibration curves. Mean distance from the diagonal: {', '.join(told)}."
    return inline_svg(figure, name=name, description=description)


def draw_decision_curves(samples: Mapping[str, Sample], *, name: str) -> str:
    """SVG of the net benefit over thresholds, against acting on every case and on none; bands as for the ROC curves.

    Args:
        samples: By model, at most seven; of the same cases.
        name: Unique on the page.
    """
    figure, (axes,) = new_figure(width_in=6.4, height_in=4.0)
    told: list[str] = []
    highest = 0.0
    for model, sample, style in _styled(samples):
        curve = decision_curve(sample.reference, sample.probability, sample.patients)
        if not told:
            axes.plot(curve.thresholds, curve.treat_all, color=INK, lw=1, alpha=0.7, label="act on all")
            axes.axhline(0, **_CHANCE_LINE, label="act on none")
        if len(samples) <= _MOST_BANDS:
            axes.fill_between(curve.thresholds, curve.low, curve.high, color=style["color"], **_BAND)
        axes.plot(curve.thresholds, curve.net_benefit, label=literal(model), **style)
        highest = max(highest, float(curve.net_benefit.max()), float(curve.treat_all.max()))
        is_useful = curve.net_benefit > np.maximum(curve.treat_all, 0)
        told.append(f"{model} beats both at {100 * is_useful.mean():.0f} % of the thresholds")
    axes.set(xlim=(0.05, 0.6), ylim=(-0.25 * highest, 1.4 * highest))
    axes.set_xlabel("threshold: act from this probability on")
    axes.set_ylabel("net benefit, true positives per case")
    axes.legend(loc="upper left", bbox_to_anchor=(1.0, 1.0), **LEGEND)
    description = f"Net benefit over thresholds of 0.05 to 0.6, against acting on all and on none: {'; '.join(told)}."
    return inline_svg(figure, name=name, description=description)


def _styled(samples: Mapping[str, Sample]) -> Iterator[tuple[str, Sample, dict[str, Any]]]:
    if len(samples) > MOST_MODELS:
        message = f"an overlay of at most {MOST_MODELS} models, not {len(samples)}"
        raise ValueError(message)
    for (model, sample), (color, dashes) in zip(samples.items(), SERIES, strict=False):
        yield model, sample, {"color": color, "ls": dashes, "lw": 1.8}
