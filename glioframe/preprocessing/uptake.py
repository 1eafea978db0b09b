"""How high the uptake of a case's lesion is: ratios to background and striatum, and the metabolic volume."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
from scipy import ndimage

from glioframe.artifacts.pet_record import UptakeRecord
from glioframe.core.errors import DatasetError, ImageError
from glioframe.core.modality import Modality, Tracer, Unit
from glioframe.imaging.resample import resample_label_to
from glioframe.imaging.volume import Volume
from glioframe.pet.protocol import find_protocol
from glioframe.pet.reference_region import find_reference_region
from glioframe.pet.tbr import measure_tumor, metabolic_volume, tbr

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from glioframe.artifacts.dataset import Channel, DatasetDescription
    from glioframe.artifacts.protocol import Protocol
    from glioframe.core.geometry import Spacing
    from glioframe.imaging.case_images import CaseImages
    from glioframe.pet.reference_region import ReferenceRegion
    from glioframe.pet.striatum import Striatum
    from glioframe.preprocessing.striatum import CaseStriatum

_STATIC_PROTOCOLS = {Tracer.FDOPA: "static_fdopa", Tracer.FET: "static_fet", Tracer.MET: "static_met"}
_MM3_PER_ML = 1000.0


@dataclass(frozen=True, kw_only=True, eq=False)
class StaticUptake:
    """A static image, ready to be measured; arrays are ``(z, y, x)`` on one grid.

    Attributes:
        values: In the channel's unit.
        channel: What it shows.
        protocol: How to read it.
        spacing_mm: Voxel edges (z, y, x).
        brain: The brain.
        lesion: The lesion; None without a label, or with an empty one.
        striatum: None for tracers that it does not take up, or where it was not found.
    """

    values: NDArray[Any]
    channel: Channel
    protocol: Protocol
    spacing_mm: Spacing
    brain: NDArray[np.bool_]
    lesion: NDArray[np.bool_] | None
    striatum: Striatum | None

    @property
    def physiological(self) -> NDArray[np.bool_] | None:
        """Healthy tissue of high uptake."""
        return (
            None
            if self.striatum is None
            else self.striatum.physiological(spacing_mm=self.spacing_mm, lesion=self.lesion)
        )

    def reference_region(self) -> ReferenceRegion:
        """The background.

        Raises:
            DatasetError: There is none.
        """
        return find_reference_region(
            self.values,
            self.brain,
            spacing_mm=self.spacing_mm,
            lesion=self.lesion,
            physiological=self.physiological,
            rule=self.protocol.reference_region,
            is_suv=self.channel.unit == Unit.SUV_BW,
        )

    def measure(self, region: ReferenceRegion) -> UptakeRecord | None:
        """The lesion's uptake; None without a lesion outside of the striatum."""
        if self.lesion is None:
            return None
        in_striatum = np.zeros_like(self.lesion) if self.striatum is None else self.lesion & self.striatum.mask
        tumor = self.lesion & ~in_striatum
        if not tumor.any():
            return None
        ratios = tbr(self.values, region.mean)
        around = ndimage.distance_transform_edt(~self.lesion, sampling=self.spacing_mm)
        volume = metabolic_volume(
            ratios,
            self.brain & (around <= self.protocol.reference_region.lesion_margin_mm) | self.lesion,
            spacing_mm=self.spacing_mm,
            threshold_tbr=self.protocol.uptake_threshold_tbr,
            physiological=self.physiological,
            measurable_ml=self.protocol.measurable_volume_ml,
        )
        uptake = measure_tumor(ratios, tumor, spacing_mm=self.spacing_mm)
        striatum = None if self.striatum is None else self.striatum.side(region.side)
        striatum_tbr = float(ratios[striatum.mask].mean()) if striatum is not None and striatum.mask.any() else None
        lost_ml = float(in_striatum.sum() * np.prod(self.spacing_mm)) / _MM3_PER_ML
        lost = (f"{lost_ml:.1f} mL of the lesion lie in the striatum and were left out",) if lost_ml else ()
        return UptakeRecord(
            channel=self.channel.name,
            protocol=self.protocol.name,
            reference_mean=region.mean,
            reference_volume_ml=region.volume_ml,
            healthy_side=region.side,
            tbr_max_voxel=uptake.max_voxel,
            tbr_peak_1_ml=uptake.peak_1_ml,
            tbr_mean=uptake.mean,
            threshold_tbr=self.protocol.uptake_threshold_tbr,
            metabolic_volume_ml=volume.volume_ml,
            largest_component_ml=volume.largest_component_ml,
            is_measurable=volume.is_measurable,
            striatum_tbr=striatum_tbr,
            tumor_to_striatum=None if striatum_tbr is None else uptake.max_voxel / striatum_tbr,
            striatum_shift_mm=None if striatum is None else striatum.shift_mm,
            flags=(*region.flags, *(self.striatum.flags if self.striatum else ()), *lost),
        )


def measure_static_channels(
    images: CaseImages, description: DatasetDescription, striatum: CaseStriatum
) -> tuple[list[UptakeRecord], list[str]]:
    """The lesion's uptake in each static PET whose tracer has a protocol, and what could not be measured."""
    records: list[UptakeRecord] = []
    unmeasured: list[str] = []
    if images.label is None or not (images.label.array > 0).any():
        return records, unmeasured
    for volume, channel in zip(images.channels, description.channels, strict=True):
        if volume is None or channel.modality != Modality.PET_STATIC:
            continue
        protocol = _protocol_of(channel, description)
        if protocol is None:
            continue
        try:
            static = _static(volume, channel, protocol, images=images, striatum=striatum)
            record = static.measure(static.reference_region())
        except (DatasetError, ImageError) as error:
            unmeasured.append(f"{channel.name}: {error}")
            continue
        records += [] if record is None else [record]
    return records, unmeasured


def _protocol_of(channel: Channel, description: DatasetDescription) -> Protocol | None:
    """The dataset's own, if it is of the channel's tracer; else the one shipped for static images of that tracer."""
    if description.protocol:
        declared = find_protocol(description.protocol)
        if declared.tracer == channel.tracer:
            return declared
    shipped = _STATIC_PROTOCOLS.get(channel.tracer) if channel.tracer else None
    return find_protocol(shipped) if shipped else None


def _static(
    volume: Volume, channel: Channel, protocol: Protocol, *, images: CaseImages, striatum: CaseStriatum
) -> StaticUptake:
    geometry = volume.geometry
    brain = resample_label_to(images.brain, geometry).array
    lesion = None if images.label is None else Volume(images.label.array > 0, images.label.geometry)
    on_grid = None if lesion is None else resample_label_to(lesion, geometry).array
    return StaticUptake(
        values=volume.array,
        channel=channel,
        protocol=protocol,
        spacing_mm=geometry.spacing_mm,
        brain=brain,
        lesion=on_grid if on_grid is not None and on_grid.any() else None,
        striatum=striatum.on(volume.array, geometry, protocol=protocol, brain=brain, lesion=on_grid),
    )
