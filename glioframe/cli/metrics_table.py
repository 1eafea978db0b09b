"""Metrics as a table on stdout."""

from __future__ import annotations

from dataclasses import fields
from typing import TYPE_CHECKING

from glioframe.evaluation.wording import count

if TYPE_CHECKING:
    from glioframe.artifacts.evaluation import Evaluation, Metric

_GROUP_NAMES = {"train": "cross-validation", "external": "external cases"}


def print_metrics(evaluation: Evaluation) -> None:
    """Prints every group over all sites: metric, value, 95 % interval; then its remarks."""
    for group in evaluation.groups:
        if group.site:
            continue
        print(
            f"{group.model}, {group.target}, {_GROUP_NAMES[group.split]}: {count(group.num_cases, 'case')} of "
            f"{count(group.num_subjects, 'patient')}, {group.num_positive} positive"
        )
        for field in fields(group.metrics) if group.num_cases else ():
            print(f"  {field.name.replace('_', ' '):<21} {_words(getattr(group.metrics, field.name))}")
        for remark in group.remarks:
            print(f"  {remark}")


def _words(metric: Metric) -> str:
    if metric.value is None:
        return "undefined"
    if metric.ci95 is None:
        return f"{metric.value:.3f}"
    low, high = metric.ci95
    return f"{metric.value:.3f}  (95 % interval {low:.3f} to {high:.3f})"
