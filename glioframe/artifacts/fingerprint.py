"""``dataset_fingerprint.json``: what the training cases look like. Names follow nnU-Net where it has one."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any, ClassVar, Literal

from glioframe.artifacts.dataset import Channel
from glioframe.artifacts.json_file import STRICT
from glioframe.core.geometry import Shape, Spacing
from glioframe.core.provenance import Provenance

Box = tuple[tuple[int, int], tuple[int, int], tuple[int, int]]
"""Half-open voxel ranges (z, y, x): ((z0, z1), (y0, y1), (x0, x1))."""


@dataclass(frozen=True, kw_only=True, slots=True)
class IntensityStatistics:
    """Intensities inside a region, pooled over cases, in the channel's own unit."""

    __pydantic_config__: ClassVar[dict[str, Any]] = STRICT
    mean: float
    median: float
    std: float
    min: float
    max: float
    percentile_00_5: float
    percentile_99_5: float


@dataclass(frozen=True, kw_only=True, slots=True)
class ScheduleFingerprint:
    """One frame schedule of a dynamic channel.

    Attributes:
        frame_start_s: When each frame starts, in seconds from injection.
        frame_duration_s: How long it lasts.
        num_cases: Training cases with this schedule.
    """

    __pydantic_config__: ClassVar[dict[str, Any]] = STRICT
    frame_start_s: tuple[float, ...]
    frame_duration_s: tuple[float, ...]
    num_cases: int


@dataclass(frozen=True, kw_only=True, slots=True)
class ChannelFingerprint:
    """One channel over all training cases.

    Attributes:
        channel: The channel as declared.
        num_present: Training cases that have it.
        brain: Statistics inside the brain; None when no case has the channel.
        lesion: Statistics inside the lesion; None without labels.
        schedules: The frame schedules of a dynamic channel, the most frequent first; its statistics are those of the
            mean over the protocol's static window. Empty for other channels.
    """

    __pydantic_config__: ClassVar[dict[str, Any]] = STRICT
    channel: Channel
    num_present: int
    brain: IntensityStatistics | None
    lesion: IntensityStatistics | None
    schedules: tuple[ScheduleFingerprint, ...] = ()


@dataclass(frozen=True, kw_only=True, slots=True)
class CaseFingerprint:
    """One training case, on the RAS+ grid of its first channel present.

    Attributes:
        case_id: The case.
        spacing_mm: Voxel edges (z, y, x).
        shape_vox: Shape (z, y, x) before cropping.
        brain_box_vox: Bounding box of the brain, before resampling.
        channels_present: One flag per declared channel.
        lesion_volume_ml: Of all lesion voxels; None without a label.
        lesion_extent_mm: Edges (z, y, x) of the lesion's bounding box; None without a label.
        num_lesions: Connected components (26-neighborhood); None without a label.
    """

    __pydantic_config__: ClassVar[dict[str, Any]] = STRICT
    case_id: str
    spacing_mm: Spacing
    shape_vox: Shape
    brain_box_vox: Box
    channels_present: tuple[bool, ...]
    lesion_volume_ml: float | None = None
    lesion_extent_mm: Spacing | None = None
    num_lesions: int | None = None

    @property
    def brain_shape_vox(self) -> Shape:
        """Shape (z, y, x) of the brain's bounding box."""
        z, y, x = (stop - start for start, stop in self.brain_box_vox)
        return (z, y, x)

    @property
    def brain_extent_mm(self) -> Spacing:
        """Edges (z, y, x) of the brain's bounding box in mm."""
        z, y, x = (n * s for n, s in zip(self.brain_shape_vox, self.spacing_mm, strict=True))
        return (z, y, x)


@dataclass(frozen=True, kw_only=True, slots=True)
class Fingerprint:
    """What the training cases of a dataset look like. External cases are never looked at.

    Attributes:
        schema_version: Of this file.
        dataset_name: Folder name of the raw dataset.
        num_subjects: Training subjects.
        cases: One entry per training case, sorted by case id.
        channels: One entry per declared channel.
        spacings: nnU-Net's name for the cases' spacings (z, y, x) in mm.
        shapes_after_crop: nnU-Net's name for the shapes of the brain boxes (z, y, x).
        median_relative_size_after_cropping: Median of brain-box voxels over image voxels.
        class_counts: Training cases by target and class; ``""`` counts the unknown.
        site_counts: Training cases by site.
        provenance: Where the file comes from.
    """

    __pydantic_config__: ClassVar[dict[str, Any]] = STRICT
    schema_version: Literal[1] = 1
    dataset_name: str
    num_subjects: int
    cases: tuple[CaseFingerprint, ...]
    channels: tuple[ChannelFingerprint, ...]
    spacings: tuple[Spacing, ...]
    shapes_after_crop: tuple[Shape, ...]
    median_relative_size_after_cropping: float
    class_counts: dict[str, dict[str, int]]
    site_counts: dict[str, int]
    provenance: Provenance = field(default_factory=Provenance)
