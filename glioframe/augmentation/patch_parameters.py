"""Draws what will be done to one patch of a segmentation-like task: the transforms and odds of nnU-Net 2.8.

Case-level tasks have milder ones of their own, in :mod:`glioframe.augmentation.parameters`. What to do is drawn before
the patch is read, so that only as much of a case is read as the change needs: mostly the bare patch.
"""

# ruff: noqa: N806, N815 - names end in their shape: C channels, 3 axes z y x

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

    from glioframe.core.geometry import Shape

_ROTATION_PROBABILITY = 0.2
_ROTATION_DEGREES = 30.0
_ZOOM_PROBABILITY = 0.2
_ZOOM = (0.7, 1.4)
_NOISE_PROBABILITY = 0.1
_NOISE_STD = (0.0, 0.1)
_BLUR_PROBABILITY = 0.2
_BLUR_CHANNEL_PROBABILITY = 0.5
_BLUR_SIGMA_VOX = (0.5, 1.0)
_BRIGHTNESS_PROBABILITY = 0.15
_CONTRAST_PROBABILITY = 0.15
_FACTOR = (0.75, 1.25)
_RESOLUTION_PROBABILITY = 0.25
_RESOLUTION_CHANNEL_PROBABILITY = 0.5
_RESOLUTION = (0.5, 1.0)
_INVERTED_GAMMA_PROBABILITY = 0.1
_GAMMA_PROBABILITY = 0.3
_GAMMA = (0.7, 1.5)
_MIRROR_PROBABILITY = 0.5


@dataclass(frozen=True, kw_only=True)
class PatchParameters:
    """What will be done to one patch of c channels, in this order. A 1 (or, for blur and noise, a 0) leaves it alone.

    Attributes:
        sampling_33: Where each voxel's value comes from, as a matrix on offsets (z, y, x) from the center, in voxels;
            None where nothing is interpolated.
        noise_std: Of the Gaussian added to all channels, in units of the image.
        noise_seed: Of that noise.
        blur_sigma_vox_C3: Of the Gaussian along each axis.
        brightness_C: Factor on the values.
        contrast_C: Factor on the difference from the mean, within the channel's range.
        resolution_C: Share of each axis's samples that are kept and interpolated between.
        inverted_gamma_C: Exponent on the range-normalized values turned upside down.
        gamma_C: Exponent on the range-normalized values.
        mirror_axes: Of 0, 1, 2 for z, y, x.
    """

    sampling_33: NDArray[np.float64] | None
    noise_std: float
    noise_seed: int
    blur_sigma_vox_C3: NDArray[np.float64]
    brightness_C: NDArray[np.float64]
    contrast_C: NDArray[np.float64]
    resolution_C: NDArray[np.float64]
    inverted_gamma_C: NDArray[np.float64]
    gamma_C: NDArray[np.float64]
    mirror_axes: tuple[int, ...]

    def source_size_vox(self, patch_size_vox: Shape) -> Shape:
        """How much of the case must be read, around the patch's center."""
        if self.sampling_33 is None:
            return patch_size_vox
        reach_vox = np.abs(self.sampling_33) @ (np.array(patch_size_vox) - 1) / 2
        # One voxel more on each side to interpolate with; the parity of the patch, so that the centers coincide.
        z, y, x = (
            size + 2 * max(0, math.ceil(reach - (size - 1) / 2) + 1)
            for reach, size in zip(reach_vox, patch_size_vox, strict=True)
        )
        return (z, y, x)


def draw_patch_parameters(seed: int, *, quantitative: Sequence[bool]) -> PatchParameters:
    """Draws the parameters of one patch.

    Args:
        seed: Of this patch alone.
        quantitative: Which channels hold quantities (PET, ADC, ...). Their values mean something, so they keep their
            brightness, contrast and gamma; nnU-Net knows no such channels.
    """
    rng = np.random.default_rng(seed)
    num_channels = len(quantitative)
    is_quantity_C = np.array(quantitative)

    def happens(probability: float) -> bool:
        return bool(rng.random() < probability)

    def factors(probability: float, span: tuple[float, float]) -> NDArray[np.float64]:
        """Above or below 1 equally often, however skew the span."""
        drawn_C = np.where(
            rng.random(num_channels) < 0.5,  # noqa: PLR2004 - a coin
            rng.uniform(span[0], 1, num_channels),
            rng.uniform(1, span[1], num_channels),
        )
        return np.where(is_quantity_C | (not happens(probability)), 1.0, drawn_C)

    blurred_C1 = (rng.random((num_channels, 1)) < _BLUR_CHANNEL_PROBABILITY) & happens(_BLUR_PROBABILITY)
    coarse_C = (rng.random(num_channels) < _RESOLUTION_CHANNEL_PROBABILITY) & happens(_RESOLUTION_PROBABILITY)
    return PatchParameters(
        sampling_33=_draw_sampling(rng, turns=happens(_ROTATION_PROBABILITY), zooms=happens(_ZOOM_PROBABILITY)),
        noise_std=rng.uniform(*_NOISE_STD) if happens(_NOISE_PROBABILITY) else 0.0,
        noise_seed=int(rng.integers(2**62)),
        blur_sigma_vox_C3=np.where(blurred_C1, rng.uniform(*_BLUR_SIGMA_VOX, (num_channels, 3)), 0.0),
        brightness_C=factors(_BRIGHTNESS_PROBABILITY, _FACTOR),
        contrast_C=factors(_CONTRAST_PROBABILITY, _FACTOR),
        resolution_C=np.where(coarse_C, rng.uniform(*_RESOLUTION, num_channels), 1.0),
        inverted_gamma_C=factors(_INVERTED_GAMMA_PROBABILITY, _GAMMA),
        gamma_C=factors(_GAMMA_PROBABILITY, _GAMMA),
        mirror_axes=tuple(axis for axis in range(3) if happens(_MIRROR_PROBABILITY)),
    )


def sampling_matrix(rotation_rad_3: Sequence[float], zoom: float) -> NDArray[np.float64]:
    """Turns about z, then y, then x, of offsets that are ``zoom`` times as long; both in voxels, as in nnU-Net."""
    matrix_33 = zoom * np.eye(3)
    for axis, angle_rad in enumerate(rotation_rad_3):
        first, second = (other for other in range(3) if other != axis)
        sign = -1 if axis == 1 else 1
        turn_33 = np.eye(3)
        turn_33[first, first] = turn_33[second, second] = math.cos(angle_rad)
        turn_33[first, second] = -sign * math.sin(angle_rad)
        turn_33[second, first] = sign * math.sin(angle_rad)
        matrix_33 = turn_33 @ matrix_33
    return matrix_33


def _draw_sampling(rng: np.random.Generator, *, turns: bool, zooms: bool) -> NDArray[np.float64] | None:
    reach_rad = math.radians(_ROTATION_DEGREES)
    rotation_rad_3 = rng.uniform(-reach_rad, reach_rad, 3) * turns
    zoom = rng.uniform(*_ZOOM) if zooms else 1.0
    return sampling_matrix(list(rotation_rad_3), zoom) if turns or zooms else None
