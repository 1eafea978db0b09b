"""The part of a lesion with the highest uptake: noise moves it less than the highest voxel."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any

import numpy as np

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from glioframe.core.geometry import Spacing

HOTTEST_ML = 1.0
_MM3_PER_ML = 1000.0


def hottest_part(
    uptake: NDArray[Any], lesion: NDArray[np.bool_], *, spacing_mm: Spacing, volume_ml: float = HOTTEST_ML
) -> NDArray[np.bool_]:
    """The voxels of the lesion with the highest uptake, ``(z, y, x)``: so much of them, or all of a smaller lesion.

    Voxels that tie with the lowest of them are in it too.

    Args:
        uptake: Any scale, ``(z, y, x)``.
        lesion: Where to look, ``(z, y, x)``.
        spacing_mm: Voxel edges (z, y, x).
        volume_ml: How much, at least one voxel.
    """
    count = max(1, round(volume_ml * _MM3_PER_ML / math.prod(spacing_mm)))
    values = uptake[lesion]
    if values.size <= count:
        return lesion
    return np.asarray(lesion & (uptake >= np.partition(values, -count)[-count]))
