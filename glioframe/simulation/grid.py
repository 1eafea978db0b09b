"""The voxel grid of a simulated head: axis-aligned, RAS+, around the MNI brain."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from glioframe.core.geometry import Geometry

FloatArray = NDArray[np.float32]
BoolArray = NDArray[np.bool_]

BOX_MM = ((-78.0, 98.0), (-122.0, 92.0), (-88.0, 88.0))
"""What the grid covers: (z, y, x), each from and to, in RAS+ mm. The MNI brain plus a margin for large heads."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Grid:
    """Cubic voxels over :data:`BOX_MM`.

    Attributes:
        spacing_mm: Edge of a voxel.
    """

    spacing_mm: float

    @property
    def axes_mm(self) -> tuple[FloatArray, FloatArray, FloatArray]:
        """World coordinates of the voxel centers along z, y and x."""
        z, y, x = (self._axis_mm(low, high) for low, high in BOX_MM)
        return (z, y, x)

    @property
    def shape_zyx(self) -> tuple[int, int, int]:
        """Voxel counts."""
        z, y, x = (len(axis) for axis in self.axes_mm)
        return (z, y, x)

    @property
    def voxel_ml(self) -> float:
        """Volume of a voxel in mL."""
        return self.spacing_mm**3 / 1000

    @property
    def geometry(self) -> Geometry:
        """The grid as an image header tells it."""
        z, y, x = (float(axis[0]) for axis in self.axes_mm)
        edge = float(self.spacing_mm)
        affine = ((edge, 0.0, 0.0, x), (0.0, edge, 0.0, y), (0.0, 0.0, edge, z), (0.0, 0.0, 0.0, 1.0))
        return Geometry(shape_vox=self.shape_zyx, affine=affine)

    def positions_mm(self) -> FloatArray:
        """World coordinates of every voxel center, (3, z, y, x), the components in the order z, y, x."""
        return np.stack(np.meshgrid(*self.axes_mm, indexing="ij"))

    def _axis_mm(self, low_mm: float, high_mm: float) -> FloatArray:
        count = math.ceil((high_mm - low_mm) / self.spacing_mm)
        return np.asarray(low_mm + self.spacing_mm * (0.5 + np.arange(count)), dtype=np.float32)
