"""Loads what a training names, and refuses what does not go together before hours are spent on it."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any

from glioframe.artifacts.case import load_preprocessed_case
from glioframe.artifacts.overrides import apply_overrides
from glioframe.artifacts.plan import preprocessing_hash
from glioframe.artifacts.raw_dataset import load_raw_dataset
from glioframe.artifacts.splits import check_folds, load_splits
from glioframe.core.errors import PlanError, TaskError
from glioframe.pipeline.model_folder import ModelFolder
from glioframe.pipeline.preprocessed_folder import PreprocessedFolder
from glioframe.pipeline.pretrained import find_pretrained
from glioframe.pipeline.training import Training
from glioframe.pipeline.wording import some
from glioframe.task_api.registry import load_task

if TYPE_CHECKING:
    from glioframe.artifacts.plan import Configuration, Plan
    from glioframe.artifacts.raw_dataset import RawDataset
    from glioframe.core.workspace import Workspace
    from glioframe.pipeline.training import TrainingRequest
    from glioframe.task_api.task import Task


def load_training(workspace: Workspace, request: TrainingRequest) -> Training:
    """Loads what ``request`` names.

    Raises:
        TaskError: The dataset does not meet the task's requirements.
        GlioframeError: Something named does not exist, or an override is wrong.
    """
    name = workspace.dataset_name(request.dataset)
    preprocessed = PreprocessedFolder.of(workspace, name)
    dataset = load_raw_dataset(workspace.raw / name)
    task = load_task(request.task)
    target = dataset.description.target(request.target) if task.requirements().target else None
    splits_path = request.splits_path or preprocessed.splits_path
    folds = load_splits(splits_path)
    check_folds(folds, dataset.training_cases, where=splits_path)
    plan = task.refine_plan(preprocessed.plan(), preprocessed.fingerprint())
    configuration, settings = apply_overrides(
        plan.configuration(request.configuration), task.settings_type(), request.overrides
    )
    plan = replace(plan, configurations={**plan.configurations, configuration.name: configuration})
    _check_requirements(task, dataset, plan)
    _check_preprocessed(dataset, plan, configuration, preprocessed)
    model = (
        ModelFolder(request.model_path)
        if request.model_path
        else ModelFolder.of(
            workspace,
            dataset.description,
            plan,
            task=request.task,
            names=(configuration.name, target.name if target else ""),
        )
    )
    training = Training(
        request=request,
        dataset=dataset,
        task=task,
        settings=settings,
        target=target,
        plan=plan,
        configuration=configuration,
        folds=folds,
        model=model,
        preprocessed=preprocessed,
    )
    if request.pretrained is None:
        return training
    numbers = range(len(folds)) if request.folds is None else [fold for fold in request.folds if fold < len(folds)]
    return replace(training, pretrained=find_pretrained(training, request.pretrained, numbers))


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
                found=f"none for {some(unlabelled)}",
                fix="Add the labels, or set field_of_view to whole_brain in plans.json",
            )


def _check_preprocessed(
    dataset: RawDataset, plan: Plan, configuration: Configuration, preprocessed: PreprocessedFolder
) -> None:
    """A plan that was edited after preprocessing would train on one grid and predict on another."""
    planned = preprocessing_hash(plan, configuration)
    folder = preprocessed.cases_folder(configuration)
    for case in dataset.cases:
        if load_preprocessed_case(folder, case.case_id).properties.planned_hash != planned:
            raise PlanError(
                folder,
                expected="cases preprocessed with plans.json as it stands",
                found=f"{case.case_id} preprocessed with another plan",
                fix="Run glioframe_plan_and_preprocess --keep-plan",
            )
