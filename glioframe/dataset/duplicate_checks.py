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
    from glioframe.artifacts.raw_dataset import CaseFiles
    from glioframe.imaging.volume import Array

_CELLS_PER_AXIS = 20
# Different patients in one template space (BraTS 2018, 8 patients, 4 sequences) correlate by 0.76 at most. A copy that
# was shifted, rescaled, clipped or given noise keeps 0.99, a cropped, resampled or rotated one 0.93 to 0.99.
_SAME = 0.99
_SIMILAR = 0.93
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
    foreground = array > array.mean(dtype=np.float64)
    box = _box(foreground)
    cells, inside = array[box], foreground[box].astype(np.float32)
    for axis in range(3):
        cells, inside = _cell_means(cells, axis), _cell_means(inside, axis)
    return Thumbnail(cells.ravel().astype(np.float32), inside.ravel() > 0.5)  # noqa: PLR2004 - more than half


def check_duplicates(
    thumbnails: Mapping[str, Mapping[str, Thumbnail]],
    files: Iterable[CaseFiles],
    cases: Iterable[Case],
    channel_names: Sequence[str],
) -> Iterator[Finding]:
    """One finding for each case that shows the same image as an earlier one.

    Args:
        thumbnails: By case id, then by channel name.
        files: Of all cases.
        cases: All cases.
        channel_names: In file order.
    """
    paths = {case.case_id: dict(zip(channel_names, case.channels, strict=True)) for case in files}
    by_id = {case.case_id: case for case in cases}
    for (earlier, later), alike in sorted(_similar_pairs(thumbnails, channel_names).items()):
        first, second = by_id[earlier], by_id[later]
        same_image, same_subject = max(alike.values()) >= _SAME, first.subject_id == second.subject_id
        if same_subject and not same_image:
            continue  # two visits of one subject do look alike
        leaking = first.split != second.split
        say = error if same_image and (leaking or not same_subject) else warning
        channels = ", ".join(f"{channel} (correlation {value:.3f})" for channel, value in alike.items())
        yield say(
            "different_images",
            str(paths[later][next(iter(alike))]),
            expected="an image of its own for every case",
            found=f"that of case {earlier} (subject {first.subject_id}, {first.split}) in channel {channels}",
            fix=f"Replace the image, or remove one of the cases {earlier} and {later}"
            + (": nothing may be learned from an external case" if leaking else ""),
            case_id=later,
        )


def _similar_pairs(
    thumbnails: Mapping[str, Mapping[str, Thumbnail]], channel_names: Sequence[str]
) -> dict[tuple[str, str], dict[str, float]]:
    """Correlation by channel, by pair of cases that look alike; of many alike, each with the first only."""
    pairs: defaultdict[tuple[str, str], dict[str, float]] = defaultdict(dict)
    for channel in channel_names:
        case_ids = sorted(case_id for case_id, views in thumbnails.items() if channel in views)
        if not case_ids:
            continue
        table = correlations([thumbnails[case_id][channel] for case_id in case_ids])
        for later, row in enumerate(table):
            alike = np.flatnonzero(row[:later] >= _SIMILAR)
            if alike.size:
                earlier = int(alike[0])
                pairs[case_ids[earlier], case_ids[later]][channel] = float(row[earlier])
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
