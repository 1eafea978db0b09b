"""Mirrors, turns, scales and shifts a batch of volumes."""

# ruff: noqa: N803, N806 - names end in their shape: B batch, C channels, Z Y X space

from __future__ import annotations

from typing import TYPE_CHECKING

import torch
from torch.nn import functional

if TYPE_CHECKING:
    from torch import Tensor

    from glioframe.core.geometry import Spacing


def mirror(image_BCZYX: Tensor, mirror_B: Tensor) -> Tensor:
    """Mirrors the chosen samples along x, left to right."""
    chosen_B1111 = mirror_B.to(image_BCZYX.device)[:, None, None, None, None]
    return torch.where(chosen_B1111, image_BCZYX.flip(-1), image_BCZYX)


def transform(
    image_BCZYX: Tensor, *, rotation_rad_B3: Tensor, log_scale_B: Tensor, translation_mm_B3: Tensor, spacing_mm: Spacing
) -> Tensor:
    """Turns, magnifies and shifts each sample about its center, in millimeters, in one linear interpolation.

    Outside the volume is zero. A sample without a change is returned as it is, not interpolated.
    """
    moved_B = (rotation_rad_B3 != 0).any(1) | (log_scale_B != 0) | (translation_mm_B3 != 0).any(1)
    if not bool(moved_B.any()):
        return image_BCZYX
    # The grid tells where each output voxel's value comes from: the inverse of the change.
    inverse_B33 = _rotation_xyz(rotation_rad_B3[moved_B]).transpose(1, 2) / log_scale_B[moved_B].exp()[:, None, None]
    shift_B3 = translation_mm_B3[moved_B].flip(1)
    half_mm_3 = torch.tensor([n * s / 2 for n, s in zip(image_BCZYX.shape[2:], spacing_mm, strict=True)]).flip(0)
    matrix_B33 = inverse_B33 * half_mm_3[None, None, :] / half_mm_3[None, :, None]
    offset_B31 = -(inverse_B33 @ shift_B3[:, :, None]) / half_mm_3[None, :, None]
    theta_B34 = torch.cat([matrix_B33, offset_B31], dim=2).to(image_BCZYX.device, image_BCZYX.dtype)

    index = moved_B.nonzero().squeeze(1).to(image_BCZYX.device)
    chosen = image_BCZYX[index]
    grid = functional.affine_grid(theta_B34, list(chosen.shape), align_corners=False)
    result = image_BCZYX.clone()
    result[index] = functional.grid_sample(chosen, grid, mode="bilinear", padding_mode="zeros", align_corners=False)
    return result


def _rotation_xyz(angles_rad_B3: Tensor) -> Tensor:
    """Rotation matrices (b, 3, 3) on vectors (x, y, z), from angles about z, y, x, applied in that order."""
    z_B, y_B, x_B = angles_rad_B3.unbind(1)
    return _about(0, x_B) @ _about(1, y_B) @ _about(2, z_B)


def _about(axis: int, angle_rad_B: Tensor) -> Tensor:
    first, second = [other for other in range(3) if other != axis]
    matrix_B33 = torch.eye(3).repeat(len(angle_rad_B), 1, 1)
    matrix_B33[:, first, first] = matrix_B33[:, second, second] = angle_rad_B.cos()
    sign = -1.0 if axis == 1 else 1.0  # right-handed: x to y about z, y to z about x, but z to x about y
    matrix_B33[:, first, second] = -sign * angle_rad_B.sin()
    matrix_B33[:, second, first] = sign * angle_rad_B.sin()
    return matrix_B33
