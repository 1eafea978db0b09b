"""What a case-level network sees of a preprocessed case: one patch around the lesion or the brain's center."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from glioframe.core.errors import PredictionError
from glioframe.imaging.array_store import load_patch

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from glioframe.artifacts.case import PreprocessedCase
    from glioframe.artifacts.plan import FieldOfView
    from glioframe.core.geometry import Shape


def patch_center_vox(case: PreprocessedCase, field_of_view: FieldOfView) -> tuple[float, float, float]:
    """Center (z, y, x) of the field of view in the case's array.

    Raises:
        PredictionError: The field of view is centered on the lesion and the case has no lesion label.
    """
    properties = case.properties
    if field_of_view.kind == "whole_brain":
        z, y, x = ((size - 1) / 2 for size in properties.shape_vox)
        return (z, y, x)
    if properties.lesion_center_vox is None:
        raise PredictionError(
            f"case {case.case_id}",
            expected="a lesion label, because the plan centers the field of view on the lesion",
            found="no label, or an empty one",
            fix="Add a lesion label, preprocess again, or plan a whole-brain field of view",
        )
    return properties.lesion_center_vox


def patch_start_vox(center_vox: tuple[float, float, float], patch_size_vox: Shape) -> Shape:
    """First voxel (z, y, x) of a patch around a center; negative where the patch reaches out of the array."""
    z, y, x = (round(c - (size - 1) / 2) for c, size in zip(center_vox, patch_size_vox, strict=True))
    return (z, y, x)


def load_case_patch(
    case: PreprocessedCase, field_of_view: FieldOfView, patch_size_vox: Shape, *, margin_vox: Shape = (0, 0, 0)
) -> NDArray[np.float32]:
    """The case's patch (c, z, y, x), larger by ``margin_vox`` on every side; zero outside the array.

    Raises:
        PredictionError: The field of view is centered on the lesion and the case has no lesion label.
    """
    start = patch_start_vox(patch_center_vox(case, field_of_view), patch_size_vox)
    patch = load_patch(
        case.image_path,
        start_zyx=tuple(s - m for s, m in zip(start, margin_vox, strict=True)),
        shape_zyx=tuple(n + 2 * m for n, m in zip(patch_size_vox, margin_vox, strict=True)),
    )
    return np.ascontiguousarray(patch, dtype=np.float32)
