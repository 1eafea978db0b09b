"""The average brain that every subject is bent from: the MNI152 maps inside the nilearn package."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from nilearn import datasets
from scipy import ndimage

if TYPE_CHECKING:
    from glioframe.simulation.grid import FloatArray

_STRIATUM_ELLIPSOIDS_MM = (
    # Center and half axes (z, y, x) in MNI mm, right side; read off the T1 template.
    ((8.0, 13.0, 13.0), (12.0, 12.0, 6.5)),  # head of the caudate nucleus
    ((1.0, 3.0, 26.0), (10.0, 17.0, 7.5)),  # putamen
)
# Half the width, the height over the brain's edge and the lowest point of the superior sagittal sinus, roughly.
_SINUS_HALF_WIDTH_MM = 4.0
_SINUS_HEIGHT_MM = 8.0
_SINUS_MIN_HEIGHT_MM = 0.0
_SITE_STEP = 4
_MIN_WHITE_MATTER = 0.5
_MIN_HEIGHT_MM = -5.0
_MIN_LATERAL_MM = 12.0


@dataclass(frozen=True, kw_only=True, eq=False)
class Template:
    """Maps of tissue fractions and T1 brightness, (z, y, x) at 1 mm.

    Attributes:
        t1: T1-weighted brightness from 0 to 1, 0 outside the brain.
        brain: Fraction of brain.
        gray_matter: Fraction of gray matter, striatum included.
        white_matter: Fraction of white matter.
        striatum: Fraction of caudate nucleus and putamen.
        sinus: Fraction of superior sagittal sinus: blood, on top of the brain and outside of it.
        origin_mm: World position (z, y, x) of the first voxel.
        lesion_sites: Where a lesion may have its center.
    """

    t1: FloatArray
    brain: FloatArray
    gray_matter: FloatArray
    white_matter: FloatArray
    striatum: FloatArray
    sinus: FloatArray
    origin_mm: FloatArray
    lesion_sites: LesionSites


@dataclass(frozen=True, kw_only=True, eq=False)
class LesionSites:
    """Deep white matter of both hemispheres above the posterior fossa.

    Attributes:
        positions_mm: (site, 3) in the order z, y, x.
        depth_mm: Distance of each from the surface of the brain.
        striatum_distance_mm: Distance of each from the striatum.
    """

    positions_mm: FloatArray
    depth_mm: FloatArray
    striatum_distance_mm: FloatArray

    def choose(self, rng: np.random.Generator, *, radius_mm: float) -> FloatArray:
        """A site (z, y, x) where a ball of ``radius_mm`` stays off the striatum and mostly inside the brain."""
        room = np.minimum(self.depth_mm - 0.8 * radius_mm, self.striatum_distance_mm - 1.1 * radius_mm)
        suitable = np.flatnonzero(room >= min(0.0, float(room.max())))
        site: FloatArray = self.positions_mm[rng.choice(suitable)]
        return site


def load_template(*, blur_mm: float) -> Template:
    """Reads the maps from the nilearn package (nothing is downloaded) and averages them over ``blur_mm``.

    Averaging over the voxel edge of the grid to come keeps fine detail from turning into jagged edges.
    """
    t1, origin_mm = _load(datasets.load_mni152_template(resolution=1))
    gray_matter, _ = _load(datasets.load_mni152_gm_template(resolution=1))
    white_matter, _ = _load(datasets.load_mni152_wm_template(resolution=1))
    brain = (t1 > 0).astype(np.float32)
    striatum = _striatum(gray_matter, origin_mm)
    size = max(1, round(blur_mm))
    maps = {"t1": t1, "brain": brain, "gray_matter": gray_matter, "white_matter": white_matter, "striatum": striatum}
    maps["sinus"] = _sinus(brain, origin_mm)
    return Template(
        **{name: ndimage.uniform_filter(volume, size=size) for name, volume in maps.items()},
        origin_mm=origin_mm,
        lesion_sites=_lesion_sites(brain, white_matter, striatum, origin_mm),
    )


def _load(image: datasets.struct.Nifti1Image) -> tuple[FloatArray, FloatArray]:
    """The map as (z, y, x) and the world position (z, y, x) of its first voxel."""
    volume_xyz = image.get_fdata(dtype=np.float32)
    return np.ascontiguousarray(volume_xyz.T), np.asarray(image.affine[2::-1, 3], dtype=np.float32)


def _striatum(gray_matter: FloatArray, origin_mm: FloatArray) -> FloatArray:
    """Gray matter inside the ellipsoids of both sides.

    The putamen is about half gray in the template's map, so the map is stretched to make it whole.
    """
    z, y, x = np.ogrid[tuple(slice(0, n) for n in gray_matter.shape)]
    z, y, x = z + origin_mm[0], y + origin_mm[1], np.abs(x + origin_mm[2])
    inside = np.zeros(gray_matter.shape, dtype=bool)
    for center, half_axes in _STRIATUM_ELLIPSOIDS_MM:
        inside |= sum(((p - c) / a) ** 2 for p, c, a in zip((z, y, x), center, half_axes, strict=True)) < 1
    return np.asarray(inside * np.clip((gray_matter - 0.2) / 0.25, 0, 1), dtype=np.float32)


def _sinus(brain: FloatArray, origin_mm: FloatArray) -> FloatArray:
    """A band along the midline, outside of the upper brain."""
    z, _, x = np.ogrid[tuple(slice(0, n) for n in brain.shape)]
    middle = np.flatnonzero(np.abs(x.ravel() + origin_mm[2]) <= _SINUS_HALF_WIDTH_MM)
    slab = brain[..., middle]
    # The falx parts the hemispheres: what lies between them is no outside.
    filled = ndimage.binary_closing(slab.any(axis=2) if slab.size else slab, iterations=5)
    outside_mm = ndimage.distance_transform_edt(~filled)
    band = (outside_mm > 0) & (outside_mm <= _SINUS_HEIGHT_MM) & (z[..., 0] + origin_mm[0] > _SINUS_MIN_HEIGHT_MM)
    sinus = np.zeros_like(brain)
    sinus[..., middle] = band[..., None]
    return sinus * (1 - brain)


def _lesion_sites(
    brain: FloatArray, white_matter: FloatArray, striatum: FloatArray, origin_mm: FloatArray
) -> LesionSites:
    coarse = (slice(None, None, _SITE_STEP),) * 3
    depth_mm = ndimage.distance_transform_edt(brain[coarse] > 0) * _SITE_STEP
    striatum_distance_mm = ndimage.distance_transform_edt(striatum[coarse] == 0) * _SITE_STEP
    index = np.argwhere(white_matter[coarse] > _MIN_WHITE_MATTER)
    positions_mm = index * _SITE_STEP + origin_mm
    allowed = (positions_mm[:, 0] > _MIN_HEIGHT_MM) & (np.abs(positions_mm[:, 2]) > _MIN_LATERAL_MM)
    chosen = tuple(index[allowed].T)
    return LesionSites(
        positions_mm=positions_mm[allowed].astype(np.float32),
        depth_mm=depth_mm[chosen].astype(np.float32),
        striatum_distance_mm=striatum_distance_mm[chosen].astype(np.float32),
    )
