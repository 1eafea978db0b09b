"""Static images: the mean of a dynamic series over a window of time."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from glioframe.core.errors import DatasetError
from glioframe.pet.estimate import Estimate, weighted_sum

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from glioframe.pet.frames import FrameSchedule


def window_mean(
    series: NDArray[Any],
    schedule: FrameSchedule,
    *,
    start_s: float,
    stop_s: float,
    sigma: NDArray[Any] | None = None,
) -> Estimate:
    """The mean of ``series`` ``(t, ...)`` over a window; a frame counts by the seconds that lie in the window.

    Args:
        series: The frames.
        schedule: Their times.
        start_s: Start of the window, in seconds from injection.
        stop_s: End of the window.
        sigma: Standard deviation of the noise, ``(t,)`` or of the series' shape, for the standard error.

    Raises:
        DatasetError: The frames do not cover the window.
    """
    seconds = seconds_in_window(schedule, start_s=start_s, stop_s=stop_s)
    return weighted_sum(series, seconds / seconds.sum(), sigma=sigma)


def seconds_in_window(schedule: FrameSchedule, *, start_s: float, stop_s: float) -> NDArray[np.float64]:
    """How many seconds of each frame lie in the window, ``(t,)``.

    Raises:
        DatasetError: The frames do not cover the window.
    """
    if not schedule.covers(start_s, stop_s):
        raise DatasetError(
            "frame schedule",
            expected=f"frames that cover the window from {start_s:g} to {stop_s:g} s after injection",
            found=f"frames from {schedule.start_s[0]:g} to {schedule.end_s[-1]:g} s",
            fix="Choose a protocol whose windows fit the acquisition",
        )
    return schedule.frames_within(start_s, stop_s)
