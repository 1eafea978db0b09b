"""A case as it lies in the raw dataset: its channels with the lesion's outline, and the curves of its dynamic PET.

Nothing is normalized, aligned or corrected for motion: whoever looks shall see what the files hold.
"""

from __future__ import annotations

import base64
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

import numpy as np

from glioframe.artifacts.pet_record import HOTTEST
from glioframe.core.errors import GlioframeError
from glioframe.core.modality import Unit
from glioframe.evaluation.wording import count
from glioframe.imaging.case_images import crop, read_case, voxel_index
from glioframe.imaging.resample import resample_label_to, resample_to
from glioframe.imaging.volume import Volume
from glioframe.pet.dynamic_scan import frame_factors, schedule_of, suv_of
from glioframe.pet.estimate import weighted_sum
from glioframe.pet.hottest import hottest_part
from glioframe.pet.image_derived_input import mean_curve
from glioframe.pet.reference_region import find_reference_region
from glioframe.reporting.case_picture import ChannelView, draw_planes
from glioframe.reporting.time_activity_figure import TimeActivity, draw_time_activity
from glioframe.reporting.wording import UNIT_NAMES

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from numpy.typing import NDArray

    from glioframe.artifacts.cases import Case
    from glioframe.artifacts.dataset import Channel, DatasetDescription
    from glioframe.artifacts.pet_sidecar import PetSidecar
    from glioframe.artifacts.protocol import Protocol
    from glioframe.artifacts.raw_dataset import CaseFiles
    from glioframe.imaging.case_images import CaseImages
    from glioframe.pet.frames import FrameSchedule

_WINDOW_PERCENTILE = 99.9
_LINEAR = 1


@dataclass(frozen=True, kw_only=True)
class RawCard:
    """One case to look at.

    Attributes:
        case_id: The case.
        picture: JPEG as a data URI; empty where the case cannot be drawn.
        description: Of the picture, for those who cannot see it.
        curves: Time-activity curves as SVG, one per dynamic PET.
        remarks: What the files say, or why there is no picture, in words.
    """

    case_id: str
    picture: str = ""
    description: str = ""
    curves: tuple[str, ...] = ()
    remarks: tuple[str, ...] = ()


@dataclass(frozen=True, kw_only=True, eq=False)
class _Scan:
    """A dynamic PET: its frames (t, z, y, x), decay-corrected to injection, and the minutes that are shown of it."""

    channel: Channel
    series: NDArray[Any]
    schedule: FrameSchedule
    unit: str
    window_s: tuple[float, float]
    is_static_window: bool

    @property
    def late(self) -> NDArray[np.float32]:
        """The mean over the minutes shown, (z, y, x)."""
        seconds = self.schedule.frames_within(*self.window_s)
        return weighted_sum(self.series, seconds / seconds.sum()).value


def draw_raw_case(
    files: CaseFiles, case: Case, description: DatasetDescription, *, protocol: Protocol | None, name: str
) -> RawCard:
    """Reads a case and draws it; a case that cannot be read gives a card that says why.

    Args:
        files: The case's files.
        case: Its row of cases.tsv.
        description: What the files hold.
        protocol: For the static window; without one that fits, the second half of the scan is shown.
        name: Unique on the page.
    """
    scans: dict[str, _Scan] = {}

    def keep(series: NDArray[Any], sidecar: PetSidecar, channel: Channel, path: Path) -> NDArray[np.float32]:
        scan = _scan(series, _as_in_table(sidecar, case), channel, path, protocol=protocol)
        scans[channel.name] = scan
        return scan.late

    try:
        # Whether grids match was checked before; here a wrong one is to be seen.
        images = read_case(files, replace(description, grid="per_channel"), summarize=keep)
        picture = _picture(images, description.channels, scans)
        curves = [_curves(scan, images, description.channels.index(scan.channel)) for scan in scans.values()]
    except (GlioframeError, OSError) as fault:
        return RawCard(case_id=files.case_id, remarks=(f"No picture: {fault}",))
    absent = [channel.name for channel, path in zip(description.channels, files.channels, strict=True) if path is None]
    return RawCard(
        case_id=files.case_id,
        picture=f"data:image/jpeg;base64,{base64.b64encode(picture).decode('ascii')}",
        description=f"Axial, coronal and sagittal slices of every channel of case {files.case_id}.",
        curves=tuple(
            draw_time_activity(curve, name=f"{name}-{curve.channel}", window_name=_window_name(scans[curve.channel]))
            for curve in curves
        ),
        remarks=(
            *(_frames_in_words(scan) for scan in scans.values()),
            *(f"{channel} is absent." for channel in absent),
            *(() if images.label else ("No lesion label.",)),
        ),
    )


def _as_in_table(sidecar: PetSidecar, case: Case) -> PetSidecar:
    """Dose and weight of cases.tsv go before those of the sidecar."""
    return replace(
        sidecar,
        injected_activity_bq=case.injected_activity_bq or sidecar.injected_activity_bq,
        body_weight_kg=case.weight_kg or sidecar.body_weight_kg,
    )


def _scan(
    series: NDArray[Any], sidecar: PetSidecar, channel: Channel, path: Path, *, protocol: Protocol | None
) -> _Scan:
    schedule = schedule_of(sidecar, where=path, num_frames=len(series))
    factors = frame_factors(sidecar, channel, schedule, where=path)
    unit = str(channel.unit)
    if channel.unit == Unit.BQ_ML and sidecar.injected_activity_bq and sidecar.body_weight_kg:
        factors, unit = factors * suv_of(sidecar, where=path), str(Unit.SUV_BW)  # SUV can be judged by eye
    start_s, end_s = schedule.start_s[0], schedule.end_s[-1]
    window_s, covered = ((start_s + end_s) / 2, end_s), False
    if protocol and schedule.covers(*protocol.static_window_s):
        window_s, covered = protocol.static_window_s, True
    return _Scan(
        channel=channel,
        series=series * factors.astype(np.float32)[:, None, None, None],
        schedule=schedule,
        unit=unit,
        window_s=window_s,
        is_static_window=covered,
    )


def _picture(images: CaseImages, channels: Sequence[Channel], scans: dict[str, _Scan]) -> bytes:
    grid = images.reference
    shown = []
    for volume in images.channels:
        if volume is None:
            shown.append(np.zeros(images.brain.array.shape, np.float32))
        else:
            is_on_grid = volume.geometry.matches(grid)
            shown.append((volume if is_on_grid else resample_to(volume, grid, order=_LINEAR)).array)
    cropped = [crop(Volume(array, grid), images.box) for array in shown]
    label = crop(images.label, images.box) if images.label else None
    geometry = cropped[0].geometry
    return draw_planes(
        [volume.array for volume in cropped],
        [
            _view(channel, volume.array, scans.get(channel.name), is_present=original is not None)
            for channel, volume, original in zip(channels, cropped, images.channels, strict=True)
        ],
        lesion=None if label is None else label.array > 0,
        present=[volume is not None for volume in images.channels],
        center_vox=voxel_index(geometry, images.lesion_center_mm) if images.lesion_center_mm else None,
        spacing_mm=geometry.spacing_mm,
    )


def _view(channel: Channel, array: NDArray[Any], scan: _Scan | None, *, is_present: bool) -> ChannelView:
    if not is_present:
        return ChannelView(label=f"{channel.name}: absent", is_pet=False)
    if not channel.modality.is_pet:
        return ChannelView(label=channel.name, is_pet=False)
    top = max(float(np.percentile(array, _WINDOW_PERCENTILE)), 0.0)
    unit = UNIT_NAMES.get(scan.unit if scan else str(channel.unit), "")
    what = channel.name
    if scan:
        low_min, high_min = (edge / 60 for edge in scan.window_s)
        what = f"{what}, {low_min:.3g} to {high_min:.3g} min"
    return ChannelView(label=f"{what}: 0 to {top:.3g} {unit}".rstrip(), is_pet=True, high=top)


def _curves(scan: _Scan, images: CaseImages, index: int) -> TimeActivity:
    volume = images.channels[index]
    assert volume is not None, "the scan was read from it"
    brain = resample_label_to(images.brain, volume.geometry).array
    lesion = None
    if images.label is not None:
        lesion = resample_label_to(images.label, volume.geometry).array > 0
    regions = {"brain": brain, "reference": _reference(volume, brain, lesion)}
    if lesion is not None:
        regions |= {
            "lesion": lesion,
            HOTTEST: hottest_part(volume.array, lesion, spacing_mm=volume.geometry.spacing_mm),
        }
    return TimeActivity(
        channel=scan.channel.name,
        unit=scan.unit,
        frame_start_s=scan.schedule.start_s,
        frame_duration_s=scan.schedule.duration_s,
        curves={
            region: tuple(mean_curve(scan.series, mask).tolist())
            for region, mask in regions.items()
            if mask is not None and mask.any()
        },
        static_window_s=scan.window_s,
    )


def _reference(volume: Volume, brain: NDArray[np.bool_], lesion: NDArray[np.bool_] | None) -> NDArray[np.bool_] | None:
    try:
        region = find_reference_region(volume.array, brain, spacing_mm=volume.geometry.spacing_mm, lesion=lesion)
    except GlioframeError:
        return None  # preprocessing will say so; here the other curves are worth seeing
    return region.mask


def _window_name(scan: _Scan) -> str:
    return "static window" if scan.is_static_window else "shown in the picture"


def _frames_in_words(scan: _Scan) -> str:
    schedule = scan.schedule
    shortest, longest = min(schedule.duration_s), max(schedule.duration_s)
    lengths = f"{shortest:g} s" if shortest == longest else f"{shortest:g} to {longest:g} s"
    return (
        f"{scan.channel.name}: {count(schedule.num_frames, 'frame')} of {lengths}, "
        f"{schedule.start_s[0] / 60:.3g} to {schedule.end_s[-1] / 60:.3g} min from injection."
    )
