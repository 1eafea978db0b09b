"""Changes the values of a batch of volumes, channel by channel."""

# ruff: noqa: N803, N806 - names end in their shape: B batch, C channels, Z Y X space, N chosen volumes

from __future__ import annotations

from typing import TYPE_CHECKING

import torch
from torch.nn import functional

if TYPE_CHECKING:
    from collections.abc import Sequence

    from torch import Tensor

_BLUR_REACH_VOX = 3
"""Three standard deviations of the widest blur that is drawn; fixed, so that a sample's neighbors do not matter."""


def change_contrast(
    image_BCZYX: Tensor, *, brightness_BC: Tensor, log_contrast_BC: Tensor, log_gamma_BC: Tensor
) -> Tensor:
    """Changes gamma, contrast and brightness of the chosen channels; the others are returned as they are.

    Gamma bends the range between the channel's minimum and maximum, both of which stay. Contrast stretches about
    the channel's mean. Brightness adds a multiple of the channel's standard deviation.
    """
    chosen_BC = (brightness_BC != 0) | (log_contrast_BC != 0) | (log_gamma_BC != 0)
    if not bool(chosen_BC.any()):
        return image_BCZYX
    chosen_BC = chosen_BC.to(image_BCZYX.device)
    volumes_NZYX = image_BCZYX[chosen_BC]

    def factor(parameter_BC: Tensor) -> Tensor:
        parameter_N = parameter_BC.to(image_BCZYX.device, image_BCZYX.dtype)[chosen_BC]
        return parameter_N[:, None, None, None]

    space = (1, 2, 3)
    lowest = volumes_NZYX.amin(space, keepdim=True)
    reach = (volumes_NZYX.amax(space, keepdim=True) - lowest).clamp_min(torch.finfo(volumes_NZYX.dtype).tiny)
    volumes_NZYX = ((volumes_NZYX - lowest) / reach).pow(factor(log_gamma_BC).exp()) * reach + lowest
    mean = volumes_NZYX.mean(space, keepdim=True)
    std = volumes_NZYX.std(space, correction=0, keepdim=True)
    volumes_NZYX = (volumes_NZYX - mean) * factor(log_contrast_BC).exp() + mean + factor(brightness_BC) * std
    result = image_BCZYX.clone()
    result[chosen_BC] = volumes_NZYX
    return result


def blur(image_BCZYX: Tensor, sigma_vox_BC: Tensor) -> Tensor:
    """Blurs each channel by a Gaussian; a sigma of 0 returns the channel as it is."""
    chosen_BC = sigma_vox_BC > 0
    if not bool(chosen_BC.any()):
        return image_BCZYX
    chosen_BC = chosen_BC.to(image_BCZYX.device)
    sigma_N = sigma_vox_BC.to(image_BCZYX.device, image_BCZYX.dtype)[chosen_BC]
    reach = _BLUR_REACH_VOX
    distance = torch.arange(-reach, reach + 1, device=image_BCZYX.device, dtype=image_BCZYX.dtype)
    kernel_NK = torch.exp(-0.5 * (distance[None] / sigma_N[:, None]) ** 2)
    kernel_NK = kernel_NK / kernel_NK.sum(1, keepdim=True)
    volumes = image_BCZYX[chosen_BC][None]
    num_volumes = volumes.shape[1]
    for axis in range(3):
        shape = [1, 1, 1]
        shape[axis] = -1
        padding = [0, 0, 0, 0, 0, 0]
        padding[2 * (2 - axis)] = padding[2 * (2 - axis) + 1] = reach
        padded = functional.pad(volumes, padding, mode="replicate")
        volumes = functional.conv3d(padded, kernel_NK.view(num_volumes, 1, *shape), groups=num_volumes)
    result = image_BCZYX.clone()
    result[chosen_BC] = volumes[0]
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
