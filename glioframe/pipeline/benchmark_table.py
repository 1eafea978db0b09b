"""``table.tsv`` and ``comparisons.tsv`` of a benchmark."""

from __future__ import annotations

import csv
import io
from dataclasses import fields
from typing import TYPE_CHECKING

from glioframe.artifacts.comparison import Comparison
from glioframe.core.files import write_text_atomically

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence
    from pathlib import Path

    from glioframe.artifacts.benchmark import BenchmarkMatrix, RowOutcome
    from glioframe.artifacts.evaluation import Evaluation, EvaluationGroup, Metric

COLUMNS = (
    "model",
    "auc",
    "auc_low",
    "auc_high",
    "balanced_accuracy",
    "sensitivity",
    "specificity",
    "precision",
    "auprc",
    "brier",
    "ece",
    "target",
    "split",
    "num_cases",
    "num_patients",
    "num_positive",
    "status",
    "reason",
    "minutes",
    "peak_memory_gb",
    "device",
    "task",
    "configuration",
    "splits_hash",
    "pretrained",
)
_METRICS = ("balanced_accuracy", "sensitivity", "specificity", "precision", "auprc", "brier", "ece")


def write_table(path: Path, matrix: BenchmarkMatrix, outcomes: Sequence[RowOutcome], evaluation: Evaluation) -> None:
    """One line per row of the matrix, target (or class of it) and split; a row that is not done has one line."""
    lines: list[dict[str, object]] = []
    for row, outcome in zip(matrix.rows, outcomes, strict=True):
        facts: dict[str, object] = {
            "model": row.name,
            "status": outcome.status,
            "reason": outcome.reason,
            "task": row.task,
            "configuration": row.configuration,
            "splits_hash": " ".join(outcome.splits_hashes),
            "pretrained": outcome.pretrained,
        }
        if outcome.cost:
            facts |= {
                "minutes": f"{outcome.cost.seconds / 60:.2f}",
                "peak_memory_gb": f"{outcome.cost.peak_memory_gb:.2f}",
                "device": outcome.cost.device,
            }
        groups = [group for group in evaluation.groups if group.model == row.name and not group.site]
        lines += [{**facts, **_numbers(group)} for group in groups] or [facts]
    _write(path, COLUMNS, lines)


def write_comparisons(path: Path, comparisons: Sequence[Comparison]) -> None:
    """One line per pair of models; the interval in two columns."""
    names = [field.name for field in fields(Comparison) if field.name != "ci95"]
    columns = (*names, "ci95_low", "ci95_high")
    lines = []
    for comparison in comparisons:
        low, high = comparison.ci95 or (None, None)
        line = {name: getattr(comparison, name) for name in names}
        lines.append({**line, "ci95_low": low, "ci95_high": high})
    _write(path, columns, lines)


def _numbers(group: EvaluationGroup) -> dict[str, object]:
    auc = group.metrics.auc
    low, high = auc.ci95 or (None, None)
    return {
        "auc": auc.value,
        "auc_low": low,
        "auc_high": high,
        **{name: _value(getattr(group.metrics, name)) for name in _METRICS},
        "target": group.target,
        "split": group.split,
        "num_cases": group.num_cases,
        "num_patients": group.num_subjects,
        "num_positive": group.num_positive,
    }


def _value(metric: Metric) -> float | None:
    return metric.value


def _write(path: Path, columns: Sequence[str], lines: Iterable[dict[str, object]]) -> None:
    buffer = io.StringIO()
    writer = csv.writer(buffer, delimiter="\t", lineterminator="\n")
    writer.writerow(columns)
    for line in lines:
        writer.writerow([_cell(line.get(column)) for column in columns])
    write_text_atomically(path, buffer.getvalue())


def _cell(value: object) -> str:
    if value is None:
        return ""
    return f"{value:.6g}" if isinstance(value, float) else str(value)
