"""The one-tissue compartment model with blood, fitted to every voxel by basis functions.

    C(t) = (1 - Vb) K1 exp(-k2 t) * Cp(t) + Vb Cb(t)

For a given k2 the model is linear in (1 - Vb) K1 and Vb (Gunn, Lammertsma, Hume, Cunningham 1997, NeuroImage 6:279);
neither coefficient may be negative. The curvature at the solution gives the standard errors, by the delta method; that
of the time to peak follows k2 alone, which overstates it slightly.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from glioframe.core.errors import SettingError
from glioframe.pet.basis_functions import BasisFunctions
from glioframe.pet.convolution import exponential_frames
from glioframe.pet.estimate import Estimate
from glioframe.pet.exponential_table import LogGrid
from glioframe.pet.model_peak import PeakFinder
from glioframe.pet.time_to_peak import SEARCH_START_S
from glioframe.pet.voxelwise import map_voxels

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from glioframe.pet.frames import FrameSchedule
    from glioframe.pet.input_function import InputFunction

    Values = NDArray[np.float64]

NUM_PARAMETERS = 3
# A voxel with more blood than this is a vessel: what little tissue it holds cannot be told from noise.
_VESSEL_BLOOD_FRACTION = 0.95


@dataclass(frozen=True, kw_only=True, slots=True)
class OneTissueSettings:
    """How the model is fitted.

    Attributes:
        min_k2_per_min: The lowest k2; below it, a scan of an hour sees no efflux.
        max_k2_per_min: The highest k2; above it, tissue cannot be told from blood.
        num_k2: Values of k2 on the grid that all voxels are first compared with.
        peak_search_s: Where the maximum of the fitted curve is searched; before it, the blood peaks.
        peak_until_s: The end of that search; None for the end of the last frame. Give the same to two schedules
            that are to be compared: uptake that still rises peaks at the end.
        num_workers: Threads.
    """

    min_k2_per_min: float = 0.005
    max_k2_per_min: float = 2.0
    num_k2: int = 64
    peak_search_s: float = SEARCH_START_S
    peak_until_s: float | None = None
    num_workers: int = 2


@dataclass(frozen=True, kw_only=True, eq=False)
class OneTissueMaps:
    """The model in every voxel, each number with its standard error; zero outside the mask and where nothing fits.

    Attributes:
        k1_ml_cm3_min: Transport from plasma into tissue.
        k2_per_min: Transport back.
        vt_ml_cm3: The distribution volume, K1 / k2.
        vb: The blood volume as a fraction.
        time_to_peak_s: When the fitted curve is highest.
        residual_sd: The standard deviation of the residuals at weight 1; the noise level when the weights come from
            `glioframe.pet.noise.noise_weights`.
    """

    k1_ml_cm3_min: Estimate
    k2_per_min: Estimate
    vt_ml_cm3: Estimate
    vb: Estimate
    time_to_peak_s: Estimate
    residual_sd: Estimate


def fit_one_tissue(
    series: NDArray[Any],
    schedule: FrameSchedule,
    input_function: InputFunction,
    *,
    weights: Values | None = None,
    mask: NDArray[np.bool_] | None = None,
    settings: OneTissueSettings | None = None,
) -> OneTissueMaps:
    """Fits the model to all voxels of a series.

    Args:
        series: Decay-corrected frames ``(t, ...)`` in the unit of the input function.
        schedule: Their times.
        input_function: What arrives in the blood, at least until the end of the last frame.
        weights: Inverse variances of the frames ``(t,)``, up to a factor; None weights a frame with its duration.
        mask: Which voxels to fit ``(...)``; None for all.
        settings: How to fit; None for the defaults.

    Raises:
        SettingError: Fewer frames than the model needs, weights that are none, or an input that ends too early.
    """
    chosen = settings or OneTissueSettings()
    model = OneTissueModel.prepare(schedule, input_function, weights=weights, settings=chosen)
    maps = map_voxels(model.fit_curves, series, mask=mask, num_workers=chosen.num_workers)
    names = (name for name in maps if not name.endswith("_error"))
    return OneTissueMaps(**{name: Estimate(maps[name], maps.get(f"{name}_error")) for name in names})


@dataclass(frozen=True, kw_only=True, eq=False)
class OneTissueModel:
    """The model for one input function and one schedule, ready to be fitted to curves.

    Attributes:
        root_weights: The roots of the frames' weights ``(t,)``.
        basis: The responses and blood, weighted.
        peak: Finds the maximum of fitted curves.
    """

    root_weights: Values
    basis: BasisFunctions
    peak: PeakFinder

    @classmethod
    def prepare(
        cls,
        schedule: FrameSchedule,
        input_function: InputFunction,
        *,
        weights: Values | None,
        settings: OneTissueSettings,
    ) -> OneTissueModel:
        """Convolves the input with every rate of the grids."""
        root_weights = np.sqrt(_checked_weights(weights, schedule))

        def respond(rates: Values) -> Values:
            frames = exponential_frames(rates, input_function.time_s, input_function.plasma, schedule)
            return frames * root_weights

        coarse = LogGrid(
            min_per_min=settings.min_k2_per_min, max_per_min=settings.max_k2_per_min, num_nodes=settings.num_k2
        )
        basis = BasisFunctions.prepare(respond, input_function.whole_blood_frames(schedule) * root_weights, coarse)
        stop_s = schedule.end_s[-1] if settings.peak_until_s is None else settings.peak_until_s
        peak = PeakFinder.prepare(input_function, basis.grid, start_s=settings.peak_search_s, stop_s=stop_s)
        return cls(root_weights=root_weights, basis=basis, peak=peak)

    def fit_curves(self, curves: NDArray[np.float32]) -> dict[str, NDArray[np.floating]]:
        """The parameters and their standard errors of curves ``(n, t)``, by name, each ``(n,)``."""
        solution = self.basis.fit(curves * self.root_weights.astype(np.float32))
        is_tissue = (solution.uptake > 0) & (solution.vb < _VESSEL_BLOOD_FRACTION)
        vb = np.clip(solution.vb, 0.0, 1.0)
        k1, k2 = solution.uptake / np.where(is_tissue, 1 - vb, 1.0), np.exp(solution.log_k2)
        peak_s, peak_slope_s = self.peak.find(solution.log_k2, solution.uptake, vb)
        degrees_of_freedom = np.count_nonzero(self.root_weights) - NUM_PARAMETERS
        residual_sd = np.sqrt(solution.residual_squares / degrees_of_freedom)
        sd_log_k1, sd_log_k2, sd_log_vt, sd_vb = (
            residual_sd * np.sqrt(np.maximum(variance, 0.0)) for variance in solution.variances()
        )
        tissue_maps = {
            "k1_ml_cm3_min": k1,
            "k1_ml_cm3_min_error": k1 * sd_log_k1,
            "k2_per_min": k2,
            "k2_per_min_error": k2 * sd_log_k2,
            "vt_ml_cm3": k1 / k2,
            "vt_ml_cm3_error": k1 / k2 * sd_log_vt,
            "time_to_peak_s": peak_s,
            "time_to_peak_s_error": np.abs(peak_slope_s) * sd_log_k2,
        }
        maps = {name: np.where(is_tissue, values, 0.0) for name, values in tissue_maps.items()}
        return maps | {"vb": vb, "vb_error": sd_vb, "residual_sd": residual_sd}


def _checked_weights(weights: Values | None, schedule: FrameSchedule) -> Values:
    num_used = schedule.num_frames if weights is None else np.count_nonzero(weights)
    if num_used <= NUM_PARAMETERS:
        raise SettingError(
            "one-tissue model",
            expected=f"more than {NUM_PARAMETERS} frames with a weight above 0",
            found=f"{num_used}",
            fix="Use a static PET quantity for this acquisition",
        )
    if weights is None:
        return np.asarray(schedule.duration_s)
    if weights.shape != (schedule.num_frames,) or not np.isfinite(weights).all() or (weights < 0).any():
        raise SettingError(
            "weights of the frames",
            expected=f"{schedule.num_frames} finite numbers, none negative",
            found=f"shape {weights.shape} with values from {weights.min():g} to {weights.max():g}",
            fix="Give the inverse variance of each frame, 0 to leave it out",
        )
    return weights
