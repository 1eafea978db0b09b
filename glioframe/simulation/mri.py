"""T1c-like and FLAIR-like images in a scanner's arbitrary units."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from glioframe.core.modality import Modality
from glioframe.simulation.fields import smooth_field
from glioframe.simulation.tissues import MRI_BRIGHTNESS, Tissue

if TYPE_CHECKING:
    from glioframe.simulation.anatomy import Anatomy
    from glioframe.simulation.grid import BoolArray, FloatArray, Grid
    from glioframe.simulation.lesion import Lesion
    from glioframe.simulation.sites import Site
    from glioframe.simulation.traits import LesionShape

_PATCH_SCALE_MM = 6.0
_PATCHINESS = 0.5
_BIAS_SCALE_MM = 80.0
_BIAS_SD = 0.06
_EDEMA_T1C = -0.10
_EDEMA_FLAIR = 0.42


def t1c_brightness(anatomy: Anatomy, lesion: Lesion, traits: LesionShape, rng: np.random.Generator) -> FloatArray:
    """T1-weighted brightness after contrast agent, (z, y, x): the rim enhances in patches, the core is dark."""
    values = MRI_BRIGHTNESS[Modality.T1C]
    patches = np.clip(1 + _PATCHINESS * smooth_field(rng, anatomy.grid, scale_mm=_PATCH_SCALE_MM), 0, None)
    rim = values[Tissue.TUMOR] + traits.enhancement * patches
    healthy = anatomy.t1 * (1 - lesion.rim - lesion.necrosis)
    brightness = healthy + lesion.rim * rim + lesion.necrosis * values[Tissue.NECROSIS] + _EDEMA_T1C * lesion.edema
    return np.asarray(brightness, dtype=np.float32)


def flair_brightness(anatomy: Anatomy, lesion: Lesion) -> FloatArray:
    """FLAIR brightness, (z, y, x): edema bright, fluid dark."""
    values = MRI_BRIGHTNESS[Modality.T2F]
    brightness = _EDEMA_FLAIR * lesion.edema
    for tissue, fraction in lesion.replace_tissue(anatomy.fractions).items():
        brightness = brightness + fraction * values[tissue]
    return np.asarray(brightness, dtype=np.float32)


def scan_mri(brightness: FloatArray, brain: BoolArray, grid: Grid, site: Site, rng: np.random.Generator) -> FloatArray:
    """What a site's scanner makes of it: shaded, noisy, in its own units, cut to the brain; (z, y, x)."""
    bias = np.exp(_BIAS_SD * smooth_field(rng, grid, scale_mm=_BIAS_SCALE_MM))
    noise = site.mri_noise * rng.standard_normal(brightness.shape, dtype=np.float32)
    image = site.mri_gain * np.clip(brightness * bias + noise, 0.0, None)
    return np.asarray(np.where(brain, image, 0), dtype=np.float32)
