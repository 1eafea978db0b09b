"""The input function from the image itself: blood in the large vessels, then a curve between the frames.

Neither step corrects the partial volume of vessels narrower than the resolution: scale with
`InputFunction.scaled_to_blood` when a blood sample is at hand.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
from scipy.optimize import least_squares

from glioframe.core.errors import DatasetError, ImageError
from glioframe.pet.convolution import frame_averages
from glioframe.pet.input_function import FENG_FDG, FengModel, InputFunction

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from glioframe.pet.frames import FrameSchedule

    Values = NDArray[np.float64]

# The bolus passes the brain in the first minutes; afterwards tissue is as hot as blood.
EARLY_S = 120.0


def find_vessels(
    series: NDArray[Any],
    schedule: FrameSchedule,
    *,
    num_voxels: int,
    early_s: float = EARLY_S,
    mask: NDArray[np.bool_] | None = None,
) -> NDArray[np.bool_]:
    """The voxels with the highest mean over the first minutes.

    Args:
        series: Frames ``(t, ...)``.
        schedule: Their times.
        num_voxels: How many voxels to take.
        early_s: The end of the window.
        mask: Where to search ``(...)``, as around the carotids or the middle cerebral arteries; None for everywhere.

    Raises:
        DatasetError: No frame lies before ``early_s``.
        ImageError: Fewer voxels to search than to take.
    """
    seconds = schedule.frames_within(0.0, early_s)
    if not seconds.any():
        raise DatasetError(
            "frame schedule",
            expected=f"frames before {early_s:g} s, where the bolus passes",
            found=f"a first frame at {schedule.start_s[0]:g} s",
            fix="Use a population input function scaled to late blood",
        )
    early = np.tensordot((seconds / seconds.sum()).astype(np.float32), series, axes=1)
    candidates = np.arange(early.size) if mask is None else np.flatnonzero(mask)
    if not 0 < num_voxels <= candidates.size:
        raise ImageError(
            "vessel search",
            expected=f"at least {num_voxels} voxels to search, and one or more to take",
            found=f"{candidates.size}",
            fix="Widen the mask or take fewer voxels",
        )
    hottest = np.argpartition(early.reshape(-1)[candidates], -num_voxels)[-num_voxels:]
    vessels = np.zeros(early.shape, np.bool_)
    vessels.reshape(-1)[candidates[hottest]] = True
    return vessels


def mean_curve(series: NDArray[Any], mask: NDArray[np.bool_]) -> Values:
    """The mean of each frame over a mask ``(t,)``.

    Raises:
        ImageError: The mask is empty.
    """
    if not mask.any():
        raise ImageError("mask", expected="one voxel or more", found="none", fix="Check the region")
    return np.asarray(series[:, mask].mean(axis=1, dtype=np.float64))


def input_from_frames(blood: Values, schedule: FrameSchedule, *, whole_blood_fraction: float) -> InputFunction:
    """A piecewise-linear input whose frame averages are exactly the measured ones.

    A line through the frame mid-times would flatten the bolus; its heights there are therefore solved for.

    Args:
        blood: Frame averages of whole blood ``(t,)``.
        schedule: The frames, from injection on.
        whole_blood_fraction: Whole blood over plasma, for the step from blood to plasma.
    """
    knots_s = np.concatenate([schedule.start_s[:1], schedule.mid_s, schedule.end_s[-1:]])
    # Zero at the start, held from the last mid-time to the end.
    hats = np.eye(schedule.num_frames)
    heights = np.concatenate([np.zeros((1, schedule.num_frames)), hats, hats[-1:]])
    averages = np.stack([frame_averages(knots_s, height, schedule) for height in heights.T], axis=1)
    whole_blood = heights @ np.linalg.solve(averages, np.asarray(blood, np.float64))
    return InputFunction(time_s=knots_s, plasma=whole_blood / whole_blood_fraction, whole_blood=whole_blood)


def fit_feng(blood: Values, schedule: FrameSchedule, *, weights: Values | None = None) -> FengModel:
    """The Feng model whose frame averages come closest to measured ones; it may be sampled beyond the frames.

    Args:
        blood: Frame averages ``(t,)``; of whole blood or of plasma, as the model then is.
        schedule: The frames, from injection on.
        weights: Inverse variances ``(t,)``; None weights a frame with its duration.

    Raises:
        DatasetError: The blood is not above zero.
    """
    measured = np.asarray(blood, np.float64)
    if not measured.max() > 0:
        raise DatasetError(
            "blood curve",
            expected="activity above 0",
            found=f"a maximum of {measured.max():g}",
            fix="Check the vessel mask",
        )
    root_weights = np.sqrt(np.asarray(schedule.duration_s) if weights is None else weights)
    edges_s = np.concatenate([schedule.start_s, schedule.end_s[-1:]])

    def misfit(parameters: Values) -> Values:
        area_min = _feng(parameters).plasma_integral_min(edges_s)
        averages = np.diff(area_min) * 60.0 / np.asarray(schedule.duration_s)
        misfits: Values = root_weights * (averages - measured) / measured.max()
        return misfits

    fits = [least_squares(misfit, _start(measured, schedule, onset_s), x_scale="jac") for onset_s in (1.0, 15.0, 40.0)]
    return _feng(min(fits, key=lambda fit: float(fit.cost)).x)


def _feng(parameters: Values) -> FengModel:
    """Parameters are logarithms, to stay positive; the first rates are differences, to stay ordered."""
    rise, fast, slow, gap12, gap23, rate3, onset_s = np.exp(np.clip(parameters, -20.0, 20.0))
    rates = (rate3 + gap23 + gap12, rate3 + gap23, rate3)
    return FengModel(
        rise_per_min=float(rise),
        fast=float(fast),
        slow=float(slow),
        rates_per_min=(float(rates[0]), float(rates[1]), float(rates[2])),
        onset_s=float(onset_s),
    )


def _start(measured: Values, schedule: FrameSchedule, onset_s: float) -> Values:
    """The shape of FDG at the height of the measured tail."""
    factor = max(float(measured[-1]), 1e-6 * float(measured.max())) / float(FENG_FDG.plasma_at(schedule.mid_s[-1]))
    first, second, third = FENG_FDG.rates_per_min
    amplitudes = np.array([FENG_FDG.rise_per_min, FENG_FDG.fast, FENG_FDG.slow]) * factor
    return np.log([*amplitudes, first - second, second - third, third, onset_s])
