"""A static FDOPA PET image in SUV: uptake of every tissue, then the scanner."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
from scipy import ndimage

from glioframe.simulation.fields import smooth_field
from glioframe.simulation.tissues import NORMAL_SUV, Tissue

if TYPE_CHECKING:
    from collections.abc import Mapping

    from glioframe.simulation.anatomy import Anatomy
    from glioframe.simulation.grid import BoolArray, FloatArray, Grid
    from glioframe.simulation.lesion import Lesion
    from glioframe.simulation.sites import Site
    from glioframe.simulation.traits import LesionTraits

_SD_PER_FWHM = 1 / 2.3548
_TEXTURE_SCALE_MM = 4.0
_NOISE_SCALE_MM = 2.5


def uptake_suv(
    anatomy: Anatomy,
    lesion: Lesion,
    traits: LesionTraits,
    rng: np.random.Generator,
    *,
    normal_suv: Mapping[Tissue, float] = NORMAL_SUV,
) -> FloatArray:
    """What a perfect scanner would show in a patient of average uptake, SUV (z, y, x)."""
    fractions = lesion.replace_tissue(anatomy.fractions)
    texture = np.exp(traits.texture * smooth_field(rng, anatomy.grid, scale_mm=_TEXTURE_SCALE_MM))
    # The mean over the rim stays what the traits say, whatever the texture.
    mean = np.average(texture, weights=lesion.rim)
    suv = fractions.pop(Tissue.TUMOR) * texture * (traits.suv / mean)
    for tissue, fraction in fractions.items():
        suv = suv + fraction * normal_suv[tissue]
    return np.asarray(suv, dtype=np.float32)


def scan_pet(suv: FloatArray, brain: BoolArray, grid: Grid, site: Site, rng: np.random.Generator) -> FloatArray:
    """What a site's scanner makes of it: blurred, noisy, scaled, cut to the brain; SUV (z, y, x).

    The noise has the statistics of counting: its variance grows with the signal. Twice the uptake at the same
    relative noise gives exactly twice the image.
    """
    blurred = ndimage.gaussian_filter(suv, site.pet_blur_mm * _SD_PER_FWHM / grid.spacing_mm)
    noise = smooth_field(rng, grid, scale_mm=_NOISE_SCALE_MM)
    sd = site.pet_noise * np.sqrt(blurred * blurred[brain].mean())
    image = site.pet_scale * np.clip(blurred + sd * noise, 0, None)
    return np.asarray(np.where(brain, image, 0), dtype=np.float32)
