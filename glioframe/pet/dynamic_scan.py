"""A dynamic PET as its sidecar describes it: the frames' times, and the factors that bring them to one scale."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from glioframe.core.errors import DatasetError
from glioframe.core.modality import Unit
from glioframe.pet.decay import factors_to_injection
from glioframe.pet.estimate import weighted_sum
from glioframe.pet.frames import FrameSchedule
from glioframe.pet.static import seconds_in_window
from glioframe.pet.suv import suv_factor

if TYPE_CHECKING:
    from pathlib import Path

    import numpy as np
    from numpy.typing import NDArray

    from glioframe.artifacts.dataset import Channel
    from glioframe.artifacts.pet_sidecar import PetSidecar
    from glioframe.artifacts.protocol import Protocol


def schedule_of(sidecar: PetSidecar, *, where: Path | str, num_frames: int) -> FrameSchedule:
    """The frames of a sidecar, checked against the image's number of frames.

    Raises:
        DatasetError: Gaps, overlaps, frames out of order, or another number of them.
    """
    schedule = FrameSchedule(sidecar.frame_start_s, sidecar.frame_duration_s)
    if schedule.num_frames != num_frames:
        raise DatasetError(
            where,
            expected=f"{num_frames} frames, as the image has",
            found=f"{schedule.num_frames}",
            fix="Export the image and its sidecar together",
        )
    schedule.check(str(where))
    return schedule


def frame_factors(
    sidecar: PetSidecar, channel: Channel, schedule: FrameSchedule, *, where: Path | str
) -> NDArray[np.float64]:
    """What to multiply each frame ``(t,)`` with, to be in the channel's unit and decay-corrected to injection.

    Raises:
        DatasetError: The image's unit cannot become the channel's, another tracer was injected, or dose or weight
            are needed and absent.
    """
    if sidecar.tracer != channel.tracer:
        raise DatasetError(
            where,
            expected=f"the tracer that dataset.json declares for channel {channel.name}, {channel.tracer}",
            found=sidecar.tracer_name,
            fix="Correct TracerName or the tracer of the channel",
        )
    decay = factors_to_injection(
        schedule,
        half_life_s=sidecar.half_life_s,
        decay_reference=sidecar.decay_reference,
        scan_start_s=sidecar.scan_start_s,
    )
    return decay * _unit_factor(sidecar, channel, where=where)


def static_image(
    series: NDArray[Any], sidecar: PetSidecar, channel: Channel, where: Path | str, *, protocol: Protocol
) -> NDArray[np.float32]:
    """The mean of a series ``(t, ...)`` over the protocol's static window, in the channel's unit.

    A scan that ends within the window gives the mean over the part that it covers.

    Raises:
        DatasetError: The frames do not reach the window, or do not fit dataset.json.
    """
    schedule = schedule_of(sidecar, where=where, num_frames=len(series))
    factors = frame_factors(sidecar, channel, schedule, where=where)
    start_s, stop_s = protocol.static_window_s
    if start_s < schedule.end_s[-1] < stop_s:
        stop_s = schedule.end_s[-1]
    seconds = seconds_in_window(schedule, start_s=start_s, stop_s=stop_s)
    return weighted_sum(series, factors * seconds / seconds.sum()).value


def _unit_factor(sidecar: PetSidecar, channel: Channel, *, where: Path | str) -> float:
    if sidecar.units == channel.unit:
        return 1.0
    if (sidecar.units, channel.unit) == (Unit.BQ_ML, Unit.SUV_BW):
        return suv_of(sidecar, where=where)
    raise DatasetError(
        where,
        expected=f"values in {channel.unit}, as dataset.json declares for channel {channel.name}",
        found=f"Units: {sidecar.units}",
        fix="Declare the unit of the files in dataset.json",
    )


def suv_of(sidecar: PetSidecar, *, where: Path | str) -> float:
    """The factor from Bq/mL at injection to SUV by body weight.

    Raises:
        DatasetError: Dose or weight are absent or impossible.
    """
    return suv_factor(
        injected_activity_bq=sidecar.injected_activity_bq, weight_kg=sidecar.body_weight_kg, where=str(where)
    )
