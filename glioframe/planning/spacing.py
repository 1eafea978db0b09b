"""The target spacing: the cohort's own, made isotropic where it nearly is, and coarser where voxels are too many."""

from __future__ import annotations

import math
from statistics import median
from typing import TYPE_CHECKING, cast

from glioframe.planning.reasons import Chosen, times

if TYPE_CHECKING:
    from collections.abc import Sequence

    from glioframe.core.geometry import Shape, Spacing

_ANISOTROPIC = 3.0
"""nnU-Net's bound: an axis this much coarser than the next one is a stack of slices."""
_NEARLY_ISOTROPIC = 1.3
_STEP_MM = 0.25
_STACK_PERCENTILE = 0.1


def native_spacing(spacings: Sequence[Spacing], shapes: Sequence[Shape]) -> Chosen[Spacing]:
    """The spacing (z, y, x) that suits the cohort, before any budget.

    Args:
        spacings: Of every training case.
        shapes: Voxels of every training case's brain box.
    """
    middle = [median(spacing[axis] for spacing in spacings) for axis in range(3)]
    voxels = [median(shape[axis] for shape in shapes) for axis in range(3)]
    reason = f"Median of the {len(spacings)} training cases: {times(middle)} mm (z, y, x)."
    worst = max(range(3), key=lambda axis: middle[axis])
    others = [axis for axis in range(3) if axis != worst]
    next_worst = max(middle[axis] for axis in others)
    is_stack = middle[worst] > _ANISOTROPIC * next_worst
    if is_stack and voxels[worst] * _ANISOTROPIC < min(voxels[axis] for axis in others):
        along_stack = sorted(spacing[worst] for spacing in spacings)
        finer = along_stack[math.floor(_STACK_PERCENTILE * (len(along_stack) - 1))]
        middle[worst] = max(finer, next_worst)
        reason += (
            f" Slices are more than {_ANISOTROPIC:g} times thicker than their pixels, so the axis across them takes "
            f"the 10th percentile, {middle[worst]:.4g} mm, to waste less of thinner slices (nnU-Net's rule)."
        )
    if 1 < max(middle) / min(middle) <= _NEARLY_ISOTROPIC:
        edge = math.prod(middle) ** (1 / 3)
        middle = [edge] * 3
        reason += (
            f" The axes differ by less than {_NEARLY_ISOTROPIC - 1:.0%}, so all take {edge:.3f} mm, which keeps the "
            "number of voxels and makes a lesion look the same from every side."
        )
    return Chosen(_rounded(middle), reason)


def coarser(spacing: Spacing) -> Spacing:
    """One step coarser: the finest axis, and every axis nearly as fine, goes to the next multiple of 0.25 mm."""
    finest = min(spacing)
    edge = (math.floor(finest / _STEP_MM + 1e-6) + 1) * _STEP_MM
    return _rounded([max(axis, edge) for axis in spacing])


def _rounded(spacing: Sequence[float]) -> Spacing:
    return cast("Spacing", tuple(round(axis, 3) for axis in spacing))
