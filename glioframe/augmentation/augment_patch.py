"""Augments one patch of a segmentation-like task, with its labels, on whatever device it is on."""

# ruff: noqa: N803, N806 - names end in their shape: C channels, K labels, Z Y X space

from __future__ import annotations

from typing import TYPE_CHECKING

import torch
from torch.nn import functional

from glioframe.augmentation.smoothing import smoothed
from glioframe.augmentation.spatial import sampled

if TYPE_CHECKING:
    from torch import Tensor

    from glioframe.augmentation.patch_parameters import PatchParameters
    from glioframe.core.geometry import Shape

_SMALLEST_RANGE = 1e-7


def augment_patch(
    source_CZYX: Tensor, labels_ZYX: Tensor | None, parameters: PatchParameters, *, patch_size_vox: Shape
) -> tuple[Tensor, Tensor | None]:
    """Does what the parameters say; returns the patch (c, z, y, x) and its labels (z, y, x).

    Args:
        source_CZYX: Float32 image of size ``parameters.source_size_vox(patch_size_vox)``. Its memory may be reused.
        labels_ZYX: Of the same size, 0 for background; None without.
        parameters: Of this patch.
        patch_size_vox: What is returned.
    """
    image_CZYX = source_CZYX
    if parameters.sampling_33 is not None:
        sampling_33 = torch.from_numpy(parameters.sampling_33)
        image_CZYX = sampled(source_CZYX, sampling_33, patch_size_vox)
        labels_ZYX = None if labels_ZYX is None else _sampled_labels(labels_ZYX, sampling_33, patch_size_vox)
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
    std, mean = torch.std_mean(volume_ZYX)
    lowest, highest = torch.aminmax(volume_ZYX)
    reach = highest - lowest
    volume_ZYX.sub_(lowest).div_(reach.clamp_min(_SMALLEST_RANGE)).pow_(exponent)
    bent_std, bent_mean = torch.std_mean(volume_ZYX)
    factor = std * reach / (bent_std * reach).clamp_min(_SMALLEST_RANGE)
    volume_ZYX.sub_(bent_mean).mul_(factor).add_(mean)


def _sampled_labels(labels_ZYX: Tensor, sampling_33: Tensor, patch_size_vox: Shape) -> Tensor:
    """The label that weighs most after linear interpolation; background where it weighs as much as any."""
    present_K = torch.unique(labels_ZYX)
    present_K = present_K[present_K != 0]
    result_ZYX = labels_ZYX.new_zeros(patch_size_vox)
    if not len(present_K):
        return result_ZYX
    weights_KZYX = sampled((labels_ZYX == present_K[:, None, None, None]).float(), sampling_33, patch_size_vox)
    most_ZYX, label_ZYX = weights_KZYX.max(0)
    return torch.where(most_ZYX > 1 - weights_KZYX.sum(0), present_K[label_ZYX], result_ZYX)
