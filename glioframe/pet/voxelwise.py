"""Fits of many voxels at once: the brain is cut into chunks of curves that stay in the processor's cache."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING, Any

import numpy as np

from glioframe.core.errors import ImageError

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from numpy.typing import NDArray

_CHUNK_VOXELS = 8192


def map_voxels(
    fit: Callable[[NDArray[np.float32]], Mapping[str, NDArray[np.floating]]],
    series: NDArray[Any],
    *,
    mask: NDArray[np.bool_] | None = None,
    num_workers: int = 2,
) -> dict[str, NDArray[np.float32]]:
    """Maps of whatever a fit of curves returns; zero outside the mask.

    Args:
        fit: From curves ``(n, t)`` to named values ``(n,)``; called from several threads.
        series: The frames ``(t, ...)``.
        mask: Which voxels to fit ``(...)``; None for all.
        num_workers: Threads.

    Raises:
        ImageError: The mask has another shape than the frames.
    """
    shape = series.shape[1:]
    if mask is not None and mask.shape != shape:
        raise ImageError(
            "mask", expected=f"the shape of a frame, {shape}", found=f"{mask.shape}", fix="Resample the mask to the PET"
        )
    flat = series.reshape(len(series), -1)
    voxels = np.arange(flat.shape[1]) if mask is None else np.flatnonzero(mask)
    maps: dict[str, NDArray[np.float32]] = {}

    def run(chunk: NDArray[np.intp]) -> None:
        curves = np.ascontiguousarray(flat[:, chunk].T, np.float32)
        for name, values in fit(curves).items():
            maps[name].reshape(-1)[chunk] = values

    # The names of the maps are known once a first curve, even an empty one, has been fitted.
    for name in fit(np.zeros((1, len(series)), np.float32)):
        maps[name] = np.zeros(shape, np.float32)
    chunks = [voxels[start : start + _CHUNK_VOXELS] for start in range(0, len(voxels), _CHUNK_VOXELS)]
    with ThreadPoolExecutor(num_workers) as pool:
        list(pool.map(run, chunks))
    return maps
