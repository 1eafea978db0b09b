"""NIfTI files as bytes: decompression, headers and their faults, which all end here as :class:`ImageError`."""

from __future__ import annotations

import logging
import math
from typing import TYPE_CHECKING, Any, cast

import nibabel
import numpy as np
from isal import igzip, igzip_lib, isal_zlib
from nibabel.spatialimages import HeaderDataError

from glioframe.core.errors import ImageError

if TYPE_CHECKING:
    from pathlib import Path

    from numpy.typing import NDArray

    Array = NDArray[Any]

# isal's type stub declares the exception class as an instance.
_ISAL_ERROR = cast("type[Exception]", igzip_lib.IsalError)
_GZIP_MAGIC = b"\x1f\x8b"
_GZIP_WINDOW = 31  # zlib's code for "gzip header and checksum"
_FIRST_BYTES = 16384  # compressed; holds far more than a header
_HEADER_TYPES: dict[int, Any] = {348: nibabel.Nifti1Header, 540: nibabel.Nifti2Header}  # by their size in bytes
_LARGEST_HEADER_BYTES = max(_HEADER_TYPES)
_NUM_SPATIAL_AXES = 3
_SILENT = logging.getLogger("glioframe.imaging.header_repairs")  # nibabel would talk to stderr of what it mends
_SILENT.setLevel(logging.CRITICAL + 1)


def read_bytes(path: Path) -> bytes:
    """The whole file, decompressed if it is gzip, whatever its name ends with.

    Raises:
        ImageError: The file is absent, empty, cut off or damaged.
    """
    stored = _stored_bytes(path, -1)
    if not stored.startswith(_GZIP_MAGIC):
        return stored
    try:
        return bytes(igzip.decompress(stored))
    except EOFError:
        raise _damaged(path, f"a gzip stream cut off after {len(stored)} bytes") from None
    except (OSError, _ISAL_ERROR) as error:
        raise _damaged(path, f"a damaged gzip stream ({error})") from None


def read_header(path: Path) -> Any:  # noqa: ANN401 - nibabel is untyped
    """The header alone, from the first bytes of the file.

    Raises:
        ImageError: The file is absent, damaged, or not NIfTI.
    """
    stored = _stored_bytes(path, _FIRST_BYTES)
    if not stored.startswith(_GZIP_MAGIC):
        return parse_header(stored, path)
    try:
        first = isal_zlib.decompressobj(wbits=_GZIP_WINDOW).decompress(stored, max_length=_LARGEST_HEADER_BYTES)
    except _ISAL_ERROR as error:
        raise _damaged(path, f"a damaged gzip stream ({error})") from None
    return parse_header(bytes(first), path)


def parse_header(content: bytes, path: Path) -> Any:  # noqa: ANN401 - nibabel is untyped
    """The NIfTI-1 or NIfTI-2 header at the start of ``content``, in either byte order.

    Raises:
        ImageError: There is none, or it contradicts itself.
    """
    for num_bytes, header_type in _HEADER_TYPES.items():
        if content[:4] in (num_bytes.to_bytes(4, "little"), num_bytes.to_bytes(4, "big")):
            if len(content) < num_bytes:
                raise _damaged(path, f"a header cut off after {len(content)} bytes")
            try:
                header = header_type(content[:num_bytes], check=False)
                header.check_fix(logger=_SILENT)
            except (HeaderDataError, ValueError, KeyError) as error:
                raise _damaged(path, f"an illegal header ({error})") from None
            return header
    raise ImageError(
        path,
        expected="a NIfTI image",
        found=f"a file that starts with {content[:4]!r}" if content else "an empty file",
        fix="Convert it to NIfTI, e.g. with glioframe_convert",
    )


def spatial_shape_xyz(header: Any, path: Path) -> tuple[int, int, int]:  # noqa: ANN401 - nibabel is untyped
    """Voxel counts of a three-dimensional image; further axes of length 1 are passed over.

    Raises:
        ImageError: The image has fewer or more axes, or an axis without voxels.
    """
    shape = tuple(int(size) for size in header.get_data_shape())
    if len(shape) < _NUM_SPATIAL_AXES or any(size != 1 for size in shape[_NUM_SPATIAL_AXES:]):
        raise ImageError(
            path,
            expected="a three-dimensional image",
            found=f"the shape {shape} (x, y, z, ...)",
            fix="Give one volume per file; split a series or compute a static image from it",
        )
    if min(shape) < 1:
        raise ImageError(
            path,
            expected="at least one voxel along each axis",
            found=f"the shape {shape} (x, y, z)",
            fix="Export the image again",
        )
    return (shape[0], shape[1], shape[2])


def parse_voxels(content: bytes, header: Any, path: Path) -> Array:  # noqa: ANN401 - nibabel is untyped
    """The stored values (z, y, x), before slope and intercept, as a read-only view of ``content``.

    Raises:
        ImageError: The type is no real number, or the file is shorter than its header says.
    """
    dtype = header.get_data_dtype()
    if dtype.kind not in "iuf":
        raise ImageError(
            path,
            expected="one real number per voxel",
            found=f"the data type {dtype}",
            fix="Convert the image to int16 or float32",
        )
    shape = spatial_shape_xyz(header, path)
    start, count = float(header["vox_offset"]), int(np.prod(shape))
    if not (math.isfinite(start) and start >= 0):
        raise _damaged(path, f"voxels that start at byte {start}")
    offset = int(start)
    if offset + count * dtype.itemsize > len(content):
        raise _damaged(path, f"{max(len(content) - offset, 0)} of {count * dtype.itemsize} bytes of voxels")
    return np.frombuffer(content, dtype=dtype, count=count, offset=offset).reshape(shape[::-1])


def _stored_bytes(path: Path, num_bytes: int) -> bytes:
    try:
        with path.open("rb") as stream:
            return stream.read(num_bytes)
    except FileNotFoundError:
        raise ImageError(path, expected="an image", found="no file", fix="Correct the path") from None
    except IsADirectoryError:
        raise ImageError(path, expected="an image", found="a folder", fix="Give the file") from None


def _damaged(path: Path, found: str) -> ImageError:
    return ImageError(path, expected="a complete NIfTI image", found=found, fix="Copy or export the file again")
