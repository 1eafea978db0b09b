"""Trains the folds of one task, validates each, and reports once every fold is there."""

from __future__ import annotations

import contextlib
import json
import shutil
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from glioframe.artifacts.case import load_preprocessed_case
from glioframe.artifacts.dataset import save_dataset_description
from glioframe.artifacts.json_file import load_json, save_json
from glioframe.artifacts.plan import plan_hash
from glioframe.artifacts.prediction import load_predictions, save_predictions
from glioframe.artifacts.splits import save_splits, splits_hash
from glioframe.core.errors import TrainingError
from glioframe.core.files import write_text_atomically
from glioframe.core.progress import SilentProgress
from glioframe.core.provenance import Provenance
from glioframe.pipeline.crossval import find_outdated, report_cross_validation
from glioframe.pipeline.environment import describe_environment
from glioframe.pipeline.load_training import load_training
from glioframe.pipeline.model_folder import ModelDescription, ModelFolder, settings_as_json
from glioframe.pipeline.predictions import prediction_rows
from glioframe.training.gradient_task import GradientTask
from glioframe.training.memory_fallback import as_trained
from glioframe.training.ranks import Ranks

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from pathlib import Path

    from glioframe.core.progress import Progress
    from glioframe.core.workspace import Workspace
    from glioframe.pipeline.training import Training, TrainingRequest
    from glioframe.task_api.run import Run

COMMAND = "glioframe_train"


def train(workspace: Workspace, request: TrainingRequest, *, progress: Progress) -> ModelFolder:
    """Trains and validates the folds asked for; with every fold done, evaluates and reports.

    Where several processes have joined (:func:`glioframe.training.ranks.joined_ranks`), each calls it. They train
    together; the first does the rest.

    Raises:
        TaskError: The dataset does not meet the task's requirements.
        TrainingError: The model folder holds another run, or there is nothing to resume.
        GlioframeError: Any part's own.
    """
    ranks = Ranks.current()
    training = load_training(workspace, request)
    numbers = range(len(training.folds)) if request.folds is None else request.folds
    if ranks.is_first:
        prepare_model_folder(training, numbers)
    ranks.wait()
    for fold in progress.track(numbers, step="folds", total=len(numbers)):
        _train_fold(training, fold, progress, ranks)
    if ranks.is_first and request.report:
        report_if_complete(training, progress=progress)
    ranks.wait()
    return training.model


def report_if_complete(training: Training, *, progress: Progress) -> None:
    """Evaluates and reports, once every fold is trained and validated."""
    if training.model.trained_folds() == list(range(len(training.folds))):
        report_cross_validation(training, progress=progress)


def _check_folds(training: Training, numbers: Sequence[int]) -> None:
    """Before the first fold is trained: the folds exist, and each learns from every class."""
    for number in numbers:
        if not 0 <= number < len(training.folds):
            raise TrainingError(
                training.preprocessed.splits_path,
                expected=f"a fold of 0 to {len(training.folds) - 1}, or all",
                found=str(number),
                fix="Choose an existing fold",
            )
        if training.target is None:
            continue
        known = {case.targets[training.target.name] for case in training.training_cases(number)}
        absent = [name for name in training.target.classes if name not in known]
        if absent:
            raise TrainingError(
                f"{training.preprocessed.splits_path}, fold {number}",
                expected=f"training cases of every class of {training.target.name}",
                found=f"none of {', '.join(absent)}",
                fix="Add subjects of that class, or take the class out of dataset.json",
            )


def prepare_model_folder(training: Training, numbers: Sequence[int]) -> None:
    """Makes the folder ready for training the folds ``numbers``.

    It checks first, deletes and writes then: a refused request leaves everything as it was.

    Raises:
        TrainingError: A fold does not exist or lacks a class; the folder holds another run, or none to resume.
        GlioframeError: What the task refuses.
    """
    _check_folds(training, numbers)
    model, request = training.model, training.request
    present = {int(path.name[5:]) for path in model.path.glob("fold_*") if path.name[5:].isdigit()}
    replaced = (present if request.folds is None else present & set(numbers)) if request.overwrite else set()
    kept = present - replaced
    started = sorted(kept & set(numbers))
    if started and not request.resume:
        raise TrainingError(
            model.fold_folder(started[0]),
            expected="no earlier run",
            found="one",
            fix="Pass --c to go on with it, or --overwrite to start again",
        )
    if request.resume and not present:
        raise TrainingError(
            model.path, expected="a run to resume", found="none", fix="Leave --c out to start a new one"
        )
    wanted = _describe(training)
    if kept and model.model_path.is_file():
        _refuse_other_run(load_json(ModelDescription, model.model_path), wanted, model)
    if not request.resume:
        for number in numbers:
            run = training.run(number, progress=SilentProgress())
            # Not with what an earlier training, which is to be replaced, fell back to for want of memory.
            training.task.check(replace(run, configuration=training.configuration))
    for number in replaced:
        shutil.rmtree(model.fold_folder(number))
    if replaced:
        shutil.rmtree(model.crossval_folder, ignore_errors=True)
    _write_model(training, wanted)


def _describe(training: Training) -> ModelDescription:
    return ModelDescription(
        task=training.request.task,
        configuration=training.configuration.name,
        target=training.target.name if training.target else "",
        settings=settings_as_json(training.settings),
        splits_hash=splits_hash(training.folds),
        plan_hash=plan_hash(training.plan),
        pretrained=training.pretrained.source,
        provenance=Provenance(command=COMMAND, seed=training.configuration.training.seed),
    )


def _write_model(training: Training, description: ModelDescription) -> None:
    model = training.model
    save_json(training.plan, model.plan_path)
    num_training = len(training.dataset.training_cases)
    save_dataset_description(training.dataset.description, model.dataset_path, num_training=num_training)
    save_json(training.preprocessed.fingerprint(), model.fingerprint_path)
    save_splits(training.folds, model.splits_path)
    save_json(training.image_hashes(), model.image_hashes_path)
    write_text_atomically(model.environment_path, json.dumps(describe_environment(), indent=2) + "\n")
    save_json(description, model.model_path)


def _refuse_other_run(found: ModelDescription, wanted: ModelDescription, model: ModelFolder) -> None:
    differing = [
        name
        for name in ("task", "configuration", "target", "settings", "splits_hash", "plan_hash", "pretrained")
        if getattr(found, name) != getattr(wanted, name)
    ]
    if differing:
        raise TrainingError(
            model.path,
            expected="folds trained with the same plan, folds and settings",
            found=f"a run that differs in {', '.join(differing)}",
            fix="Give the same --set as before, or train all folds again with --overwrite",
        )


def _train_fold(training: Training, fold: int, progress: Progress, ranks: Ranks) -> None:
    run = training.run(fold, progress=progress)
    ranks.wait()  # whether to resume is seen in the folder that the first makes now
    with _folder_made(run.folder) if ranks.is_first else contextlib.nullcontext():
        if ranks.is_first or isinstance(training.task, GradientTask):
            training.task.fit(run)
    if ranks.is_first and not (run.resume and _is_validated(training, fold)):
        _validate(training, run)
    ranks.wait()


@contextlib.contextmanager
def _folder_made(folder: Path) -> Iterator[None]:
    """Makes a folder, and takes it away again if what is done within it fails before it has written anything.

    After an interruption it stays: the training has begun, and can be resumed.
    """
    is_new = not folder.exists()
    folder.mkdir(parents=True, exist_ok=True)
    try:
        yield
    except Exception:
        if is_new and not any(folder.iterdir()):
            folder.rmdir()
        raise


def _is_validated(training: Training, fold: int) -> bool:
    """Whether predictions are there that agree with the present table of cases."""
    path = training.model.validation_path(fold)
    return path.is_file() and find_outdated(training, load_predictions(path)) is None


def _validate(training: Training, run: Run[Any]) -> None:
    run = as_trained(run)
    operating_point = training.task.operating_point(run)
    rows = []
    by_id = {case.case_id: case for case in training.dataset.training_cases}
    for case in run.progress.track(run.val_cases, step=f"validate fold {run.fold}", total=len(run.val_cases)):
        prediction = training.task.predict(run, load_preprocessed_case(run.preprocessed_folder, case.case_id))
        if training.target is not None:
            rows += prediction_rows(
                by_id[case.case_id],
                prediction,
                training.target,
                model=training.model_name,
                fold=run.fold,
                operating_point=operating_point,
            )
    save_predictions(rows, training.model.validation_path(run.fold))
