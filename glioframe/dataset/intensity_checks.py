"""Checks of voxel values: finite, not all equal, and plausible where they are quantities."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from glioframe.core.modality import Modality, Tracer, Unit
from glioframe.dataset.findings import error, warning

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping
    from pathlib import Path

    from numpy.typing import NDArray

    from glioframe.artifacts.dataset import Channel
    from glioframe.artifacts.preflight import Finding
    from glioframe.imaging.volume import Array

_LARGEST_NEGATIVE_SHARE = 0.01

_AMINO_ACID_SUV = (0.3, 3.0)
"""Median over the brain of amino-acid PET: uptake in healthy brain lies near 1."""
_FDG_SUV = (1.0, 20.0)
"""Gray matter takes up five to ten times the body's mean of glucose."""
_TBR = (0.3, 3.0)
"""Relative to healthy brain, so near 1 in most of the brain."""
_ACTIVITY_BQ_ML = (50.0, 1e6)
"""200 MBq in 70 kg is 2900 Bq/mL on average; values near 1 are SUV under a wrong name."""


def check_finite(case_id: str, path: Path, array: Array) -> Iterator[Finding]:
    """NaN and infinity spread through every later step."""
    num_bad = int(array.size - np.count_nonzero(np.isfinite(array)))
    if num_bad:
        yield error(
            "finite_values",
            path,
            expected="finite numbers",
            found=f"{num_bad} voxels ({num_bad / array.size:.2%}) with NaN or infinity",
            fix="Export the image again, or set these voxels to the background value",
            case_id=case_id,
        )


def check_varied(case_id: str, path: Path, array: Array) -> Iterator[Finding]:
    """A constant image shows nothing."""
    low, high = float(array.min()), float(array.max())
    if low == high:
        yield error(
            "varied_values",
            path,
            expected="an image",
            found=f"the value {low:g} in every voxel",
            fix="Export the image again, or remove the file if the channel was not acquired",
            case_id=case_id,
        )


def check_different_channels(case_id: str, arrays: Mapping[Path, Array]) -> Iterator[Finding]:
    """No two channels of a case are the same image."""
    paths = list(arrays)
    for index, path in enumerate(paths):
        for earlier in paths[:index]:
            if np.array_equal(arrays[path], arrays[earlier]) and arrays[path].min() < arrays[path].max():
                yield error(
                    "different_channels",
                    path,
                    expected="its own image for each channel",
                    found=f"the same voxels as in {earlier.name}",
                    fix="Replace the wrong one of the two",
                    case_id=case_id,
                )
                break


def check_quantity(
    case_id: str, path: Path, array: Array, *, channel: Channel, brain: NDArray[np.bool_]
) -> Iterator[Finding]:
    """PET values have the sign and the size that their unit promises."""
    if not channel.modality.is_pet:
        return
    negative = float((array < 0).mean())
    if negative > _LARGEST_NEGATIVE_SHARE and channel.modality != Modality.PET_PARAMETRIC:
        yield warning(
            "non_negative_uptake",
            path,
            expected=f"at most {_LARGEST_NEGATIVE_SHARE:.0%} of the voxels below 0",
            found=f"{negative:.1%}",
            fix="Check the export (signed integers, slope); reconstructions by OSEM have no negative values",
            case_id=case_id,
        )
    limits = _usual_median(channel)
    if limits is None or not brain.any():
        return
    median = float(np.median(array[brain].astype(np.float64)))
    if not limits[0] <= median <= limits[1]:
        yield warning(
            "plausible_uptake",
            path,
            expected=f"a brain median of {limits[0]:g} to {limits[1]:g} in unit {channel.unit} ({channel.tracer})",
            found=f"{median:.3g}",
            fix="Check unit, dose, weight and decay correction; then correct the image, or the unit in dataset.json",
            case_id=case_id,
        )


def _usual_median(channel: Channel) -> tuple[float, float] | None:
    if channel.modality == Modality.PET_PARAMETRIC:
        return None
    if channel.unit == Unit.SUV_BW:
        return _FDG_SUV if channel.tracer == Tracer.FDG else _AMINO_ACID_SUV
    return {Unit.TBR: _TBR, Unit.BQ_ML: _ACTIVITY_BQ_ML}.get(channel.unit) if channel.unit else None
