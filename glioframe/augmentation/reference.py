"""Does to a patch what :mod:`glioframe.augmentation.augment_patch` does, by the transforms of batchgeneratorsv2.

These are nnU-Net's own, slower and for the CPU only. Tests hold ours against them; a task may fall back on them.
"""

# ruff: noqa: N803, N806 - names end in their shape: C channels, Z Y X space

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import torch
from batchgeneratorsv2.transforms.intensity.brightness import MultiplicativeBrightnessTransform
from batchgeneratorsv2.transforms.intensity.contrast import ContrastTransform
from batchgeneratorsv2.transforms.intensity.gamma import GammaTransform
from batchgeneratorsv2.transforms.noise.gaussian_blur import GaussianBlurTransform
from batchgeneratorsv2.transforms.spatial.low_resolution import SimulateLowResolutionTransform
from batchgeneratorsv2.transforms.spatial.spatial import SpatialTransform

if TYPE_CHECKING:
    from collections.abc import Callable

    from numpy.typing import NDArray
    from torch import Tensor

    from glioframe.augmentation.patch_parameters import PatchParameters
    from glioframe.core.geometry import Shape


def augment_patch_by_batchgenerators(
    source_CZYX: Tensor, labels_ZYX: Tensor | None, parameters: PatchParameters, *, patch_size_vox: Shape
) -> tuple[Tensor, Tensor | None]:
    """As :func:`glioframe.augmentation.augment_patch.augment_patch`, on the CPU; the noise is another."""
    patch = {"image": source_CZYX.clone()}
    if labels_ZYX is not None:
        patch["segmentation"] = labels_ZYX[None].to(torch.int16)
    if parameters.sampling_33 is not None:
        patch = _sample(patch, parameters, patch_size_vox)
    if parameters.noise_std > 0:
        generator = torch.Generator().manual_seed(parameters.noise_seed)
        patch["image"] += parameters.noise_std * torch.randn(patch["image"].shape, generator=generator)
    for channel in range(len(source_CZYX)):
        volume = patch["image"][channel : channel + 1]
        for transform in _intensity_transforms(parameters, channel):
            volume = transform(image=volume)["image"]
        patch["image"][channel] = volume[0]
    image_CZYX = patch["image"].flip([1 + axis for axis in parameters.mirror_axes])
    if labels_ZYX is None:
        return image_CZYX, None
    return image_CZYX, patch["segmentation"][0].flip(parameters.mirror_axes).to(labels_ZYX.dtype)


def _sample(patch: dict[str, Tensor], parameters: PatchParameters, patch_size_vox: Shape) -> dict[str, Tensor]:
    assert parameters.sampling_33 is not None
    transform = SpatialTransform(patch_size_vox, patch_center_dist_from_border=0, random_crop=False, p_rotation=1)
    drawn = transform.get_parameters(**patch)
    grid_ZYX3 = torch.stack(
        torch.meshgrid(*(torch.arange(size) - (size - 1) / 2 for size in patch_size_vox), indexing="ij"), dim=-1
    )
    half_3 = torch.tensor(patch["image"].shape[1:]) / 2
    points_ZYX3 = grid_ZYX3 @ torch.from_numpy(parameters.sampling_33.T).float()
    drawn["grid"] = (points_ZYX3 / half_3).flip(-1)
    sampled: dict[str, Tensor] = transform.apply(patch, **drawn)
    return sampled


def _intensity_transforms(parameters: PatchParameters, channel: int) -> list[Any]:
    """Those that change the channel, each with its one parameter."""
    transforms: list[Any] = []
    sigma_vox = parameters.blur_sigma_vox_C3[channel]
    if sigma_vox.any():
        transforms.append(GaussianBlurTransform(blur_sigma=lambda _, dim: sigma_vox[dim - 1]))
    if (factor := parameters.brightness_C[channel]) != 1:
        transforms.append(MultiplicativeBrightnessTransform(_always(factor), synchronize_channels=False))
    if (factor := parameters.contrast_C[channel]) != 1:
        transforms.append(ContrastTransform(_always(factor), preserve_range=True, synchronize_channels=False))
    if (share := parameters.resolution_C[channel]) != 1:
        transforms.append(
            SimulateLowResolutionTransform(
                _always(share), synchronize_channels=False, synchronize_axes=True, ignore_axes=None
            )
        )
    for exponent_C, upside_down in ((parameters.inverted_gamma_C, 1), (parameters.gamma_C, 0)):
        if (exponent := exponent_C[channel]) != 1:
            transforms.append(
                GammaTransform(
                    _always(exponent),
                    p_invert_image=upside_down,
                    synchronize_channels=False,
                    p_per_channel=1,
                    p_retain_stats=1,
                )
            )
    return transforms


def _always(value: NDArray[Any]) -> Callable[..., float]:
    return lambda *_, **__: float(value)
