"""Ki of tissue that traps the tracer, from the whole curve and not only from its late straight part.

    C(t) = (1 - Vb) [Ki + (K1 - Ki) exp(-(k2 + k3) t)] * Cp(t) + Vb Cb(t)

is the two-tissue model with k4 = 0. Given the rate k2 + k3 it is linear in three coefficients, and the rate is found
on a logarithmic grid. A Patlak plot of the first half hour still bends: it misses Ki by several percent where this
model does not. Coefficients may come out negative in noise, so that means over regions stay unbiased.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from glioframe.core.errors import SettingError
from glioframe.pet.convolution import exponential_frames
from glioframe.pet.estimate import Estimate
from glioframe.pet.exponential_table import LogGrid, tabulate
from glioframe.pet.voxelwise import map_voxels

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from glioframe.pet.frames import FrameSchedule
    from glioframe.pet.input_function import InputFunction

    Values = NDArray[np.float64]

_NUM_PARAMETERS = 4
_SMALLEST = 1e-12
# Slower rates look like trapping and faster ones like blood.
_RATES = LogGrid(min_per_min=0.03, max_per_min=1.5, num_nodes=256)


@dataclass(frozen=True, kw_only=True, eq=False)
class IrreversibleMaps:
    """The model in every voxel; zero outside the mask.

    Attributes:
        ki_ml_cm3_min: The net rate of uptake, K1 k3 / (k2 + k3), with its standard error.
        rate_per_min: k2 + k3.
    """

    ki_ml_cm3_min: Estimate
    rate_per_min: Estimate


def fit_irreversible(
    series: NDArray[Any],
    schedule: FrameSchedule,
    input_function: InputFunction,
    *,
    weights: Values | None = None,
    mask: NDArray[np.bool_] | None = None,
    num_workers: int = 2,
) -> IrreversibleMaps:
    """Fits the model to all voxels of a series.

    Args:
        series: Decay-corrected frames ``(t, ...)`` in the unit of the input function.
        schedule: Their times.
        input_function: What arrives in the blood, at least until the end of the last frame.
        weights: Inverse variances of the frames ``(t,)``, up to a factor; None weights a frame with its duration.
        mask: Which voxels to fit ``(...)``; None for all.
        num_workers: Threads.

    Raises:
        SettingError: Fewer frames than the model needs, or an input that ends too early.
    """
    if schedule.num_frames <= _NUM_PARAMETERS:
        raise SettingError(
            "irreversible two-tissue model",
            expected=f"more than {_NUM_PARAMETERS} frames",
            found=f"{schedule.num_frames}",
            fix="Use a static PET quantity for this acquisition",
        )
    root_weights = np.sqrt(np.asarray(schedule.duration_s) if weights is None else weights)
    tables = _Tables.prepare(schedule, input_function, root_weights)
    maps = map_voxels(tables.fit_curves, series, mask=mask, num_workers=num_workers)
    return IrreversibleMaps(
        ki_ml_cm3_min=Estimate(maps["ki"], maps["ki_error"]), rate_per_min=Estimate(maps["rate_per_min"])
    )


@dataclass(frozen=True, kw_only=True, eq=False)
class _Tables:
    """By node of the grid of rates.

    Attributes:
        root_weights: The roots of the weights ``(t,)``.
        fixed: Orthonormal frames that span blood and the integral of plasma ``(2, t)``.
        apart: What the exponential adds to these, of norm 1 ``(m, t)``.
        solve: From frames to the coefficients of integral, blood and exponential ``(m, 3, t)``.
        error: Standard errors of the first two for residuals of standard deviation 1, the rate being fitted ``(m, 2)``.
    """

    root_weights: Values
    fixed: Values
    apart: Values
    solve: Values
    error: Values

    @classmethod
    def prepare(cls, schedule: FrameSchedule, input_function: InputFunction, root_weights: Values) -> _Tables:
        """Solves the normal equations of every rate once for all voxels."""

        def respond(rates: Values) -> Values:
            frames = exponential_frames(rates, input_function.time_s, input_function.plasma, schedule)
            return frames * root_weights

        response, derivative = tabulate(_RATES, respond)
        constant = np.stack([respond(np.zeros(1))[0], input_function.whole_blood_frames(schedule) * root_weights])
        fixed = np.linalg.qr(constant.T)[0].T
        apart = response - (response @ fixed.T) @ fixed
        regressors = np.concatenate([np.broadcast_to(constant, (len(response), *constant.shape)), response[:, None]], 1)
        with_rate = np.concatenate([regressors, derivative[:, None]], axis=1)
        covariance = np.linalg.inv(with_rate @ with_rate.transpose(0, 2, 1))
        return cls(
            root_weights=root_weights,
            fixed=fixed,
            apart=apart / (np.linalg.norm(apart, axis=1, keepdims=True) + _SMALLEST),
            solve=np.linalg.pinv(regressors.transpose(0, 2, 1)),
            error=np.sqrt(np.diagonal(covariance, axis1=1, axis2=2)[:, :2]),
        )

    def fit_curves(self, curves: NDArray[np.float32]) -> dict[str, Values]:
        """Ki, its standard error and the rate of curves ``(n, t)``."""
        # In double precision: neighboring rates explain a curve almost equally well.
        weighted = curves * self.root_weights
        gain = np.abs(weighted @ self.apart.T)
        node = gain.argmax(axis=1)
        net, vb, _ = np.einsum("nft,nt->fn", self.solve[node], weighted)
        explained = np.square(weighted @ self.fixed.T).sum(axis=1) + gain.max(axis=1) ** 2
        squares = np.maximum(np.square(weighted).sum(axis=1) - explained, 0.0)
        residual_sd = np.sqrt(squares / (len(self.root_weights) - _NUM_PARAMETERS))
        tissue_part = np.clip(1 - vb, 0.05, 1.0)
        net_error, vb_error = (residual_sd * self.error[node, column] for column in (0, 1))
        return {
            "ki": net / tissue_part,
            "ki_error": np.hypot(net_error, net / tissue_part * vb_error) / tissue_part,
            "rate_per_min": np.where(weighted.any(axis=1), _RATES.rate_per_min[node], 0.0),
        }
