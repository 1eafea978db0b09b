"""The frame schedule of a dynamic PET: when each frame starts and how long it lasts, in seconds from injection."""

from __future__ import annotations

import math
import re
from dataclasses import dataclass
from itertools import pairwise
from typing import TYPE_CHECKING

import numpy as np

from glioframe.core.errors import DatasetError, SettingError

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

# Sidecars round frame times to whole or half seconds; a larger jump is a lost or a doubled frame.
TOLERANCE_S = 0.5

_FRAME_GROUP = re.compile(r"(\d+)x(\d+(?:\.\d+)?)")


@dataclass(frozen=True, slots=True)
class FrameSchedule:
    """Consecutive frames of one acquisition.

    Attributes:
        start_s: When each frame starts, in seconds from injection.
        duration_s: How long each frame lasts, in seconds.
    """

    start_s: tuple[float, ...]
    duration_s: tuple[float, ...]

    @classmethod
    def from_pattern(cls, pattern: str, *, start_s: float = 0.0) -> FrameSchedule:
        """Reads the notation of the literature: ``8x15,2x30`` is eight frames of 15 s, then two of 30 s.

        Args:
            pattern: Groups of frames ``COUNTxSECONDS``, separated by commas.
            start_s: When the first frame starts, in seconds from injection.

        Raises:
            SettingError: The pattern cannot be read.
        """
        duration_s = tuple(duration for group in pattern.split(",") for duration in _durations(group, pattern))
        return cls.from_durations(duration_s, start_s=start_s)

    @classmethod
    def from_durations(cls, duration_s: Sequence[float], *, start_s: float = 0.0) -> FrameSchedule:
        """Frames that follow each other without a gap from ``start_s`` on."""
        starts = np.concatenate([[0.0], np.cumsum(duration_s)[:-1]]) + start_s if len(duration_s) else np.empty(0)
        return cls(tuple(map(float, starts)), tuple(map(float, duration_s)))

    @property
    def num_frames(self) -> int:
        """The number of frames."""
        return len(self.start_s)

    @property
    def mid_s(self) -> tuple[float, ...]:
        """The middle of each frame."""
        return tuple(start + duration / 2 for start, duration in zip(self.start_s, self.duration_s, strict=True))

    @property
    def end_s(self) -> tuple[float, ...]:
        """The end of each frame."""
        return tuple(start + duration for start, duration in zip(self.start_s, self.duration_s, strict=True))

    @property
    def total_s(self) -> float:
        """The sum of the durations."""
        return math.fsum(self.duration_s)

    def check(self, where: str = "frame schedule") -> None:
        """Refuses schedules on which no time integral is defined.

        Args:
            where: The file that the schedule was read from, for the message.

        Raises:
            DatasetError: No frames, lists of unequal length, times that are not finite, durations that are not
                positive, frames out of order, gaps or overlaps.
        """
        self._check_values(where)
        frames = pairwise(zip(self.start_s, self.end_s, strict=True))
        for index, ((_, end_s), (start_s, _)) in enumerate(frames, start=1):
            if abs(start_s - end_s) > TOLERANCE_S:
                fault = "a gap" if start_s > end_s else "an overlap"
                raise DatasetError(
                    where,
                    expected="each frame to start where the frame before it ends",
                    found=f"{fault} of {abs(start_s - end_s):g} s between frame {index - 1} (ends at {end_s:g} s) "
                    f"and frame {index} (starts at {start_s:g} s), counting from 0",
                    fix="Correct FrameTimesStart and FrameDuration, or export the missing frames",
                )

    def _check_values(self, where: str) -> None:
        if not self.start_s or len(self.start_s) != len(self.duration_s):
            raise DatasetError(
                where,
                expected="one start and one duration for each of one or more frames",
                found=f"{len(self.start_s)} starts and {len(self.duration_s)} durations",
                fix="Make FrameTimesStart and FrameDuration equally long",
            )
        for index, (start_s, duration_s) in enumerate(zip(self.start_s, self.duration_s, strict=True)):
            if not (math.isfinite(start_s) and math.isfinite(duration_s) and duration_s > 0):
                raise DatasetError(
                    where,
                    expected="finite frame starts and durations above 0 s",
                    found=f"frame {index}, counting from 0, with start {start_s:g} s and duration {duration_s:g} s",
                    fix="Correct FrameTimesStart and FrameDuration; both are in seconds",
                )

    def covers(self, start_s: float, stop_s: float) -> bool:
        """Whether the frames cover the window from ``start_s`` to ``stop_s``, within the rounding of sidecars."""
        return bool(
            start_s >= self.start_s[0] - TOLERANCE_S and stop_s <= self.end_s[-1] + TOLERANCE_S and start_s < stop_s
        )

    def frames_within(self, start_s: float, stop_s: float) -> NDArray[np.float64]:
        """How many seconds of each frame lie in the window: weights ``(t,)`` for a mean over time."""
        overlap_s = np.minimum(self.end_s, stop_s) - np.maximum(self.start_s, start_s)
        return np.asarray(np.clip(overlap_s, 0.0, None), dtype=np.float64)


def _durations(group: str, pattern: str) -> list[float]:
    match = _FRAME_GROUP.fullmatch(group.strip())
    if match is None or int(match[1]) == 0 or float(match[2]) == 0:
        raise SettingError(
            f"frame schedule {pattern!r}",
            expected="groups COUNTxSECONDS separated by commas, as in 8x15,2x30,2x60,3x300",
            found=repr(group.strip()),
            fix="Write each group as the number of frames, x, and the seconds of one frame",
        )
    return [float(match[2])] * int(match[1])
