"""The mid-sagittal plane of a head, from the image's likeness to its own mirror image.

Positions are in mm from the first voxel along the array's axes (z, y, x), with x to the right, y to the front and z
to the top, as volumes are read.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
from scipy import ndimage, optimize

from glioframe.core.errors import DatasetError

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from glioframe.core.geometry import Spacing

_SAMPLE_MM = 6.0
_BLUR_MM = 3.0  # standard deviation: lets the search climb from several degrees away
_BRIGHT_PERCENTILE = 99.0
_START_TILTS = (-0.24, -0.12, 0.0, 0.12, 0.24)  # tangents of up to 13.5 degrees
_START_SHIFTS_MM = (-6.0, 0.0, 6.0)
_TILT_STEP, _SHIFT_STEP_MM = 0.06, 3.0
_TOLERANCE = 1e-4


@dataclass(frozen=True, slots=True, eq=False)
class SymmetryPlane:
    """A plane between left and right.

    Attributes:
        normal: Unit vector (z, y, x) that points to the right.
        offset_mm: The position p of a point of the plane fulfills ``normal . p = offset_mm``.
        correlation: Of the image with its mirror image; 1 is perfect symmetry.
    """

    normal: NDArray[np.float64]
    offset_mm: float
    correlation: float

    def distance_mm(self, positions_mm: NDArray[Any]) -> NDArray[np.float64]:
        """How far positions ``(3, n)`` lie to the right of the plane ``(n,)``; negative to the left."""
        return np.asarray(self.normal @ positions_mm - self.offset_mm, dtype=np.float64)

    def distance_map_mm(self, shape: tuple[int, ...], spacing_mm: Spacing) -> NDArray[np.float32]:
        """How far each voxel of a grid lies to the right of the plane ``(z, y, x)``."""
        return linear_map_mm(self.normal, shape, spacing_mm) - np.float32(self.offset_mm)

    def reflect(self, positions_mm: NDArray[Any]) -> NDArray[np.float64]:
        """The mirror images ``(3, n)`` of positions ``(3, n)``."""
        return positions_mm - 2 * self.normal[:, None] * self.distance_mm(positions_mm)


def find_symmetry_plane(
    image: NDArray[Any],
    brain: NDArray[np.bool_],
    *,
    spacing_mm: Spacing,
    lesion: NDArray[np.bool_] | None = None,
) -> SymmetryPlane:
    """The plane about which reflection changes the image least.

    The image outside of the brain counts as zero, so that the brain's outline guides the search too. A lesion is
    filled with the median of the brain. Tilts of up to about 25 degrees are found.

    Args:
        image: ``(z, y, x)``; uptake, or a structural image on the same grid.
        brain: ``(z, y, x)``.
        spacing_mm: Voxel edges (z, y, x).
        lesion: ``(z, y, x)``, if known.

    Raises:
        DatasetError: The brain mask is empty.
    """
    if not brain.any():
        raise DatasetError(
            "brain mask", expected="voxels of a brain", found="an empty mask", fix="Check the image it was made from"
        )
    spacing = np.asarray(spacing_mm)
    smooth = ndimage.gaussian_filter(_leveled(image, brain, lesion), _BLUR_MM / spacing)
    points_mm = _sample_points_mm(brain, spacing)
    here = _sample(smooth, points_mm, spacing)
    center_mm = np.array(ndimage.center_of_mass(brain)) * spacing

    def plane(parameters: NDArray[np.float64]) -> SymmetryPlane:
        normal = np.array([parameters[0], parameters[1], 1.0])
        normal /= np.linalg.norm(normal)
        candidate = SymmetryPlane(normal, float(normal @ center_mm + parameters[2]), 0.0)
        there = _sample(smooth, candidate.reflect(points_mm), spacing)
        return SymmetryPlane(normal, candidate.offset_mm, float(np.corrcoef(here, there)[0, 1]))

    def badness(parameters: NDArray[np.float64]) -> float:
        return -plane(parameters).correlation

    starts = [np.array([z, y, shift]) for z in _START_TILTS for y in _START_TILTS for shift in _START_SHIFTS_MM]
    start = min(starts, key=badness)
    steps = np.vstack([np.zeros(3), np.diag([_TILT_STEP, _TILT_STEP, _SHIFT_STEP_MM])])
    options = {"initial_simplex": start + steps, "xatol": _TOLERANCE, "fatol": _TOLERANCE}
    return plane(optimize.minimize(badness, start, method="Nelder-Mead", options=options).x)


def voxel_positions_mm(index: NDArray[Any], spacing_mm: Spacing) -> NDArray[np.float64]:
    """Positions ``(3, n)`` of voxels by their indices ``(3, n)``."""
    return np.asarray(index * np.asarray(spacing_mm, dtype=np.float64)[:, None])


def linear_map_mm(direction: NDArray[np.float64], shape: tuple[int, ...], spacing_mm: Spacing) -> NDArray[np.float32]:
    """How far each voxel of a grid lies in a direction (z, y, x) from the first voxel ``(z, y, x)``."""
    z, y, x = (
        (component * spacing * np.arange(size)).astype(np.float32)
        for component, spacing, size in zip(direction, spacing_mm, shape, strict=True)
    )
    return np.asarray(z[:, None, None] + y[:, None] + x)


def _leveled(image: NDArray[Any], brain: NDArray[np.bool_], lesion: NDArray[np.bool_] | None) -> NDArray[np.float32]:
    """The image on a scale of about 0 to 1, zero outside of the brain, without the lesion."""
    bright = max(float(np.percentile(image[brain], _BRIGHT_PERCENTILE)), np.finfo(np.float32).tiny)
    leveled = np.where(brain, np.clip(image / bright, 0, 1), 0).astype(np.float32)
    if lesion is not None and lesion.any():
        leveled[lesion & brain] = np.median(leveled[brain])
    return leveled


def _sample_points_mm(brain: NDArray[np.bool_], spacing: NDArray[np.float64]) -> NDArray[np.float64]:
    """Every few voxels, in the brain and a little around it, where the outline shows."""
    steps = np.maximum(1, np.round(_SAMPLE_MM / spacing)).astype(int)
    coarse = brain[:: steps[0], :: steps[1], :: steps[2]]
    near = ndimage.binary_dilation(coarse, iterations=2)
    return np.argwhere(near).T * (steps * spacing)[:, None]


def _sample(image: NDArray[np.float32], points_mm: NDArray[np.float64], spacing: NDArray[np.float64]) -> NDArray[Any]:
    sampled: NDArray[Any] = ndimage.map_coordinates(image, points_mm / spacing[:, None], order=1, cval=0.0)
    return sampled
