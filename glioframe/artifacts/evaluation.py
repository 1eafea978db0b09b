"""``metrics.json``: each metric with its interval and the number of cases behind it."""

from __future__ import annotations

from dataclasses import dataclass, field, fields
from pathlib import Path
from typing import Any, ClassVar, Literal

from glioframe.artifacts.json_file import STRICT, load_json, save_json
from glioframe.core.provenance import Provenance


@dataclass(frozen=True, kw_only=True, slots=True)
class Metric:
    """A number with its uncertainty.

    Attributes:
        value: The estimate; None where it is undefined (one class only).
        ci95: The 95 % interval; None where it could not be formed.
        n: Cases behind it.
        interval: How the interval was formed.
    """

    __pydantic_config__: ClassVar[dict[str, Any]] = STRICT
    value: float | None
    ci95: tuple[float, float] | None
    n: int
    interval: str


@dataclass(frozen=True, kw_only=True, slots=True)
class Metrics:
    """The metrics of one group of cases. Thresholded ones use each row's own operating point."""

    __pydantic_config__: ClassVar[dict[str, Any]] = STRICT
    auc: Metric
    auprc: Metric
    balanced_accuracy: Metric
    precision: Metric
    sensitivity: Metric
    specificity: Metric
    brier: Metric
    ece: Metric


@dataclass(frozen=True, kw_only=True, slots=True)
class EvaluationGroup:
    """All metrics of one model for one target on one group of cases.

    Attributes:
        model: Name of the model.
        target: ``name`` or ``name=class``.
        split: ``train`` for cross-validated cases, ``external`` otherwise.
        site: A site's name; empty for all sites together.
        num_cases: Cases with a known reference.
        num_subjects: Patients behind them.
        num_positive: Cases of the positive class.
        metrics: With intervals.
        remarks: What a reader must know, e.g. that the interval is too wide to conclude anything.
    """

    __pydantic_config__: ClassVar[dict[str, Any]] = STRICT
    model: str
    target: str
    split: Literal["train", "external"]
    site: str
    num_cases: int
    num_subjects: int
    num_positive: int
    metrics: Metrics
    remarks: tuple[str, ...] = ()


@dataclass(frozen=True, kw_only=True, slots=True)
class Evaluation:
    """What a run of the evaluation found.

    Attributes:
        groups: By model and target: first the cross-validated cases over all sites, then external ones, then each
            site of both.
        provenance: Where the file comes from.
    """

    groups: tuple[EvaluationGroup, ...]
    provenance: Provenance = field(default_factory=Provenance)

    @property
    def primary(self) -> EvaluationGroup:
        """The group whose metrics stand at the top of ``metrics.json``: the first one."""
        return self.groups[0]


@dataclass(frozen=True, kw_only=True, slots=True)
class _MetricsFile:
    """``{"auc": {"value", "ci95", "n", "interval"}, ..., "groups": [...]}``."""

    __pydantic_config__: ClassVar[dict[str, Any]] = STRICT
    schema_version: Literal[1] = 1
    auc: Metric
    auprc: Metric
    balanced_accuracy: Metric
    precision: Metric
    sensitivity: Metric
    specificity: Metric
    brier: Metric
    ece: Metric
    groups: tuple[EvaluationGroup, ...]
    provenance: Provenance


def save_evaluation(evaluation: Evaluation, path: Path) -> None:
    """Writes ``metrics.json``: the primary group's metrics at the top level, every group below."""
    top = {f.name: getattr(evaluation.primary.metrics, f.name) for f in fields(Metrics)}
    save_json(_MetricsFile(**top, groups=evaluation.groups, provenance=evaluation.provenance), path)


def load_evaluation(path: Path) -> Evaluation:
    """Reads ``metrics.json``.

    Raises:
        ArtifactError: The file is absent or malformed.
    """
    file = load_json(_MetricsFile, path)
    return Evaluation(groups=file.groups, provenance=file.provenance)
