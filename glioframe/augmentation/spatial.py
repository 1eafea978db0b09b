"""Mirrors, turns, scales and shifts a batch of volumes."""

# ruff: noqa: N803, N806 - names end in their shape: B batch, C channels, Z Y X space

from __future__ import annotations

from typing import TYPE_CHECKING

import torch
from torch.nn import functional

if TYPE_CHECKING:
    from collections.abc import Sequence

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
    # The matrix tells where each output voxel's value comes from: the inverse of the change.
    inverse_B33 = _rotation_zyx(rotation_rad_B3).transpose(1, 2) / log_scale_B.exp()[:, None, None]
    spacing_mm_3 = torch.tensor(spacing_mm)
    sampling_B33 = inverse_B33 * spacing_mm_3[None, None, :] / spacing_mm_3[None, :, None]
    shift_vox_B3 = -(sampling_B33 @ (translation_mm_B3 / spacing_mm_3)[:, :, None]).squeeze(2)
    result = image_BCZYX.clone()
    for sample in moved_B.nonzero().squeeze(1).tolist():
        result[sample] = sampled(
            image_BCZYX[sample], sampling_B33[sample], image_BCZYX.shape[2:], shift_vox_3=shift_vox_B3[sample]
        )
    return result


def sampled(
    source_CZYX: Tensor, sampling_33: Tensor, size_vox: Sequence[int], *, shift_vox_3: Tensor | None = None
) -> Tensor:
    """Values of an image at the points ``sampling_33 @ offset + shift_vox_3``, linearly interpolated; zero outside.

    Args:
        source_CZYX: The image.
        sampling_33: Acts on the offsets (z, y, x) of the result's voxels from its center, in voxels; the points are
            offsets from the image's center.
        size_vox: Of the result (z, y, x).
        shift_vox_3: Of the points; None for none.
    """
    device, dtype = source_CZYX.device, source_CZYX.dtype
    z_Z11, y_Y1, x_X = (
        (torch.arange(size, device=device, dtype=dtype) - (size - 1) / 2).view(-1, *[1] * (2 - axis))
        for axis, size in enumerate(size_vox)
    )
    shift_3 = [0.0] * 3 if shift_vox_3 is None else shift_vox_3.tolist()
    grid_3ZYX = torch.empty((3, *size_vox), device=device, dtype=dtype)
    # grid_sample wants x first, and the image to reach from -1 to 1. Plane by plane and axis by axis, the coordinates
    # take a tenth of affine_grid's time.
    for plane_ZYX, axis in zip(grid_3ZYX, (2, 1, 0), strict=True):
        scale = 2 / source_CZYX.shape[1 + axis]
        z, y, x = (scale * weight for weight in sampling_33[axis].tolist())
        torch.add(z * z_Z11 + y * y_Y1 + scale * shift_3[axis], x * x_X, out=plane_ZYX)
    grid_1ZYX3 = grid_3ZYX.movedim(0, -1)[None]
    return functional.grid_sample(
        source_CZYX[None], grid_1ZYX3, mode="bilinear", padding_mode="zeros", align_corners=False
    )[0]


def _rotation_zyx(angles_rad_B3: Tensor) -> Tensor:
    """Rotation matrices (b, 3, 3) on vectors (z, y, x), from angles about z, y, x, applied in that order."""
    z_B, y_B, x_B = angles_rad_B3.unbind(1)
    rotation_xyz_B33 = _about(0, x_B) @ _about(1, y_B) @ _about(2, z_B)
    return rotation_xyz_B33.flip(1, 2)


def _about(axis: int, angle_rad_B: Tensor) -> Tensor:
    first, second = [other for other in range(3) if other != axis]
    matrix_B33 = torch.eye(3).repeat(len(angle_rad_B), 1, 1)
    matrix_B33[:, first, first] = matrix_B33[:, second, second] = angle_rad_B.cos()
    sign = -1.0 if axis == 1 else 1.0  # right-handed: x to y about z, y to z about x, but z to x about y
    matrix_B33[:, first, second] = -sign * angle_rad_B.sin()
    matrix_B33[:, second, first] = sign * angle_rad_B.sin()
    return matrix_B33
