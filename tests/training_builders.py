"""Preprocessed cases and runs for the tests of training."""

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np

from builders import CHANNELS, RECURRENCE
from glioframe.artifacts.case import CaseProperties, PreprocessedCase, properties_path
from glioframe.artifacts.cases import Case
from glioframe.artifacts.dataset import DatasetDescription, Target
from glioframe.artifacts.json_file import save_json
from glioframe.artifacts.network_plan import ResidualEncoderPlan
from glioframe.artifacts.plan import (
    ChannelPlan,
    Configuration,
    FieldOfView,
    Normalization,
    Plan,
    TrainingPlan,
)
from glioframe.artifacts.training_log import EpochRecord, load_training_log
from glioframe.imaging.array_store import save_array
from glioframe.task_api.run import Run
from glioframe.tasks.recurrence_classifier.settings import Settings

PATCH = (8, 8, 8)
SHAPE = (12, 14, 12)


def make_plan(*, kind: str = "lesion_centered", batch_size: int = 2, **training: Any) -> Plan:
    """A plan for a network of a few thousand weights on patches of 8 voxels."""
    schemes = ("robust_z_score", "fixed_scale")
    settings = {"epochs": 2, "iterations_per_epoch": 2, "amp": False, "learning_rate": 1e-2} | training
    configuration = Configuration(
        name="3d_cnn",
        data_identifier="glioframePlans_3d_cnn",
        spacing_mm=(2.0, 2.0, 2.0),
        patch_size_vox=PATCH,
        batch_size=batch_size,
        network=ResidualEncoderPlan(
            features_per_stage=(4, 8),
            blocks_per_stage=(1, 1),
            kernel_sizes=((3,) * 3,) * 2,
            strides=((1,) * 3, (2,) * 3),
        ),
        training=TrainingPlan(**settings),
    )
    return Plan(
        dataset_name="Dataset001_Test",
        channels=tuple(
            ChannelPlan(source=channel, normalization=Normalization(scheme=scheme))
            for channel, scheme in zip(CHANNELS, schemes, strict=True)
        ),
        field_of_view=FieldOfView(kind=kind, extent_mm=(16.0, 16.0, 16.0)),
        gpu_memory_gb=8.0,
        configurations={"3d_cnn": configuration},
    )


def make_case(
    folder: Path,
    case_id: str,
    *,
    uptake: float,
    seed: int,
    channels_present: Sequence[bool] = (True, True),
    lesion: bool = True,
) -> PreprocessedCase:
    """A noisy brain of uptake 1 with a lesion of the given uptake, in an MRI and a PET channel."""
    rng = np.random.default_rng([7, seed])
    center = tuple(size / 2 + rng.uniform(-1, 1) for size in SHAPE)
    grid = np.stack(np.meshgrid(*map(np.arange, SHAPE), indexing="ij")).astype(float)
    inside = ((grid - np.reshape(center, (3, 1, 1, 1))) ** 2).sum(0) < 2.5**2
    t1c = inside + rng.standard_normal(SHAPE)
    suv = np.clip(1 + (uptake - 1) * inside + 0.1 * rng.standard_normal(SHAPE), 0, None)
    image = np.stack([t1c, suv]).astype(np.float32) * np.reshape(channels_present, (2, 1, 1, 1))
    affine = ((2.0, 0.0, 0.0, 0.0), (0.0, 2.0, 0.0, 0.0), (0.0, 0.0, 2.0, 0.0), (0.0, 0.0, 0.0, 1.0))
    properties = CaseProperties(
        case_id=case_id,
        shape_vox=SHAPE,
        spacing_mm=(2.0, 2.0, 2.0),
        affine=affine,
        original_shape_vox=SHAPE,
        original_affine=affine,
        brain_box_vox=tuple((0, size) for size in SHAPE),
        channels_present=tuple(channels_present),
        has_lesion_label=lesion,
        lesion_center_vox=center if lesion else None,
        planned_hash="planned",
        preprocessing_hash=f"{case_id}-{uptake}-{seed}",
    )
    case = PreprocessedCase(folder=folder, properties=properties)
    save_array(image.astype(np.float32), case.image_path)
    if lesion:
        save_array(inside.astype(np.int8), case.label_path)
    save_json(properties, properties_path(folder, case_id))
    return case


def make_run(
    folder: Path,
    *,
    num_cases: int = 8,
    num_val: int = 2,
    uptakes: Sequence[float] = (1.5, 3.0),
    target: Target = RECURRENCE,
    settings: Any = None,
    missing_every: int = 0,
    **plan: Any,
) -> Run[Any]:
    """A run whose classes differ in uptake, with its preprocessed cases written under ``folder``."""
    preprocessed = folder / "preprocessed"
    preprocessed.mkdir(parents=True, exist_ok=True)
    cases = []
    for index in range(num_cases + num_val):
        case_id, its_class = f"case{index:03d}", index % len(target.classes)
        lacks_mri = bool(missing_every) and index % missing_every == 0
        make_case(preprocessed, case_id, uptake=uptakes[its_class], seed=index, channels_present=(not lacks_mri, True))
        cases.append(Case(case_id=case_id, subject_id=f"sub{index}", targets={target.name: target.classes[its_class]}))
    made = make_plan(**plan)
    return Run(
        folder=folder / "results" / "fold_0",
        dataset=DatasetDescription(name="Dataset001_Test", channels=CHANNELS, targets=(target,)),
        plan=made,
        configuration=made.configuration("3d_cnn"),
        settings=settings or Settings(),
        target=target,
        fold=0,
        train_cases=cases[:num_cases],
        val_cases=cases[num_cases:],
        preprocessed_folder=preprocessed,
    )


def moved(run: Run[Any], name: str, **changes: Any) -> Run[Any]:
    """The same run, to be trained in another folder."""
    return replace(run, folder=run.folder.parent / name, **changes)


DEPENDS_ON_MACHINE = ("seconds", "loader_wait_share", "peak_memory_mb")


def weights(run) -> bytes:
    """The bytes of what predicts."""
    return (run.folder / "checkpoint_final.safetensors").read_bytes()


def members(run: Run[Any]) -> list[Run[Any]]:
    """Of each network of the fold, by the documented places of their folders."""
    number = run.configuration.training.num_members
    return [run, *(moved(run, f"{run.folder.name}/member_{m}", member=m) for m in range(1, number))]


def log(run) -> list[EpochRecord]:
    """The epochs, but for what depends on the machine."""
    return [
        replace(record, **dict.fromkeys(DEPENDS_ON_MACHINE, 0.0))
        for record in load_training_log(run.folder / "training_log.jsonl")
    ]
