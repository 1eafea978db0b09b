"""Dynamic images: one volume per frame on one grid, as a 4D NIfTI file."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import nibabel
import numpy as np
from isal import igzip

from glioframe.core.errors import ImageError
from glioframe.core.files import write_bytes_atomically
from glioframe.imaging.nifti_file import parse_header, read_bytes
from glioframe.imaging.volume import Array, decode_volume

if TYPE_CHECKING:
    from pathlib import Path

    from glioframe.core.geometry import Geometry

_NUM_AXES = 4
_COMPRESSION_LEVEL = 2  # as for volumes


@dataclass(frozen=True)
class Series:
    """Frames on one grid.

    Attributes:
        array: Values (t, z, y, x), float32.
        geometry: The grid of each frame.
    """

    array: Array
    geometry: Geometry

    def __post_init__(self) -> None:
        """Refuses a geometry of another shape: a programmer's mistake, not a user's."""
        assert self.array.shape[1:] == self.geometry.shape_vox, "a series' frames and geometry have one shape"


def read_series(path: Path) -> Series:
    """Reads a 4D NIfTI image as float32, slope and intercept applied, spatial axes RAS+. A 3D image is one frame.

    Raises:
        ImageError: The file is no complete series of images in a known place.
    """
    content = read_bytes(path)
    header = parse_header(content, path)
    num_frames, frame_header = _frames(header, path)
    offset = int(header["vox_offset"])
    frame_bytes = int(np.prod(frame_header.get_data_shape())) * header.get_data_dtype().itemsize
    frames: Array = np.empty(0)
    for index in range(num_frames):
        start = offset + index * frame_bytes
        frame = decode_volume(content[start : start + frame_bytes], frame_header, path)
        if index == 0:
            frames = np.empty((num_frames, *frame.array.shape), dtype=np.float32)
        frames[index] = frame.array
    return Series(frames, frame.geometry)


def write_series(series: Series, path: Path) -> None:
    """Writes 4D NIfTI of float32, gzipped if the name ends with ``.gz``; atomic, equal series give equal bytes."""
    stored = series.array.astype(np.float32, copy=False)
    image = nibabel.Nifti1Image(stored.T, np.array(series.geometry.affine))
    image.header.set_xyzt_units("mm", "sec")
    image.set_sform(image.affine, code="scanner")
    image.set_qform(image.affine, code="scanner")
    content = image.to_bytes()
    if path.suffix == ".gz":
        content = igzip.compress(content, _COMPRESSION_LEVEL, mtime=0)
    write_bytes_atomically(path, content)


def _frames(header: Any, path: Path) -> tuple[int, Any]:  # noqa: ANN401 - nibabel is untyped
    """The number of frames, and a header for one frame that is cut out of the file."""
    shape = tuple(int(size) for size in header.get_data_shape())
    if len(shape) < _NUM_AXES - 1 or any(size != 1 for size in shape[_NUM_AXES:]) or min(shape) < 1:
        raise ImageError(
            path,
            expected="a four-dimensional image",
            found=f"the shape {shape} (x, y, z, t, ...)",
            fix="Give one series of frames per file",
        )
    frame_header = header.copy()
    frame_header.set_data_shape(shape[: _NUM_AXES - 1])
    frame_header["vox_offset"] = 0
    return shape[_NUM_AXES - 1] if len(shape) >= _NUM_AXES else 1, frame_header
