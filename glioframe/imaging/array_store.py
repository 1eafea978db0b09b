"""Compressed arrays on disk that give out a patch without reading the rest.

blosc2 compresses small bricks independently. A brick is one channel's cube of 32 voxels (128 KiB of float32, which
fits a core's cache, nnU-Net's rule too); 64 of them form a chunk, so that a patch touches few places of the file.
"""

from __future__ import annotations

import os
from typing import TYPE_CHECKING, Any

import blosc2
import numpy as np
from numpy.typing import NDArray

from glioframe.core.errors import ImageError
from glioframe.core.files import atomic_path

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

Array = NDArray[Any]

_BRICK_EDGE = 32
_CHUNK_EDGE = 64
_NUM_SPATIAL_AXES = 3
# One thread: several would write the same bricks in a varying order, and equal arrays must give equal bytes.
_COMPRESSION = {"codec": blosc2.Codec.LZ4, "clevel": 5, "filters": [blosc2.Filter.SHUFFLE], "nthreads": 1}
_DECOMPRESSION = {"nthreads": 1}
# Mapped files are read without a copy in between; blosc2 cannot map them on Windows. Files are only ever replaced
# whole, so a mapped one never shrinks.
_MAPPING = {} if os.name == "nt" else {"mmap_mode": "r"}


def save_array(array: Array, path: Path) -> None:
    """Writes an array (..., z, y, x) as ``.b2nd``; atomic, and equal arrays give equal bytes."""
    content = np.ascontiguousarray(array)
    stored = blosc2.asarray(
        content,
        chunks=_tile(content.shape, _CHUNK_EDGE),
        blocks=_tile(content.shape, _BRICK_EDGE),
        cparams=_COMPRESSION,
        dparams=_DECOMPRESSION,
        contiguous=True,
    )
    with atomic_path(path) as partial:
        partial.write_bytes(stored.to_cframe())


def load_array(path: Path) -> Array:
    """Reads the whole array.

    Raises:
        ImageError: The file is absent or damaged.
    """
    array: Array = _open(path)[...]
    return array


def load_patch(path: Path, *, start_zyx: Sequence[int], shape_zyx: Sequence[int], fill: float = 0.0) -> Array:
    """Reads a box of the last three axes and of all channels; outside of the array stands ``fill``.

    Args:
        path: A file of :func:`save_array`.
        start_zyx: First voxel of the box; may be negative.
        shape_zyx: Edges of the box in voxels.
        fill: Value outside of the array.

    Raises:
        ImageError: The file is absent or damaged.
    """
    stored = _open(path)
    spatial = stored.shape[-_NUM_SPATIAL_AXES:]
    leading = stored.shape[:-_NUM_SPATIAL_AXES]
    inside = [
        (max(start, 0), min(start + size, available))
        for start, size, available in zip(start_zyx, shape_zyx, spatial, strict=True)
    ]
    source = tuple(slice(first, last) for first, last in inside)
    if all(last - first == size for (first, last), size in zip(inside, shape_zyx, strict=True)):
        whole: Array = stored[(..., *source)]
        return whole
    patch: Array = np.full((*leading, *shape_zyx), fill, dtype=stored.dtype)
    if all(first < last for first, last in inside):
        target = tuple(
            slice(first - start, last - start) for (first, last), start in zip(inside, start_zyx, strict=True)
        )
        every = (slice(None),) * len(leading)
        patch[every + target] = stored[every + source]
    return patch


def array_shape(path: Path) -> tuple[int, ...]:
    """The shape of a stored array.

    Raises:
        ImageError: The file is absent or damaged.
    """
    return tuple(int(size) for size in _open(path).shape)


def _tile(shape: tuple[int, ...], edge: int) -> tuple[int, ...]:
    num_leading = len(shape) - _NUM_SPATIAL_AXES
    return tuple(1 if axis < num_leading else min(size, edge) for axis, size in enumerate(shape))


def _open(path: Path) -> Any:  # noqa: ANN401 - blosc2 is untyped
    if not path.is_file():
        raise ImageError(path, expected="a stored array", found="no file", fix="Preprocess the case again")
    try:
        return blosc2.open(str(path), mode="r", dparams=_DECOMPRESSION, **_MAPPING)
    except (RuntimeError, ValueError, OSError) as error:
        raise ImageError(
            path, expected="a complete blosc2 array", found=str(error), fix="Delete it and preprocess the case again"
        ) from None
