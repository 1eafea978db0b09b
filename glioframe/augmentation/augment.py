"""Augments a batch on whatever device it is on."""

# ruff: noqa: N803, N806 - names end in their shape: B batch, C channels, Z Y X space

from __future__ import annotations

from typing import TYPE_CHECKING

from glioframe.augmentation.intensity import add_noise, blur, change_contrast
from glioframe.augmentation.spatial import mirror, transform

if TYPE_CHECKING:
    from torch import Tensor

    from glioframe.augmentation.parameters import AugmentationParameters
    from glioframe.core.geometry import Spacing


def augment(
    image_BCZYX: Tensor, presence_BC: Tensor, parameters: AugmentationParameters, *, spacing_mm: Spacing
) -> tuple[Tensor, Tensor]:
    """Does what the parameters say; returns the new images and which channels are still present.

    Absent and hidden channels are zero.
    """
    image_BCZYX = mirror(image_BCZYX, parameters.mirror_B)
    image_BCZYX = transform(
        image_BCZYX,
        rotation_rad_B3=parameters.rotation_rad_B3,
        log_scale_B=parameters.log_scale_B,
        translation_mm_B3=parameters.translation_mm_B3,
        spacing_mm=spacing_mm,
    )
    image_BCZYX = change_contrast(
        image_BCZYX,
        brightness_BC=parameters.brightness_BC,
        log_contrast_BC=parameters.log_contrast_BC,
        log_gamma_BC=parameters.log_gamma_BC,
    )
    image_BCZYX = blur(image_BCZYX, parameters.blur_sigma_vox_BC)
    image_BCZYX = add_noise(image_BCZYX, parameters.noise_BC, parameters.noise_seeds)
    presence_BC = presence_BC & ~parameters.hide_BC.to(presence_BC.device)
    return image_BCZYX.where(presence_BC[:, :, None, None, None], 0.0), presence_BC
