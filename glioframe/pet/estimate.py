"""A map with its standard error."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Iterator

    from numpy.typing import NDArray

_CHUNK_VALUES = 4_000_000  # 16 MB of float32: temporaries stay small next to the series itself


@dataclass(frozen=True, slots=True, eq=False)
class Estimate:
    """One number per voxel, and how far it may be off.

    Attributes:
        value: The map, of the series' shape without its first axis.
        standard_error: Its standard error from the noise of the frames; None when the noise is not known.
    """

    value: NDArray[np.float32]
    standard_error: NDArray[np.float32] | None = None


def weighted_sum(series: NDArray[Any], weights: NDArray[np.float64], *, sigma: NDArray[Any] | None = None) -> Estimate:
    """A fixed linear combination of the frames, whose standard error is exact for independent frames.

    Args:
        series: ``(t, ...)``.
        weights: ``(t,)``.
        sigma: Standard deviation of the noise, ``(t,)`` for all voxels alike or of the series' shape.
    """
    factors = weights.astype(np.float32)
    value = np.tensordot(factors, np.asarray(series, dtype=np.float32), axes=1).astype(np.float32)
    if sigma is None:
        return Estimate(value)
    if sigma.ndim == 1:
        error = float(np.sqrt(np.sum((weights * sigma) ** 2)))
        return Estimate(value, np.full_like(value, error))
    errors = np.empty(value.size, dtype=np.float32)
    flat = sigma.reshape(len(sigma), -1)
    for voxels in voxel_chunks(*flat.shape):
        errors[voxels] = np.sqrt(np.einsum("t,tv->v", factors**2, flat[:, voxels] ** 2, optimize=True))
    return Estimate(value, errors.reshape(value.shape))


def voxel_chunks(num_rows: int, num_voxels: int) -> Iterator[slice]:
    """Slices of the voxels such that an array ``(num_rows, voxels)`` of each stays small."""
    step = max(1, _CHUNK_VALUES // max(1, num_rows))
    for start in range(0, num_voxels, step):
        yield slice(start, min(start + step, num_voxels))
