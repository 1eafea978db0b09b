"""How much later the bolus reaches the tissue than the place where blood was sampled."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
from scipy.optimize import nnls

from glioframe.pet.convolution import exponential_frames
from glioframe.pet.frames import FrameSchedule

if TYPE_CHECKING:
    from collections.abc import Iterable

    from numpy.typing import NDArray

    from glioframe.pet.input_function import InputFunction

# In the first minutes every tracer follows one tissue compartment, and the arrival shows most.
_EARLY_S = 360.0
_MIN_FRAMES = 5
_RATES_PER_MIN = np.geomspace(0.005, 2.0, 24)


def estimate_delay_s(
    curve: NDArray[Any], schedule: FrameSchedule, input_function: InputFunction, candidates_s: Iterable[float]
) -> float:
    """The shift of the input with which the one-tissue model fits the first six minutes of a curve best.

    Args:
        curve: A curve of little noise ``(t,)``, as of the whole brain.
        schedule: Its times.
        input_function: As sampled.
        candidates_s: The delays to try, in seconds; negative for a tissue that is reached earlier.
    """
    num_early = max(int(np.searchsorted(schedule.end_s, _EARLY_S)), _MIN_FRAMES)
    early = FrameSchedule(schedule.start_s[:num_early], schedule.duration_s[:num_early])
    measured = np.asarray(curve, np.float64)[:num_early]
    return min(candidates_s, key=lambda delay_s: _misfit(measured, early, input_function.shifted(delay_s)))


def _misfit(measured: NDArray[np.float64], early: FrameSchedule, shifted: InputFunction) -> float:
    """The least weighted residual norm over the rates, with neither tissue nor blood below zero."""
    root_weights = np.sqrt(early.duration_s)
    responses = exponential_frames(_RATES_PER_MIN, shifted.time_s, shifted.plasma, early) * root_weights
    blood = shifted.whole_blood_frames(early) * root_weights
    return min(float(nnls(np.stack([row, blood], axis=1), measured * root_weights)[1]) for row in responses)
