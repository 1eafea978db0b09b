"""Checks of dynamic PET: the sidecar is legal, fits its image, and says what dataset.json and the protocol say."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from glioframe.artifacts.pet_sidecar import load_pet_sidecar, sidecar_path
from glioframe.core.errors import GlioframeError
from glioframe.core.modality import Unit
from glioframe.dataset.findings import error, from_fault
from glioframe.pet.frames import FrameSchedule
from glioframe.pet.protocol import find_protocol
from glioframe.pet.suv import suv_factor

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from glioframe.artifacts.cases import Case
    from glioframe.artifacts.dataset import Channel, DatasetDescription
    from glioframe.artifacts.pet_sidecar import PetSidecar
    from glioframe.artifacts.preflight import Finding
    from glioframe.imaging.series import Series

_LARGEST_NEGATIVE_MEAN = -0.05  # of the mean over all frames; empty early frames scatter around 0


def check_protocol(folder: Path, description: DatasetDescription) -> Iterator[Finding]:
    """The protocol exists and is for the tracer of the PET channels."""
    if not description.protocol:
        return
    where = folder / "dataset.json"
    try:
        protocol = find_protocol(description.protocol)
    except GlioframeError as fault:
        yield error(
            "known_protocol",
            where,
            expected=f"protocol: {fault.expected}",
            found=f"{fault.found} ({description.protocol})",
            fix=fault.fix,
        )
        return
    tracers = {channel.tracer for channel in description.channels if channel.modality.is_pet}
    if tracers - {protocol.tracer}:
        yield error(
            "known_protocol",
            where,
            expected=f"channels of {protocol.tracer}, as protocol {protocol.name} is for",
            found=", ".join(sorted(map(str, tracers))),
            fix="Choose the protocol of the tracer, or correct the channel",
        )


def check_dynamic(
    path: Path, series: Series, *, channel: Channel, description: DatasetDescription, case: Case
) -> Iterator[Finding]:
    """Everything that a dynamic image and its sidecar must agree on."""
    try:
        sidecar = load_pet_sidecar(sidecar_path(path))
    except GlioframeError as fault:
        yield from_fault("pet_sidecar", fault, case_id=case.case_id)
        return
    yield from _check_frames(path, series, sidecar, description=description, case=case)
    yield from _check_declared(path, sidecar, channel=channel, case=case)
    means = np.nan_to_num(series.array, nan=0.0, posinf=0.0, neginf=0.0).mean(axis=(1, 2, 3))
    low = int(np.argmin(means))
    if means[low] < _LARGEST_NEGATIVE_MEAN * abs(float(means.mean())):
        yield error(
            "non_negative_frames",
            path,
            expected="frames whose mean is not below 0",
            found=f"{means[low]:.3g} in frame {low}, counting from 0",
            fix="Export the frame again (signed integers, slope)",
            case_id=case.case_id,
        )


def _check_frames(
    path: Path, series: Series, sidecar: PetSidecar, *, description: DatasetDescription, case: Case
) -> Iterator[Finding]:
    beside = sidecar_path(path)
    schedule = FrameSchedule(sidecar.frame_start_s, sidecar.frame_duration_s)
    try:
        schedule.check(str(beside))
    except GlioframeError as fault:
        yield from_fault("frame_schedule", fault, case_id=case.case_id)
        return
    if schedule.num_frames != len(series.array):
        yield error(
            "frame_count",
            beside,
            expected=f"{len(series.array)} frames, as the image has",
            found=f"{schedule.num_frames}",
            fix="Correct FrameTimesStart and FrameDuration, or export the image again",
            case_id=case.case_id,
        )
    window = _static_window(description)
    if window and not schedule.covers(*window):
        yield error(
            "static_window",
            beside,
            expected=f"frames that cover the static window of {description.protocol}, {window[0]:g} to {window[1]:g} s",
            found=f"frames from {schedule.start_s[0]:g} to {schedule.end_s[-1]:g} s",
            fix="Export the missing frames, or choose the protocol that was followed",
            case_id=case.case_id,
        )


def _check_declared(path: Path, sidecar: PetSidecar, *, channel: Channel, case: Case) -> Iterator[Finding]:
    beside = sidecar_path(path)

    def say(check: str, declared: object, found: object) -> Finding:
        return error(
            check,
            beside,
            expected=f"{declared}, as dataset.json declares channel {channel.name}",
            found=str(found),
            fix="Correct the sidecar or dataset.json",
            case_id=case.case_id,
        )

    if channel.tracer != sidecar.tracer:
        yield say("tracer_agrees", channel.tracer, sidecar.tracer or sidecar.tracer_name)
    if channel.unit != sidecar.units:
        yield say("unit_agrees", channel.unit, sidecar.units)
    if sidecar.units is Unit.BQ_ML:
        activity_bq = case.injected_activity_bq or sidecar.injected_activity_bq
        weight_kg = case.weight_kg or sidecar.body_weight_kg
        try:
            suv_factor(injected_activity_bq=activity_bq, weight_kg=weight_kg, where=str(beside))
        except GlioframeError as fault:
            yield from_fault("dose_and_weight", fault, case_id=case.case_id)


def _static_window(description: DatasetDescription) -> tuple[float, float] | None:
    if not description.protocol:
        return None
    try:
        return find_protocol(description.protocol).static_window_s
    except GlioframeError:
        return None  # check_protocol has told it
