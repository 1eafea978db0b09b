"""Pictures of what the model looked at."""

from __future__ import annotations

import io
from typing import TYPE_CHECKING

import numpy as np
from matplotlib.figure import Figure

from glioframe.reporting.figure import NEGATIVE, POSITIVE

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from matplotlib.axes import Axes
    from numpy.typing import NDArray

    from glioframe.tasks.radiomics_baseline.explanation import Explanation

_MOST_FEATURES = 12
_MOST_PER_CASE = 8
_CLIP = 2.0  # standard deviations at which the color of a value saturates


def importance_png(explanations: Sequence[Explanation], *, positive: str) -> bytes:
    """Left: the mean size of each feature's contribution. Right: every held-out case's contribution.

    Args:
        explanations: One per fold; a feature that a fold did not use contributed 0 there.
        positive: The class that is explained.
    """
    strongest = mean_contributions(explanations)
    names = [name for name, _ in sorted(strongest.items(), key=lambda item: -item[1])[:_MOST_FEATURES]][::-1]
    figure = Figure(figsize=(10.5, 0.6 + 0.32 * max(len(names), 3)), dpi=110, layout="constrained")
    bars, swarm = figure.subplots(1, 2, sharey=True, width_ratios=(1, 1.6))
    bars.barh(range(len(names)), [strongest[name] for name in names], color="0.55")
    bars.set_yticks(range(len(names)), names, fontsize=8)
    bars.set_xlabel("mean |SHAP value|")
    for row, name in enumerate(names):
        contributions, values = _points(explanations, name)
        colors = np.clip(values, -_CLIP, _CLIP)
        height = _spread(contributions)
        points = swarm.scatter(contributions, row + height, c=colors, cmap="coolwarm", s=12, vmin=-_CLIP, vmax=_CLIP)
    if names:
        bar = figure.colorbar(points, ax=swarm, ticks=[-_CLIP, _CLIP], pad=0.01)
        bar.ax.set_yticklabels(["low value", "high value"], fontsize=8)
    swarm.axvline(0, color="0.4", lw=0.8)
    swarm.set_xlabel(f"SHAP value: to the right speaks for {positive}")
    for axes in (bars, swarm):
        axes.spines[["top", "right"]].set_visible(False)
    return _png(figure)


def cases_png(cases: Sequence[tuple[str, float, Explanation]], *, positive: str) -> bytes:
    """What moved single cases: one panel each.

    Args:
        cases: Case id, probability, and the explanation that holds the case.
        positive: The class that is explained.
    """
    figure = Figure(figsize=(10.5, 2.7 * len(cases)), dpi=110, layout="constrained")
    for axes, (case_id, probability, explanation) in zip(
        figure.subplots(len(cases), 1, squeeze=False)[:, 0], cases, strict=True
    ):
        _draw_case(axes, explanation, explanation.case_ids.index(case_id))
        axes.set_title(f"{case_id}: probability of {positive} {probability:.2f}", fontsize=9, loc="left")
    return _png(figure)


def mean_contributions(explanations: Sequence[Explanation]) -> Mapping[str, float]:
    """The mean absolute contribution of each feature over the cases of all folds."""
    num_cases = sum(len(explanation.case_ids) for explanation in explanations)
    totals: dict[str, float] = {}
    for explanation in explanations:
        for name, total in zip(explanation.names, np.abs(explanation.contributions).sum(axis=0), strict=True):
            totals[name] = totals.get(name, 0.0) + float(total) / max(num_cases, 1)
    return totals


def _draw_case(axes: Axes, explanation: Explanation, row: int) -> None:
    contributions = explanation.contributions[row]
    order = np.argsort(-np.abs(contributions))[:_MOST_PER_CASE][::-1]
    colors = [POSITIVE if contributions[index] > 0 else NEGATIVE for index in order]
    axes.barh(range(len(order)), contributions[order], color=colors)
    labels = [f"{explanation.names[index]} ({explanation.inputs[row, index]:+.1f} SD)" for index in order]
    axes.set_yticks(range(len(order)), labels, fontsize=8)
    axes.axvline(0, color="0.4", lw=0.8)
    axes.set_xlabel("SHAP value", fontsize=8)
    axes.spines[["top", "right"]].set_visible(False)


def _points(explanations: Sequence[Explanation], name: str) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Contributions and values of one feature in the cases of all folds that used it."""
    used = [(each, each.names.index(name)) for each in explanations if name in each.names]
    contributions = np.concatenate([each.contributions[:, index] for each, index in used])
    return contributions, np.concatenate([each.inputs[:, index] for each, index in used])


def _spread(values: NDArray[np.float64]) -> NDArray[np.float64]:
    """Heights that keep equal values apart, the same at every drawing."""
    return np.asarray(0.3 * np.sin(2.4 * np.argsort(np.argsort(values, kind="stable"))))


def _png(figure: Figure) -> bytes:
    buffer = io.BytesIO()
    figure.savefig(buffer, format="png", metadata={"Software": None})
    return buffer.getvalue()
