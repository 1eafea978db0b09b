"""Measures of a time-activity curve that need no kinetic model: late slope, areas, ratio of windows.

All are computed for all voxels of a series ``(t, ...)`` at once. Given the standard deviation of the frames' noise,
``(t,)`` or of the series' shape, each map comes with its standard error; the frames' noise is taken as independent.
Times to peak are in ``glioframe.pet.time_to_peak``.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from glioframe.core.errors import DatasetError
from glioframe.pet.estimate import Estimate, voxel_chunks, weighted_sum
from glioframe.pet.static import seconds_in_window

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from glioframe.artifacts.protocol import Window
    from glioframe.pet.frames import FrameSchedule

_S_PER_MIN = 60.0
_S_PER_H = 3600.0
_MIN_SLOPE_FRAMES = 2


def late_slope_per_h(
    series: NDArray[Any], schedule: FrameSchedule, *, window_s: Window, sigma: NDArray[Any] | None = None
) -> Estimate:
    """The slope of the straight line through the frames of a window, in units of the series per hour.

    Least squares over the frames' middles, each weighted with its seconds in the window, so that a period counts
    the same however finely it was framed.

    Raises:
        DatasetError: The frames do not cover the window, or fewer than two touch it.
    """
    seconds = seconds_in_window(schedule, start_s=window_s[0], stop_s=window_s[1])
    num_frames = int((seconds > 0).sum())
    if num_frames < _MIN_SLOPE_FRAMES:
        raise DatasetError(
            "frame schedule",
            expected=f"two or more frames from {window_s[0]:g} to {window_s[1]:g} s, to fit a slope",
            found=f"{num_frames}",
            fix="Choose a protocol with a wider slope window",
        )
    time_h = np.asarray(schedule.mid_s) / _S_PER_H
    centered_h = time_h - np.average(time_h, weights=seconds)
    return weighted_sum(series, seconds * centered_h / np.sum(seconds * centered_h**2), sigma=sigma)


def area_under_curve_min(
    series: NDArray[Any], schedule: FrameSchedule, *, window_s: Window, sigma: NDArray[Any] | None = None
) -> Estimate:
    """The integral of the curve over a window, in units of the series times minutes.

    Raises:
        DatasetError: The frames do not cover the window.
    """
    seconds = seconds_in_window(schedule, start_s=window_s[0], stop_s=window_s[1])
    return weighted_sum(series, seconds / _S_PER_MIN, sigma=sigma)


def early_to_late_ratio(
    series: NDArray[Any],
    schedule: FrameSchedule,
    *,
    early_s: Window,
    late_s: Window,
    sigma: NDArray[Any] | None = None,
) -> Estimate:
    """The mean over an early window divided by the mean over a late one; NaN where the late mean is not positive.

    The standard error is of first order, and right for windows that share frames too.

    Raises:
        DatasetError: The frames do not cover a window.
    """
    early, late = (seconds_in_window(schedule, start_s=start, stop_s=stop) for start, stop in (early_s, late_s))
    early, late = early / early.sum(), late / late.sum()
    denominator = weighted_sum(series, late).value
    denominator = np.where(denominator > 0, denominator, np.float32(np.nan))
    ratio = weighted_sum(series, early).value / denominator
    if sigma is None:
        return Estimate(ratio)
    return Estimate(ratio, _ratio_error(ratio, denominator, weights=np.stack([early, late]), sigma=sigma))


def _ratio_error(
    ratio: NDArray[np.float32],
    denominator: NDArray[np.float32],
    *,
    weights: NDArray[np.float64],
    sigma: NDArray[Any],
) -> NDArray[np.float32]:
    """sqrt(sum of ((early_t - ratio late_t) sigma_t / denominator)^2), expanded into three sums over the frames."""
    early, late = weights
    variance = np.square(sigma.reshape(len(sigma), -1), dtype=np.float64) if sigma.ndim == 1 else None
    flat_ratio, flat_denominator = ratio.ravel(), denominator.ravel()
    products = np.stack([early**2, -2 * early * late, late**2])
    errors = np.empty(ratio.size, dtype=np.float32)
    for voxels in voxel_chunks(len(sigma), ratio.size):
        square = variance if variance is not None else np.square(sigma.reshape(len(sigma), -1)[:, voxels])
        constant, linear, quadratic = products @ square
        r = flat_ratio[voxels]
        errors[voxels] = np.sqrt(np.maximum(constant + linear * r + quadratic * r**2, 0)) / flat_denominator[voxels]
    return errors.reshape(ratio.shape)
