"""One curve, two frame schedules, the same numbers.

Three things make maps of two sites differ although the tissue is the same: how long they scan, how they weight the
frames, and where the middles of their frames lie. So the longer scan is cut to the common span, weights depend on
time and not on frames, and peaks and window means are read off the fitted curve, not off the frames.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from glioframe.core.errors import DatasetError
from glioframe.pet.convolution import exponential_frames
from glioframe.pet.frames import FrameSchedule

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

    from glioframe.pet.input_function import InputFunction
    from glioframe.pet.one_tissue import OneTissueMaps

# A frame that overlaps the common span by less than this part of itself is left out.
_MIN_PART_WITHIN = 0.9


def common_stop_s(schedules: Sequence[FrameSchedule]) -> float:
    """The end of the shortest scan."""
    return min(schedule.end_s[-1] for schedule in schedules)


def cut_to_span(series: NDArray[Any], schedule: FrameSchedule, *, stop_s: float) -> tuple[NDArray[Any], FrameSchedule]:
    """The frames that end before ``stop_s``; one that exceeds it by less than a tenth of itself is kept.

    Args:
        series: Frames ``(t, ...)``.
        schedule: Their times.
        stop_s: The end of the span.

    Returns:
        A view of the frames kept, and their schedule.

    Raises:
        DatasetError: No frame ends before ``stop_s``.
    """
    part_within = (stop_s - np.asarray(schedule.start_s)) / np.asarray(schedule.duration_s)
    num_kept = int(np.count_nonzero(part_within >= _MIN_PART_WITHIN))
    if num_kept == 0:
        raise DatasetError(
            "frame schedule",
            expected=f"frames before {stop_s:g} s",
            found=f"a first frame that ends at {schedule.end_s[0]:g} s",
            fix="Choose a span that both schedules cover",
        )
    return series[:num_kept], FrameSchedule(schedule.start_s[:num_kept], schedule.duration_s[:num_kept])


def frames_of_model(maps: OneTissueMaps, input_function: InputFunction, schedule: FrameSchedule) -> NDArray[np.float32]:
    """What another schedule would have seen: the fitted curves averaged over its frames ``(t, ...)``.

    Args:
        maps: A fit of the one-tissue model.
        input_function: The one that it was fitted with, until the end of the other schedule.
        schedule: The frames wanted.
    """
    k2 = maps.k2_per_min.value
    vb, k1 = maps.vb.value, maps.k1_ml_cm3_min.value
    nodes = np.geomspace(max(float(k2[k2 > 0].min(initial=1.0)), 1e-4), max(float(k2.max(initial=1.0)), 1.0), 1024)
    responses = exponential_frames(nodes, input_function.time_s, input_function.plasma, schedule)
    blood = input_function.whole_blood_frames(schedule)
    frames = np.empty((schedule.num_frames, *k2.shape), np.float32)
    for index in range(schedule.num_frames):
        tissue = np.interp(k2, nodes, responses[:, index])
        frames[index] = (1 - vb) * k1 * tissue + vb * blood[index]
    return frames
