"""Where the brain is: a mask for statistics, and the box that preprocessing crops to.

This is no skull stripping. Of an image that was skull-stripped, the mask is exact; of one with its skull, it is the
inside of the head, good enough to leave out air and neck.
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

if TYPE_CHECKING:
    from collections.abc import Sequence

    from glioframe.artifacts.fingerprint import Box
    from glioframe.core.geometry import Spacing
    from glioframe.imaging.volume import Volume

Array = NDArray[Any]
Mask = NDArray[np.bool_]

# A stripped brain is an island of values in a sea of exact zeros. An acquired image has noise in the air, or zeros
# only outside of a cylinder that the ends of the volume cut through.
_LEAST_ZERO_FRACTION = 0.2
_LARGEST_FACE_FRACTION = 0.25
_COARSE_MM = 4.0  # masks of heads are found at this spacing: morphology by a voxel then means 4 mm
_PADDING = 3
_NUM_BINS = 256
_SAMPLE_STRIDE = 3
_BRIGHT_PERCENTILE = 98.0  # fat and vessels above it would pull Otsu's threshold up
MARGIN_MM = 4.0


def is_skull_stripped(volumes: Sequence[Volume]) -> bool:
    """Whether everything outside of the brain was set to exactly zero in all channels."""
    return _is_stripped(_nonzero(volumes))


def brain_mask(volumes: Sequence[Volume]) -> Mask:
    """A mask (z, y, x) of the brain, with its holes filled, from channels on one grid.

    Skull-stripped images give the voxels that are nonzero in any channel; others the largest body above Otsu's
    threshold. A volume without any contrast gives all of itself.

    Args:
        volumes: At least one, of any modality.
    """
    nonzero = _nonzero(volumes)
    mask = _fill_holes(nonzero) if _is_stripped(nonzero) else _head_mask(volumes)
    return mask if mask.any() else np.ones_like(mask)


def bounding_box(mask: Mask) -> Box | None:
    """The smallest box that holds all of the mask; None for an empty mask."""
    if not mask.any():
        return None
    in_plane: Mask = np.asarray(mask.any(axis=0))
    z, y, x = (np.flatnonzero(along) for along in (mask.any(axis=(1, 2)), in_plane.any(axis=1), in_plane.any(axis=0)))
    return ((int(z[0]), int(z[-1]) + 1), (int(y[0]), int(y[-1]) + 1), (int(x[0]), int(x[-1]) + 1))


def brain_box(brain: Mask, lesion: Mask | None, spacing_mm: Spacing, *, margin_mm: float = MARGIN_MM) -> Box:
    """The box around brain and lesion, wider by a margin on each side, inside of the image.

    The lesion counts, because one at the brain's edge may lie outside of a mask.
    """
    boxes = [box for box in (bounding_box(brain), None if lesion is None else bounding_box(lesion)) if box is not None]
    z, y, x = (
        (
            max(0, min(box[axis][0] for box in boxes) - math.ceil(margin_mm / spacing_mm[axis])),
            min(brain.shape[axis], max(box[axis][1] for box in boxes) + math.ceil(margin_mm / spacing_mm[axis])),
        )
        for axis in range(3)
    )
    return (z, y, x)


def _nonzero(volumes: Sequence[Volume]) -> Mask:
    mask: Mask = volumes[0].array != 0
    for volume in volumes[1:]:
        mask |= volume.array != 0
    return mask


def _is_stripped(nonzero: Mask) -> bool:
    faces = [nonzero[0], nonzero[-1], nonzero[:, 0], nonzero[:, -1], nonzero[:, :, 0], nonzero[:, :, -1]]
    face_fraction = sum(int(face.sum()) for face in faces) / sum(face.size for face in faces)
    return bool(1.0 - nonzero.mean() >= _LEAST_ZERO_FRACTION and face_fraction <= _LARGEST_FACE_FRACTION)


def _fill_holes(mask: Mask) -> Mask:
    """Adds what the mask encloses: the background outside of its box is never looked at."""
    box = bounding_box(mask)
    if box is None:
        return mask
    crop = tuple(slice(first, last) for first, last in box)
    background = np.pad(~mask[crop], 1, constant_values=True)
    components, _ = ndimage.label(background)
    filled = mask.copy()
    filled[crop] = (components != components[0, 0, 0])[1:-1, 1:-1, 1:-1]
    return filled


def _head_mask(volumes: Sequence[Volume]) -> Mask:
    shape = volumes[0].array.shape
    factors = [max(1, round(_COARSE_MM / spacing)) for spacing in volumes[0].geometry.spacing_mm]
    foreground = sum(_foreground(_block_mean(volume.array, factors)).astype(int) for volume in volumes)
    # A voxel belongs to the head if at least half of the channels say so: one lacks bone, another fluid.
    head = np.pad(2 * foreground >= len(volumes), _PADDING, mode="edge")  # morphology eats into an array's border
    body = _largest_component(ndimage.binary_opening(head))
    body = ndimage.binary_closing(body, iterations=2)[(slice(_PADDING, -_PADDING),) * 3]
    for axis, factor in enumerate(factors):
        body = np.repeat(body, factor, axis=axis)
    return _fill_holes(body[: shape[0], : shape[1], : shape[2]])


def _block_mean(array: Array, factors: Sequence[int]) -> Array:
    """Means over blocks; an incomplete block at the end repeats its last voxels."""
    for axis, factor in enumerate(factors):
        if factor > 1:
            starts = np.arange(0, array.shape[axis], factor)
            sizes = np.diff(np.append(starts, array.shape[axis]))
            shape = [1, 1, 1]
            shape[axis] = len(sizes)
            array = np.add.reduceat(array, starts, axis=axis) / sizes.reshape(shape).astype(np.float32)
    return array


def _foreground(array: Array) -> Mask:
    bright = np.percentile(array[::_SAMPLE_STRIDE, ::_SAMPLE_STRIDE, ::_SAMPLE_STRIDE], _BRIGHT_PERCENTILE)
    return array > _otsu_threshold(np.minimum(array, bright))


def _otsu_threshold(values: Array) -> float:
    """The threshold that maximizes the variance between the two classes (Otsu 1979)."""
    if values.min() == values.max():
        return float(values.max())
    # In float64, because float32 cannot tell the edges of bins apart where the values hardly differ.
    counts, edges = np.histogram(values.astype(np.float64), bins=_NUM_BINS)
    centers = (edges[:-1] + edges[1:]) / 2
    below, above = np.cumsum(counts), np.cumsum(counts[::-1])[::-1]
    mean_below = np.cumsum(counts * centers) / np.maximum(below, 1)
    mean_above = np.cumsum((counts * centers)[::-1])[::-1] / np.maximum(above, 1)
    between = below[:-1] * above[1:] * (mean_below[:-1] - mean_above[1:]) ** 2.0
    return float(edges[int(np.argmax(between)) + 1])


def _largest_component(mask: Mask) -> Mask:
    components, count = ndimage.label(mask)
    if count == 0:
        return mask
    largest: Mask = components == np.argmax(np.bincount(components.ravel())[1:]) + 1
    return largest
