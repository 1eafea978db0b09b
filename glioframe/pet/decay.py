"""Radioactive decay: from the activity in an image to the activity at the time of injection."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any

import numpy as np

from glioframe.artifacts.pet_sidecar import HALF_LIFE_S, radionuclide_from_name
from glioframe.artifacts.protocol import DecayReference
from glioframe.core.errors import SettingError

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from glioframe.pet.frames import FrameSchedule


def half_life_s(radionuclide: str) -> float:
    """The half-life of a radionuclide, in any common spelling: ``F18``, ``18F``, ``F-18``, ``[18F]``, ``^18^Fluorine``.

    Raises:
        SettingError: The radionuclide is not one of amino-acid PET.
    """
    label = radionuclide_from_name(radionuclide)
    if label not in HALF_LIFE_S:
        raise SettingError(
            "radionuclide",
            expected=f"one of {', '.join(HALF_LIFE_S)}",
            found=repr(radionuclide),
            fix="Correct TracerRadionuclide, or state the half-life in a protocol of your own",
        )
    return HALF_LIFE_S[label]


def remaining_fraction(elapsed_s: float, *, half_life_s: float) -> float:
    """The part of an activity that is left after ``elapsed_s``; above 1 for a time in the past."""
    return math.exp2(-elapsed_s / half_life_s)


def frame_decay_factors(schedule: FrameSchedule, *, half_life_s: float) -> NDArray[np.float64]:
    """Factors ``(t,)`` from the mean activity measured in each frame to the activity at injection.

    A frame of length D that starts at t averages the decay exp(-L t) over D, so that the factor is
    exp(L t) L D / (1 - exp(-L D)), with L = ln 2 / half-life.
    """
    constant = math.log(2) / half_life_s
    decayed = constant * np.asarray(schedule.duration_s)
    return np.exp(constant * np.asarray(schedule.start_s)) * decayed / -np.expm1(-decayed)


def factors_to_injection(
    schedule: FrameSchedule,
    *,
    half_life_s: float,
    decay_reference: DecayReference,
    scan_start_s: float | None = None,
) -> NDArray[np.float64]:
    """Factors ``(t,)`` from the values of each frame to activity corrected to the time of injection.

    Args:
        schedule: The frames.
        half_life_s: Of the radionuclide.
        decay_reference: To what time the values are corrected already.
        scan_start_s: The scan start that ``decay_reference`` means; the start of the first frame when None.
    """
    if decay_reference is DecayReference.NONE:
        return frame_decay_factors(schedule, half_life_s=half_life_s)
    if decay_reference is DecayReference.INJECTION:
        return np.ones(schedule.num_frames)
    start_s = schedule.start_s[0] if scan_start_s is None else scan_start_s
    return np.full(schedule.num_frames, 1 / remaining_fraction(start_s, half_life_s=half_life_s))


def correct_to_injection(
    series: NDArray[Any],
    schedule: FrameSchedule,
    *,
    half_life_s: float,
    decay_reference: DecayReference,
    scan_start_s: float | None = None,
) -> NDArray[np.float32]:
    """A dynamic series ``(t, ...)`` corrected to the time of injection; see ``factors_to_injection``."""
    factors = factors_to_injection(
        schedule, half_life_s=half_life_s, decay_reference=decay_reference, scan_start_s=scan_start_s
    ).astype(np.float32)
    return np.asarray(series, dtype=np.float32) * factors.reshape(-1, *[1] * (series.ndim - 1))
