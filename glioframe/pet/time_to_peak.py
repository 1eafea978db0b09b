"""The time of the highest uptake, from the frames alone: as the literature takes it, and with less noise.

The middle of the highest frame jumps from frame to frame, differs between frame schedules, and is late in noisy
voxels: there, any of the many late frames may be the highest. It is offered to reproduce published numbers. The
smoothed variants lessen all three; a kinetic model lessens them most.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
from scipy.interpolate import BSpline

from glioframe.core.errors import DatasetError
from glioframe.pet.estimate import Estimate, voxel_chunks

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from glioframe.pet.frames import FrameSchedule

SEARCH_START_S = 120.0
"""Before it, the blood in the voxel peaks, not the tissue."""

_GRID_STEP_S = 15.0
_DEGREE = 3
_NUM_BASIS = 5
_CURVATURE_FLOOR = 1e-12


def frame_time_to_peak_s(
    series: NDArray[Any], schedule: FrameSchedule, *, search_start_s: float = SEARCH_START_S
) -> NDArray[np.float32]:
    """The middle of the highest frame whose middle lies after ``search_start_s``, in seconds from injection.

    Args:
        series: ``(t, ...)``.
        schedule: The frames.
        search_start_s: Frames before it are left out.
    """
    first = _first_frame(schedule, search_start_s)
    peak_s: NDArray[np.float32] = np.asarray(schedule.mid_s, dtype=np.float32)[
        first + np.argmax(series[first:], axis=0)
    ]
    return peak_s


def smoothed_time_to_peak_s(
    series: NDArray[Any], schedule: FrameSchedule, *, search_start_s: float = SEARCH_START_S
) -> NDArray[np.float32]:
    """The time of the highest mean over three neighboring frames, in seconds from injection.

    Values and times are both averaged with the durations as weights, so that frames of unequal length do not shift
    the peak.
    """
    first = _first_frame(schedule, search_start_s)
    frames = np.arange(first, schedule.num_frames)
    near = np.abs(frames[:, None] - frames[None, :]) <= 1
    weights = near * np.asarray(schedule.duration_s)[first:]
    weights /= weights.sum(axis=1, keepdims=True)
    smoother, time_s = weights.astype(np.float32), (weights @ schedule.mid_s[first:]).astype(np.float32)
    flat = np.asarray(series, dtype=np.float32).reshape(schedule.num_frames, -1)
    highest = np.empty(flat.shape[1], dtype=np.intp)
    for voxels in voxel_chunks(*flat.shape):
        highest[voxels] = np.argmax(smoother @ flat[first:, voxels], axis=0)
    peak_s: NDArray[np.float32] = time_s[highest].reshape(series.shape[1:])
    return peak_s


def spline_time_to_peak_s(
    series: NDArray[Any],
    schedule: FrameSchedule,
    *,
    search_start_s: float = SEARCH_START_S,
    sigma: NDArray[Any] | None = None,
) -> Estimate:
    """The maximum of a cubic regression spline through the frames after ``search_start_s``.

    The spline has five coefficients and knots that are even in the logarithm of time, as uptake changes early. Its
    mean over each frame is fitted to the frame, so that frames of any length fit one curve, by least squares with
    the durations as weights. The standard error follows from the noise by the slope and the curvature of the
    spline at its maximum, and is too small where the noise makes several maxima compete. It is NaN where the maximum
    lies at an end of the search.

    Args:
        series: ``(t, ...)``.
        schedule: The frames.
        search_start_s: Frames whose middle lies before it are left out.
        sigma: Standard deviation of the frames' noise, ``(t,)`` or of the series' shape.
    """
    first = _first_frame(schedule, search_start_s)
    if schedule.num_frames - first < _NUM_BASIS:
        raise DatasetError(
            "frame schedule",
            expected=f"{_NUM_BASIS} or more frames after {search_start_s:g} s, to fit a spline",
            found=f"{schedule.num_frames - first}",
            fix="Use the time to peak of the frames",
        )
    grid_s, curve, slope, curvature = _spline_operators(schedule, first)
    flat = np.asarray(series, dtype=np.float32).reshape(schedule.num_frames, -1)
    highest = np.empty(flat.shape[1], dtype=np.intp)
    for voxels in voxel_chunks(len(grid_s), flat.shape[1]):
        highest[voxels] = np.argmax(curve @ flat[first:, voxels], axis=0)
    peak_s = grid_s[highest].astype(np.float32)
    if sigma is None:
        return Estimate(peak_s.reshape(series.shape[1:]))
    spread = np.broadcast_to(sigma.reshape(len(sigma), -1), flat.shape)[first:]
    errors = np.full(flat.shape[1], np.nan, dtype=np.float32)
    interior = np.flatnonzero((highest > 0) & (highest < len(grid_s) - 1))
    for part in voxel_chunks(schedule.num_frames, len(interior)):
        chosen, at = interior[part], highest[interior[part]]
        bend = np.einsum("vt,tv->v", curvature[at], flat[first:, chosen])
        slope_error = np.sqrt(np.einsum("vt,tv->v", slope[at] ** 2, spread[:, chosen].astype(np.float32) ** 2))
        errors[chosen] = np.where(bend < -_CURVATURE_FLOOR, slope_error / np.abs(bend), np.float32(np.nan))
    return Estimate(peak_s.reshape(series.shape[1:]), errors.reshape(series.shape[1:]))


def _first_frame(schedule: FrameSchedule, search_start_s: float) -> int:
    """The index of the first frame whose middle lies at or after ``search_start_s``."""
    first = int(np.searchsorted(schedule.mid_s, search_start_s))
    if first == schedule.num_frames:
        raise DatasetError(
            "frame schedule",
            expected=f"frames after {search_start_s:g} s, to look for a peak",
            found=f"a last frame with its middle at {schedule.mid_s[-1]:g} s",
            fix="Choose a protocol whose frames last longer",
        )
    return first


def _spline_operators(
    schedule: FrameSchedule, first: int
) -> tuple[NDArray[np.float64], NDArray[np.float32], NDArray[np.float32], NDArray[np.float32]]:
    """Times ``(g,)`` and matrices ``(g, t)`` from frames to the spline, its slope and its curvature at them."""
    starts, ends = np.asarray(schedule.start_s[first:]), np.asarray(schedule.end_s[first:])
    inner = np.geomspace(max(starts[0], _GRID_STEP_S), ends[-1], _NUM_BASIS - _DEGREE + 1)
    inner[0], inner[-1] = starts[0], ends[-1]
    knots = np.concatenate([[inner[0]] * _DEGREE, inner, [inner[-1]] * _DEGREE])
    basis = BSpline(knots, np.eye(_NUM_BASIS), _DEGREE)
    integral = basis.antiderivative()
    frame_means = (integral(ends) - integral(starts)) / (ends - starts)[:, None]
    root = np.sqrt(ends - starts)
    coefficients = np.linalg.pinv(frame_means * root[:, None]) * root
    grid_s = np.arange(schedule.mid_s[first], schedule.mid_s[-1] + _GRID_STEP_S / 2, _GRID_STEP_S)
    curve, slope, curvature = ((basis(grid_s, nu=order) @ coefficients).astype(np.float32) for order in range(3))
    return grid_s, curve, slope, curvature
