"""``CASE_pet.json``: what was measured on the way from a case's PET to its channels, for pictures and for doubts.

It stands beside the preprocessed case; cases of which nothing was measured have none.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, ClassVar, Literal

from glioframe.artifacts.json_file import STRICT, load_json

if TYPE_CHECKING:
    from pathlib import Path

Series = tuple[float, ...]

HOTTEST, STRIATUM = "hottest mL", "striatum"
"""Names of curves: of the lesion's part with the highest static uptake, and of the healthy side's striatum."""


@dataclass(frozen=True, kw_only=True, slots=True)
class AlignmentRecord:
    """How one image was moved onto the first channel of its case.

    Attributes:
        channel: What was moved.
        shift_mm: How far its center moved.
        rotation_deg: By what angle it turned.
        similarity_before: Mutual information with the first channel, in nats; 0 is none.
        similarity_after: The same afterwards.
        is_applied: False where the registration did not help or went too far, and the image was left where it was.
        nmi_before: Normalized mutual information, from 1 for unrelated to 2 for equal images; None in older files.
        nmi_after: The same afterwards.
    """

    __pydantic_config__: ClassVar[dict[str, Any]] = STRICT
    channel: str
    shift_mm: float
    rotation_deg: float
    similarity_before: float
    similarity_after: float
    is_applied: bool
    nmi_before: float | None = None
    nmi_after: float | None = None


@dataclass(frozen=True, kw_only=True, slots=True)
class MotionRecord:
    """How the frames of a dynamic PET were moved onto its static image; each tuple has one entry per frame.

    Attributes:
        shift_mm: How far the middle of the image moved.
        rotation_deg: By what angle it turned.
        nmi_before: Normalized mutual information with the static image; None for frames that show too little of the
            head and moved as the first later one did.
        nmi_after: The same afterwards.
        flags: What a reader should look at, in words; empty when all is well.
    """

    __pydantic_config__: ClassVar[dict[str, Any]] = STRICT
    shift_mm: Series
    rotation_deg: Series
    nmi_before: tuple[float | None, ...]
    nmi_after: tuple[float | None, ...]
    flags: tuple[str, ...] = ()


@dataclass(frozen=True, kw_only=True, slots=True)
class UptakeRecord:
    """How high the uptake of a lesion is in one static image, or in the static window of a dynamic one.

    The lesion's values leave out what is striatum, for tracers that the striatum takes up.

    Attributes:
        channel: The raw channel.
        protocol: Whose threshold and reference region these are.
        reference_mean: Uptake of the reference region, in the channel's unit: what ratios refer to.
        reference_volume_ml: Of the reference region.
        healthy_side: The hemisphere with less lesion; the reference region and the striatum below are there.
        tbr_max_voxel: The lesion's highest voxel, over the reference.
        tbr_peak_1_ml: Its highest mean over a sphere of 1 mL.
        tbr_mean: Its mean.
        threshold_tbr: From here on, tissue counts as tumor.
        metabolic_volume_ml: Of such tissue in and around the lesion.
        largest_component_ml: Of its largest part that hangs together.
        is_measurable: Whether that part is large enough to be measurable disease.
        striatum_tbr: Mean of the striatum on the healthy side; None for other tracers, or where it was not found.
        tumor_to_striatum: The lesion's highest voxel over that mean.
        striatum_shift_mm: How far uptake lay from where the anatomy puts that striatum.
        flags: What a reader should look at, in words; empty when all is well.
    """

    __pydantic_config__: ClassVar[dict[str, Any]] = STRICT
    channel: str
    protocol: str
    reference_mean: float
    reference_volume_ml: float
    healthy_side: Literal["left", "right"]
    tbr_max_voxel: float
    tbr_peak_1_ml: float
    tbr_mean: float
    threshold_tbr: float
    metabolic_volume_ml: float
    largest_component_ml: float
    is_measurable: bool
    striatum_tbr: float | None = None
    tumor_to_striatum: float | None = None
    striatum_shift_mm: float | None = None
    flags: tuple[str, ...] = ()


@dataclass(frozen=True, kw_only=True, slots=True)
class DynamicPetRecord:
    """The time-activity curves of one dynamic PET, and how its maps came about.

    Attributes:
        channel: The raw channel.
        unit: Of the curves.
        frame_start_s: When each frame starts, in seconds from injection.
        frame_duration_s: How long it lasts.
        curves: Mean of each frame over ``brain``, ``reference`` (the contralateral crescent), ``lesion``,
            :data:`HOTTEST` of it, and :data:`STRIATUM`; without those that the case does not have.
        static_window_s: What the static image is the mean of.
        reference_mean: Uptake of the reference region in the static image: the divisor of TBR.
        reference_volume_ml: Of the reference region.
        reference_side: In which hemisphere it lies.
        flags: What a reader should look at, in words; empty when all is well.
        bolus_delay_s: How much later than in the population input the bolus arrived; None without kinetic maps.
        blood_scale: By how much the population input was scaled to the blood in the image, in the curves' unit per
            SUV; None without kinetic maps.
        motion_mm: How far each frame was moved, by the displacement at 50 mm from the center; empty without motion
            correction.
        motion: More about that; None without motion correction.
    """

    __pydantic_config__: ClassVar[dict[str, Any]] = STRICT
    channel: str
    unit: str
    frame_start_s: Series
    frame_duration_s: Series
    curves: dict[str, Series]
    static_window_s: tuple[float, float]
    reference_mean: float
    reference_volume_ml: float
    reference_side: Literal["left", "right"]
    flags: tuple[str, ...] = ()
    bolus_delay_s: float | None = None
    blood_scale: float | None = None
    motion_mm: Series = ()
    motion: MotionRecord | None = None


@dataclass(frozen=True, kw_only=True, slots=True)
class PetRecord:
    """What ``CASE_pet.json`` holds.

    Attributes:
        schema_version: Of this file.
        case_id: The case.
        dynamic: Of its dynamic PET; None without.
        alignments: Of the channels that were registered.
        uptake: Of the lesion in each PET whose tracer has a protocol.
        unmeasured: What could not be measured and why, in words.
    """

    __pydantic_config__: ClassVar[dict[str, Any]] = STRICT
    schema_version: Literal[1] = 1
    case_id: str
    dynamic: DynamicPetRecord | None = None
    alignments: tuple[AlignmentRecord, ...] = ()
    uptake: tuple[UptakeRecord, ...] = ()
    unmeasured: tuple[str, ...] = ()

    @property
    def is_empty(self) -> bool:
        """Whether nothing was measured, nor tried."""
        return self.dynamic is None and not (self.alignments or self.uptake or self.unmeasured)


def pet_record_path(folder: Path, case_id: str) -> Path:
    """``CASE_pet.json`` among the preprocessed cases."""
    return folder / f"{case_id}_pet.json"


def load_pet_record(folder: Path, case_id: str) -> PetRecord | None:
    """The record of a case; None where it has none.

    Raises:
        ArtifactError: The file breaks the schema.
    """
    path = pet_record_path(folder, case_id)
    return load_json(PetRecord, path) if path.is_file() else None
