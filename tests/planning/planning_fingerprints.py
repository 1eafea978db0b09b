"""Synthetic cohorts to plan for: what extract_fingerprint would say of them."""

from collections.abc import Callable, Sequence
from dataclasses import replace
from functools import partial

import numpy as np

from glioframe.artifacts.dataset import Channel, DatasetDescription, Target
from glioframe.artifacts.fingerprint import (
    CaseFingerprint,
    ChannelFingerprint,
    Fingerprint,
    IntensityStatistics,
    ScheduleFingerprint,
)
from glioframe.artifacts.protocol import Protocol
from glioframe.core.modality import Modality, Tracer, Unit
from glioframe.pet.frames import FrameSchedule
from glioframe.pet.protocol import find_protocol

T1C = Channel(name="t1c", modality=Modality.T1C)
T1N = Channel(name="t1n", modality=Modality.T1N)
T2W = Channel(name="t2w", modality=Modality.T2W)
T2F = Channel(name="t2f", modality=Modality.T2F)
SUV = Channel(name="fdopa", modality=Modality.PET_STATIC, tracer=Tracer.FDOPA, unit=Unit.SUV_BW)
TBR = Channel(name="tbr", modality=Modality.PET_PARAMETRIC, tracer=Tracer.FET, unit=Unit.TBR)
ADC = Channel(name="adc", modality=Modality.ADC, unit=Unit.MM2_S)
RCBV = Channel(name="rcbv", modality=Modality.RCBV, unit=Unit.RELATIVE)
DOPA = Channel(name="dopa", modality=Modality.PET_DYNAMIC, tracer=Tracer.FDOPA, unit=Unit.SUV_BW)
MRI = (T1N, T1C, T2W, T2F)

BRAIN_MM = (140.0, 172.0, 140.0)
HIGH = {Unit.SUV_BW: 3.0, Unit.TBR: 3.0, Unit.MM2_S: 3e-3, Unit.RELATIVE: 5.0, Unit.HU: 90.0, Unit.BQ_ML: 9000.0}


def make_statistics(high: float) -> IntensityStatistics:
    return IntensityStatistics(
        mean=high / 3,
        median=high / 3,
        std=high / 6,
        min=0.0,
        max=2 * high,
        percentile_00_5=high / 10,
        percentile_99_5=high,
    )


def make_channel_fingerprint(channel: Channel, *, num_present: int, high: float | None = None) -> ChannelFingerprint:
    statistics = make_statistics(HIGH.get(channel.unit, 1000.0) if high is None else high)
    return ChannelFingerprint(channel=channel, num_present=num_present, brain=statistics, lesion=statistics)


def make_fingerprint(
    *,
    spacing_mm: Sequence[float] = (1.0, 1.0, 1.0),
    brain_mm: Sequence[float] = BRAIN_MM,
    lesion_mm: float | None = None,
    num_subjects: int = 120,
    channels: Sequence[Channel] = MRI,
    class_counts: dict[str, dict[str, int]] | None = None,
    labeled_share: float = 1.0,
    missing_share: float = 0.0,
    seed: int = 0,
) -> Fingerprint:
    """A cohort whose brains vary by a few percent and whose lesions by a quarter."""
    rng = np.random.default_rng(seed)
    cases = []
    for index in range(num_subjects):
        shape = [round(float(e / s * f)) for e, s, f in zip(brain_mm, spacing_mm, rng.normal(1, 0.03, 3), strict=True)]
        labeled = lesion_mm is not None and index < labeled_share * num_subjects
        extent = tuple(float(lesion_mm * factor) for factor in rng.uniform(0.75, 1, 3)) if labeled else None
        cases.append(
            CaseFingerprint(
                case_id=f"case{index:04d}",
                spacing_mm=tuple(spacing_mm),
                shape_vox=tuple(size + 40 for size in shape),
                brain_box_vox=tuple((20, 20 + size) for size in shape),
                channels_present=tuple(True for _ in channels),
                lesion_volume_ml=10.0 if labeled else None,
                lesion_extent_mm=extent,
                num_lesions=1 if labeled else None,
            )
        )
    present = round(num_subjects * (1 - missing_share))
    half = num_subjects // 2
    counts = {"recurrence": {"no": num_subjects - half, "yes": half}} if class_counts is None else class_counts
    return Fingerprint(
        dataset_name="Dataset001_Test",
        num_subjects=num_subjects,
        cases=tuple(cases),
        channels=tuple(make_channel_fingerprint(channel, num_present=present) for channel in channels),
        spacings=tuple(case.spacing_mm for case in cases),
        shapes_after_crop=tuple(case.brain_shape_vox for case in cases),
        median_relative_size_after_cropping=0.4,
        class_counts=counts,
        site_counts={"A": num_subjects},
    )


def make_description(fingerprint: Fingerprint) -> DatasetDescription:
    targets = tuple(
        Target(name=name, classes=tuple(each for each in counts if each))
        for name, counts in fingerprint.class_counts.items()
    )
    channels = tuple(each.channel for each in fingerprint.channels)
    return DatasetDescription(name=fingerprint.dataset_name, channels=channels, targets=targets)


COHORTS: dict[str, Callable[[], Fingerprint]] = {
    "mri_1mm_4_channels": make_fingerprint,
    "mri_1mm_8_channels": partial(make_fingerprint, channels=(*MRI, ADC, RCBV, SUV, TBR), num_subjects=1250),
    "pet_mr_2mm": partial(make_fingerprint, spacing_mm=(2.0, 2.0, 2.0), channels=(T1C, SUV)),
    "slices_6mm": partial(make_fingerprint, spacing_mm=(6.0, 1.0, 1.0), channels=(T1C, T2F)),
    "small_lesions": partial(make_fingerprint, lesion_mm=40.0),
    "small_cohort": partial(make_fingerprint, num_subjects=30, lesion_mm=40.0, channels=(T1C, SUV)),
    "demo": partial(
        make_fingerprint, spacing_mm=(4.0, 4.0, 4.0), num_subjects=24, lesion_mm=35.0, channels=(T1C, T2F, SUV)
    ),
}
"""Each is a cohort of its own kind; the brain boxes are those of adults."""


def make_dynamic_cohort() -> Fingerprint:
    """2 mm FDOPA PET of 30 frames: one raw channel, which becomes five maps."""
    schedule = FrameSchedule.from_pattern("30x60")
    channel = replace(
        make_channel_fingerprint(DOPA, num_present=120),
        schedules=(
            ScheduleFingerprint(frame_start_s=schedule.start_s, frame_duration_s=schedule.duration_s, num_cases=120),
        ),
    )
    return replace(make_fingerprint(spacing_mm=(2.0, 2.0, 2.0), channels=(DOPA,)), channels=(channel,))


def protocol_of(fingerprint: Fingerprint) -> Protocol | None:
    """The protocol that the dynamic cohort was scanned by; None for the others."""
    is_dynamic = any(each.channel == DOPA for each in fingerprint.channels)
    return find_protocol("fdopa_nancy_30x60") if is_dynamic else None


GOLDEN: dict[str, Callable[[], Fingerprint]] = {
    name: COHORTS[name]
    for name in ("mri_1mm_4_channels", "mri_1mm_8_channels", "pet_mr_2mm", "slices_6mm", "small_lesions")
} | {"small_cohort": COHORTS["small_cohort"], "dynamic_pet": make_dynamic_cohort}
"""Those that are planned by trace."""
