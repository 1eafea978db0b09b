"""Reads one patch of a case and augments it, for tasks that see many patches of a case."""

from __future__ import annotations

from typing import TYPE_CHECKING

import torch

from glioframe.augmentation.augment_patch import augment_patch
from glioframe.imaging.array_store import array_shape, load_patch

if TYPE_CHECKING:
    from pathlib import Path

    from glioframe.augmentation.patch_parameters import PatchParameters
    from glioframe.core.geometry import Shape


def load_augmented_patch(
    image_path: Path, labels_path: Path | None, parameters: PatchParameters, *, start_vox: Shape, patch_size_vox: Shape
) -> tuple[torch.Tensor, torch.Tensor | None]:
    """The patch (c, z, y, x) and its labels (z, y, x), augmented; zero outside of the case.

    Only what the change needs is read: mostly the bare patch.

    Args:
        image_path: Blosc2 array (c, z, y, x).
        labels_path: Blosc2 array (z, y, x); None without labels.
        parameters: What to do to this patch.
        start_vox: First voxel (z, y, x) of the patch; may be negative.
        patch_size_vox: Of the patch.

    Raises:
        ImageError: A file is absent or damaged.
    """
    size = parameters.source_size_vox(patch_size_vox)
    ends = [
        (first - (edge - kept) // 2, first + (edge + kept) // 2)
        for first, edge, kept in zip(start_vox, size, patch_size_vox, strict=True)
    ]
    if parameters.sampling_33 is not None:  # what lies outside of the case need not be stored to be sampled as zero
        shape = array_shape(image_path)[1:]
        ends = [_within(end, available) for end, available in zip(ends, shape, strict=True)]
    box = [first for first, _ in ends], [last - first for first, last in ends]
    image, labels = (
        None if path is None else torch.from_numpy(load_patch(path, start_zyx=box[0], shape_zyx=box[1]))
        for path in (image_path, labels_path)
    )
    assert image is not None
    shift = [
        first + kept / 2 - (source_first + source_last) / 2
        for first, kept, (source_first, source_last) in zip(start_vox, patch_size_vox, ends, strict=True)
    ]
    return augment_patch(image, labels, parameters, patch_size_vox=patch_size_vox, shift_vox=shift)


def _within(end: tuple[int, int], available: int) -> tuple[int, int]:
    """The part of a range that lies in the case; one voxel where none does."""
    first = min(max(0, end[0]), available - 1)
    return first, max(first + 1, min(end[1], available))
