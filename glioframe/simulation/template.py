"""The average brain that every subject is bent from, and where a lesion may lie in it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from scipy import ndimage

from glioframe.imaging.brain_template import load_brain_template

if TYPE_CHECKING:
    from glioframe.simulation.grid import FloatArray

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
    """Averages the template's maps over ``blur_mm``.

    Averaging over the voxel edge of the grid to come keeps fine detail from turning into jagged edges.
    """
    maps = load_brain_template()
    t1, gray_matter, white_matter, striatum = (
        volume.array for volume in (maps.t1, maps.gray_matter, maps.white_matter, maps.striatum)
    )
    origin_mm = np.asarray(maps.t1.geometry.world_mm((0, 0, 0))[::-1], dtype=np.float32)
    brain = (t1 > 0).astype(np.float32)
    size = max(1, round(blur_mm))
    blurred = {
        "t1": t1,
        "brain": brain,
        "gray_matter": gray_matter,
        "white_matter": white_matter,
        "striatum": striatum,
        "sinus": _sinus(brain, origin_mm),
    }
    return Template(
        **{name: ndimage.uniform_filter(volume, size=size) for name, volume in blurred.items()},
        origin_mm=origin_mm,
        lesion_sites=_lesion_sites(brain, white_matter, striatum, origin_mm),
    )


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
