"""Graphical analysis, voxel by voxel: after some time t*, transformed curves are straight lines whose slope is sought.

- Patlak (Patlak, Blasberg, Fenstermacher 1983): tissue that traps the tracer; the slope is Ki.
- Logan (Logan 1990): tissue that lets it go again; the slope is VT.
- Each with a reference tissue in place of plasma: the slope is Ki relative to the reference, or the distribution
  volume ratio DVR (Logan 1996).

Both sides are averaged over frames and not taken at frame mid-times. The standard error is that of the slope of a
straight line, from the scatter about it; Logan's errors are in both coordinates, which biases VT low in noise.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from glioframe.core.errors import SettingError
from glioframe.pet.convolution import SECONDS_PER_MINUTE, exponential_frames
from glioframe.pet.estimate import Estimate
from glioframe.pet.voxelwise import map_voxels

if TYPE_CHECKING:
    from collections.abc import Callable

    from numpy.typing import NDArray

    from glioframe.pet.frames import FrameSchedule
    from glioframe.pet.input_function import InputFunction

    Values = NDArray[np.float64]

_MIN_FRAMES = 3


@dataclass(frozen=True, kw_only=True, eq=False)
class GraphicalMaps:
    """A straight line in every voxel; zero outside the mask and where no line can be drawn.

    Attributes:
        slope: Ki [mL/cm3/min], VT [mL/cm3], or their ratios to the reference tissue, with the standard error.
        intercept: Where the line meets the axis: a volume (Patlak) or a time in minutes (Logan).
    """

    slope: Estimate
    intercept: Estimate


@dataclass(frozen=True, kw_only=True, slots=True)
class GraphicalSettings:
    """Which frames are used, and how.

    Attributes:
        t_star_s: Frames whose middle lies before are left out.
        num_workers: Threads.
    """

    t_star_s: float
    num_workers: int = 2


def patlak(
    series: NDArray[Any],
    schedule: FrameSchedule,
    input_function: InputFunction,
    *,
    settings: GraphicalSettings,
    weights: Values | None = None,
    mask: NDArray[np.bool_] | None = None,
) -> GraphicalMaps:
    """Ki of tissue that traps the tracer, from ``C / Cp = Ki * integral of Cp / Cp + V``.

    Args:
        series: Frames ``(t, ...)`` in the unit of the input function.
        schedule: Their times.
        input_function: Plasma.
        settings: Which frames.
        weights: Of the frames ``(t,)``; None weights them alike.
        mask: Which voxels ``(...)``; None for all.

    Raises:
        SettingError: Fewer than three frames after t*, or an input that ends too early.
    """
    plasma = input_function.plasma_frames(schedule)
    area = exponential_frames([0.0], input_function.time_s, input_function.plasma, schedule)[0]
    fit = _patlak_fit(plasma, area, _frame_weights(weights, schedule, settings.t_star_s))
    return _maps(fit, series, mask, settings)


def reference_patlak(
    series: NDArray[Any],
    schedule: FrameSchedule,
    reference: Values,
    *,
    settings: GraphicalSettings,
    weights: Values | None = None,
    mask: NDArray[np.bool_] | None = None,
) -> GraphicalMaps:
    """Patlak with the curve ``(t,)`` of a reference tissue in place of plasma; the arguments are those of `patlak`."""
    area = _running_area_min(np.asarray(reference, np.float64)[None], schedule)[0]
    fit = _patlak_fit(np.asarray(reference), area, _frame_weights(weights, schedule, settings.t_star_s))
    return _maps(fit, series, mask, settings)


def logan(
    series: NDArray[Any],
    schedule: FrameSchedule,
    input_function: InputFunction,
    *,
    settings: GraphicalSettings,
    weights: Values | None = None,
    mask: NDArray[np.bool_] | None = None,
) -> GraphicalMaps:
    """VT from ``integral of C / C = VT * integral of Cp / C + b``; the arguments are those of `patlak`."""
    area = exponential_frames([0.0], input_function.time_s, input_function.plasma, schedule)[0]
    fit = _logan_fit(area, schedule, _frame_weights(weights, schedule, settings.t_star_s))
    return _maps(fit, series, mask, settings)


def reference_logan(
    series: NDArray[Any],
    schedule: FrameSchedule,
    reference: Values,
    *,
    settings: GraphicalSettings,
    k2_reference_per_min: float,
    weights: Values | None = None,
    mask: NDArray[np.bool_] | None = None,
) -> GraphicalMaps:
    """DVR from ``integral of C / C = DVR * (integral of R + R / k2') / C + b``.

    Args:
        series: Frames ``(t, ...)``.
        schedule: Their times.
        reference: The curve R of the reference tissue ``(t,)``.
        settings: Which frames.
        k2_reference_per_min: Transport out of the reference tissue, k2'.
        weights: Of the frames ``(t,)``; None weights them alike.
        mask: Which voxels ``(...)``; None for all.
    """
    if not k2_reference_per_min > 0:
        raise SettingError(
            "reference Logan",
            expected="k2' of the reference tissue above 0 per min",
            found=f"{k2_reference_per_min:g}",
            fix="Fit the reference curve with the one-tissue model, or take a published value",
        )
    curve = np.asarray(reference, np.float64)
    area = _running_area_min(curve[None], schedule)[0] + curve / k2_reference_per_min
    fit = _logan_fit(area, schedule, _frame_weights(weights, schedule, settings.t_star_s))
    return _maps(fit, series, mask, settings)


def _patlak_fit(driver: Values, area: Values, weights: Values) -> Callable[[NDArray[np.float32]], dict[str, Values]]:
    used = np.flatnonzero((weights > 0) & (driver > 0))
    stretched_min = (area[used] / driver[used])[None]

    def fit(curves: NDArray[np.float32]) -> dict[str, Values]:
        relative = curves[:, used] / driver[used]
        return _straight_line(stretched_min, relative, np.broadcast_to(weights[used], relative.shape))

    return fit


def _logan_fit(
    driver_area: Values, schedule: FrameSchedule, weights: Values
) -> Callable[[NDArray[np.float32]], dict[str, Values]]:
    used = np.flatnonzero(weights)

    def fit(curves: NDArray[np.float32]) -> dict[str, Values]:
        area = _running_area_min(curves.astype(np.float64), schedule)[:, used]
        late = curves[:, used]
        valid = late > 0
        late = np.where(valid, late, 1.0)
        return _straight_line(driver_area[used] / late, area / late, weights[used] * valid)

    return fit


def _straight_line(x: Values, y: Values, weights: Values) -> dict[str, Values]:
    """Weighted linear regression of each row; zeros where fewer than three points are left."""
    total = weights.sum(axis=1, keepdims=True)
    share = weights / np.where(total > 0, total, 1.0)
    x_mean, y_mean = (np.sum(share * values, axis=1, keepdims=True) for values in (x, y))
    xx, xy = np.sum(share * (x - x_mean) ** 2, axis=1), np.sum(share * (x - x_mean) * (y - y_mean), axis=1)
    num_points = np.count_nonzero(share, axis=1)
    valid = (num_points >= _MIN_FRAMES) & (xx > 0)
    slope = np.where(valid, xy / np.where(valid, xx, 1.0), 0.0)
    residuals = (y - y_mean) - slope[:, None] * (x - x_mean)
    variance = np.sum(share * residuals**2, axis=1) / np.maximum(num_points - 2, 1)
    error = np.where(valid, np.sqrt(variance / np.where(valid, xx, 1.0)), 0.0)
    intercept = np.where(valid, y_mean[:, 0] - slope * x_mean[:, 0], 0.0)
    x_squared = x_mean[:, 0] ** 2 + xx
    return {
        "slope": slope,
        "slope_error": error,
        "intercept": intercept,
        "intercept_error": error * np.sqrt(x_squared),
    }


def _running_area_min(curves: Values, schedule: FrameSchedule) -> Values:
    """The running integral of curves ``(n, t)`` from injection, averaged over each frame, in minutes.

    Within a frame the curve is taken as a straight line through its neighbors: the average of its integral is half
    the area of the frame, less a twelfth of the rise over the frame.
    """
    duration_min = np.asarray(schedule.duration_s) / SECONDS_PER_MINUTE
    areas = curves * duration_min
    rise = np.gradient(curves, np.asarray(schedule.mid_s) / SECONDS_PER_MINUTE, axis=1) * duration_min
    running: Values = np.cumsum(areas, axis=1) - areas / 2 - rise * duration_min / 12
    return running


def _frame_weights(weights: Values | None, schedule: FrameSchedule, t_star_s: float) -> Values:
    late = np.asarray(schedule.mid_s) >= t_star_s
    chosen = late * (np.ones(schedule.num_frames) if weights is None else weights)
    if np.count_nonzero(chosen) < _MIN_FRAMES:
        raise SettingError(
            "t*",
            expected=f"at least {_MIN_FRAMES} frames whose middle lies after t*",
            found=f"{np.count_nonzero(chosen)} frames after {t_star_s:g} s",
            fix=f"Lower t*; the last frame is centered at {schedule.mid_s[-1]:g} s",
        )
    return chosen


def _maps(
    fit: Callable[[NDArray[np.float32]], dict[str, Values]],
    series: NDArray[Any],
    mask: NDArray[np.bool_] | None,
    settings: GraphicalSettings,
) -> GraphicalMaps:
    maps = map_voxels(fit, series, mask=mask, num_workers=settings.num_workers)
    return GraphicalMaps(
        slope=Estimate(maps["slope"], maps["slope_error"]),
        intercept=Estimate(maps["intercept"], maps["intercept_error"]),
    )
