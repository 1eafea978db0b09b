"""Pools the folds' validation predictions, predicts the external cases, evaluates and reports."""

from __future__ import annotations

from typing import TYPE_CHECKING

from glioframe.artifacts.case import load_preprocessed_case
from glioframe.artifacts.evaluation import save_evaluation
from glioframe.artifacts.prediction import PredictionRow, load_predictions, save_predictions
from glioframe.artifacts.splits import splits_hash
from glioframe.core.files import sha256_of_file
from glioframe.core.provenance import Provenance
from glioframe.evaluation.evaluate import evaluate
from glioframe.pipeline.notices import notices_for
from glioframe.pipeline.predictions import ensemble, prediction_rows
from glioframe.reporting.report import ReportContent, write_report

if TYPE_CHECKING:
    from glioframe.core.progress import Progress
    from glioframe.pipeline.training import Training

COMMAND = "glioframe_train"


def report_cross_validation(training: Training, *, progress: Progress) -> None:
    """Writes ``crossval/predictions.tsv``, ``metrics.json`` and ``report.html``; nothing for a task without target."""
    if training.target is None:
        return
    model = training.model
    rows = [row for fold in model.trained_folds() for row in load_predictions(model.validation_path(fold))]
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
        sections=training.task.report(runs),
        notices=notices_for(training.dataset.description),
    )
    write_report(content, folder / "report.html")


def _external_rows(training: Training, *, progress: Progress) -> list[PredictionRow]:
    """Every fold's model on every external case, averaged: what a hospital would use."""
    cases = training.dataset.external_cases
    if not cases or training.target is None:
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
