"""Exact convolution of decaying exponentials with a piecewise-linear input, and exact averages over frames.

Between two knots the input is a straight line, so the response and its running integral have closed forms; marching
from knot to knot is exact however coarse the frames or the knots are. Frame edges are made knots, and the average of
a frame is the difference of the running integral at its edges: nothing is sampled at frame mid-times.

Rates are per minute, times are in seconds, and integrals over time are in minutes, so that
``K1 [mL/cm3/min] * response`` is the tissue concentration in the unit of the input.
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

import numpy as np

from glioframe.core.errors import SettingError

if TYPE_CHECKING:
    from numpy.typing import ArrayLike, NDArray

    from glioframe.pet.frames import FrameSchedule

SECONDS_PER_MINUTE = 60.0

# Below this exponent the closed forms lose digits to cancellation, and six terms of the series are exact.
_SERIES_BELOW = 0.02
_SERIES_TERMS = 6


def exponential_response(
    rate_per_min: ArrayLike, time_s: NDArray[np.float64], values: NDArray[np.float64], at_s: ArrayLike
) -> NDArray[np.float64]:
    """The convolution of ``exp(-k t)`` with a piecewise-linear input, at moments in time.

    Args:
        rate_per_min: The rates k ``(k,)``; 0 gives the running integral of the input.
        time_s: The knots of the input, increasing.
        values: The input at the knots; it is zero before the first one.
        at_s: When to evaluate, within the knots.

    Returns:
        An array ``(k, len(at_s))``, in the unit of the input times minutes.
    """
    moments_s = np.atleast_1d(np.asarray(at_s, np.float64))
    knots_s, response, _ = _march(rate_per_min, time_s, values, moments_s)
    return response[np.searchsorted(knots_s, moments_s)].T


def exponential_frames(
    rate_per_min: ArrayLike, time_s: NDArray[np.float64], values: NDArray[np.float64], schedule: FrameSchedule
) -> NDArray[np.float64]:
    """The same convolution averaged over each frame: an array ``(k, t)``."""
    start_s, end_s = np.asarray(schedule.start_s), np.asarray(schedule.end_s)
    knots_s, _, integral = _march(rate_per_min, time_s, values, np.concatenate([start_s, end_s]))
    gained = integral[np.searchsorted(knots_s, end_s)] - integral[np.searchsorted(knots_s, start_s)]
    averages: NDArray[np.float64] = (gained / ((end_s - start_s) / SECONDS_PER_MINUTE)[:, None]).T
    return averages


def frame_averages(
    time_s: NDArray[np.float64], values: NDArray[np.float64], schedule: FrameSchedule
) -> NDArray[np.float64]:
    """The average of a piecewise-linear curve over each frame ``(t,)``."""
    start_s, end_s = np.asarray(schedule.start_s), np.asarray(schedule.end_s)
    until = exponential_response([0.0], time_s, values, np.concatenate([start_s, end_s]))[0]
    gained = until[schedule.num_frames :] - until[: schedule.num_frames]
    averages: NDArray[np.float64] = gained / ((end_s - start_s) / SECONDS_PER_MINUTE)
    return averages


def _march(
    rate_per_min: ArrayLike, time_s: NDArray[np.float64], values: NDArray[np.float64], moments_s: NDArray[np.float64]
) -> tuple[NDArray[np.float64], NDArray[np.float64], NDArray[np.float64]]:
    """The knots, the response and its running integral at every knot: ``(n,)``, ``(n, k)``, ``(n, k)``."""
    _check_covered(time_s, moments_s)
    rate = np.atleast_1d(np.asarray(rate_per_min, np.float64))
    knots_s = np.union1d(time_s, moments_s)
    at_knots = np.interp(knots_s, time_s, values)
    steps_min = np.diff(knots_s) / SECONDS_PER_MINUTE
    # Most steps have one of a few lengths: the transcendental functions are computed once for each length.
    lengths_min, which = np.unique(steps_min.round(9), return_inverse=True)
    phi1, phi2, phi3 = _phi(lengths_min[:, None] * rate)
    start, rise, step = (column[:, None] for column in (at_knots[:-1], np.diff(at_knots), steps_min))
    decay = np.exp(-lengths_min[:, None] * rate)
    response, integral = np.zeros((len(knots_s), rate.size)), np.zeros((len(knots_s), rate.size))
    response[1:] = step * (start * phi1[which] + rise * phi2[which])
    for index, length in enumerate(which):
        response[index + 1] += response[index] * decay[length]
    integral[1:] = step * (response[:-1] * phi1[which] + step * (start * phi2[which] + rise * phi3[which]))
    return knots_s, response, integral.cumsum(axis=0)


def _phi(exponent: NDArray[np.float64]) -> tuple[NDArray[np.float64], NDArray[np.float64], NDArray[np.float64]]:
    """The first three moments of ``exp(-x)``: phi1 = (1 - exp(-x))/x, phi2 = (1 - phi1)/x, phi3 = (1/2 - phi2)/x."""
    small = exponent < _SERIES_BELOW
    x = np.where(small, 1.0, exponent)
    phi1 = -np.expm1(-x) / x
    phi2 = (1 - phi1) / x
    phi3 = (0.5 - phi2) / x
    if small.any():
        near_zero = exponent[small]
        for order, phi in enumerate((phi1, phi2, phi3), start=1):
            coefficients = [(-1) ** power / math.factorial(power + order) for power in range(_SERIES_TERMS)]
            phi[small] = np.polynomial.polynomial.polyval(near_zero, coefficients)
    return phi1, phi2, phi3


def _check_covered(time_s: NDArray[np.float64], moments_s: NDArray[np.float64]) -> None:
    if moments_s.min() < time_s[0] or moments_s.max() > time_s[-1]:
        raise SettingError(
            "input function",
            expected=f"values from {moments_s.min():g} s to {moments_s.max():g} s",
            found=f"values from {time_s[0]:g} s to {time_s[-1]:g} s",
            fix="Extend the input function over the frames, or use only the frames that it covers",
        )
