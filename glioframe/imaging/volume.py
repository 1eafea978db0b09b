"""Volumes: arrays (z, y, x) that know where they stand in the patient.

Whatever orientation a file is stored in, a volume's axes run to the patient's superior, anterior and right
(RAS+ when read x, y, z). Getting there only flips and permutes axes; no value is interpolated.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import nibabel
import numpy as np
from isal import igzip
from nibabel.orientations import apply_orientation, inv_ornt_aff, io_orientation
from nibabel.spatialimages import HeaderDataError
from numpy.typing import NDArray

from glioframe.core.errors import ImageError
from glioframe.core.files import write_bytes_atomically
from glioframe.core.geometry import Affine, Geometry
from glioframe.imaging.nifti_file import parse_header, parse_voxels, read_bytes, read_header, spatial_shape_xyz

if TYPE_CHECKING:
    from pathlib import Path

Array = NDArray[Any]

_LARGEST_SHEAR = 1e-3  # cosine between two axes
_MILLIMETRES = ("mm", "unknown")  # files without a unit mean mm by long custom
_INT16 = np.iinfo(np.int16)
_COMPRESSION_LEVEL = 2  # smallest of isal's levels on MRI; within 1 % of zlib's size at a fifth of the time


@dataclass(frozen=True)
class Volume:
    """One volume on its grid.

    Attributes:
        array: Values (z, y, x).
        geometry: The grid; its shape is the array's.
    """

    array: Array
    geometry: Geometry

    def __post_init__(self) -> None:
        """Refuses a geometry of another shape: a programmer's mistake, not a user's."""
        assert self.array.shape == self.geometry.shape_vox, "a volume's array and geometry have one shape"


def read_volume(path: Path) -> Volume:
    """Reads a NIfTI image as float32, slope and intercept applied, axes RAS+.

    Raises:
        ImageError: The file is no complete three-dimensional image in a known place.
    """
    content = read_bytes(path)
    return decode_volume(content, parse_header(content, path), path)


def decode_volume(content: bytes, header: Any, path: Path) -> Volume:  # noqa: ANN401 - nibabel is untyped
    """The volume that ``header`` finds in a decompressed file; see :func:`read_volume`."""
    stored_zyx = parse_voxels(content, header, path)
    slope, intercept = _scaling(header, path)
    array, geometry = _reorient(stored_zyx, header, path)
    with np.errstate(over="ignore", invalid="ignore"):  # what float32 cannot hold becomes infinite, for checks to find
        values = np.ascontiguousarray(array, dtype=np.float32)
        if (slope, intercept) != (1.0, 0.0):  # not in place: values may still be the file's own bytes
            values = values * np.float32(slope)
            values += np.float32(intercept)
    return Volume(values, geometry)


def read_label(path: Path) -> Volume:
    """Reads a label image as int16, axes RAS+.

    Raises:
        ImageError: As for :func:`read_volume`, or a value is not a whole number.
    """
    header, stored_zyx = _read(path)
    slope, intercept = _scaling(header, path)
    array, geometry = _reorient(stored_zyx, header, path)
    if (slope, intercept) != (1.0, 0.0):
        array = array * slope + intercept
    return Volume(_as_int16(array, path), geometry)


def read_geometry(path: Path) -> Geometry:
    """The grid that :func:`read_volume` would give, from the first bytes of the file.

    Raises:
        ImageError: The header is no legal header of a three-dimensional image.
    """
    header = read_header(path)
    _, geometry = _orientation(header, path)
    return geometry


def write_volume(volume: Volume, path: Path) -> None:
    """Writes NIfTI, gzipped if the name ends with ``.gz``: floats as float32, integers and booleans as int16.

    Atomic; equal volumes give equal bytes.

    Raises:
        ImageError: An integer does not fit into int16.
    """
    is_float = volume.array.dtype.kind == "f"
    stored = volume.array.astype(np.float32, copy=False) if is_float else _as_int16(volume.array, path)
    image = nibabel.Nifti1Image(stored.T, np.array(volume.geometry.affine))
    image.header.set_xyzt_units("mm")
    image.set_sform(image.affine, code="scanner")
    image.set_qform(image.affine, code="scanner")
    content = image.to_bytes()
    if path.suffix == ".gz":
        content = igzip.compress(content, _COMPRESSION_LEVEL, mtime=0)
    write_bytes_atomically(path, content)


def affine_from_array(matrix: Array) -> Affine:
    """A 4 x 4 matrix as plain numbers; -0.0 becomes 0.0, so that equal affines are written equally."""
    rows = [[float(value) + 0.0 for value in row] for row in matrix]
    first, second, third, last = ((row[0], row[1], row[2], row[3]) for row in rows)
    return (first, second, third, last)


def _read(path: Path) -> tuple[Any, Array]:
    content = read_bytes(path)
    header = parse_header(content, path)
    return header, parse_voxels(content, header, path)


def _scaling(header: Any, path: Path) -> tuple[float, float]:  # noqa: ANN401 - nibabel is untyped
    try:
        slope, intercept = header.get_slope_inter()
    except HeaderDataError as error:
        raise ImageError(
            path,
            expected="a finite slope and intercept",
            found=str(error),
            fix="Export the image again",
        ) from None
    return (1.0 if slope is None else float(slope), 0.0 if intercept is None else float(intercept))


def _reorient(stored_zyx: Array, header: Any, path: Path) -> tuple[Array, Geometry]:  # noqa: ANN401 - nibabel is untyped
    orientation, geometry = _orientation(header, path)
    return apply_orientation(stored_zyx.T, orientation).T, geometry


def _orientation(header: Any, path: Path) -> tuple[Array, Geometry]:  # noqa: ANN401 - nibabel is untyped
    """How stored axes map to RAS+, and the grid after doing so."""
    shape_xyz = spatial_shape_xyz(header, path)
    stored_affine = _stored_affine(header, path)
    orientation = io_orientation(stored_affine)
    affine = stored_affine @ inv_ornt_aff(orientation, shape_xyz)
    turned = [shape_xyz[int(np.flatnonzero(orientation[:, 0] == axis)[0])] for axis in (2, 1, 0)]
    shape_zyx = (turned[0], turned[1], turned[2])
    return orientation, Geometry(shape_vox=shape_zyx, affine=affine_from_array(affine))


def _stored_affine(header: Any, path: Path) -> Array:  # noqa: ANN401 - nibabel is untyped
    if int(header["sform_code"]) <= 0 and int(header["qform_code"]) <= 0:
        raise ImageError(
            path,
            expected="an orientation (sform_code or qform_code above 0)",
            found="none, so that left and right are unknown",
            fix="Export the image again with its orientation",
        )
    unit = _length_unit(header)
    if unit not in _MILLIMETRES:
        raise ImageError(path, expected="lengths in mm", found=unit, fix="Rewrite the header in mm")
    affine = _best_affine(header)
    with np.errstate(over="ignore", invalid="ignore"):
        lengths = np.linalg.norm(affine[:3, :3], axis=0)
    if not (np.isfinite(affine).all() and lengths.min() > 0.0 and np.isfinite(lengths).all()):
        raise ImageError(
            path,
            expected="an affine of finite numbers with three axes of positive length",
            found=str(affine[:3].tolist()),
            fix="Export the image again, or correct its header",
        )
    directions = affine[:3, :3] / lengths
    shear = np.abs(directions.T @ directions - np.eye(3)).max()
    if shear > _LARGEST_SHEAR:
        raise ImageError(
            path,
            expected=f"axes at right angles (cosine below {_LARGEST_SHEAR:g})",
            found=f"a sheared affine (cosine {shear:.3g})",
            fix="Resample the image onto a rectangular grid",
        )
    return affine


def _length_unit(header: Any) -> str:  # noqa: ANN401 - nibabel is untyped
    try:
        return str(header.get_xyzt_units()[0])
    except KeyError:
        return f"a unit of unknown code {int(header['xyzt_units'])}"


def _best_affine(header: Any) -> NDArray[np.float64]:  # noqa: ANN401 - nibabel is untyped
    """The sform, else the qform; NaN where the header holds no rotation."""
    try:
        with np.errstate(all="ignore"):
            return np.asarray(header.get_best_affine(), dtype=np.float64)
    except (HeaderDataError, ValueError):
        return np.full((4, 4), np.nan)


def _as_int16(array: Array, path: Path) -> NDArray[np.int16]:
    if array.dtype.kind == "b":
        return array.astype(np.int16)
    low, high = array.min(), array.max()
    if not (_INT16.min <= low and high <= _INT16.max):  # false for NaN, too
        raise ImageError(
            path,
            expected=f"whole numbers from {_INT16.min} to {_INT16.max}",
            found=f"values from {low} to {high}",
            fix="Renumber the labels",
        )
    labels = np.ascontiguousarray(array, dtype=np.int16)
    if array.dtype.kind == "f" and not np.array_equal(labels, array):
        fraction = float(array[labels != array][0])
        raise ImageError(
            path,
            expected="whole numbers only",
            found=f"{fraction:g}",
            fix="Give label values, resampled by nearest neighbor",
        )
    return labels
