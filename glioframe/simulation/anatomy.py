"""One subject's brain: the template, turned, scaled and bent at random."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from scipy import ndimage

from glioframe.simulation.fields import smooth_field
from glioframe.simulation.tissues import Tissue

if TYPE_CHECKING:
    from numpy.typing import ArrayLike

    from glioframe.simulation.grid import BoolArray, FloatArray, Grid
    from glioframe.simulation.template import Template

_ROTATION_SD_DEG = 4.0
# The MNI brain, 1.9 L with its fluid, is larger than the average head's.
_LOG_SCALE_MEAN = 0.05
_LOG_SCALE_SD = 0.03
_SHIFT_SD_MM = 2.0
_BEND_SD_MM = 2.0
_BEND_SCALE_MM = 30.0
# The grid leaves this much room around the template's brain.
_MOST_SD = 2.0


@dataclass(frozen=True, kw_only=True, eq=False)
class Pose:
    """The affine part of the way from a subject's world to the template's.

    Attributes:
        matrix: (3, 3), on the components (z, y, x).
        shift_mm: (3,), added after the matrix.
    """

    matrix: FloatArray
    shift_mm: FloatArray

    def subject_from_template(self, position_mm: FloatArray) -> FloatArray:
        """Where a position (z, y, x) of the template lies in the subject."""
        return np.asarray(np.linalg.solve(self.matrix, position_mm - self.shift_mm), dtype=np.float32)


@dataclass(frozen=True, kw_only=True, eq=False)
class Anatomy:
    """A healthy brain on a grid.

    Attributes:
        grid: The voxels.
        pose: How the subject's head lies.
        brain: (z, y, x), whether a voxel is brain.
        t1: (z, y, x), T1-weighted brightness from 0 to 1.
        sinus: (z, y, x), fraction of venous blood on top of the brain, 0 inside it.
        fractions: (z, y, x) by tissue; they sum to 1 inside the brain and are 0 outside.
    """

    grid: Grid
    pose: Pose
    brain: BoolArray
    t1: FloatArray
    sinus: FloatArray
    fractions: dict[Tissue, FloatArray]


def sample_pose(rng: np.random.Generator) -> Pose:
    """A head's position and size."""
    angles = np.radians(_ROTATION_SD_DEG) * _bounded_normal(rng)
    scales = np.exp(_LOG_SCALE_MEAN + _LOG_SCALE_SD * _bounded_normal(rng))
    matrix = rotation(angles) * scales[None, :]
    return Pose(matrix=matrix.astype(np.float32), shift_mm=(_SHIFT_SD_MM * _bounded_normal(rng)).astype(np.float32))


def build_anatomy(template: Template, grid: Grid, rng: np.random.Generator) -> Anatomy:
    """Bends the template into a subject and reads it at the grid's voxels."""
    pose = sample_pose(rng)
    index = np.einsum("ij,jzyx->izyx", pose.matrix, grid.positions_mm())
    for axis in range(3):
        bend_mm = _BEND_SD_MM * smooth_field(rng, grid, scale_mm=_BEND_SCALE_MM)
        index[axis] += bend_mm + pose.shift_mm[axis] - template.origin_mm[axis]

    def read(volume: FloatArray) -> FloatArray:
        return np.asarray(ndimage.map_coordinates(volume, index, order=1, cval=0.0), dtype=np.float32)

    brain = read(template.brain) > 0.5  # noqa: PLR2004 - more than half of the voxel
    gray, white, striatum = read(template.gray_matter), read(template.white_matter), read(template.striatum)
    whole = np.maximum(gray + white, 1.0)
    normal = np.where(brain, (1 - striatum) / whole, 0)
    fractions = {
        Tissue.GRAY_MATTER: gray * normal,
        Tissue.WHITE_MATTER: white * normal,
        Tissue.STRIATUM: np.where(brain, striatum, np.float32(0)),
    }
    fractions[Tissue.FLUID] = np.clip(brain - sum(fractions.values()), 0, None).astype(np.float32)
    return Anatomy(
        grid=grid,
        pose=pose,
        brain=brain,
        t1=read(template.t1) * brain,
        sinus=np.where(brain, np.float32(0), read(template.sinus)),
        fractions=fractions,
    )


def rotation(angles_rad: ArrayLike) -> FloatArray:
    """The rotation about the first axis, then the second, then the third, (3, 3)."""
    matrix = np.eye(3)
    for axis, angle in enumerate(np.asarray(angles_rad)):
        first, second = (axis + 1) % 3, (axis + 2) % 3
        turn = np.eye(3)
        turn[first, first] = turn[second, second] = np.cos(angle)
        turn[first, second], turn[second, first] = -np.sin(angle), np.sin(angle)
        matrix = turn @ matrix
    return matrix.astype(np.float32)


def _bounded_normal(rng: np.random.Generator) -> FloatArray:
    return np.clip(rng.standard_normal(3), -_MOST_SD, _MOST_SD).astype(np.float32)
