"""When a fitted curve is highest: searched on the continuous curve, so that frames do not quantize it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from glioframe.pet.convolution import exponential_response
from glioframe.pet.exponential_table import LogGrid, rows_between

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from glioframe.pet.input_function import InputFunction

_STEP_S = 10.0
_LEAST_UPTAKE = 1e-6  # mL/cm3/min: below it there is no tissue, and blood alone decides


@dataclass(frozen=True, kw_only=True, eq=False)
class PeakFinder:
    """The maximum of ``uptake * response(k2, t) + vb * blood(t)`` over a window of time.

    Attributes:
        time_s: The moments that are compared ``(p,)``, equally spaced; a parabola goes between them.
        blood: Whole blood at these moments ``(p,)``.
        grid: The rates of the table.
        response: Responses at these moments ``(m, p)``.
        slope_s: How the peak of tissue alone moves with log k2, at the rates of the table ``(m,)``.
    """

    time_s: NDArray[np.float64]
    blood: NDArray[np.float32]
    grid: LogGrid
    response: NDArray[np.float32]
    slope_s: NDArray[np.float64]

    @classmethod
    def prepare(cls, input_function: InputFunction, grid: LogGrid, *, start_s: float, stop_s: float) -> PeakFinder:
        """Convolves the input with every rate of the grid, at moments from ``start_s`` to ``stop_s``."""
        num_steps = max(round((stop_s - start_s) / _STEP_S), 2)
        time_s = np.linspace(start_s, stop_s, num_steps + 1)
        response = exponential_response(grid.rate_per_min, input_function.time_s, input_function.plasma, time_s)
        slope_s = np.gradient(_peak_s(response, time_s), grid.step)
        blood = input_function.whole_blood_at(time_s)
        return cls(
            time_s=time_s,
            blood=blood.astype(np.float32),
            grid=grid,
            response=response.astype(np.float32),
            slope_s=slope_s,
        )

    def find(
        self, log_k2: NDArray[np.float64], uptake: NDArray[np.float64], vb: NDArray[np.float64]
    ) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
        """The peak of curves ``(n,)`` in seconds, and its derivative by log k2 with blood left out."""
        index, fraction = self.grid.locate(log_k2)
        curves = rows_between(self.response, index, fraction)
        blood_to_uptake = (vb / np.maximum(uptake, _LEAST_UPTAKE)).astype(np.float32)
        curves += blood_to_uptake[:, None] * self.blood
        return _peak_s(curves, self.time_s), self.slope_s[index]


def _peak_s(curves: NDArray[np.floating], time_s: NDArray[np.float64]) -> NDArray[np.float64]:
    """The vertex of the parabola through the highest of the moments and its neighbors; the edges stay edges."""
    highest = curves.argmax(axis=1)
    inner = np.clip(highest, 1, len(time_s) - 2)
    before, at, after = (
        np.take_along_axis(curves, (inner + offset)[:, None], axis=1)[:, 0].astype(np.float64) for offset in (-1, 0, 1)
    )
    bend = before - 2 * at + after
    is_vertex = (highest == inner) & (bend < 0)
    offset = np.where(is_vertex, np.clip((before - after) / np.where(is_vertex, 2 * bend, 1.0), -0.5, 0.5), 0.0)
    peak_s: NDArray[np.float64] = time_s[highest] + offset * (time_s[1] - time_s[0])
    return peak_s
