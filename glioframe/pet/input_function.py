"""Plasma and whole-blood curves that drive the kinetic models.

The Feng model is the shape of a bolus in arterial plasma (Feng, Huang, Wang 1993, Int J Biomed Comput 32:95); its
bracket is ``A1 t - A2 - A3``, so that the curve starts at zero. Sets for [18F]FDOPA and [18F]FET are scaled to SUV;
they are calibrated shapes, not measured populations.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import numpy as np

from glioframe.core.errors import SettingError
from glioframe.core.modality import Tracer
from glioframe.pet.convolution import SECONDS_PER_MINUTE, frame_averages

if TYPE_CHECKING:
    from numpy.typing import ArrayLike, NDArray

    from glioframe.pet.frames import FrameSchedule

# Knots are dense where the bolus is sharp: (until_s, step_s).
_KNOT_STEPS = ((120.0, 0.25), (600.0, 2.0), (float("inf"), 10.0))


@dataclass(frozen=True, kw_only=True, eq=False)
class InputFunction:
    """Piecewise-linear concentrations in plasma and whole blood, from injection on.

    Attributes:
        time_s: The knots ``(n,)``, increasing, the first at or before the first frame.
        plasma: Parent tracer in arterial plasma at the knots.
        whole_blood: All activity in whole blood at the knots.
    """

    time_s: NDArray[np.float64]
    plasma: NDArray[np.float64]
    whole_blood: NDArray[np.float64]

    def __post_init__(self) -> None:
        """Refuses knots that are no function of time."""
        lengths = {len(self.time_s), len(self.plasma), len(self.whole_blood)}
        finite = all(np.isfinite(values).all() for values in (self.time_s, self.plasma, self.whole_blood))
        if len(lengths) != 1 or len(self.time_s) < 2 or not finite or (np.diff(self.time_s) <= 0).any():  # noqa: PLR2004
            raise SettingError(
                "input function",
                expected="two or more finite samples of plasma and whole blood at increasing times",
                found=f"{len(self.time_s)} times, {len(self.plasma)} plasma and {len(self.whole_blood)} blood values",
                fix="Sort the blood samples by time and remove doubled or empty ones",
            )

    @property
    def end_s(self) -> float:
        """Until when the input is known."""
        return float(self.time_s[-1])

    def plasma_at(self, time_s: ArrayLike) -> NDArray[np.float64]:
        """Plasma at moments within the knots."""
        return np.interp(np.asarray(time_s, np.float64), self.time_s, self.plasma)

    def whole_blood_at(self, time_s: ArrayLike) -> NDArray[np.float64]:
        """Whole blood at moments within the knots."""
        return np.interp(np.asarray(time_s, np.float64), self.time_s, self.whole_blood)

    def plasma_integral_min(self, time_s: ArrayLike) -> NDArray[np.float64]:
        """The exact integral of the piecewise-linear plasma curve up to moments in time, over minutes."""
        moments_s = np.asarray(time_s, np.float64)
        steps_min = np.diff(self.time_s) / SECONDS_PER_MINUTE
        trapezoids = steps_min * (self.plasma[1:] + self.plasma[:-1]) / 2
        until_knot = np.concatenate([[0.0], np.cumsum(trapezoids)])
        index = np.clip(np.searchsorted(self.time_s, moments_s, side="right") - 1, 0, len(self.time_s) - 1)
        beyond_min = (moments_s - self.time_s[index]) / SECONDS_PER_MINUTE
        rest: NDArray[np.float64] = beyond_min * (self.plasma[index] + self.plasma_at(moments_s)) / 2
        return until_knot[index] + rest

    def plasma_frames(self, schedule: FrameSchedule) -> NDArray[np.float64]:
        """The average of plasma over each frame ``(t,)``."""
        return frame_averages(self.time_s, self.plasma, schedule)

    def whole_blood_frames(self, schedule: FrameSchedule) -> NDArray[np.float64]:
        """The average of whole blood over each frame ``(t,)``."""
        return frame_averages(self.time_s, self.whole_blood, schedule)

    def scaled(self, factor: float) -> InputFunction:
        """Both curves times a factor: another injected activity, another unit."""
        return replace(self, plasma=self.plasma * factor, whole_blood=self.whole_blood * factor)

    def scaled_to_blood(
        self, blood: ArrayLike, schedule: FrameSchedule, *, start_s: float, stop_s: float
    ) -> InputFunction:
        """A population shape at the height of a patient: the area under whole blood in a window is made equal.

        Args:
            blood: Frame averages of whole blood ``(t,)``, from an image or from samples.
            schedule: The frames of ``blood``.
            start_s: Start of the window; a late one is least disturbed by the shape of the bolus.
            stop_s: End of the window.
        """
        seconds = schedule.frames_within(start_s, stop_s)
        measured, expected = float(seconds @ np.asarray(blood)), float(seconds @ self.whole_blood_frames(schedule))
        if not (measured > 0 and expected > 0):
            raise SettingError(
                "population input function",
                expected=f"blood activity above 0 between {start_s:g} s and {stop_s:g} s",
                found=f"areas of {measured:g} (measured) and {expected:g} (population)",
                fix="Choose a window within the frames in which blood is measured",
            )
        return self.scaled(measured / expected)

    def shifted(self, delay_s: float) -> InputFunction:
        """The input as it arrives ``delay_s`` later; negative for earlier.

        The first value is held before the curve and the last one after it, so that the same span is covered.
        """
        time_s = self.time_s + delay_s
        outer = self.time_s[:1] if delay_s > 0 else self.time_s[-1:]
        if delay_s == 0:
            return self
        knots_s = np.concatenate([outer, time_s]) if delay_s > 0 else np.concatenate([time_s, outer])
        plasma = np.interp(knots_s, time_s, self.plasma)
        whole_blood = np.interp(knots_s, time_s, self.whole_blood)
        return InputFunction(time_s=knots_s, plasma=plasma, whole_blood=whole_blood)


@dataclass(frozen=True, kw_only=True, slots=True)
class FengModel:
    """``[A1 (t - t0) - A2 - A3] exp(-l1 (t - t0)) + A2 exp(-l2 (t - t0)) + A3 exp(-l3 (t - t0))``, t in minutes.

    Attributes:
        rise_per_min: A1, in concentration per minute.
        fast: A2, the amplitude of the second exponential.
        slow: A3, the amplitude of the third.
        rates_per_min: The rates l1, l2, l3.
        onset_s: When the bolus arrives, t0.
    """

    rise_per_min: float
    fast: float
    slow: float
    rates_per_min: tuple[float, float, float]
    onset_s: float = 0.0

    def plasma_at(self, time_s: ArrayLike) -> NDArray[np.float64]:
        """The concentration at moments in time; zero before the onset."""
        since_min = np.maximum(np.asarray(time_s, np.float64) - self.onset_s, 0.0) / SECONDS_PER_MINUTE
        first, second, third = (np.exp(-rate * since_min) for rate in self.rates_per_min)
        bracket = self.rise_per_min * since_min - self.fast - self.slow
        concentration: NDArray[np.float64] = bracket * first + self.fast * second + self.slow * third
        return concentration

    def plasma_integral_min(self, time_s: ArrayLike) -> NDArray[np.float64]:
        """The analytic integral from injection up to moments in time, over minutes."""
        since_min = np.maximum(np.asarray(time_s, np.float64) - self.onset_s, 0.0) / SECONDS_PER_MINUTE
        first, second, third = ((1 - np.exp(-rate * since_min)) / rate for rate in self.rates_per_min)
        rate = self.rates_per_min[0]
        ramp = (first - since_min * np.exp(-rate * since_min)) / rate
        area: NDArray[np.float64] = (
            self.rise_per_min * ramp - (self.fast + self.slow) * first + self.fast * second + self.slow * third
        )
        return area

    def sampled(self, *, end_s: float, whole_blood_fraction: float) -> InputFunction:
        """The model as an input function up to ``end_s``; whole blood is a constant fraction of plasma."""
        knots_s = np.unique(np.append(_knots_s(end_s - self.onset_s) + self.onset_s, [0.0, end_s]))
        plasma = self.plasma_at(knots_s)
        return InputFunction(time_s=knots_s, plasma=plasma, whole_blood=whole_blood_fraction * plasma)


_FDG_RATES_PER_MIN = (4.1339, 0.1191, 0.0104)

# Feng 1993, microcurie per mL.
FENG_FDG = FengModel(rise_per_min=851.1225, fast=21.8798, slow=20.8113, rates_per_min=_FDG_RATES_PER_MIN)

# In SUV, calibrated and not measured: FDOPA is FENG_FDG at 1.80 SUV 30 min after injection; FET has a slower tail.
FENG_FDOPA = FengModel(rise_per_min=96.755, fast=2.487, slow=2.366, rates_per_min=_FDG_RATES_PER_MIN)
FENG_FET = FengModel(rise_per_min=141.219, fast=1.041, slow=2.230, rates_per_min=(4.1339, 0.100, 0.0045))

_POPULATION = {Tracer.FDOPA: FENG_FDOPA, Tracer.FET: FENG_FET}

# Whole blood over plasma, as calibrated together with the tissue tables.
WHOLE_BLOOD_FRACTIONS = {Tracer.FDOPA: 0.90, Tracer.FET: 0.95}


def population_input(tracer: Tracer, *, end_s: float, onset_s: float = 0.0) -> InputFunction:
    """The population input function of a tracer, in SUV, up to ``end_s``.

    Raises:
        SettingError: No population input is known for the tracer.
    """
    if tracer not in _POPULATION:
        raise SettingError(
            "population input function",
            expected="one of the tracers " + ", ".join(known.value for known in _POPULATION),
            found=tracer.value,
            fix="Give a measured or image-derived input function instead",
        )
    model = replace(_POPULATION[tracer], onset_s=onset_s)
    return model.sampled(end_s=end_s, whole_blood_fraction=WHOLE_BLOOD_FRACTIONS[tracer])


def _knots_s(end_s: float) -> NDArray[np.float64]:
    pieces, start_s = [], 0.0
    for until_s, step_s in _KNOT_STEPS:
        stop_s = min(until_s, end_s)
        pieces.append(np.arange(start_s, stop_s, step_s))
        start_s = max(start_s, stop_s)
    return np.append(np.concatenate(pieces), end_s)
