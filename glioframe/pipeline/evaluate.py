"""``predictions.tsv`` plus references -> ``metrics.json`` and ``report.html``."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from glioframe.artifacts.cases import load_references
from glioframe.artifacts.evaluation import Evaluation, save_evaluation
from glioframe.artifacts.prediction import PredictionRow, load_predictions
from glioframe.artifacts.raw_dataset import load_raw_dataset
from glioframe.core.errors import PredictionError
from glioframe.core.files import sha256_of_file
from glioframe.core.provenance import Provenance
from glioframe.evaluation.evaluate import evaluate
from glioframe.pipeline.environment import describe_environment
from glioframe.pipeline.notices import notices_for
from glioframe.reporting.report import ReportContent, write_report

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from glioframe.artifacts.dataset import DatasetDescription
    from glioframe.core.workspace import Workspace

COMMAND = "glioframe_evaluate"
_NAMED_PARTS = 3
"""Of a path in the provenance: fold_0/validation/predictions.tsv."""


@dataclass(frozen=True, kw_only=True, slots=True)
class EvaluationRequest:
    """What to evaluate.

    Attributes:
        predictions: One or more ``predictions.tsv``, e.g. of several folds.
        output: Folder for metrics.json and report.html.
        dataset: Id or folder name of the raw dataset that holds the references; empty to use those in the files.
        references: A table with case_id and target columns, used with the dataset's description instead of its own
            cases.tsv; None for that one.
        num_resamples: Bootstrap resamples.
        seed: Of the bootstrap.
    """

    predictions: Sequence[Path]
    output: Path
    dataset: str = ""
    references: Path | None = None
    num_resamples: int = 2000
    seed: int = 0


def evaluate_predictions(workspace: Workspace, request: EvaluationRequest) -> Evaluation:
    """Evaluates and draws; returns what ``metrics.json`` holds.

    Raises:
        PredictionError: No prediction, a case predicted twice by one model, or a reference that does not fit.
    """
    rows = [row for path in request.predictions for row in load_predictions(path)]
    description = None
    if request.dataset:
        dataset = load_raw_dataset(workspace.raw / workspace.dataset_name(request.dataset))
        description = dataset.description
        references_path = request.references or dataset.folder / "cases.tsv"
        references = load_references(references_path, description)
        if not any(row.case_id in references for row in rows):
            raise PredictionError(
                references_path,
                expected="rows of the predicted cases",
                found=f"none of them, e.g. not {rows[0].case_id}" if rows else "no prediction",
                fix="Give the table with these case ids",
            )
        rows = [_with_reference(row, references, description) for row in rows]
    elif request.references:
        raise PredictionError(
            request.references,
            expected="the dataset that declares the target's classes",
            found="no -d",
            fix="Pass -d with the dataset's id",
        )
    paths = [*request.predictions, *([request.references] if request.references else [])]
    inputs = {"/".join(path.resolve().parts[-_NAMED_PARTS:]): sha256_of_file(path) for path in paths}
    evaluation = evaluate(
        rows,
        num_resamples=request.num_resamples,
        seed=request.seed,
        provenance=Provenance(command=COMMAND, seed=request.seed, inputs=inputs),
    )
    save_evaluation(evaluation, request.output / "metrics.json")
    content = ReportContent(
        title=f"{', '.join(sorted({row.target for row in rows}))}: {', '.join(sorted({row.model for row in rows}))}",
        rows=rows,
        evaluation=evaluation,
        description=description,
        environment=describe_environment(),
        notices=notices_for(description),
    )
    write_report(content, request.output / "report.html")
    return evaluation


def _with_reference(
    row: PredictionRow, references: dict[str, dict[str, str | None]], description: DatasetDescription
) -> PredictionRow:
    """The row with the table's reference; a case that the table does not know keeps its own."""
    if row.case_id not in references:
        return row
    name, _, one_class = row.target.partition("=")
    target = description.target(name)
    value = references[row.case_id].get(name)
    positive = one_class or target.classes[-1]
    return replace(row, reference=None if value is None else int(value == positive))
