"""From a channel's own scale to network input."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from glioframe.core.errors import ImageError

if TYPE_CHECKING:
    from pathlib import Path

    from glioframe.artifacts.plan import Normalization
    from glioframe.imaging.brain import Mask

Array = NDArray[Any]

_MAD_TO_STD = 1.4826  # of a normal distribution: 1 / (sqrt(2) erfinv(1/2))
_LEAST_SPREAD = 1e-4  # of the range of values; below lie a constant's ripples from resampling


def normalize(values: Array, normalization: Normalization, *, brain: Mask, path: Path) -> None:
    """Normalizes a channel (z, y, x) in place.

    Args:
        values: Float32.
        normalization: The scheme. ``robust_z_score`` centers on the brain's median and divides by its robust
            standard deviation: unlike mean and standard deviation, they do not follow a large bright tumor.
            ``fixed_scale`` divides by one number and does nothing else, so that a quantity stays a quantity.
        brain: Where the statistics are taken: the brain, as far as the image shows it.
        path: The image, for the error.

    Raises:
        ImageError: The image shows nothing of the brain, or half of the brain has one single value, so that there is
            no spread to divide by.
    """
    if not brain.any():
        raise ImageError(
            path,
            expected="an image that shows some of the brain",
            found="none of it inside of the image's field of view",
            fix="Check that the case's images share the world space, or remove this one from the case",
        )
    if normalization.scheme == "fixed_scale":
        values /= np.float32(normalization.scale)
        return
    inside = values[brain]
    median = np.median(inside)
    inside -= median
    spread = np.float32(_MAD_TO_STD) * np.median(np.abs(inside, out=inside))
    if spread <= _LEAST_SPREAD * np.ptp(values):
        raise ImageError(
            path,
            expected="values that vary inside of the brain",
            found=f"{median:g} in at least half of its voxels",
            fix="Look at the image; remove it from the case if it is empty",
        )
    values -= median
    values /= spread
