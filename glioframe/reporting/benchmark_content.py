"""Everything that the page of a benchmark tells."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from glioframe.evaluation.compare import plain_conclusion

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from glioframe.artifacts.benchmark import BenchmarkMatrix, RowOutcome
    from glioframe.artifacts.comparison import Comparison
    from glioframe.artifacts.dataset import DatasetDescription
    from glioframe.artifacts.evaluation import Evaluation
    from glioframe.artifacts.fingerprint import Fingerprint
    from glioframe.artifacts.plan import Plan
    from glioframe.artifacts.prediction import PredictionRow


@dataclass(frozen=True, kw_only=True)
class BenchmarkContent:
    """Everything that the page tells.

    Attributes:
        title: The heading.
        target: What is predicted.
        matrix: The rows as asked for.
        outcomes: How each of them ended.
        rows: The predictions of those that are done.
        evaluation: Their metrics.
        comparisons: Paired tests between them.
        channel_subsets: Metrics with channels hidden; None without.
        splits_hashes: Of the folds of each repetition.
        num_folds: Of each repetition.
        split_policy: ``planned`` or ``leave_one_site_out``.
        is_quick: Whether this was a smoke run.
        plan: The plan.
        fingerprint: For the dataset's summary.
        description: For the names of targets and classes.
        environment: Versions and machine, by name.
        notices: What stands above everything.
    """

    title: str
    target: str
    matrix: BenchmarkMatrix
    outcomes: tuple[RowOutcome, ...]
    rows: Sequence[PredictionRow]
    evaluation: Evaluation
    comparisons: tuple[Comparison, ...]
    channel_subsets: Evaluation | None
    splits_hashes: tuple[str, ...]
    num_folds: int
    split_policy: str
    is_quick: bool
    plan: Plan
    fingerprint: Fingerprint
    description: DatasetDescription
    environment: Mapping[str, str]
    notices: Sequence[str] = ()

    @property
    def conclusion(self) -> str:
        """What the paired tests show, in words."""
        return plain_conclusion(self.comparisons)
