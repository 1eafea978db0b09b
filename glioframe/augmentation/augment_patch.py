"""Augments one patch of a segmentation-like task, with its labels, on whatever device it is on."""

# ruff: noqa: N803, N806 - names end in their shape: C channels, K labels, Z Y X space

from __future__ import annotations

import math
from typing import TYPE_CHECKING

import torch
from torch.nn import functional

from glioframe.augmentation.smoothing import smoothed
from glioframe.augmentation.spatial import sampled

if TYPE_CHECKING:
    from collections.abc import Sequence

    from torch import Tensor

    from glioframe.augmentation.patch_parameters import PatchParameters
    from glioframe.core.geometry import Shape

    Box = tuple[slice, slice, slice]

_SMALLEST_RANGE = 1e-7


def augment_patch(
    source_CZYX: Tensor,
    labels_ZYX: Tensor | None,
    parameters: PatchParameters,
    *,
    patch_size_vox: Shape,
    shift_vox: Sequence[float] = (0.0, 0.0, 0.0),
) -> tuple[Tensor, Tensor | None]:
    """Does what the parameters say; returns the patch (c, z, y, x) and its labels (z, y, x).

    Args:
        source_CZYX: Float32 image: the bare patch, or where voxels move, what surrounds it. Its memory may be reused.
        labels_ZYX: Of the same size, 0 for background; None without.
        parameters: Of this patch.
        patch_size_vox: What is returned.
        shift_vox: From the center of the source to that of the patch.
    """
    image_CZYX = source_CZYX
    if parameters.sampling_33 is not None:
        sampling_33, shift_vox_3 = torch.from_numpy(parameters.sampling_33), torch.tensor(shift_vox)
        image_CZYX = sampled(source_CZYX, sampling_33, patch_size_vox, shift_vox_3=shift_vox_3)
        if labels_ZYX is not None:
            labels_ZYX = _sampled_labels(labels_ZYX, sampling_33, patch_size_vox, shift_vox_3)
    if parameters.noise_std > 0:
        generator = torch.Generator(image_CZYX.device).manual_seed(parameters.noise_seed)
        noise_CZYX = torch.empty_like(image_CZYX).normal_(generator=generator)
        image_CZYX.add_(noise_CZYX, alpha=parameters.noise_std)
    for channel, volume_ZYX in enumerate(image_CZYX):
        change_intensities(volume_ZYX, parameters, channel)
    if parameters.mirror_axes:
        image_CZYX = image_CZYX.flip([1 + axis for axis in parameters.mirror_axes])
        labels_ZYX = None if labels_ZYX is None else labels_ZYX.flip(parameters.mirror_axes)
    return image_CZYX, labels_ZYX


def change_intensities(volume_ZYX: Tensor, parameters: PatchParameters, channel: int) -> None:
    """Blurs, brightens, stretches, coarsens and bends one channel, in place."""
    sigma_vox = parameters.blur_sigma_vox_C3[channel]
    if sigma_vox.any():
        volume_ZYX.copy_(smoothed(volume_ZYX, tuple(sigma_vox)))
    if (factor := parameters.brightness_C[channel]) != 1:
        volume_ZYX.mul_(float(factor))
    if (factor := parameters.contrast_C[channel]) != 1:
        _stretch(volume_ZYX, float(factor))
    if (share := parameters.resolution_C[channel]) != 1:
        _coarsen(volume_ZYX, float(share))
    if (exponent := parameters.inverted_gamma_C[channel]) != 1:
        _bend(volume_ZYX.neg_(), float(exponent))
        volume_ZYX.neg_()
    if (exponent := parameters.gamma_C[channel]) != 1:
        _bend(volume_ZYX, float(exponent))


def _stretch(volume_ZYX: Tensor, factor: float) -> None:
    """Contrast about the mean; what would leave the range stops at its ends."""
    lowest, highest = torch.aminmax(volume_ZYX)
    mean = volume_ZYX.mean()
    volume_ZYX.sub_(mean).mul_(factor).add_(mean).clamp_(lowest, highest)


def _coarsen(volume_ZYX: Tensor, share: float) -> None:
    """Keeps the nearest of fewer samples and interpolates between them."""
    size = [max(1, round(edge * share)) for edge in volume_ZYX.shape]
    few = functional.interpolate(volume_ZYX[None, None], size, mode="nearest-exact")
    volume_ZYX.copy_(functional.interpolate(few, volume_ZYX.shape, mode="trilinear")[0, 0])


def _bend(volume_ZYX: Tensor, exponent: float) -> None:
    """Gamma on the range-normalized values, then back to the mean and standard deviation of before."""
    std, mean = volume_ZYX.std(), volume_ZYX.mean()
    lowest, highest = torch.aminmax(volume_ZYX)
    reach = highest - lowest
    volume_ZYX.sub_(lowest).div_(reach.clamp_min(_SMALLEST_RANGE)).pow_(exponent)
    factor = std * reach / (volume_ZYX.std() * reach).clamp_min(_SMALLEST_RANGE)
    volume_ZYX.sub_(volume_ZYX.mean()).mul_(factor).add_(mean)


def _sampled_labels(labels_ZYX: Tensor, sampling_33: Tensor, patch_size_vox: Shape, shift_vox_3: Tensor) -> Tensor:
    """The label that weighs most after linear interpolation; background where it weighs as much as any.

    Only the box around the labels is interpolated, as lesions are small.
    """
    result_ZYX = labels_ZYX.new_zeros(patch_size_vox)
    box = _labelled_box(labels_ZYX)
    if box is None:
        return result_ZYX
    part_ZYX = labels_ZYX[box]
    sampling_33 = sampling_33.float()
    shift_vox_3 = shift_vox_3 - _middle(box, labels_ZYX.shape)
    target = _box_reached(part_ZYX.shape, sampling_33, patch_size_vox, shift_vox_3)
    shift_vox_3 = shift_vox_3 + sampling_33 @ _middle(target, patch_size_vox)
    present_K = torch.unique(part_ZYX)
    present_K = present_K[present_K != 0]
    one_hot_KZYX = (part_ZYX == present_K[:, None, None, None]).float()
    weights_KZYX = sampled(one_hot_KZYX, sampling_33, result_ZYX[target].shape, shift_vox_3=shift_vox_3)
    most_ZYX, label_ZYX = weights_KZYX.max(0)
    wins_ZYX = most_ZYX > 1 - weights_KZYX.sum(0)
    result_ZYX[target] = torch.where(wins_ZYX, present_K[label_ZYX], 0)
    return result_ZYX


def _labelled_box(labels_ZYX: Tensor) -> Box | None:
    """The smallest box that holds all labels; None where all is background."""
    labelled_ZYX = labels_ZYX != 0
    labelled_ZY, labelled_YX = labelled_ZYX.any(2), labelled_ZYX.any(0)
    places = [line.nonzero() for line in (labelled_ZY.any(1), labelled_ZY.any(0), labelled_YX.any(0))]
    if not len(places[0]):
        return None
    z, y, x = (slice(int(place.min()), int(place.max()) + 1) for place in places)
    return z, y, x


def _box_reached(part_size_vox: Sequence[int], sampling_33: Tensor, patch_size_vox: Shape, shift_vox_3: Tensor) -> Box:
    """The box of the patch whose points lie within a voxel of the part."""
    reach_3 = (torch.tensor(part_size_vox) + 1) / 2
    corners_83 = torch.cartesian_prod(*torch.stack([-reach_3, reach_3], dim=1))
    offsets_38 = torch.linalg.solve(sampling_33, (corners_83 - shift_vox_3).T)
    sides = []
    for offset_8, size in zip(offsets_38, patch_size_vox, strict=True):
        places = offset_8 + (size - 1) / 2
        start = min(max(0, math.floor(places.min())), size - 1)
        sides.append(slice(start, max(start + 1, min(size, math.ceil(places.max()) + 1))))
    z, y, x = sides
    return z, y, x


def _middle(box: Box, size_vox: Sequence[int]) -> Tensor:
    """Offset of a box's center from the center of the volume."""
    return torch.tensor([(side.start + side.stop - size) / 2 for side, size in zip(box, size_vox, strict=True)])
