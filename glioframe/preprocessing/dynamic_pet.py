"""One dynamic PET -> the maps that the plan asks for, on the PET's own grid, with a record of how they came about."""

from __future__ import annotations

import math
from dataclasses import dataclass, replace
from functools import partial
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

from glioframe.artifacts.pet_record import HOTTEST, STRIATUM, DynamicPetRecord
from glioframe.artifacts.pet_sidecar import load_pet_sidecar, sidecar_path
from glioframe.artifacts.plan import KINETIC_RECIPES
from glioframe.core.errors import ImageError
from glioframe.core.modality import Unit
from glioframe.imaging.registration import correct_motion
from glioframe.imaging.resample import resample_label_to
from glioframe.imaging.series import Series
from glioframe.imaging.volume import Volume
from glioframe.pet.delay import estimate_delay_s
from glioframe.pet.dynamic_scan import frame_factors, schedule_of, suv_of
from glioframe.pet.harmonize import cut_to_span
from glioframe.pet.hottest import hottest_part
from glioframe.pet.image_derived_input import find_vessels, mean_curve
from glioframe.pet.input_function import population_input
from glioframe.pet.noise import noise_weights
from glioframe.pet.one_tissue import OneTissueSettings, fit_one_tissue
from glioframe.pet.semi_quantitative import late_slope_per_h
from glioframe.pet.static import window_mean
from glioframe.pet.tbr import tbr
from glioframe.preprocessing.motion import describe_motion
from glioframe.preprocessing.uptake import StaticUptake

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from glioframe.artifacts.dataset import Channel
    from glioframe.artifacts.pet_record import UptakeRecord
    from glioframe.artifacts.pet_sidecar import PetSidecar
    from glioframe.artifacts.plan import DynamicPetPlan, Plan, Recipe
    from glioframe.core.geometry import Geometry
    from glioframe.imaging.case_images import CaseImages
    from glioframe.imaging.registration import FrameMotion
    from glioframe.pet.frames import FrameSchedule
    from glioframe.pet.input_function import InputFunction
    from glioframe.pet.reference_region import ReferenceRegion
    from glioframe.preprocessing.striatum import CaseStriatum

Array = NDArray[Any]
Maps = dict["Recipe", Array]

_VESSELS_ML = 2.0
_VESSEL_MARGIN_MM = 12.0  # carotids and sinuses lie just outside of the brain
_LESION_MARGIN_MM = 6.0  # a hot tumor is full of blood, too
_BLOOD_WINDOW_S = (0.0, 180.0)  # afterwards tissue around the vessels is as hot as they are
_DELAYS_S = np.arange(0.0, 61.0, 5.0)


@dataclass(frozen=True, kw_only=True, eq=False)
class DynamicScan:
    """A dynamic PET, read and ready: decay-corrected frames in the channel's unit, cut to the plan's span.

    Attributes:
        path: Its file.
        channel: The raw channel.
        sidecar: As read.
        series: ``(t, z, y, x)``.
        schedule: The frames' times.
        geometry: Where it lies, after alignment.
        brain: ``(z, y, x)`` on its grid.
        lesion: The same; None without a label.
    """

    path: Path
    channel: Channel
    sidecar: PetSidecar
    series: Array
    schedule: FrameSchedule
    geometry: Geometry
    brain: NDArray[np.bool_]
    lesion: NDArray[np.bool_] | None


@dataclass(frozen=True, kw_only=True, eq=False)
class DerivedMaps:
    """What became of a dynamic PET.

    Attributes:
        volumes: The maps wanted.
        record: How they came about.
        uptake: Of the lesion in the static window; None without a lesion.
    """

    volumes: dict[Recipe, Volume]
    record: DynamicPetRecord
    uptake: UptakeRecord | None


def derive_maps(
    path: Path,
    channel: Channel,
    series: Series,
    *,
    recipes: Sequence[Recipe],
    plan: Plan,
    images: CaseImages,
    striatum: CaseStriatum,
) -> DerivedMaps:
    """Computes the maps of one channel of a case.

    Args:
        path: The 4D image.
        channel: What it shows.
        series: Its frames as read, where they lie after alignment; they are overwritten.
        recipes: The maps wanted.
        plan: With the protocol, its windows, and whether to correct the motion between frames.
        images: For brain and lesion.
        striatum: Kept out of the reference region and of the lesion's uptake.

    Raises:
        DatasetError: The scan does not fit the plan, or no reference region is found.
        ImageError: The image cannot be used.
    """
    windows = plan.dynamic_pet
    assert windows is not None, "the frames were read as its protocol says"
    scan = _prepare(path, channel, series, plan=windows, images=images)
    del series  # so that moved frames replace those as read
    motion: tuple[FrameMotion, ...] = ()
    mean = partial(
        window_mean, schedule=scan.schedule, start_s=windows.static_window_s[0], stop_s=windows.static_window_s[1]
    )
    static = mean(scan.series).value
    if plan.rigid_alignment:
        first = min(
            int(np.searchsorted(scan.schedule.start_s, windows.protocol.peak_search_start_s)), len(scan.series) - 1
        )
        corrected, motion = correct_motion(Series(scan.series, scan.geometry), reference=static, first_frame=first)
        scan = replace(scan, series=corrected)
        static = mean(scan.series).value
    measured = StaticUptake(
        values=static,
        channel=channel,
        protocol=windows.protocol,
        spacing_mm=scan.geometry.spacing_mm,
        brain=scan.brain,
        lesion=scan.lesion if scan.lesion is not None and scan.lesion.any() else None,
        striatum=striatum.on(static, scan.geometry, protocol=windows.protocol, brain=scan.brain, lesion=scan.lesion),
    )
    region = measured.reference_region()
    maps, fit = _maps(scan, static, region, recipes=recipes, plan=windows)
    return DerivedMaps(
        volumes={recipe: Volume(maps[recipe].astype(np.float32), scan.geometry) for recipe in recipes},
        record=_record(scan, measured, region, plan=windows, fit=fit, motion=motion),
        uptake=measured.measure(region),
    )


def _prepare(path: Path, channel: Channel, series: Series, *, plan: DynamicPetPlan, images: CaseImages) -> DynamicScan:
    array, geometry = series.array, series.geometry
    sidecar = load_pet_sidecar(sidecar_path(path))
    schedule = schedule_of(sidecar, where=path, num_frames=len(array))
    factors = frame_factors(sidecar, channel, schedule, where=path)
    if (factors != 1.0).any():
        array *= factors.astype(np.float32)[:, None, None, None]
    array, schedule = cut_to_span(array, schedule, stop_s=plan.stop_s)
    label = None if images.label is None else Volume(images.label.array > 0, images.label.geometry)
    return DynamicScan(
        path=path,
        channel=channel,
        sidecar=sidecar,
        series=array,
        schedule=schedule,
        geometry=geometry,
        brain=resample_label_to(images.brain, geometry).array,
        lesion=None if label is None else resample_label_to(label, geometry).array,
    )


def _maps(
    scan: DynamicScan, static: Array, region: ReferenceRegion, *, recipes: Sequence[Recipe], plan: DynamicPetPlan
) -> tuple[Maps, tuple[float, float] | None]:
    """The maps, and delay and height of the input function where a model was fitted."""
    maps: Maps = {"static_tbr": tbr(static, region.mean)}
    if "static_suv" in recipes:
        maps["static_suv"] = static * _suv_factor(scan)
    if "late_slope_per_h" in recipes and plan.slope_window_s is not None:
        maps["late_slope_per_h"] = tbr(
            late_slope_per_h(scan.series, scan.schedule, window_s=plan.slope_window_s).value, region.mean
        )
    if not set(recipes) & set(KINETIC_RECIPES):
        return maps, None
    blood, delay_s, height = _input_function(scan)
    fitted = fit_one_tissue(
        scan.series,
        scan.schedule,
        blood,
        weights=noise_weights(
            mean_curve(scan.series, scan.brain), scan.schedule, half_life_s=plan.protocol.half_life_s
        ),
        mask=scan.brain,
        settings=OneTissueSettings(
            peak_search_s=plan.protocol.peak_search_start_s, peak_until_s=scan.schedule.end_s[-1], num_workers=1
        ),
    )
    maps["time_to_peak_min"] = fitted.time_to_peak_s.value / np.float32(60.0)
    maps["k2_per_min"] = fitted.k2_per_min.value
    maps["vt"] = fitted.vt_ml_cm3.value
    return maps, (delay_s, height)


def _input_function(scan: DynamicScan) -> tuple[InputFunction, float, float]:
    """The population's shape, arriving when and as high as blood in the image does; with delay and height.

    Frames are too long, and vessels too thin, to take the shape of the bolus from the image too.
    """
    tracer, spacing = scan.channel.tracer, scan.geometry.spacing_mm
    if tracer is None:  # dataset.json was checked to name one
        raise ImageError(scan.path, expected="a tracer", found="none", fix="Declare it in dataset.json")
    population = population_input(tracer, end_s=scan.schedule.end_s[-1])
    delay_s = estimate_delay_s(mean_curve(scan.series, scan.brain), scan.schedule, population, _DELAYS_S)
    search = ndimage.distance_transform_edt(~scan.brain, sampling=spacing) <= _VESSEL_MARGIN_MM
    if scan.lesion is not None and scan.lesion.any():
        search &= ndimage.distance_transform_edt(~scan.lesion, sampling=spacing) > _LESION_MARGIN_MM
    num_voxels = max(math.ceil(_VESSELS_ML * 1000.0 / math.prod(spacing)), 1)
    vessels = find_vessels(scan.series, scan.schedule, num_voxels=num_voxels, mask=search)
    arriving = population.shifted(delay_s)
    scaled = arriving.scaled_to_blood(
        mean_curve(scan.series, vessels), scan.schedule, start_s=_BLOOD_WINDOW_S[0], stop_s=_BLOOD_WINDOW_S[1]
    )
    return scaled, delay_s, float(scaled.plasma.max() / arriving.plasma.max())


def _suv_factor(scan: DynamicScan) -> float:
    if scan.channel.unit == Unit.SUV_BW:
        return 1.0
    if scan.channel.unit == Unit.BQ_ML:
        return suv_of(scan.sidecar, where=scan.path)
    raise ImageError(
        scan.path,
        expected="a series in bq_ml or suv_bw, for recipe static_suv",
        found=str(scan.channel.unit),
        fix="Take the channel out of plans.json",
    )


def _record(
    scan: DynamicScan,
    measured: StaticUptake,
    region: ReferenceRegion,
    *,
    plan: DynamicPetPlan,
    fit: tuple[float, float] | None,
    motion: tuple[FrameMotion, ...],
) -> DynamicPetRecord:
    regions = {"brain": scan.brain, "reference": region.mask}
    if scan.lesion is not None and scan.lesion.any():
        hottest = hottest_part(measured.values, scan.lesion, spacing_mm=scan.geometry.spacing_mm)
        regions |= {"lesion": scan.lesion, HOTTEST: hottest}
    if measured.striatum is not None and measured.striatum.side(region.side).mask.any():
        regions[STRIATUM] = measured.striatum.side(region.side).mask
    return DynamicPetRecord(
        channel=scan.channel.name,
        unit=str(scan.channel.unit),
        frame_start_s=scan.schedule.start_s,
        frame_duration_s=scan.schedule.duration_s,
        curves={name: tuple(mean_curve(scan.series, mask).tolist()) for name, mask in regions.items()},
        static_window_s=plan.static_window_s,
        reference_mean=region.mean,
        reference_volume_ml=region.volume_ml,
        reference_side=region.side,
        flags=region.flags,
        bolus_delay_s=None if fit is None else fit[0],
        blood_scale=None if fit is None else fit[1],
        motion_mm=tuple(0.0 if each.applied is None else each.applied.motion_mm for each in motion),
        motion=describe_motion(motion) if motion else None,
    )
