"""A report's content from simulated predictions and small synthetic heads, for the tests of the report."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np

from builders import CHANNELS, RECURRENCE, make_head
from glioframe.artifacts.case import CaseProperties, properties_path
from glioframe.artifacts.dataset import DatasetDescription, Target
from glioframe.artifacts.fingerprint import (
    CaseFingerprint,
    ChannelFingerprint,
    Fingerprint,
    IntensityStatistics,
)
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
from glioframe.artifacts.prediction import PredictionRow
from glioframe.evaluation.evaluate import evaluate
from glioframe.imaging.array_store import save_array
from glioframe.reporting.report import ReportContent

SPACING_MM = (4.0, 4.0, 4.0)
TUMOR_TYPE = Target(name="tumor_type", classes=("oligodendroglioma", "astrocytoma", "glioblastoma"))


def make_rows(num_cases=24, *, num_external=8, strength=1.0, seed=0):
    """Binary rows: five folds with an operating point each, and an external site."""
    rng = np.random.default_rng(seed)
    rows = []
    for index in range(num_cases + num_external):
        reference, external = index % 2, index >= num_cases
        score = rng.standard_normal() + strength * (2 * reference - 1)
        row = PredictionRow(
            case_id=f"case{index:03d}",
            subject_id=f"sub{index:03d}",
            site="Lyon" if external else ("Paris", "Nancy")[(index // 2) % 2],
            fold=None if external else index % 5,
            split="external" if external else "train",
            target=RECURRENCE.name,
            reference=reference,
            probability=float(1 / (1 + np.exp(-score))),
            std=float(0.1 * rng.random()),
            model="recurrence_classifier/3d_cnn",
            operating_point=0.46 if external else 0.4 + 0.03 * (index % 5),
        )
        rows.append(row)
    return rows


def make_class_rows(num_cases=30, *, seed=0):
    """Rows of three classes, one against the rest."""
    rng = np.random.default_rng(seed)
    template = make_rows(1, num_external=0)[0]
    rows = []
    for index in range(num_cases):
        strength = np.eye(3)[index % 3] * 1.5 + rng.standard_normal(3)
        probabilities = np.exp(strength) / np.exp(strength).sum()
        for number, name in enumerate(TUMOR_TYPE.classes):
            row = replace(
                template,
                case_id=f"case{index:03d}",
                subject_id=f"sub{index:03d}",
                target=f"{TUMOR_TYPE.name}={name}",
                reference=int(index % 3 == number),
                probability=float(probabilities[number]),
            )
            rows.append(row)
    return rows


def save_preprocessed_case(
    folder: Path, case_id: str, *, seed: int, missing: int | None = None, shape_zyx=(32, 44, 36)
):
    """A preprocessed case of two channels: T1c as a z-score, and SUV over 5."""
    volumes, lesion = make_head(np.random.default_rng(seed), shape_zyx=shape_zyx, uptake=3.0)
    brain = volumes[0] != 0
    t1c = np.where(brain, (volumes[0] - 400) / 30, 0)
    image = np.stack([t1c, volumes[1] / 5]).astype(np.float32)
    if missing is not None:
        image[missing] = 0
    properties = CaseProperties(
        case_id=case_id,
        shape_vox=shape_zyx,
        spacing_mm=SPACING_MM,
        affine=((4.0, 0.0, 0.0, 0.0), (0.0, 4.0, 0.0, 0.0), (0.0, 0.0, 4.0, 0.0), (0.0, 0.0, 0.0, 1.0)),
        original_shape_vox=shape_zyx,
        original_affine=((4.0, 0.0, 0.0, 0.0), (0.0, 4.0, 0.0, 0.0), (0.0, 0.0, 4.0, 0.0), (0.0, 0.0, 0.0, 1.0)),
        brain_box_vox=tuple((0, size) for size in shape_zyx),
        channels_present=tuple(index != missing for index in range(2)),
        has_lesion_label=True,
        lesion_center_vox=tuple(float(part.mean()) for part in np.nonzero(lesion)),
        planned_hash="0" * 64,
        preprocessing_hash="0" * 64,
    )
    save_array(image, folder / f"{case_id}.b2nd")
    save_array(lesion.astype(np.int8), folder / f"{case_id}_seg.b2nd")
    save_json(properties, properties_path(folder, case_id))


def make_plan() -> Plan:
    """A small plan with reasons."""
    network = ResidualEncoderPlan(
        features_per_stage=(16, 32, 64),
        blocks_per_stage=(1, 2, 2),
        kernel_sizes=((3, 3, 3),) * 3,
        strides=((1, 1, 1), (2, 2, 2), (2, 2, 2)),
    )
    configuration = Configuration(
        name="3d_cnn",
        data_identifier="glioframePlans_4mm",
        spacing_mm=SPACING_MM,
        patch_size_vox=(24, 24, 24),
        batch_size=4,
        network=network,
        training=TrainingPlan(epochs=40, iterations_per_epoch=10),
        predicted_peak_memory_gb=0.83,
        predicted_inference_memory_gb=0.27,
    )
    normalizations = (
        Normalization(scheme="robust_z_score"),
        Normalization(scheme="fixed_scale", scale=5.0),
    )
    return Plan(
        dataset_name="Dataset001_Example",
        channels=tuple(
            ChannelPlan(source=channel, normalization=normalization)
            for channel, normalization in zip(CHANNELS, normalizations, strict=True)
        ),
        field_of_view=FieldOfView(kind="lesion_centered", extent_mm=(96.0, 96.0, 96.0)),
        gpu_memory_gb=8.0,
        configurations={"3d_cnn": configuration},
        reasons={
            "field_of_view": "The largest lesion spans 71 mm; a box of 96 mm around its center holds every lesion.",
            "3d_cnn.spacing_mm": "The median spacing of the training cases; finer would only invent detail.",
            "3d_cnn.patch_size_vox": "The field of view at that spacing, rounded up to a multiple of the total stride.",
            "3d_cnn.batch_size": "The largest that 24 cases and 8 GB allow.",
            "3d_cnn.training.epochs": "Scaled to 24 cases: more passes would only fit the noise.",
        },
    )


def make_fingerprint(num_cases=24) -> Fingerprint:
    """What the training cases look like; every sixth lacks its T1c."""
    rng = np.random.default_rng(1)
    box = ((0, 32), (0, 44), (0, 36))
    cases = tuple(
        CaseFingerprint(
            case_id=f"case{index:03d}",
            spacing_mm=SPACING_MM,
            shape_vox=(32, 44, 36),
            brain_box_vox=box,
            channels_present=(index % 6 != 5, True),
            lesion_volume_ml=float(np.exp(rng.normal(2.5, 0.8))),
            lesion_extent_mm=(40.0, 40.0, 36.0),
            num_lesions=1,
        )
        for index in range(num_cases)
    )

    def statistics(median, high):
        return IntensityStatistics(
            mean=median, median=median, std=0.2 * median, min=0.0, max=high, percentile_00_5=0.1, percentile_99_5=high
        )

    channels = (
        ChannelFingerprint(
            channel=CHANNELS[0],
            num_present=sum(case.channels_present[0] for case in cases),
            brain=statistics(400.0, 520.0),
            lesion=statistics(500.0, 550.0),
        ),
        ChannelFingerprint(
            channel=CHANNELS[1], num_present=num_cases, brain=statistics(1.0, 2.1), lesion=statistics(2.6, 3.3)
        ),
    )
    return Fingerprint(
        dataset_name="Dataset001_Example",
        num_subjects=num_cases,
        cases=cases,
        channels=channels,
        spacings=(SPACING_MM,) * num_cases,
        shapes_after_crop=((32, 44, 36),) * num_cases,
        median_relative_size_after_cropping=1.0,
        class_counts={"recurrence": {"treatment_related_change": num_cases // 2, "progression": num_cases // 2}},
        site_counts={"Nancy": num_cases // 2, "Paris": num_cases // 2},
    )


def make_content(folder: Path, *, rows=None, num_resamples=500, **changes) -> ReportContent:
    """Everything a report can hold; the preprocessed cases are written to ``folder``."""
    own = make_rows() if rows is None else rows
    for index, case_id in enumerate(dict.fromkeys(row.case_id for row in own)):
        save_preprocessed_case(folder, case_id, seed=index, missing=0 if index % 6 == 5 else None)
    content = ReportContent(
        title="recurrence: recurrence_classifier/3d_cnn on Dataset001_Example",
        rows=own,
        evaluation=evaluate(own, num_resamples=num_resamples),
        plan=make_plan(),
        configuration_name="3d_cnn",
        fingerprint=make_fingerprint(),
        description=DatasetDescription(
            name="Dataset001_Example",
            channels=CHANNELS,
            targets=(RECURRENCE, TUMOR_TYPE),
            description="Synthetic heads with a spherical lesion.",
        ),
        environment={"glioframe": "0.1.0", "python": "3.11", "torch": "2.13", "device": "cpu"},
        preprocessed_folder=folder,
        splits_hash="3f" * 32,
        notices=("Digital phantom: these cases are simulated. Nothing here is evidence about patients.",),
    )
    return replace(content, **changes)
