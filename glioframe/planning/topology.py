"""Patch, strides and kernels from the field of view and the spacing, by nnU-Net's rules of anisotropy."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING, cast

if TYPE_CHECKING:
    from collections.abc import Sequence

    from glioframe.core.geometry import Shape, Spacing

MIN_PATCH_VOX = 8
"""The smallest edge of a patch."""
MIN_LAST_VOX = 4
"""The smallest edge of the last feature map: below it, pooling and instance normalization have nothing to average."""
_SAME_RESOLUTION = 2.0
"""Axes within this factor count as equally fine: they are convolved and pooled together."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Topology:
    """The shape of an encoder.

    Attributes:
        patch_size_vox: Input (z, y, x), a multiple of the total stride.
        strides: At each stage's entry.
        kernel_sizes: Of each stage.
    """

    patch_size_vox: Shape
    strides: tuple[Shape, ...]
    kernel_sizes: tuple[Shape, ...]

    @property
    def num_voxels(self) -> int:
        """Voxels of a patch."""
        return math.prod(self.patch_size_vox)


def choose_topology(extent_mm: Spacing, spacing_mm: Spacing, *, max_stages: int) -> Topology:
    """The patch that holds ``extent_mm``, and stages until the feature map is small or ``max_stages`` are reached."""
    size = [
        max(MIN_PATCH_VOX, math.ceil(extent / spacing - 1e-3))
        for extent, spacing in zip(extent_mm, spacing_mm, strict=True)
    ]
    strides = [(1, 1, 1)]
    kernels = [_kernel(spacing_mm, (1, 1, 1))]
    current_size, current_spacing = list(size), list(spacing_mm)
    while len(strides) < max_stages:
        stride = _stride(current_size, current_spacing)
        if max(stride) == 1:
            break
        current_size = [math.ceil(edge / step) for edge, step in zip(current_size, stride, strict=True)]
        current_spacing = [edge * step for edge, step in zip(current_spacing, stride, strict=True)]
        strides.append(stride)
        kernels.append(_kernel(current_spacing, kernels[-1]))
    total = [math.prod(stride[axis] for stride in strides) for axis in range(3)]
    patch = tuple(math.ceil(edge / step) * step for edge, step in zip(size, total, strict=True))
    return Topology(
        patch_size_vox=cast("Shape", patch),
        strides=tuple(strides),
        kernel_sizes=tuple(kernels),
    )


def _stride(size: Sequence[int], spacing: Sequence[float]) -> Shape:
    """2 along the axes that are long enough and not yet coarser than the others."""
    long_enough = [axis for axis in range(3) if size[axis] >= 2 * MIN_LAST_VOX]
    finest = min((spacing[axis] for axis in long_enough), default=math.inf)
    stride = tuple(2 if axis in long_enough and spacing[axis] < _SAME_RESOLUTION * finest else 1 for axis in range(3))
    return cast("Shape", stride)


def _kernel(spacing: Sequence[float], previous: Shape) -> Shape:
    """3 along an axis from the stage on at which it is about as fine as the finest, 1 before."""
    finest = min(spacing)
    kernel = tuple(
        3 if previous[axis] == 3 or spacing[axis] < _SAME_RESOLUTION * finest else 1  # noqa: PLR2004
        for axis in range(3)
    )
    return cast("Shape", kernel)
