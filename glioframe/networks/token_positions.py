"""Where a token stands: rotary positions on three axes, and learned positions that fit any grid.

Tokens are numbered with z slowest and x fastest, as the voxels of an array are.
"""

# ruff: noqa: N803, N806 - names end in their shape: B batch, H heads, T tokens, D features of a head, P pairs of them

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

import torch
from torch.nn import functional

if TYPE_CHECKING:
    from glioframe.core.geometry import Shape

_TEMPERATURE = 10_000.0
"""Longest wavelength over the shortest; of J. Su et al., Neurocomputing 568 (2024) 127063."""


class Rotation(NamedTuple):
    """By what angle each pair of a token's features is turned.

    Attributes:
        cos: (t, p).
        sin: (t, p).
    """

    cos: torch.Tensor
    sin: torch.Tensor


def rotation_of(
    grid: Shape, *, num_grids: int, num_unplaced: int, head_features: int, device: torch.device
) -> Rotation:
    """The rotation of the tokens of a (z, y, x) grid: a third of the features for each axis.

    Args:
        grid: Tokens along each axis.
        num_grids: How many such grids follow each other, in the same place.
        num_unplaced: Tokens without a place, which come first and are not turned.
        head_features: A multiple of 6: pairs, on three axes.
        device: Of the result.
    """
    num_bands = head_features // 6
    bands = _TEMPERATURE ** (-torch.arange(num_bands, device=device, dtype=torch.float32) / num_bands)
    axes = [torch.arange(size, device=device, dtype=torch.float32) for size in grid]
    places_T3 = torch.stack(torch.meshgrid(*axes, indexing="ij"), dim=-1).flatten(0, 2)
    angles_TP = (places_T3[:, :, None] * bands).flatten(1).repeat(num_grids, 1)
    angles_TP = functional.pad(angles_TP, (0, 0, num_unplaced, 0))
    return Rotation(angles_TP.cos(), angles_TP.sin())


def rotate(features_BHTD: torch.Tensor, rotation: Rotation) -> torch.Tensor:
    """Turns each pair of neighboring features; in float32, because far tokens differ by small angles."""
    even_BHTP, odd_BHTP = features_BHTD[..., 0::2], features_BHTD[..., 1::2]
    turned = torch.stack(
        [even_BHTP * rotation.cos - odd_BHTP * rotation.sin, odd_BHTP * rotation.cos + even_BHTP * rotation.sin],
        dim=-1,
    )
    return turned.flatten(-2).to(features_BHTD.dtype)


def resize_positions(positions_1TF: torch.Tensor, old_grid: Shape, new_grid: Shape) -> torch.Tensor:
    """Learned positions (1, t, f) of another grid, by trilinear interpolation; the same ones of the same grid."""
    if old_grid == new_grid:
        return positions_1TF
    volume_1FZYX = positions_1TF.transpose(1, 2).reshape(1, -1, *old_grid)
    resized_1FZYX = functional.interpolate(volume_1FZYX, size=new_grid, mode="trilinear", align_corners=False)
    return resized_1FZYX.flatten(2).transpose(1, 2)
