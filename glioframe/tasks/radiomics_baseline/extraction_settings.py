"""How gray levels become features: every choice that IBSI asks to report, written down beside the model."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, ClassVar

from glioframe.artifacts.json_file import STRICT
from glioframe.core.errors import TaskError
from glioframe.inference.lesion import quantity_of

if TYPE_CHECKING:
    from glioframe.artifacts.plan import ChannelPlan, Configuration, Plan
    from glioframe.tasks.radiomics_baseline.settings import Settings

BIN_WIDTHS: dict[str, float] = {
    "tbr": 0.1,
    "suv_bw": 0.1,
    "bq_ml": 250.0,
    "hu": 5.0,
    "mm2_s": 5e-5,
    "relative": 0.1,
    "time_to_peak_min": 1.0,
    "late_slope_per_h": 0.1,
    "k2_per_min": 0.005,
    "vt": 0.1,
}
"""In the unit of each quantity: 16 to 128 bins over the range of a glioma, so that texture has something to count."""

_CUBIC = 1e-3


@dataclass(frozen=True, kw_only=True, slots=True)
class Discretization:
    """How the gray levels of one channel are binned.

    Attributes:
        quantity: What the channel measures; empty for weighted MRI, which is standardized within the brain.
        bin_width: In the unit of the quantity; None for a fixed number of bins. Bins start at multiples of the width.
        bin_count: Bins over the range of the region; None for a fixed width.
        resegment_sigma: Voxels farther than so many standard deviations from the region's mean are left out; None to
            keep all.
        interpolation: How the channel is resampled: ``linear`` for quantities, so that none is invented, ``b_spline``
            for weighted MRI.
    """

    __pydantic_config__: ClassVar[dict[str, Any]] = STRICT
    quantity: str
    bin_width: float | None = None
    bin_count: int | None = None
    resegment_sigma: float | None = None
    interpolation: str = "linear"


@dataclass(frozen=True, kw_only=True, slots=True)
class ExtractionSettings:
    """Everything that decides the value of a radiomic feature, beside image and outline.

    Attributes:
        channels: By name.
        spacing_mm: Edge of the cubic voxels that features are computed on.
        is_resampled: Whether that differs from the preprocessed grid. The outline is resampled by nearest neighbor.
        regions: Name of each region by the label values that belong to it.
        library: PyRadiomics and its version.
        version: Of this package's part in the values.
    """

    __pydantic_config__: ClassVar[dict[str, Any]] = STRICT
    channels: dict[str, Discretization]
    spacing_mm: float
    is_resampled: bool
    regions: dict[str, tuple[int, ...]]
    library: str
    version: int


def extraction_settings(
    settings: Settings, plan: Plan, configuration: Configuration, labels: dict[str, int], *, library: str, version: int
) -> ExtractionSettings:
    """The settings for a plan.

    Args:
        settings: Of the task.
        plan: Its channels.
        configuration: Its spacing.
        labels: Label values by name, as in dataset.json.
        library: PyRadiomics and its version.
        version: Of the extraction.

    Raises:
        TaskError: No bin width is known for a quantity.
    """
    foreground = {name: value for name, value in labels.items() if value > 0}
    regions = {"lesion": tuple(sorted(foreground.values()))}
    if settings.subregions and len(foreground) > 1:
        regions |= {name: (value,) for name, value in foreground.items()}
    planned = configuration.spacing_mm
    is_cubic = max(planned) - min(planned) < _CUBIC
    spacing_mm = settings.spacing_mm or (planned[0] if is_cubic else round(math.prod(planned) ** (1 / 3), 3))
    return ExtractionSettings(
        channels={channel.name: _discretization(channel, settings) for channel in plan.channels},
        spacing_mm=spacing_mm,
        is_resampled=not is_cubic or abs(spacing_mm - planned[0]) >= _CUBIC,
        regions=regions,
        library=library,
        version=version,
    )


def _discretization(channel: ChannelPlan, settings: Settings) -> Discretization:
    quantity = quantity_of(channel)
    if channel.normalization.scheme == "robust_z_score":
        return Discretization(
            quantity="",
            bin_count=settings.bin_count,
            resegment_sigma=3.0 if settings.three_sigma else None,
            interpolation="b_spline",
        )
    widths = BIN_WIDTHS | settings.bin_widths
    if quantity not in widths:
        raise TaskError(
            f"channel {channel.name!r}",
            expected=f"a bin width for {quantity or 'its values'}",
            found=f"widths for {', '.join(widths)}",
            fix=f'Give one in its unit: --set task.bin_widths={{"{quantity}": WIDTH}}',
        )
    return Discretization(quantity=quantity, bin_width=widths[quantity])
