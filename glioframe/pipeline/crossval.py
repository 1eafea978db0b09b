"""Pools the folds' validation predictions, predicts the external cases, evaluates and reports."""

from __future__ import annotations

from typing import TYPE_CHECKING

from glioframe.artifacts.case import load_preprocessed_case
from glioframe.artifacts.evaluation import save_evaluation
from glioframe.artifacts.prediction import PredictionRow, load_predictions, save_predictions
from glioframe.artifacts.splits import splits_hash
from glioframe.core.errors import TrainingError
from glioframe.core.files import sha256_of_file
from glioframe.core.provenance import Provenance
from glioframe.evaluation.evaluate import evaluate
from glioframe.inference.ensemble import ensemble
from glioframe.pipeline.memory_section import memory_section
from glioframe.pipeline.notices import notices_for
from glioframe.pipeline.predictions import prediction_rows
from glioframe.reporting.report import ReportContent, write_report

if TYPE_CHECKING:
    from collections.abc import Sequence

    from glioframe.artifacts.cases import Case
    from glioframe.core.progress import Progress
    from glioframe.pipeline.training import Training

COMMAND = "glioframe_train"


def report_cross_validation(training: Training, *, progress: Progress) -> None:
    """Writes ``crossval/predictions.tsv``, ``metrics.json`` and ``report.html``; nothing for a task without target."""
    if training.target is None:
        return
    model = training.model
    rows = [row for fold in model.trained_folds() for row in load_predictions(model.validation_path(fold))]
    _refuse_outdated(training, rows)
    rows += _external_rows(training, progress=progress)
    folder = model.crossval_folder
    predictions_path = folder / "predictions.tsv"
    save_predictions(rows, predictions_path)
    inputs = {"crossval/predictions.tsv": sha256_of_file(predictions_path)}
    seed = training.configuration.training.seed
    evaluation = evaluate(rows, seed=seed, provenance=Provenance(command=COMMAND, seed=seed, inputs=inputs))
    save_evaluation(evaluation, folder / "metrics.json")
    runs = [training.run(fold, progress=progress) for fold in model.trained_folds()]
    content = ReportContent(
        title=f"{training.target.name}: {training.model_name} on {training.dataset.description.name}",
        rows=rows,
        evaluation=evaluation,
        plan=training.plan,
        configuration_name=training.configuration.name,
        fingerprint=training.preprocessed.fingerprint(),
        description=training.dataset.description,
        environment=model.environment(),
        preprocessed_folder=training.preprocessed.cases_folder(training.configuration),
        splits_hash=splits_hash(training.folds),
        sections=[*training.task.report(runs), *memory_section(training.configuration, runs)],
        notices=notices_for(training.dataset.description),
    )
    write_report(content, folder / "report.html")


def _external_rows(training: Training, *, progress: Progress) -> list[PredictionRow]:
    """Every fold's model on every external case, averaged: what a hospital would use."""
    if training.target is None:
        return []
    cases = _seen_whole(training, progress)
    if not cases:
        return []
    runs = [training.run(fold, progress=progress) for fold in training.model.trained_folds()]
    operating_point = sum(training.task.operating_point(run) for run in runs) / len(runs)
    rows: list[PredictionRow] = []
    for case in progress.track(cases, step="predict external cases", total=len(cases)):
        preprocessed = load_preprocessed_case(runs[0].preprocessed_folder, case.case_id)
        prediction = ensemble([training.task.predict(run, preprocessed) for run in runs])
        rows += prediction_rows(
            case, prediction, training.target, model=training.model_name, fold=None, operating_point=operating_point
        )
    return rows


def _seen_whole(training: Training, progress: Progress) -> list[Case]:
    """The external cases that the model can look at: a lesion-centered view needs a lesion, and so do some tasks."""
    cases = training.dataset.external_cases
    needs_lesion = training.task.requirements().lesion_label or training.plan.field_of_view.kind == "lesion_centered"
    if not needs_lesion:
        return list(cases)
    folder = training.preprocessed.cases_folder(training.configuration)
    located = [c for c in cases if load_preprocessed_case(folder, c.case_id).properties.lesion_center_vox is not None]
    left_out = sorted({case.case_id for case in cases} - {case.case_id for case in located})
    if left_out:
        progress.note(f"External cases without a lesion label are not predicted: {', '.join(left_out)}.")
    return located


def find_outdated(training: Training, rows: Sequence[PredictionRow]) -> PredictionRow | None:
    """The first row whose label, subject or site is not that of the present table of cases."""
    by_id = {case.case_id: case for case in training.dataset.training_cases}
    for row in rows:
        case = by_id[row.case_id]
        name, _, one_class = row.target.partition("=")
        target = training.dataset.description.target(name)
        value = case.targets[name]
        reference = None if value is None else int(value == (one_class or target.classes[-1]))
        if (row.subject_id, row.site, row.reference) != (case.subject_id, case.site, reference):
            return row
    return None


def _refuse_outdated(training: Training, rows: Sequence[PredictionRow]) -> None:
    """Folds trained at different times must have seen the same table.

    Raises:
        TrainingError: A label, subject or site changed since a fold was validated.
    """
    row = find_outdated(training, rows)
    if row is not None:
        raise TrainingError(
            training.model.validation_path(row.fold or 0),
            expected=f"the subject, site and {row.target.partition('=')[0]} of {row.case_id} as in cases.tsv",
            found="those of an earlier table",
            fix="Train that fold again with --overwrite",
        )
