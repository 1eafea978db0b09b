"""How noisy a frame of dynamic PET is: few counts in short, early and late frames.

The standard deviation of a decay-corrected frame is ``a * sqrt(C exp(lambda t) / duration)`` with the
duration in minutes: counts are Poisson, and the correction for decay, ``exp(lambda t)``, amplifies late frames. One
number, the level ``a``, stands for the injected activity, the scanner and the reconstruction.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from glioframe.core.errors import SettingError
from glioframe.pet.convolution import SECONDS_PER_MINUTE
from glioframe.pet.decay import frame_decay_factors

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from glioframe.pet.frames import FrameSchedule

# Scatter and randoms reach every frame: an empty one is not free of noise. Assumed, as a part of the highest frame.
_EMPTY_FRAME_PART = 0.05


def noise_sigma(
    curve: NDArray[Any], schedule: FrameSchedule, *, half_life_s: float, level: float
) -> NDArray[np.float64]:
    """The standard deviation of each frame of a decay-corrected curve or series.

    Args:
        curve: Noise-free frames ``(t, ...)``.
        schedule: Their times.
        half_life_s: Of the radionuclide.
        level: The level ``a``, from `noise_level` or from the residuals of a fit.

    Returns:
        An array of the shape of ``curve``.
    """
    activity = np.maximum(curve, _EMPTY_FRAME_PART * np.max(curve, axis=0, keepdims=True))
    amplification = _variance_per_activity(schedule, half_life_s)
    variance = np.maximum(activity, 0.0) * amplification.reshape(-1, *[1] * (np.ndim(curve) - 1))
    sigma: NDArray[np.float64] = level * np.sqrt(variance)
    return sigma


def noise_level(curve: NDArray[Any], schedule: FrameSchedule, *, half_life_s: float, last_frame_cv: float) -> float:
    """The level ``a`` at which the last frame of a curve ``(t,)`` has a given coefficient of variation.

    Raises:
        SettingError: The last frame is empty, so that it has no coefficient of variation.
    """
    if curve[-1] <= 0:
        raise SettingError(
            "noise level",
            expected="a curve whose last frame is above 0",
            found=f"{float(curve[-1]):g}",
            fix="Calibrate on a curve with uptake until the end of the scan",
        )
    unit_sigma = noise_sigma(curve, schedule, half_life_s=half_life_s, level=1.0)
    return float(last_frame_cv * curve[-1] / unit_sigma[-1])


def noise_weights(curve: NDArray[Any], schedule: FrameSchedule, *, half_life_s: float) -> NDArray[np.float64]:
    """Weights ``(t,)`` for least squares: the inverse variance at level 1.

    With these weights the residual standard deviation of a fit estimates the level ``a``.

    Args:
        curve: The mean curve ``(t,)`` of the voxels to fit.
        schedule: Its times.
        half_life_s: Of the radionuclide.

    Raises:
        SettingError: The curve is nowhere above 0.
    """
    if np.max(curve) <= 0:
        raise SettingError(
            "noise weights",
            expected="a mean curve above 0 in at least one frame",
            found=f"a highest frame of {float(np.max(curve)):g}",
            fix="Check the mask that the mean curve is taken over",
        )
    weights: NDArray[np.float64] = noise_sigma(curve, schedule, half_life_s=half_life_s, level=1.0) ** -2.0
    return weights


def add_noise(series: NDArray[Any], sigma: NDArray[np.float64], rng: np.random.Generator) -> NDArray[np.float32]:
    """The series with independent normal noise of standard deviation ``sigma``, which broadcasts to its shape."""
    noise = rng.standard_normal(np.shape(series), np.float32)
    return np.asarray(series + sigma * noise, np.float32)


def _variance_per_activity(schedule: FrameSchedule, half_life_s: float) -> NDArray[np.float64]:
    duration_min = np.asarray(schedule.duration_s) / SECONDS_PER_MINUTE
    return frame_decay_factors(schedule, half_life_s=half_life_s) / duration_min
