"""Resampling of volumes.

Between two grids with the same axes the work is separable: along each axis, new values are a small matrix times old
ones. The matrix is exact: the prefilter that turns samples into B-spline coefficients, times the basis functions at
the new voxels. Three matrix products replace a filter and a gather per voxel, and BLAS does those fastest.

The field of view keeps its center, and the spacing is met exactly. Beyond the outermost voxel centers the image is
mirrored about them (``mode="mirror"`` of scipy.ndimage).
"""

from __future__ import annotations

import math
from functools import lru_cache
from typing import TYPE_CHECKING, Any

import numpy as np
import SimpleITK as sitk  # noqa: N813 - its users' own abbreviation
from numpy.typing import NDArray

from glioframe.core.geometry import Geometry, Shape, Spacing
from glioframe.imaging.volume import Volume, affine_from_array

if TYPE_CHECKING:
    from collections.abc import Sequence

Array = NDArray[Any]

_LINEAR, _CUBIC = 1, 3
# From here on a new voxel takes the mean of the image over its width, as a larger voxel would have measured it;
# point samples would alias. Below, averaging would only blur.
AVERAGING_RATIO = 1.5
_DIGITS = 6  # of a voxel: spacings that differ in the last bits shall give one grid


def resampled_geometry(geometry: Geometry, spacing_mm: Spacing) -> Geometry:
    """The grid with ``spacing_mm`` (z, y, x) whose field of view has the same center and, to half a voxel, extent."""
    ratios = _ratios(geometry.spacing_mm, spacing_mm)
    z, y, x = (
        max(1, round(round(size / ratio, _DIGITS))) for size, ratio in zip(geometry.shape_vox, ratios, strict=True)
    )
    first = [
        (size - 1) / 2 - ratio * (new_size - 1) / 2
        for size, new_size, ratio in zip(geometry.shape_vox, (z, y, x), ratios, strict=True)
    ]
    affine = np.array(geometry.affine)
    affine[:3, 3] = geometry.world_mm((first[0], first[1], first[2]))
    affine[:3, :3] *= ratios[::-1]
    return Geometry(shape_vox=(z, y, x), affine=affine_from_array(affine))


def resample(volume: Volume, spacing_mm: Spacing, *, order: int = _CUBIC) -> Volume:
    """Resamples to ``spacing_mm`` by B-splines of ``order`` 1 or 3; constants and linear ramps stay what they are.

    Along an axis whose spacing grows by more than :data:`AVERAGING_RATIO`, the spline is averaged over each new
    voxel. An axis whose spacing stays is not touched.
    """
    geometry = resampled_geometry(volume.geometry, spacing_mm)
    matrices = [
        axis_matrix(size, new_size, ratio, order=order)
        for size, new_size, ratio in zip(
            volume.geometry.shape_vox,
            geometry.shape_vox,
            _ratios(volume.geometry.spacing_mm, spacing_mm),
            strict=True,
        )
    ]
    return Volume(_apply(matrices, volume.array.astype(np.float32, copy=False)), geometry)


def resample_label(label: Volume, spacing_mm: Spacing) -> Volume:
    """Resamples label values (or a mask) to ``spacing_mm``: each new voxel takes the nearest old one's."""
    geometry = resampled_geometry(label.geometry, spacing_mm)
    nearest = [
        np.clip(np.floor(_positions(size, new_size, ratio) + 0.5).astype(int), 0, size - 1)
        for size, new_size, ratio in zip(
            label.geometry.shape_vox,
            geometry.shape_vox,
            _ratios(label.geometry.spacing_mm, spacing_mm),
            strict=True,
        )
    ]
    return Volume(label.array[np.ix_(*nearest)], geometry)


def resample_to(volume: Volume, geometry: Geometry, *, order: int = _CUBIC) -> Volume:
    """Resamples onto any grid of the same world by B-splines of ``order`` 1 or 3; outside of the image stands 0.

    Axes that are much finer than the new grid's are averaged first, as in :func:`resample`.
    """
    coarse = resample(volume, _averaged_spacing(volume.geometry, geometry), order=order)
    interpolator = sitk.sitkLinear if order == _LINEAR else sitk.sitkBSpline3
    return Volume(_sitk_resample(coarse, geometry, interpolator), geometry)


def field_of_view(own: Geometry, geometry: Geometry) -> NDArray[np.bool_]:
    """Which voxels (z, y, x) of ``geometry`` :func:`resample_to` fills from an image on ``own``; the others stay 0."""
    coarse = resampled_geometry(own, _averaged_spacing(own, geometry))
    ones = Volume(np.ones(coarse.shape_vox, dtype=np.uint8), coarse)
    inside: NDArray[np.bool_] = _sitk_resample(ones, geometry, sitk.sitkNearestNeighbor) > 0
    return inside


def resample_label_to(label: Volume, geometry: Geometry) -> Volume:
    """Nearest-neighbor resampling of label values (or a mask) onto any grid of the same world; 0 outside."""
    if label.geometry.matches(geometry):
        return Volume(label.array, geometry)
    as_integer = Volume(label.array.astype(np.int16, copy=False), label.geometry)
    resampled = _sitk_resample(as_integer, geometry, sitk.sitkNearestNeighbor)
    return Volume(resampled.astype(label.array.dtype, copy=False), geometry)


def sample_at(volume: Volume, geometry: Geometry, matrix: Array) -> NDArray[np.float32]:
    """Reads a volume at the voxels of a grid after ``matrix``, linearly; 0 outside of it.

    Args:
        volume: What is read.
        geometry: The grid.
        matrix: (4, 4), from RAS+ mm of the grid to RAS+ mm of the volume.
    """
    resampler = _sitk_resampler(geometry, sitk.sitkLinear)
    resampler.SetTransform(sitk.AffineTransform(matrix[:3, :3].ravel().tolist(), matrix[:3, 3].tolist()))
    resampler.SetOutputPixelType(sitk.sitkFloat32)
    array: NDArray[np.float32] = sitk.GetArrayFromImage(resampler.Execute(sitk_image(volume)))
    return array


@lru_cache(maxsize=24)
def axis_matrix(size: int, new_size: int, ratio: float, *, order: int) -> NDArray[np.float32] | None:
    """The (new_size, size) matrix that resamples along one axis; None where nothing changes.

    Args:
        size: Voxels before.
        new_size: Voxels after.
        ratio: New spacing over old.
        order: Degree of the B-spline, 1 or 3.
    """
    if ratio == 1.0:
        return None
    positions = _positions(size, new_size, ratio)
    half_width = ratio / 2 if ratio > AVERAGING_RATIO else 0.0
    reach = (order + 1) / 2 + half_width
    evaluation: NDArray[np.float64] = np.zeros((new_size, size))
    offsets = np.arange(-math.ceil(reach), math.ceil(reach) + 1)
    rows = np.arange(new_size)
    for offset in offsets:
        knots = np.floor(positions).astype(int) + offset
        distance = positions - knots
        if half_width:
            weight = (
                _basis_integral(distance + half_width, order) - _basis_integral(distance - half_width, order)
            ) / ratio
        else:
            weight = _basis(distance, order)
        np.add.at(evaluation, (rows, _mirrored(knots, size)), weight)
    if order == _CUBIC:
        evaluation = np.asarray(np.linalg.solve(_cubic_samples(size).T, evaluation.T).T, dtype=np.float64)
    matrix = np.ascontiguousarray(evaluation, dtype=np.float32)
    matrix.flags.writeable = False  # it is cached
    return matrix


def _apply(matrices: Sequence[NDArray[np.float32] | None], array: Array) -> Array:
    """Multiplies the matrices (z, y, x) to their axes; no axis is moved in memory."""
    along_z, along_y, along_x = matrices
    num_z, num_y, num_x = array.shape
    if along_x is not None:
        array = (array.reshape(num_z * num_y, num_x) @ along_x.T).reshape(num_z, num_y, -1)
    if along_y is not None:
        array = np.matmul(along_y, array)
    if along_z is not None:
        _, num_y, num_x = array.shape
        array = (along_z @ array.reshape(num_z, num_y * num_x)).reshape(-1, num_y, num_x)
    return array


def _ratios(spacing_mm: Spacing, new_spacing_mm: Sequence[float]) -> tuple[float, float, float]:
    z, y, x = (round(new / old, _DIGITS + 3) for old, new in zip(spacing_mm, new_spacing_mm, strict=True))
    return (z, y, x)


def _positions(size: int, new_size: int, ratio: float) -> NDArray[np.float64]:
    """Where the new voxel centers lie, in old voxel indices; both fields of view have one center."""
    return np.round((np.arange(new_size) - (new_size - 1) / 2) * ratio + (size - 1) / 2, _DIGITS + 3)


def _mirrored(index: NDArray[np.int_], size: int) -> NDArray[np.int_]:
    if size == 1:
        return np.zeros_like(index)
    period = 2 * (size - 1)
    folded: NDArray[np.int_] = np.mod(index, period)
    mirrored: NDArray[np.int_] = np.minimum(folded, period - folded)
    return mirrored


def _cubic_samples(size: int) -> NDArray[np.float64]:
    """The (size, size) matrix from cubic B-spline coefficients to samples: 1/6, 4/6, 1/6, mirrored at both ends."""
    samples = np.zeros((size, size))
    for offset, weight in ((-1, 1 / 6), (0, 4 / 6), (1, 1 / 6)):
        knots = np.arange(size)
        np.add.at(samples, (knots, _mirrored(knots + offset, size)), weight)
    return samples


def _basis(distance: NDArray[np.float64], order: int) -> NDArray[np.float64]:
    """The centered B-spline of degree ``order`` as a sum of truncated powers (Schoenberg 1946; Unser 1999, eq. 1)."""
    return _truncated_powers(distance, order, order)


def _basis_integral(distance: NDArray[np.float64], order: int) -> NDArray[np.float64]:
    """The integral of the B-spline from minus infinity: each truncated power gains a degree."""
    return _truncated_powers(distance, order, order + 1)


def _truncated_powers(distance: NDArray[np.float64], order: int, degree: int) -> NDArray[np.float64]:
    support = (order + 1) / 2
    inside = np.clip(distance, -support, support)  # beyond, both are constant; clipping spares cancellation
    total = np.zeros_like(inside)
    for term in range(order + 2):
        power = np.maximum(inside + support - term, 0.0) ** degree
        total += (-1) ** term * math.comb(order + 1, term) * power
    return total / math.factorial(degree)


def _averaged_spacing(geometry: Geometry, target: Geometry) -> Spacing:
    """The spacing (z, y, x) to average ``geometry`` to before sampling it on ``target``."""
    axes, target_axes = (np.array(grid.affine)[:3, :3] for grid in (geometry, target))
    # Width of a target voxel along each of the image's axes.
    directions = axes / np.linalg.norm(axes, axis=0)
    widths = np.abs(directions.T @ target_axes).max(axis=1)[::-1]
    z, y, x = (
        float(width) if width > AVERAGING_RATIO * own else own
        for width, own in zip(widths, geometry.spacing_mm, strict=True)
    )
    return (z, y, x)


def sitk_image(volume: Volume) -> Any:  # noqa: ANN401 - SimpleITK is untyped
    """The volume for SimpleITK, in RAS+ where ITK says LPS+: of two such images, the relation is right."""
    image = sitk.GetImageFromArray(volume.array)
    origin, direction = _origin_and_direction(volume.geometry)
    image.SetOrigin(origin)
    image.SetDirection(direction)
    image.SetSpacing(volume.geometry.spacing_mm[::-1])
    return image


def _sitk_resample(volume: Volume, geometry: Geometry, interpolator: int) -> Array:
    array: Array = sitk.GetArrayFromImage(_sitk_resampler(geometry, interpolator).Execute(sitk_image(volume)))
    return array


def _sitk_resampler(geometry: Geometry, interpolator: int) -> Any:  # noqa: ANN401 - SimpleITK is untyped
    resampler = sitk.ResampleImageFilter()
    resampler.SetNumberOfThreads(1)
    resampler.SetInterpolator(interpolator)
    resampler.SetDefaultPixelValue(0.0)
    origin, direction = _origin_and_direction(geometry)
    resampler.SetOutputOrigin(origin)
    resampler.SetOutputDirection(direction)
    resampler.SetOutputSpacing(geometry.spacing_mm[::-1])
    resampler.SetSize(_shape_xyz(geometry.shape_vox))
    return resampler


def _origin_and_direction(geometry: Geometry) -> tuple[list[float], list[float]]:
    affine = np.array(geometry.affine)
    directions = affine[:3, :3] / np.linalg.norm(affine[:3, :3], axis=0)
    return affine[:3, 3].tolist(), directions.ravel().tolist()


def _shape_xyz(shape: Shape) -> list[int]:
    return [int(size) for size in reversed(shape)]
