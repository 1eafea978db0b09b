"""Where an image stands in the patient: shape, spacing and affine, in RAS+ millimetres."""

from __future__ import annotations

import math
from dataclasses import dataclass

Shape = tuple[int, int, int]
"""Voxel counts, (z, y, x)."""
Spacing = tuple[float, float, float]
"""Voxel edge lengths in mm, (z, y, x)."""
Affine = tuple[
    tuple[float, float, float, float],
    tuple[float, float, float, float],
    tuple[float, float, float, float],
    tuple[float, float, float, float],
]
"""4 x 4 matrix from voxel indices (x, y, z, 1) to RAS+ mm, as nibabel writes it."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Geometry:
    """The grid of a volume.

    Attributes:
        shape_vox: Voxel counts, (z, y, x).
        affine: Voxel index (x, y, z, 1) to RAS+ mm. Note the order: arrays are (z, y, x), affines follow NIfTI.
    """

    shape_vox: Shape
    affine: Affine

    @property
    def spacing_mm(self) -> Spacing:
        """Voxel edge lengths (z, y, x) in mm: the norms of the affine's columns."""
        x, y, z = (math.sqrt(sum(self.affine[row][axis] ** 2 for row in range(3))) for axis in range(3))
        return (z, y, x)

    @property
    def extent_mm(self) -> Spacing:
        """Edge lengths (z, y, x) of the field of view in mm."""
        z, y, x = (n * s for n, s in zip(self.shape_vox, self.spacing_mm, strict=True))
        return (z, y, x)

    def world_mm(self, index_zyx: tuple[float, float, float]) -> tuple[float, float, float]:
        """RAS+ position in mm of a (fractional) voxel index (z, y, x)."""
        z, y, x = index_zyx
        right, anterior, superior = (
            self.affine[row][0] * x + self.affine[row][1] * y + self.affine[row][2] * z + self.affine[row][3]
            for row in range(3)
        )
        return (right, anterior, superior)

    def corners_mm(self) -> list[tuple[float, float, float]]:
        """RAS+ positions of the eight corner voxels' centres."""
        nz, ny, nx = self.shape_vox
        return [self.world_mm((z, y, x)) for z in (0, nz - 1) for y in (0, ny - 1) for x in (0, nx - 1)]

    def largest_corner_shift_mm(self, other: Geometry) -> float:
        """Largest distance between corresponding corners, in mm; infinite where the shapes differ."""
        if self.shape_vox != other.shape_vox:
            return math.inf
        pairs = zip(self.corners_mm(), other.corners_mm(), strict=True)
        return max(math.dist(mine, theirs) for mine, theirs in pairs)

    def matches(self, other: Geometry, *, tolerance_vox: float = 0.1) -> bool:
        """Whether both grids are the same to within ``tolerance_vox`` of the smallest voxel edge."""
        return self.largest_corner_shift_mm(other) <= tolerance_vox * min(self.spacing_mm)
