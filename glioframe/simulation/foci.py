"""Where in the living tissue of a lesion the hot spot and the decoy lie."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from scipy import ndimage

from glioframe.simulation.fields import smooth_field
from glioframe.simulation.lesion import ramp, threshold

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from glioframe.simulation.grid import BoolArray, FloatArray, Grid
    from glioframe.simulation.lesion import Lesion

_PART_OF_RIM = 0.15
_VOLUME_RANGE_ML = (0.8, 3.0)
_BUMPINESS = 0.2
_BUMP_SCALE_MM = 5.0
_SOLID = 0.9
# At the edge of the rim blur would hide the decoy's uptake.
_THICKNESS_SD_MM = 3.0
# The decoy lies in the thickest quarter, the hot spot among the third of the rim that is farthest from it.
_THICK_QUANTILE = 0.75
_FAR_QUANTILE = 0.67


@dataclass(frozen=True, kw_only=True, eq=False)
class Foci:
    """Fractions of the living tissue in each voxel, (z, y, x); what is left is bulk.

    Attributes:
        hot_spot: Of the hot spot.
        decoy: Of the decoy; 0 everywhere in a lesion without one.
    """

    hot_spot: FloatArray
    decoy: FloatArray

    @property
    def hot_spot_mask(self) -> BoolArray:
        """Voxels that are mostly hot spot."""
        return np.asarray(self.hot_spot > 0.5)  # noqa: PLR2004 - more than half of the voxel

    @property
    def decoy_mask(self) -> BoolArray:
        """Voxels that are mostly decoy."""
        return np.asarray(self.decoy > 0.5)  # noqa: PLR2004 - more than half of the voxel


def place_foci(grid: Grid, lesion: Lesion, rng: np.random.Generator, *, has_decoy: bool) -> Foci:
    """Puts a decoy where the rim is thick, if wanted, and a hot spot far from there in any case.

    The hot spot's place does not tell whether there is a decoy.
    """
    thickness = ndimage.gaussian_filter(lesion.rim, _THICKNESS_SD_MM / grid.spacing_mm)
    is_solid = lesion.rim >= min(_SOLID, float(lesion.rim.max()))
    thick = np.argwhere(is_solid & (thickness >= np.quantile(thickness[is_solid], _THICK_QUANTILE)))
    volume_ml = float(np.clip(_PART_OF_RIM * lesion.rim.sum() * grid.voxel_ml, *_VOLUME_RANGE_ML))
    rim = lesion.rim > 0.5  # noqa: PLR2004 - more than half of the voxel
    decoy_center = thick[rng.integers(len(thick))]
    decoy = _grow(grid, rim, decoy_center, volume_ml, rng) * (lesion.rim > 0)
    solid = np.argwhere(is_solid)
    distance = np.linalg.norm(solid - decoy_center, axis=1)
    far = solid[distance >= np.quantile(distance, _FAR_QUANTILE)]
    free = rim & (decoy < 0.5)  # noqa: PLR2004 - not even half decoy
    hot_spot = _grow(grid, free, far[rng.integers(len(far))], volume_ml, rng) * (lesion.rim > 0)
    hot_spot = np.minimum(hot_spot, 1 - decoy)
    if not has_decoy:
        decoy = np.zeros_like(decoy)
    return Foci(hot_spot=hot_spot, decoy=decoy)


def _grow(
    grid: Grid, allowed: BoolArray, center: NDArray[np.int64], volume_ml: float, rng: np.random.Generator
) -> FloatArray:
    """A bumpy ball around a voxel, of the wanted volume among the allowed voxels."""
    center_mm = np.array([axis[index] for axis, index in zip(grid.axes_mm, center, strict=True)])
    distance_mm = np.linalg.norm(grid.positions_mm() - center_mm[:, None, None, None], axis=0)
    radius_mm = (3000 * volume_ml / (4 * np.pi)) ** (1 / 3)
    depth_mm = -distance_mm + _BUMPINESS * radius_mm * smooth_field(rng, grid, scale_mm=_BUMP_SCALE_MM)
    wanted = min(volume_ml / grid.voxel_ml, float(allowed.sum()))
    depth_mm = depth_mm - threshold(np.where(allowed, depth_mm, -np.inf), max(1.0, wanted))
    return ramp(depth_mm, grid.spacing_mm)
