"""How a site acquires and reads amino-acid PET: a file of ``plans/protocols/``, or a hospital's own copy of one.

All times are seconds from injection. Whether the windows fit the frames is checked in ``glioframe.pet.protocol``.
"""

from __future__ import annotations

from dataclasses import dataclass, field, fields
from enum import StrEnum
from typing import TYPE_CHECKING, Any, ClassVar, Literal

from glioframe.artifacts.json_file import STRICT, load_json
from glioframe.core.errors import ArtifactError
from glioframe.core.modality import Tracer

if TYPE_CHECKING:
    from pathlib import Path

Window = tuple[float, float]
"""Start and stop, in seconds from injection."""


class DecayReference(StrEnum):
    """The time to which the activity of an image is corrected; DICOM's ADMIN, START and NONE."""

    INJECTION = "injection"
    SCAN_START = "scan_start"
    NONE = "none"


class PhysiologicalRegion(StrEnum):
    """Where healthy tissue takes up a tracer, so that a tumor is not looked for there."""

    STRIATUM = "striatum"
    CEREBELLUM = "cerebellum"
    PINEAL_GLAND = "pineal_gland"
    SCALP = "scalp"
    VENOUS_SINUSES = "venous_sinuses"
    CHOROID_PLEXUS = "choroid_plexus"
    PITUITARY_GLAND = "pituitary_gland"
    LACRIMAL_GLANDS = "lacrimal_glands"


@dataclass(frozen=True, kw_only=True, slots=True)
class ReferenceRegionRule:
    """The contralateral crescent that uptake is compared with.

    Attributes:
        depth_mm: Distance from the brain's surface: the crescent lies between the two.
        below_vertex_mm: Distance below the top of the brain: the crescent lies between the two, above the ventricles.
        midline_margin_mm: Kept free on the crescent's side of the mid-sagittal plane (falx, sinus).
        lesion_margin_mm: Kept free around the lesion.
        mirror_margin_mm: Kept free around the mirror image of the lesion.
        physiological_margin_mm: Kept free around regions with physiological uptake.
        outlier_limit: Voxels further from the median than this many robust standard deviations (1.4826 times the
            median absolute deviation) are left out: ventricles below, vessels above.
        max_coefficient_of_variation: Above it the region is flagged as uneven.
        min_volume_ml: Below it the region is flagged as small.
        mean_suv_range: Outside of it the region is flagged as implausible.
    """

    __pydantic_config__: ClassVar[dict[str, Any]] = STRICT
    depth_mm: tuple[float, float] = (12.0, 30.0)
    below_vertex_mm: tuple[float, float] = (15.0, 45.0)
    midline_margin_mm: float = 8.0
    lesion_margin_mm: float = 10.0
    mirror_margin_mm: float = 5.0
    physiological_margin_mm: float = 5.0
    outlier_limit: float = 3.0
    max_coefficient_of_variation: float = 0.25
    min_volume_ml: float = 30.0
    mean_suv_range: tuple[float, float] = (0.6, 1.6)


@dataclass(frozen=True, kw_only=True, slots=True)
class Protocol:
    """One way of acquiring and reading an amino-acid PET.

    Attributes:
        schema_version: Of this file.
        name: The file's name without its ending.
        description: One sentence.
        tracer: What is injected.
        radionuclide: Its label, as in BIDS' TracerRadionuclide.
        half_life_s: Of the radionuclide.
        frame_start_s: When the first frame starts.
        frame_pattern: The frames, as ``8x15,2x30``: eight of 15 s, then two of 30 s.
        static_window_s: What the static image is the mean of.
        early_window_s: The numerator of the early-to-late ratio; None for a static acquisition.
        late_window_s: The denominator of the early-to-late ratio; None for a static acquisition.
        slope_window_s: What the late slope is fitted to; None for a static acquisition.
        peak_search_start_s: The peak is looked for after it: before, blood dominates the curve.
        reference_region: The rule for the background of tumor-to-background ratios.
        physiological_exclusions: Regions to exclude from the search for a tumor.
        uptake_threshold_tbr: From this tumor-to-background ratio on, tissue counts as tumor.
        measurable_volume_ml: From this metabolic volume on, disease counts as measurable.
        decay_reference: To what time the site's images are corrected, when their headers do not say.
        unverified: Fields whose values were not read in a publication but are common practice: confirm before use.
        sources: Where the value of a field was read.
    """

    __pydantic_config__: ClassVar[dict[str, Any]] = STRICT
    schema_version: Literal[1] = 1
    name: str
    description: str
    tracer: Tracer
    radionuclide: str
    half_life_s: float
    frame_start_s: float
    frame_pattern: str
    static_window_s: Window
    early_window_s: Window | None
    late_window_s: Window | None
    slope_window_s: Window | None
    peak_search_start_s: float
    reference_region: ReferenceRegionRule
    physiological_exclusions: tuple[PhysiologicalRegion, ...]
    uptake_threshold_tbr: float
    measurable_volume_ml: float
    decay_reference: DecayReference
    unverified: tuple[str, ...]
    sources: dict[str, str] = field(default_factory=dict)

    @property
    def windows_s(self) -> dict[str, Window]:
        """The time windows that are set, by the name of their field."""
        names = ("static_window_s", "early_window_s", "late_window_s", "slope_window_s")
        return {name: window for name in names if (window := getattr(self, name)) is not None}


def load_protocol(path: Path) -> Protocol:
    """Reads a protocol file.

    Raises:
        ArtifactError: The file is absent, breaks the schema, or holds a value that cannot be meant.
    """
    protocol = load_json(Protocol, path)
    for expected, found in _faults(protocol, path):
        raise ArtifactError(path, expected=expected, found=found, fix="Correct it in the file")
    return protocol


def _faults(protocol: Protocol, path: Path) -> list[tuple[str, str]]:
    """What is wrong with the values, as pairs of what was expected and what was found."""
    faults = []
    if protocol.name != path.stem:
        faults.append((f"the name {path.stem!r}, as the file is called", f"the name {protocol.name!r}"))
    positive = ("half_life_s", "uptake_threshold_tbr", "measurable_volume_ml")
    faults += [
        (f"{name} above 0", f"{name} = {value:g}") for name in positive if not (value := getattr(protocol, name)) > 0
    ]
    ranges = protocol.windows_s | {
        f"reference_region.{name}": getattr(protocol.reference_region, name)
        for name in ("depth_mm", "below_vertex_mm", "mean_suv_range")
    }
    for name, (start, stop) in ranges.items():
        if not 0 <= start < stop:
            faults.append((f"{name} to rise from 0 or more", f"{name} = [{start:g}, {stop:g}]"))
    known = {item.name for item in fields(Protocol)}
    for kind, names in (("unverified", protocol.unverified), ("sources", tuple(protocol.sources))):
        unknown = [name for name in names if name.split(".")[0] not in known]
        if unknown:
            faults.append((f"{kind} to list fields of a protocol", ", ".join(unknown)))
    both = sorted(set(protocol.unverified) & set(protocol.sources))
    if both:
        faults.append(("a field to be unverified or to have a source, not both", ", ".join(both)))
    return faults
