"""Draws what will be done to each sample of a batch; :mod:`glioframe.augmentation.augment` then does it.

Each sample draws from a stream of its own, so a sample is changed in the same way whatever batch it is in.
"""

# ruff: noqa: N803, N806, N815 - names end in their shape: B batch, C channels

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING

import torch

if TYPE_CHECKING:
    from collections.abc import Sequence

    from torch import Tensor

# Ranges at strength 1. They follow what nnU-Net uses for segmentation, halved where a case-level network sees
# the change on every voxel at once.
_ROTATION_DEGREES = 15.0
_LOG_SCALE = 0.12
_TRANSLATION_MM = 3.0
_AFFINE_PROBABILITY = 0.6
_BRIGHTNESS = 0.2
_LOG_CONTRAST = 0.2
_LOG_GAMMA = 0.3
_INTENSITY_PROBABILITY = 0.3
_BLUR_SIGMA_VOX = (0.4, 1.0)
_BLUR_PROBABILITY = 0.15
_NOISE_PROBABILITY = 0.3
_MRI_NOISE = 0.15
_QUANTITY_NOISE = 0.05


@dataclass(frozen=True, kw_only=True)
class AugmentationParameters:
    """What will be done to a batch of b samples of c channels. Every default value leaves a sample as it is.

    Attributes:
        mirror_B: Whether to mirror left and right.
        rotation_rad_B3: Angles about the axes z, y, x; 0 for none.
        log_scale_B: Logarithm of the magnification; 0 for none.
        translation_mm_B3: Shift along z, y, x; 0 for none.
        brightness_BC: Added, in standard deviations of the channel; 0 for none, always 0 for a quantity.
        log_contrast_BC: Logarithm of the factor on the difference from the mean; likewise.
        log_gamma_BC: Logarithm of the exponent on the range-normalized values; likewise.
        blur_sigma_vox_BC: Of the Gaussian; 0 for none.
        noise_BC: Standard deviation of the noise, in standard deviations of the channel; 0 for none.
        noise_seeds: Seed of each sample's noise.
        hide_BC: Whether to hide a channel.
    """

    mirror_B: Tensor
    rotation_rad_B3: Tensor
    log_scale_B: Tensor
    translation_mm_B3: Tensor
    brightness_BC: Tensor
    log_contrast_BC: Tensor
    log_gamma_BC: Tensor
    blur_sigma_vox_BC: Tensor
    noise_BC: Tensor
    noise_seeds: tuple[int, ...]
    hide_BC: Tensor


def draw_parameters(
    seeds: Sequence[int], presence_BC: Tensor, *, quantitative: Sequence[bool], strength: float, channel_dropout: float
) -> AugmentationParameters:
    """Draws the parameters of a batch on the CPU, sample by sample.

    Args:
        seeds: One per sample.
        presence_BC: Which channels each sample has; at least one of them is never hidden.
        quantitative: Which channels hold quantities (PET, ADC, ...). Those get noise and blur, which a scanner
            adds too, but never brightness, contrast or gamma: their values mean something.
        strength: 0 for no change but hidden channels, 1 for the standard ranges; scales ranges, not probabilities.
        channel_dropout: Probability of hiding each present channel.
    """
    samples = [
        _draw_sample(seed, presence_C, quantitative, strength, channel_dropout)
        for seed, presence_C in zip(seeds, presence_BC.cpu().bool(), strict=True)
    ]
    stacked = {name: torch.stack([sample[name] for sample in samples]) for name in samples[0]}
    noise_seeds = tuple(int(seed) for seed in stacked.pop("noise_seed"))
    return AugmentationParameters(**stacked, noise_seeds=noise_seeds)


def _draw_sample(
    seed: int, presence_C: Tensor, quantitative: Sequence[bool], strength: float, channel_dropout: float
) -> dict[str, Tensor]:
    generator = torch.Generator().manual_seed(seed)
    num_channels = len(quantitative)
    is_quantity_C = torch.tensor(quantitative)

    def uniform(*shape: int) -> Tensor:
        """In [-1, 1)."""
        return 2 * torch.rand(shape, generator=generator) - 1

    def drawn(probability: float, *shape: int) -> Tensor:
        return torch.rand(shape, generator=generator) < probability

    def intensity(reach: float) -> Tensor:
        change_C = strength * reach * uniform(num_channels) * drawn(_INTENSITY_PROBABILITY, num_channels)
        return change_C * ~is_quantity_C

    moved = strength * drawn(_AFFINE_PROBABILITY)
    lowest, highest = _BLUR_SIGMA_VOX
    blur_C = (lowest + (highest - lowest) * torch.rand(num_channels, generator=generator)) * min(strength, 1.0)
    noise_reach_C = torch.where(is_quantity_C, _QUANTITY_NOISE, _MRI_NOISE)
    return {
        "mirror_B": drawn(0.5) & (strength > 0),
        "rotation_rad_B3": math.radians(_ROTATION_DEGREES) * uniform(3) * moved,
        "log_scale_B": _LOG_SCALE * uniform() * moved,
        "translation_mm_B3": _TRANSLATION_MM * uniform(3) * moved,
        "brightness_BC": intensity(_BRIGHTNESS),
        "log_contrast_BC": intensity(_LOG_CONTRAST),
        "log_gamma_BC": intensity(_LOG_GAMMA),
        "blur_sigma_vox_BC": blur_C * drawn(_BLUR_PROBABILITY, num_channels),
        "noise_BC": strength * noise_reach_C * uniform(num_channels).abs() * drawn(_NOISE_PROBABILITY, num_channels),
        "noise_seed": torch.randint(2**62, (), generator=generator),
        "hide_BC": _draw_hidden(presence_C, channel_dropout, generator),
    }


def _draw_hidden(presence_C: Tensor, channel_dropout: float, generator: torch.Generator) -> Tensor:
    hide_C = (torch.rand(presence_C.shape, generator=generator) < channel_dropout) & presence_C
    favorite = torch.rand(presence_C.shape, generator=generator).masked_fill(~presence_C, -1.0).argmax()
    if not bool((presence_C & ~hide_C).any()):
        hide_C[favorite] = False
    return hide_C
