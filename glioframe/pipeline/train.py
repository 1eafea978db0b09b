"""Trains the folds of one task, validates each, and reports once every fold is there."""

from __future__ import annotations

import json
import shutil
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any

from glioframe.artifacts.case import load_preprocessed_case
from glioframe.artifacts.dataset import save_dataset_description
from glioframe.artifacts.json_file import load_json, save_json
from glioframe.artifacts.overrides import apply_overrides
from glioframe.artifacts.plan import plan_hash
from glioframe.artifacts.prediction import save_predictions
from glioframe.artifacts.raw_dataset import load_raw_dataset
from glioframe.artifacts.splits import splits_hash
from glioframe.core.errors import TaskError, TrainingError
from glioframe.core.files import write_text_atomically
from glioframe.core.provenance import Provenance
from glioframe.pipeline.crossval import report_cross_validation
from glioframe.pipeline.environment import describe_environment
from glioframe.pipeline.model_folder import ModelDescription, ModelFolder, settings_as_json
from glioframe.pipeline.predictions import prediction_rows
from glioframe.pipeline.preprocessed_folder import PreprocessedFolder
from glioframe.task_api.registry import load_task
from glioframe.task_api.run import Run

if TYPE_CHECKING:
    from collections.abc import Sequence

    from glioframe.artifacts.cases import Case
    from glioframe.artifacts.dataset import Target
    from glioframe.artifacts.plan import Configuration, Plan
    from glioframe.artifacts.raw_dataset import RawDataset
    from glioframe.artifacts.splits import Fold
    from glioframe.core.progress import Progress
    from glioframe.core.workspace import Workspace
    from glioframe.task_api.task import Task

COMMAND = "glioframe_train"


@dataclass(frozen=True, kw_only=True, slots=True)
class TrainingRequest:
    """What to train.

    Attributes:
        dataset: Id or folder name.
        task: Name of the plugin.
        configuration: Name of the configuration in the plan.
        folds: Numbers of the folds; None for all.
        target: Column to predict; None where only one is declared.
        overrides: ``section.key=value``.
        device: ``cpu``, ``cuda``, ...
        resume: Go on where an interrupted run stopped.
        overwrite: Throw an earlier run away.
    """

    dataset: str
    task: str
    configuration: str
    folds: tuple[int, ...] | None = None
    target: str | None = None
    overrides: Sequence[str] = field(default_factory=tuple)
    device: str = "cpu"
    resume: bool = False
    overwrite: bool = False


@dataclass(frozen=True, kw_only=True)
class Training:
    """A request with everything that it names loaded and checked."""

    request: TrainingRequest
    dataset: RawDataset
    task: Task[Any]
    settings: Any
    target: Target | None
    plan: Plan
    configuration: Configuration
    folds: list[Fold]
    model: ModelFolder
    preprocessed: PreprocessedFolder

    def run(self, fold: int, *, progress: Progress) -> Run[Any]:
        """What the task gets for one fold."""
        by_id = {case.case_id: case for case in self.dataset.training_cases}
        split = self.folds[fold]
        return Run(
            folder=self.model.fold_folder(fold),
            dataset=self.dataset.description,
            plan=self.plan,
            configuration=self.configuration,
            settings=self.settings,
            target=self.target,
            fold=fold,
            train_cases=self._with_known_target([by_id[case_id] for case_id in split.train]),
            val_cases=[by_id[case_id] for case_id in split.val],
            preprocessed_folder=self.preprocessed.cases_folder(self.configuration),
            device=self.request.device,
            resume=self.request.resume and self.model.fold_folder(fold).is_dir(),
            progress=progress,
        )

    def _with_known_target(self, cases: list[Case]) -> list[Case]:
        if self.target is None:
            return cases
        return [case for case in cases if case.targets.get(self.target.name) is not None]


def train(workspace: Workspace, request: TrainingRequest, *, progress: Progress) -> ModelFolder:
    """Trains and validates the folds asked for; with every fold done, evaluates and reports.

    Raises:
        TaskError: The dataset does not meet the task's requirements.
        TrainingError: The model folder holds another run, or there is nothing to resume.
        GlioframeError: Any part's own.
    """
    training = _load(workspace, request)
    numbers = range(len(training.folds)) if request.folds is None else request.folds
    _check_fold_numbers(training, numbers)
    _prepare_model_folder(training, numbers)
    for fold in progress.track(numbers, step="folds", total=len(numbers)):
        _train_fold(training, fold, progress)
    if training.model.trained_folds() == list(range(len(training.folds))):
        report_cross_validation(training, progress=progress)
    return training.model


def _load(workspace: Workspace, request: TrainingRequest) -> Training:
    name = workspace.dataset_name(request.dataset)
    preprocessed = PreprocessedFolder.of(workspace, name)
    dataset = load_raw_dataset(workspace.raw / name)
    task = load_task(request.task)
    target = dataset.description.target(request.target) if task.requirements().target else None
    plan = task.refine_plan(preprocessed.plan(), preprocessed.fingerprint())
    configuration, settings = apply_overrides(
        plan.configuration(request.configuration), task.settings_type(), request.overrides
    )
    plan = replace(plan, configurations={**plan.configurations, configuration.name: configuration})
    _check_requirements(task, dataset, plan)
    model = ModelFolder.of(
        workspace,
        dataset.description,
        plan,
        task=request.task,
        names=(configuration.name, target.name if target else ""),
    )
    return Training(
        request=request,
        dataset=dataset,
        task=task,
        settings=settings,
        target=target,
        plan=plan,
        configuration=configuration,
        folds=preprocessed.folds(),
        model=model,
        preprocessed=preprocessed,
    )


def _check_requirements(task: Task[Any], dataset: RawDataset, plan: Plan) -> None:
    needed = task.requirements()
    where = f"{dataset.description.name} for {type(task).__name__}"
    modalities = {channel.modality for channel in dataset.description.channels}
    if needed.any_modality_of and not modalities & set(needed.any_modality_of):
        raise TaskError(
            where,
            expected=f"a channel of modality {' or '.join(needed.any_modality_of)}",
            found=", ".join(sorted(modalities)),
            fix="Add such a channel to the dataset",
        )
    if needed.lesion_label or plan.field_of_view.kind == "lesion_centered":
        unlabelled = [case.case_id for case in dataset.training_cases if dataset.files(case.case_id).label is None]
        if unlabelled:
            raise TaskError(
                where,
                expected="a lesion label for every training case, because the field of view is centered on the lesion",
                found=f"none for {', '.join(unlabelled[:5])}{' ...' if len(unlabelled) > 5 else ''}",  # noqa: PLR2004
                fix="Add the labels, or set field_of_view to whole_brain in plans.json",
            )


def _check_fold_numbers(training: Training, numbers: Sequence[int]) -> None:
    for number in numbers:
        if not 0 <= number < len(training.folds):
            raise TrainingError(
                training.preprocessed.splits_path,
                expected=f"a fold of 0 to {len(training.folds) - 1}, or all",
                found=str(number),
                fix="Choose an existing fold",
            )


def _prepare_model_folder(training: Training, numbers: Sequence[int]) -> None:
    model, request = training.model, training.request
    wanted = ModelDescription(
        task=request.task,
        configuration=training.configuration.name,
        target=training.target.name if training.target else "",
        settings=settings_as_json(training.settings),
        splits_hash=splits_hash(training.folds),
        plan_hash=plan_hash(training.plan),
        provenance=Provenance(command=COMMAND, seed=training.configuration.training.seed),
    )
    if request.overwrite:
        _remove_earlier_runs(training, numbers)
    started = [number for number in numbers if model.fold_folder(number).is_dir()]
    if started and not request.resume:
        raise TrainingError(
            model.fold_folder(started[0]),
            expected="no earlier run",
            found="one",
            fix="Pass --c to go on with it, or --overwrite to start again",
        )
    if request.resume and not any(model.path.glob("fold_*")):
        raise TrainingError(
            model.path, expected="a run to resume", found="none", fix="Leave --c out to start a new one"
        )
    if model.model_path.is_file() and any(model.path.glob("fold_*")):
        _refuse_other_run(load_json(ModelDescription, model.model_path), wanted, model)
    save_json(training.plan, model.plan_path)
    num_training = len(training.dataset.training_cases)
    save_dataset_description(training.dataset.description, model.dataset_path, num_training=num_training)
    save_json(training.preprocessed.fingerprint(), model.fingerprint_path)
    write_text_atomically(model.environment_path, json.dumps(describe_environment(), indent=2) + "\n")
    save_json(wanted, model.model_path)


def _remove_earlier_runs(training: Training, numbers: Sequence[int]) -> None:
    for number in numbers:
        shutil.rmtree(training.model.fold_folder(number), ignore_errors=True)
    shutil.rmtree(training.model.crossval_folder, ignore_errors=True)


def _refuse_other_run(found: ModelDescription, wanted: ModelDescription, model: ModelFolder) -> None:
    differing = [
        name
        for name in ("task", "configuration", "target", "settings", "splits_hash", "plan_hash")
        if getattr(found, name) != getattr(wanted, name)
    ]
    if differing:
        raise TrainingError(
            model.path,
            expected="folds trained with the same plan, folds and settings",
            found=f"a run that differs in {', '.join(differing)}",
            fix="Give the same --set as before, or train all folds again with --overwrite",
        )


def _train_fold(training: Training, fold: int, progress: Progress) -> None:
    run = training.run(fold, progress=progress)
    path = training.model.validation_path(fold)
    if training.request.resume and path.is_file():
        progress.note(f"Fold {fold} is done already.")
        return
    run.folder.mkdir(parents=True, exist_ok=True)
    training.task.fit(run)
    operating_point = training.task.operating_point(run)
    rows = []
    for case in progress.track(run.val_cases, step=f"validate fold {fold}", total=len(run.val_cases)):
        prediction = training.task.predict(run, load_preprocessed_case(run.preprocessed_folder, case.case_id))
        if training.target is not None:
            rows += prediction_rows(
                case,
                prediction,
                training.target,
                model=model_name(training),
                fold=fold,
                operating_point=operating_point,
            )
    save_predictions(rows, path)


def model_name(training: Training) -> str:
    """The name of the model in tables: ``recurrence_classifier/3d_cnn``."""
    return f"{training.request.task}/{training.configuration.name}"
