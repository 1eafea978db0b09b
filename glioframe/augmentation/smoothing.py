"""Gaussian smoothing as one matrix product per axis.

A convolution of a single channel leaves a processor's matrix units idle; as a product with a band matrix the same sums
take a fraction of the time, whatever the width.
"""

# ruff: noqa: N803, N806 - names end in their shape: N volumes, S voxels of an axis, T taps, Z Y X space

from __future__ import annotations

import math
from typing import TYPE_CHECKING

import torch

if TYPE_CHECKING:
    from collections.abc import Sequence

    from torch import Tensor

_WIDTH_SIGMAS = 6
"""Width of the kernel in standard deviations, rounded to an odd number of voxels, as in batchgeneratorsv2."""


def smoothed(volume_ZYX: Tensor, sigma_vox: Sequence[float]) -> Tensor:
    """The volume (z, y, x), smoothed by a Gaussian along each axis and mirrored at its borders.

    Args:
        volume_ZYX: Floating-point.
        sigma_vox: Standard deviation along z, y, x; 0 for none.
    """
    z, y, x = volume_ZYX.shape
    matrix_ZZ, matrix_YY, matrix_XX = (
        _smoothing_matrix(size, sigma).to(volume_ZYX) for size, sigma in zip((z, y, x), sigma_vox, strict=True)
    )
    volume_ZYX = (matrix_ZZ @ volume_ZYX.reshape(z, y * x)).reshape(z, y, x)
    volume_ZYX = torch.matmul(matrix_YY, volume_ZYX)
    return (volume_ZYX.reshape(z * y, x) @ matrix_XX.T).reshape(z, y, x)


def _smoothing_matrix(size: int, sigma_vox: float) -> Tensor:
    """Row by row, which voxels of an axis make up a smoothed one, and by how much: (s, s)."""
    if sigma_vox == 0 or size == 1:
        return torch.eye(size)
    reach = math.floor((_WIDTH_SIGMAS * sigma_vox + 0.5) / 2)
    taps_T = torch.arange(-reach, reach + 1)
    weight_T = torch.exp(-0.5 * (taps_T / sigma_vox) ** 2)
    position_ST = _mirrored(torch.arange(size)[:, None] + taps_T, size)
    weight_ST = (weight_T / weight_T.sum()).expand(size, -1)
    return torch.zeros(size, size).scatter_add_(1, position_ST, weight_ST)


def _mirrored(position: Tensor, size: int) -> Tensor:
    """Positions outside of 0 to size - 1, mirrored at the centers of the first and the last voxel."""
    period = 2 * (size - 1)
    wrapped = position.remainder(period)
    return torch.minimum(wrapped, period - wrapped)
