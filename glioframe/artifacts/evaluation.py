"""``metrics.json``: each metric with its interval and the number of cases behind it."""

from __future__ import annotations

from dataclasses import dataclass, field, fields
from pathlib import Path
from typing import Any, ClassVar, Literal

from glioframe.artifacts.cases import Split
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


NOT_MEASURED = Metric(value=None, ci95=None, n=0, interval="none: not in this file")
"""Stands for a metric that an earlier version did not write."""


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
    brier_scaled: Metric = NOT_MEASURED
    calibration_intercept: Metric = NOT_MEASURED
    calibration_slope: Metric = NOT_MEASURED


@dataclass(frozen=True, kw_only=True, slots=True)
class MacroAuc:
    """The AUC of a target of several classes: the mean over its classes, each against the rest.

    Attributes:
        model: Name of the model.
        target: Its name, without a class.
        split: ``train`` for cross-validated cases, ``external`` otherwise.
        classes: The classes that were averaged.
        auc: With its interval.
    """

    __pydantic_config__: ClassVar[dict[str, Any]] = STRICT
    model: str
    target: str
    split: Split
    classes: tuple[str, ...]
    auc: Metric


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
    split: Split
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
        macro_aucs: Of targets of several classes, over all sites.
        provenance: Where the file comes from.
    """

    groups: tuple[EvaluationGroup, ...]
    macro_aucs: tuple[MacroAuc, ...] = ()
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
    brier_scaled: Metric = NOT_MEASURED
    calibration_intercept: Metric = NOT_MEASURED
    calibration_slope: Metric = NOT_MEASURED
    groups: tuple[EvaluationGroup, ...]
    macro_aucs: tuple[MacroAuc, ...] = ()
    provenance: Provenance


def save_evaluation(evaluation: Evaluation, path: Path) -> None:
    """Writes ``metrics.json``: the primary group's metrics at the top level, every group below."""
    top = {f.name: getattr(evaluation.primary.metrics, f.name) for f in fields(Metrics)}
    below = {f.name: getattr(evaluation, f.name) for f in fields(Evaluation)}
    save_json(_MetricsFile(**top, **below), path)


def load_evaluation(path: Path) -> Evaluation:
    """Reads ``metrics.json``.

    Raises:
        ArtifactError: The file is absent or malformed.
    """
    file = load_json(_MetricsFile, path)
    return Evaluation(groups=file.groups, macro_aucs=file.macro_aucs, provenance=file.provenance)
