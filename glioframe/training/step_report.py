"""What each process found in its share of a training step, and what that makes for the whole batch."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence


@dataclass(frozen=True, kw_only=True, slots=True)
class StepReport:
    """One share of one step.

    Attributes:
        loss: Of the share.
        weight: Of that loss in the mean over the shares.
        num_cases: Of the share.
        metrics: Further numbers, each a mean over the cases.
        stop: Whether somebody asked this process to stop.
    """

    loss: float
    weight: float
    num_cases: int
    metrics: Mapping[str, float] = field(default_factory=dict)
    stop: bool = False


def of_whole_batch(reports: Sequence[StepReport]) -> dict[str, float]:
    """The loss and the metrics of the whole batch."""
    if len(reports) == 1:  # as it is, to the last bit
        return {"loss": reports[0].loss, **reports[0].metrics}
    weights = [report.weight for report in reports]
    counts = [report.num_cases for report in reports]
    merged = {"loss": _mean([report.loss for report in reports], weights)}
    for name in reports[0].metrics:
        merged[name] = _mean([report.metrics[name] for report in reports], counts)
    return merged


def _mean(values: Sequence[float], weights: Sequence[float]) -> float:
    return sum(value * weight for value, weight in zip(values, weights, strict=True)) / sum(weights)
