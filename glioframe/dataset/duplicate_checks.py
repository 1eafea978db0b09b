"""Finds the same image under two case ids, also after rescaling, cropping or lossy conversion."""

from __future__ import annotations

from collections import defaultdict
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from glioframe.dataset.findings import error, warning

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping, Sequence

    from numpy.typing import NDArray

    from glioframe.artifacts.cases import Case
    from glioframe.artifacts.preflight import Finding
    from glioframe.imaging.volume import Array

_CELLS_PER_AXIS = 20
_MIN_CORRELATION = 0.98
_MIN_COMMON_CELLS = 100
_MIN_ROW_SHARE = 0.01


@dataclass(frozen=True)
class Thumbnail:
    """A coarse view of what an image shows, whatever its grid and scale.

    Attributes:
        cells: Mean intensity in 20 x 20 x 20 cells of the head's box, flat.
        inside: Which cells lie in the head.
    """

    cells: NDArray[np.float32]
    inside: NDArray[np.bool_]


def make_thumbnail(array: Array) -> Thumbnail:
    """Reduces a volume (z, y, x) of finite values."""
    foreground = array > array.mean()
    box = _box(foreground)
    cells, inside = array[box], foreground[box].astype(np.float32)
    for axis in range(3):
        cells, inside = _cell_means(cells, axis), _cell_means(inside, axis)
    return Thumbnail(cells.ravel().astype(np.float32), inside.ravel() > 0.5)  # noqa: PLR2004 - more than half


def check_duplicates(
    thumbnails: Mapping[str, Mapping[str, Thumbnail]],
    cases: Iterable[Case],
    file_names: Mapping[str, Mapping[str, str]],
) -> Iterator[Finding]:
    """One finding for each case that shows the same image as an earlier one.

    Args:
        thumbnails: By case id, then by channel name.
        cases: All cases.
        file_names: Where the images are, by case id, then by channel name.
    """
    by_id = {case.case_id: case for case in cases}
    for (earlier, later), channels in sorted(_duplicate_pairs(thumbnails).items()):
        first, second = by_id[earlier], by_id[later]
        other_split = first.split != second.split
        same_subject = first.subject_id == second.subject_id
        say = warning if same_subject and not other_split else error
        yield say(
            "different_images",
            file_names[later][channels[0]],
            expected="an image of its own for every case",
            found=f"the image of case {earlier} ({first.split}, subject {first.subject_id}) in {', '.join(channels)}",
            fix=f"Replace the image, or remove one of the cases {earlier} and {later}"
            + (": what is trained on must not be evaluated on" if other_split else ""),
            case_id=later,
        )


def _duplicate_pairs(thumbnails: Mapping[str, Mapping[str, Thumbnail]]) -> dict[tuple[str, str], list[str]]:
    """Channels that are alike, by pair of cases; of many alike, each with the first only."""
    pairs: defaultdict[tuple[str, str], list[str]] = defaultdict(list)
    channels = sorted({channel for views in thumbnails.values() for channel in views})
    for channel in channels:
        case_ids = sorted(case_id for case_id, views in thumbnails.items() if channel in views)
        alike = correlations([thumbnails[case_id][channel] for case_id in case_ids]) >= _MIN_CORRELATION
        for later, row in enumerate(alike):
            earlier = np.flatnonzero(row[:later])
            if earlier.size:
                pairs[case_ids[int(earlier[0])], case_ids[later]].append(channel)
    return pairs


def correlations(thumbnails: Sequence[Thumbnail]) -> NDArray[np.float64]:
    """Correlation of every pair over the cells that lie in both heads; 0 where too few do."""
    mask = np.array([view.inside for view in thumbnails], dtype=np.float64)
    values = np.array([view.cells for view in thumbnails], dtype=np.float64)
    # Centered and scaled first: only differences of large sums follow.
    means = (values * mask).sum(1, keepdims=True) / np.maximum(mask.sum(1, keepdims=True), 1)
    values = (values - means) * mask
    values /= np.maximum(np.sqrt((values**2).mean(1, keepdims=True)), np.finfo(np.float64).tiny)
    count = np.maximum(mask @ mask.T, 1)
    mean, square = values @ mask.T / count, values**2 @ mask.T / count  # of the row's values, over common cells
    variance = np.maximum(square - mean**2, np.finfo(np.float64).eps)
    covariance = values @ values.T / count - mean * mean.T
    result: NDArray[np.float64] = covariance / np.sqrt(variance * variance.T)
    return np.where(count >= _MIN_COMMON_CELLS, result, 0.0)


def _box(foreground: NDArray[np.bool_]) -> tuple[slice, slice, slice]:
    """The bounds of the head along each axis, without rows that hold a few stray voxels only."""
    slices = []
    for axis in range(3):
        counts = foreground.sum(axis=tuple(other for other in range(3) if other != axis))
        filled = np.flatnonzero(counts > _MIN_ROW_SHARE * counts.max())
        slices.append(slice(int(filled[0]), int(filled[-1]) + 1) if filled.size else slice(None))
    return (slices[0], slices[1], slices[2])


def _cell_means(array: Array, axis: int) -> Array:
    edges = np.arange(_CELLS_PER_AXIS + 1) * array.shape[axis] // _CELLS_PER_AXIS
    sums: Array = np.add.reduceat(array, edges[:-1], axis=axis, dtype=np.float64)
    shape = [1, 1, 1]
    shape[axis] = _CELLS_PER_AXIS
    means: Array = sums / np.maximum(np.diff(edges), 1).reshape(shape)
    return means
