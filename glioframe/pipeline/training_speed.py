"""How fast this machine trains on a preprocessed dataset, or on synthetic cases where there is none."""

from __future__ import annotations

import tempfile
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from glioframe.artifacts.case import CaseProperties, PreprocessedCase, load_preprocessed_case
from glioframe.artifacts.dataset import Channel
from glioframe.artifacts.network_plan import ResidualEncoderPlan
from glioframe.artifacts.plan import (
    ChannelPlan,
    Configuration,
    FieldOfView,
    Normalization,
    Plan,
    TrainingPlan,
)
from glioframe.artifacts.raw_dataset import load_raw_dataset
from glioframe.core.modality import Modality
from glioframe.imaging.array_store import save_array
from glioframe.pipeline.preprocessed_folder import PreprocessedFolder
from glioframe.training.device import resolve_device
from glioframe.training.speed import TrainingBenchmark, benchmark_training

if TYPE_CHECKING:
    import torch

    from glioframe.core.progress import Progress
    from glioframe.core.workspace import Workspace

_MOST_CASES = 8
_SYNTHETIC_CASES = 4
_SYNTHETIC_SHAPE = (96, 112, 96)
_SYNTHETIC_PATCH = (64, 64, 64)
_MODALITIES = (Modality.T1N, Modality.T1C, Modality.T2W, Modality.T2F)


def measure_training_speed(
    workspace: Workspace, dataset: str | None, configuration: str, *, device: str, progress: Progress
) -> TrainingBenchmark:
    """Measures loader, augmentation, step and memory.

    Args:
        workspace: Where the dataset is.
        dataset: Id or folder name of a preprocessed dataset; None for synthetic cases in a temporary folder.
        configuration: Of the dataset's plan; synthetic cases bring their own.
        device: ``auto``, ``cpu``, ``cuda``, ...
        progress: Where to show how far it is.

    Raises:
        GlioframeError: The dataset, its plan, a preprocessed case or the device is absent.
    """
    where = resolve_device(device)
    if dataset is None:
        with tempfile.TemporaryDirectory() as scratch:
            return _on_synthetic_cases(Path(scratch), where, progress)
    raw = load_raw_dataset(workspace.raw / workspace.dataset_name(dataset))
    folder = PreprocessedFolder.of(workspace, raw.description.name)
    plan = folder.plan()
    chosen = plan.configuration(configuration)
    cases_folder = folder.cases_folder(chosen)
    found = (load_preprocessed_case(cases_folder, case.case_id) for case in raw.training_cases)
    usable = [case for case in found if plan.field_of_view.kind == "whole_brain" or case.properties.lesion_center_vox]
    cases = {case.case_id: case for case in usable[:_MOST_CASES]}
    return benchmark_training(plan, chosen, cases, device=where, progress=progress)


def _on_synthetic_cases(folder: Path, device: torch.device, progress: Progress) -> TrainingBenchmark:
    plan = _synthetic_plan()
    cases = {}
    for number in range(_SYNTHETIC_CASES):
        case = _synthetic_case(folder, f"case{number}")
        values = np.random.default_rng(number).standard_normal((len(_MODALITIES), *_SYNTHETIC_SHAPE), dtype=np.float32)
        save_array(values, case.image_path)
        cases[case.case_id] = case
    return benchmark_training(plan, plan.configuration("3d_cnn"), cases, device=device, progress=progress)


def _synthetic_plan() -> Plan:
    configuration = Configuration(
        name="3d_cnn",
        data_identifier="synthetic",
        spacing_mm=(1.0, 1.0, 1.0),
        patch_size_vox=_SYNTHETIC_PATCH,
        batch_size=2,
        network=ResidualEncoderPlan(
            features_per_stage=(32, 64, 128, 256, 320),
            blocks_per_stage=(1, 3, 4, 6, 6),
            kernel_sizes=((3, 3, 3),) * 5,
            strides=((1, 1, 1), *[(2, 2, 2)] * 4),
        ),
        training=TrainingPlan(epochs=1, iterations_per_epoch=1),
    )
    channels = (Channel(name=str(modality), modality=modality) for modality in _MODALITIES)
    return Plan(
        dataset_name="synthetic",
        channels=tuple(
            ChannelPlan(source=channel, normalization=Normalization(scheme="robust_z_score")) for channel in channels
        ),
        field_of_view=FieldOfView(kind="whole_brain", extent_mm=(64.0, 64.0, 64.0)),
        gpu_memory_gb=8.0,
        configurations={configuration.name: configuration},
    )


def _synthetic_case(folder: Path, case_id: str) -> PreprocessedCase:
    identity = ((1.0, 0.0, 0.0, 0.0), (0.0, 1.0, 0.0, 0.0), (0.0, 0.0, 1.0, 0.0), (0.0, 0.0, 0.0, 1.0))
    z, y, x = _SYNTHETIC_SHAPE
    properties = CaseProperties(
        case_id=case_id,
        shape_vox=_SYNTHETIC_SHAPE,
        spacing_mm=(1.0, 1.0, 1.0),
        affine=identity,
        original_shape_vox=_SYNTHETIC_SHAPE,
        original_affine=identity,
        brain_box_vox=((0, z), (0, y), (0, x)),
        channels_present=(True,) * len(_MODALITIES),
        has_lesion_label=False,
        lesion_center_vox=None,
        planned_hash="synthetic",
        preprocessing_hash="synthetic",
    )
    return PreprocessedCase(folder=folder, properties=properties)
