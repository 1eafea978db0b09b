"""Changes the values of a batch of volumes, channel by channel."""

# ruff: noqa: N803, N806 - names end in their shape: B batch, C channels, Z Y X space

from __future__ import annotations

import math
from typing import TYPE_CHECKING

import torch

from glioframe.augmentation.smoothing import smoothed

if TYPE_CHECKING:
    from collections.abc import Sequence

    from torch import Tensor


def change_contrast(
    image_BCZYX: Tensor, *, brightness_BC: Tensor, log_contrast_BC: Tensor, log_gamma_BC: Tensor
) -> Tensor:
    """Changes gamma, contrast and brightness of the chosen channels; the others are returned as they are.

    Gamma bends the range between the channel's minimum and maximum, both of which stay. Contrast stretches about
    the channel's mean. Brightness adds a multiple of the channel's standard deviation.
    """
    chosen = ((brightness_BC != 0) | (log_contrast_BC != 0) | (log_gamma_BC != 0)).nonzero().tolist()
    if not chosen:
        return image_BCZYX
    result = image_BCZYX.clone()
    for place in map(tuple, chosen):
        volume_ZYX = result[place]
        if log_gamma := float(log_gamma_BC[place]):
            _bend(volume_ZYX, math.exp(log_gamma))
        # Of the bent volume; one multiplication and one addition do contrast and brightness together.
        std, mean = volume_ZYX.std(correction=0), volume_ZYX.mean()
        factor = math.exp(float(log_contrast_BC[place]))
        volume_ZYX.mul_(factor).add_(mean * (1 - factor) + float(brightness_BC[place]) * std)
    return result


def blur(image_BCZYX: Tensor, sigma_vox_BC: Tensor) -> Tensor:
    """Blurs each channel by a Gaussian; a sigma of 0 returns the channel as it is."""
    chosen = (sigma_vox_BC > 0).nonzero().tolist()
    if not chosen:
        return image_BCZYX
    result = image_BCZYX.clone()
    for sample, channel in chosen:
        sigma_vox = float(sigma_vox_BC[sample, channel])
        result[sample, channel] = smoothed(image_BCZYX[sample, channel], (sigma_vox,) * 3)
    return result


def add_noise(image_BCZYX: Tensor, noise_BC: Tensor, seeds: Sequence[int]) -> Tensor:
    """Adds Gaussian noise of ``noise_BC`` standard deviations of each channel; 0 leaves the channel as it is."""
    if not bool((noise_BC != 0).any()):
        return image_BCZYX
    result = image_BCZYX.clone()
    for sample, seed in enumerate(seeds):
        generator = torch.Generator(image_BCZYX.device).manual_seed(seed)
        for channel in noise_BC[sample].nonzero().squeeze(1).tolist():
            volume_ZYX = result[sample, channel]
            noise_ZYX = torch.randn(
                volume_ZYX.shape, generator=generator, device=volume_ZYX.device, dtype=volume_ZYX.dtype
            )
            result[sample, channel] = volume_ZYX + float(noise_BC[sample, channel]) * volume_ZYX.std() * noise_ZYX
    return result


def _bend(volume_ZYX: Tensor, exponent: float) -> None:
    """Gamma on the range-normalized values, in place."""
    lowest, highest = torch.aminmax(volume_ZYX)
    reach = (highest - lowest).clamp_min(torch.finfo(volume_ZYX.dtype).tiny)
    volume_ZYX.sub_(lowest).div_(reach).pow_(exponent).mul_(reach).add_(lowest)
