"""The two-tissue compartment model, forwards: from rate constants to the frames that a scanner would see.

The impulse response is the sum of two exponentials (Gunn, Gunn, Cunningham 2001, J Cereb Blood Flow Metab 21:635):

    h(t) = K1 / (a2 - a1) * [(k3 + k4 - a1) exp(-a1 t) + (a2 - k3 - k4) exp(-a2 t)]
    a1, a2 = (s -/+ sqrt(s^2 - 4 k2 k4)) / 2,   s = k2 + k3 + k4

With k3 = 0 it is the one-tissue model, with k4 = 0 the tracer is trapped.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from glioframe.pet.convolution import exponential_frames, exponential_response

if TYPE_CHECKING:
    from numpy.typing import ArrayLike, NDArray

    from glioframe.pet.frames import FrameSchedule
    from glioframe.pet.input_function import InputFunction


@dataclass(frozen=True, kw_only=True, slots=True)
class TissueKinetics:
    """Rate constants of one tissue.

    Attributes:
        k1_ml_cm3_min: Transport from plasma into tissue, K1.
        k2_per_min: Transport back.
        k3_per_min: Into the second compartment; 0 in the one-tissue model.
        k4_per_min: Out of the second compartment; 0 when the tracer is trapped.
        vb: Blood volume as a fraction of the tissue.
    """

    k1_ml_cm3_min: float
    k2_per_min: float
    k3_per_min: float = 0.0
    k4_per_min: float = 0.0
    vb: float = 0.0

    @property
    def vt_ml_cm3(self) -> float:
        """The distribution volume, K1/k2 (1 + k3/k4); infinite when the tracer is trapped."""
        if self.k3_per_min == 0:
            return self.k1_ml_cm3_min / self.k2_per_min
        if self.k4_per_min == 0:
            return float("inf")
        return self.k1_ml_cm3_min / self.k2_per_min * (1 + self.k3_per_min / self.k4_per_min)

    @property
    def ki_ml_cm3_min(self) -> float:
        """The net rate of uptake when nothing leaves the second compartment, K1 k3 / (k2 + k3)."""
        return self.k1_ml_cm3_min * self.k3_per_min / (self.k2_per_min + self.k3_per_min)


def two_tissue_frames(
    tissue: TissueKinetics, input_function: InputFunction, schedule: FrameSchedule
) -> NDArray[np.float64]:
    """The average over each frame of tissue with its blood ``(t,)``, in the unit of the input."""
    weights, rates = _impulse_response(tissue)
    responses = exponential_frames(rates, input_function.time_s, input_function.plasma, schedule)
    return (1 - tissue.vb) * weights @ responses + tissue.vb * input_function.whole_blood_frames(schedule)


def two_tissue_curve(tissue: TissueKinetics, input_function: InputFunction, time_s: ArrayLike) -> NDArray[np.float64]:
    """The concentration in tissue with its blood at moments in time."""
    weights, rates = _impulse_response(tissue)
    responses = exponential_response(rates, input_function.time_s, input_function.plasma, time_s)
    return (1 - tissue.vb) * weights @ responses + tissue.vb * input_function.whole_blood_at(time_s)


def two_tissue_voxels(
    constants: NDArray[np.floating], input_function: InputFunction, schedule: FrameSchedule
) -> NDArray[np.float32]:
    """Frames of many voxels at once, each with its own rate constants.

    Args:
        constants: K1 [mL/cm3/min], k2, k3, k4 [1/min] and the blood fraction ``(5, n)``.
        input_function: What all voxels receive.
        schedule: The frames.

    Returns:
        The frames ``(t, n)``.
    """
    k1, k2, k3, k4, vb = np.asarray(constants, np.float64)
    slow, fast = _exponents(k2, k3, k4)
    scale = (1 - vb) * k1 / np.maximum(fast - slow, np.finfo(np.float64).tiny)
    nodes = exponential_frames(_RATE_NODES_PER_MIN, input_function.time_s, input_function.plasma, schedule)
    frames = (scale * (k3 + k4 - slow)) * _between_nodes(nodes, slow)
    frames += (scale * (fast - k3 - k4)) * _between_nodes(nodes, fast)
    frames += np.multiply.outer(input_function.whole_blood_frames(schedule), vb)
    return np.asarray(frames, np.float32)


# Below the first rate a scan of two hours sees no decay: the response is interpolated linearly down to rate 0.
_RATE_NODES_PER_MIN = np.concatenate([[0.0], np.geomspace(1e-4, 20.0, 2048)])


def _between_nodes(nodes: NDArray[np.float64], rate_per_min: NDArray[np.float64]) -> NDArray[np.float64]:
    """Responses ``(t, n)`` by linear interpolation between exact convolutions."""
    return np.stack([np.interp(rate_per_min, _RATE_NODES_PER_MIN, frame) for frame in nodes.T])


def _impulse_response(tissue: TissueKinetics) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Weights and rates of the two exponentials."""
    k3_and_k4 = tissue.k3_per_min + tissue.k4_per_min
    slow, fast = _exponents(np.float64(tissue.k2_per_min), np.float64(tissue.k3_per_min), np.float64(tissue.k4_per_min))
    scale = tissue.k1_ml_cm3_min / (fast - slow)
    return np.array([scale * (k3_and_k4 - slow), scale * (fast - k3_and_k4)]), np.array([slow, fast])


def _exponents(
    k2: NDArray[np.float64] | np.float64, k3: NDArray[np.float64] | np.float64, k4: NDArray[np.float64] | np.float64
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    total = k2 + k3 + k4
    spread = np.sqrt(np.maximum(total**2 - 4 * k2 * k4, 0.0))
    return (total - spread) / 2, (total + spread) / 2
