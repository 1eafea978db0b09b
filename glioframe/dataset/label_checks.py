"""Checks of lesion labels: declared values, at least one lesion voxel, inside the brain."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from glioframe.dataset.findings import error, names_in_short, warning

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from numpy.typing import NDArray

    from glioframe.artifacts.dataset import DatasetDescription
    from glioframe.artifacts.preflight import Finding
    from glioframe.imaging.volume import Array

_LARGEST_SHARE_OUTSIDE = 0.2


def check_label_values(case_id: str, path: Path, array: Array, description: DatasetDescription) -> Iterator[Finding]:
    """Only declared whole numbers, and not background alone."""
    values = np.unique(array[array != 0])
    if not values.size:
        yield error(
            "label_not_empty",
            path,
            expected="at least one lesion voxel",
            found="background only",
            fix="Export the label again, or delete the file if no lesion was drawn",
            case_id=case_id,
        )
    fractional = values[values != np.rint(values)]  # holds NaN, too
    if fractional.size:
        yield error(
            "whole_label_values",
            path,
            expected="whole numbers",
            found=f"fractions such as {_listed(fractional)}",
            fix="Resample labels with nearest neighbors, never by interpolation",
            case_id=case_id,
        )
        return
    undeclared = np.setdiff1d(values, list(description.labels.values()))
    if undeclared.size:
        declared = ", ".join(f"{value} ({name})" for name, value in description.labels.items())
        yield error(
            "declared_label_values",
            path,
            expected=f"only {declared}",
            found=f"the value {_listed(undeclared)}",
            fix="Declare it in dataset.json (labels), or correct these voxels",
            case_id=case_id,
        )


def check_label_in_brain(case_id: str, path: Path, array: Array, brain: NDArray[np.bool_]) -> Iterator[Finding]:
    """A lesion outside the brain lies on another image, or mirrored."""
    lesion = array > 0
    if not (lesion.any() and brain.any()):
        return
    outside = float((lesion & ~brain).sum() / lesion.sum())
    if outside > _LARGEST_SHARE_OUTSIDE:
        yield warning(
            "lesion_in_brain",
            path,
            expected="a lesion inside the brain",
            found=f"{outside:.0%} of it outside",
            fix="Look at the label over its image: it may be mirrored, shifted, or of another case",
            case_id=case_id,
        )


def _listed(values: Array) -> str:
    return names_in_short([f"{value:g}" for value in values])
