"""What the healthy reference region is made of, from the known anatomy: the truth behind tumor-to-background ratios."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
from scipy import ndimage

from glioframe.simulation.tissues import Tissue

if TYPE_CHECKING:
    from glioframe.simulation.anatomy import Anatomy
    from glioframe.simulation.grid import BoolArray

# The crescent of readers in the template's mm: above the ventricles, below the vertex, off midline and surface.
_HEIGHT_MM = (30.0, 65.0)
_LATERAL_MM = 8.0
_DEPTH_MM = (12.0, 30.0)
_LEAST_FLESH = 0.7  # gray and white matter of a voxel: neither ventricle nor deep sulcus


def crescent_mixture(anatomy: Anatomy, lesion: BoolArray) -> dict[Tissue, float]:
    """The mean fraction of each tissue over both crescents of a brain, without the lesion."""
    position = np.einsum("ij,jzyx->izyx", anatomy.pose.matrix, anatomy.grid.positions_mm())
    height_mm, lateral_mm = position[0] + anatomy.pose.shift_mm[0], position[2] + anatomy.pose.shift_mm[2]
    depth_mm = ndimage.distance_transform_edt(anatomy.brain, sampling=anatomy.grid.spacing_mm)
    flesh = anatomy.fractions[Tissue.GRAY_MATTER] + anatomy.fractions[Tissue.WHITE_MATTER]
    crescent = (flesh > _LEAST_FLESH) & ~lesion & (np.abs(lateral_mm) > _LATERAL_MM)
    crescent &= (height_mm > _HEIGHT_MM[0]) & (height_mm < _HEIGHT_MM[1])
    crescent &= (depth_mm >= _DEPTH_MM[0]) & (depth_mm <= _DEPTH_MM[1])
    return {tissue: float(fraction[crescent].mean()) for tissue, fraction in anatomy.fractions.items()}
