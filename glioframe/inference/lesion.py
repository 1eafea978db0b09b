"""A preprocessed case around its lesion, with quantities in their own unit again."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from glioframe.artifacts.pet_record import load_pet_record
from glioframe.core.errors import PredictionError
from glioframe.imaging.array_store import load_array, load_patch

if TYPE_CHECKING:
    from collections.abc import Mapping

    from glioframe.artifacts.case import PreprocessedCase
    from glioframe.artifacts.plan import ChannelPlan, Plan
    from glioframe.core.geometry import Spacing

Array = NDArray[Any]

_MARGIN_MM = 20.0
"""Enough for a disc of 16 mm around the lesion's edge, and for splines."""


@dataclass(frozen=True, kw_only=True, eq=False)
class LesionImage:
    """The box around a lesion.

    Attributes:
        case_id: The case.
        channels: Float32 (z, y, x) by the planned channel's name; an absent channel is left out. What the plan divided
            by a constant is multiplied by it again; weighted MRI stays standardized.
        label: Int8 (z, y, x), as in labelsTr.
        spacing_mm: Voxel edges (z, y, x).
        tumor_to_striatum: By raw PET channel, the highest voxel over the mean of the healthy striatum, as preprocessing
            measured it; without those where there is none.
    """

    case_id: str
    channels: Mapping[str, Array]
    label: Array
    spacing_mm: Spacing
    tumor_to_striatum: Mapping[str, float] = field(default_factory=dict)

    @property
    def lesion(self) -> NDArray[np.bool_]:
        """Every voxel that is not background."""
        return self.label > 0


def load_lesion_image(case: PreprocessedCase, plan: Plan) -> LesionImage:
    """Reads the box around the lesion and no more.

    Raises:
        PredictionError: The case has no lesion label, or an empty one.
        ImageError: An array is absent or damaged.
    """
    properties = case.properties
    label = load_array(case.label_path) if properties.has_lesion_label else np.zeros((0, 0, 0), dtype=np.int8)
    if not label.any():
        raise PredictionError(
            f"case {case.case_id}",
            expected="a lesion label, because this task measures the lesion",
            found="no label, or an empty one",
            fix="Add a lesion label and preprocess again",
        )
    box = _box_around(label, properties.spacing_mm)
    image = load_patch(
        case.image_path, start_zyx=[part.start for part in box], shape_zyx=[part.stop - part.start for part in box]
    )
    present = list(zip(plan.channels, properties.channels_present, image, strict=True))
    return LesionImage(
        case_id=case.case_id,
        channels={channel.name: _in_unit(channel, values) for channel, is_present, values in present if is_present},
        label=np.ascontiguousarray(label[box]),
        spacing_mm=properties.spacing_mm,
        tumor_to_striatum=_striatum_ratios(
            case, {channel.source.name for channel, is_present, _ in present if is_present}
        ),
    )


def quantity_of(channel: ChannelPlan) -> str:
    """What a channel measures: ``tbr``, ``suv_bw``, ..., a map's recipe; empty for weighted MRI, which has no scale."""
    if channel.recipe == "static_tbr":
        return "tbr"
    if channel.recipe == "static_suv":
        return "suv_bw"
    if channel.recipe != "identity":
        return channel.recipe
    return str(channel.source.unit or "")


def _striatum_ratios(case: PreprocessedCase, sources: set[str]) -> dict[str, float]:
    record = load_pet_record(case.folder, case.case_id)
    return {
        uptake.channel: uptake.tumor_to_striatum
        for uptake in (record.uptake if record else ())
        if uptake.channel in sources and uptake.tumor_to_striatum is not None
    }


def _in_unit(channel: ChannelPlan, values: Array) -> Array:
    scheme = channel.normalization
    return values * np.float32(scheme.scale) if scheme.scheme == "fixed_scale" else values


def _box_around(label: Array, spacing_mm: Spacing) -> tuple[slice, ...]:
    where = np.argwhere(label > 0)
    low, high = where.min(axis=0), where.max(axis=0) + 1
    margins = [int(np.ceil(_MARGIN_MM / spacing)) for spacing in spacing_mm]
    return tuple(
        slice(max(0, int(first) - margin), min(size, int(last) + margin))
        for first, last, margin, size in zip(low, high, margins, label.shape, strict=True)
    )
