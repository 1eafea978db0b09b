"""The few numbers that clinics read off a lesion: uptake ratios, metabolic volume, kinetics of its hottest part."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from glioframe.core.modality import Tracer
from glioframe.inference.lesion import quantity_of
from glioframe.pet.hottest import hottest_part
from glioframe.pet.protocol import find_protocol
from glioframe.pet.tbr import measure_tumor, metabolic_volume

if TYPE_CHECKING:
    from collections.abc import Mapping

    from glioframe.artifacts.dataset import DatasetDescription
    from glioframe.artifacts.plan import ChannelPlan, Plan
    from glioframe.inference.lesion import LesionImage

Array = NDArray[Any]

UPTAKE = {"tbr": "tbr", "suv_bw": "suv"}
"""Quantities that are uptake, by the word that their measures begin with."""
MAPS = ("time_to_peak_min", "late_slope_per_h", "k2_per_min", "vt")
"""Maps of a dynamic PET that are averaged over the hottest part of the lesion."""

STRIATUM_RATIO = "tumor_to_striatum"
_STRIATUM_TRACERS = (Tracer.FDOPA,)


def quantity_names(plan: Plan, *, source: str) -> tuple[str, ...]:
    """The names of what can be measured in the channels made from one raw channel."""
    held = [quantity_of(channel) for channel in plan.channels if channel.source.name == source]
    uptakes = [word for quantity, word in UPTAKE.items() if quantity in held]
    names = [f"{word}_{measure}" for word in uptakes for measure in ("max", "mean", "peak")]
    names += ["metabolic_volume_ml"] if "tbr" in held else []
    tracers = {channel.source.tracer for channel in plan.channels if channel.source.name == source}
    names += [STRIATUM_RATIO] if uptakes and tracers & set(_STRIATUM_TRACERS) else []
    return (*names, *(name for quantity in MAPS if quantity in held for name in (quantity, f"{quantity}_mean")))


def measure_lesion(image: LesionImage, plan: Plan, dataset: DatasetDescription, *, source: str) -> dict[str, float]:
    """Measures a lesion in the channels that were made from one raw channel; NaN for those that the case lacks.

    ``tbr_max``, ``tbr_mean`` and ``tbr_peak`` (a sphere of 1 mL), likewise ``suv_``; ``metabolic_volume_ml`` of the
    lesion from the protocol's threshold on; of each map the mean over the 1 mL of the lesion with the highest uptake
    (``time_to_peak_min``), and over the whole lesion (``time_to_peak_min_mean``). For tracers of the striatum
    ``tumor_to_striatum``.

    Args:
        image: The lesion.
        plan: Names the channels.
        dataset: Names the protocol of static PET.
        source: The raw channel.
    """
    values = dict.fromkeys(quantity_names(plan, source=source), math.nan)
    present = {
        quantity_of(channel): image.channels[channel.name]
        for channel in plan.channels
        if channel.source.name == source and channel.name in image.channels
    }
    lesion = image.lesion
    for quantity in (each for each in UPTAKE if each in present):
        uptake = measure_tumor(present[quantity], lesion, spacing_mm=image.spacing_mm)
        word = UPTAKE[quantity]
        values |= {f"{word}_max": uptake.max_voxel, f"{word}_mean": uptake.mean, f"{word}_peak": uptake.peak_1_ml}
    threshold = _threshold_tbr(plan, dataset)
    if "tbr" in present and threshold is not None:
        volume = metabolic_volume(present["tbr"], lesion, spacing_mm=image.spacing_mm, threshold_tbr=threshold)
        values["metabolic_volume_ml"] = volume.volume_ml
    if STRIATUM_RATIO in values:
        values[STRIATUM_RATIO] = image.tumor_to_striatum.get(source, math.nan)
    hottest = _hottest(image, present)
    for quantity in (each for each in MAPS if each in present):
        values[quantity] = float(present[quantity][hottest].mean(dtype=np.float64))
        values[f"{quantity}_mean"] = float(present[quantity][lesion].mean(dtype=np.float64))
    return values


def pet_sources(plan: Plan) -> tuple[str, ...]:
    """The raw channels that hold uptake or maps of it, in the plan's order."""
    measured = {*UPTAKE, *MAPS}
    return tuple(dict.fromkeys(channel.source.name for channel in plan.channels if _is_pet(channel, measured)))


def _is_pet(channel: ChannelPlan, measured: set[str]) -> bool:
    return channel.source.modality.is_pet and quantity_of(channel) in measured


def _threshold_tbr(plan: Plan, dataset: DatasetDescription) -> float | None:
    if plan.dynamic_pet is not None:
        return plan.dynamic_pet.protocol.uptake_threshold_tbr
    return find_protocol(dataset.protocol).uptake_threshold_tbr if dataset.protocol else None


def _hottest(image: LesionImage, present: Mapping[str, Array]) -> NDArray[np.bool_]:
    """The millilitre of the lesion with the highest uptake, which noise moves less than the highest voxel."""
    uptake = next((present[quantity] for quantity in UPTAKE if quantity in present), None)
    if uptake is None:
        return image.lesion
    return hottest_part(uptake, image.lesion, spacing_mm=image.spacing_mm)
