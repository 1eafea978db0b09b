"""How each channel's values become network input, by what the channel shows and what it is measured in.

Weighted MRI has no scale of its own and is standardized case by case. A quantity is divided by a constant of its
unit, the same for every case and site: the constants come from physics and physiology, not from the dataset, so that
they leak nothing, and a model meets the same scale at every hospital. They bring normal tissue and tumor near 1.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from glioframe.artifacts.plan import ChannelPlan, Normalization
from glioframe.core.errors import PlanError
from glioframe.core.modality import Modality, Tracer, Unit
from glioframe.planning.reasons import Chosen

if TYPE_CHECKING:
    from glioframe.artifacts.dataset import Channel
    from glioframe.artifacts.fingerprint import ChannelFingerprint

_SUV_SCALE = {Tracer.FDOPA: 2.0, Tracer.FET: 2.0, Tracer.MET: 2.0, Tracer.FDG: 8.0}
"""Amino acids: normal brain is near SUV 1, tumor 2 to 4. FDG: normal cortex is near SUV 8."""
_TBR_SCALE = 2.0
"""Background is 1 by definition; amino-acid uptake counts as tumor from 1.6 to 2 on."""
_BQ_ML_PER_SUV = 2500.0
"""200 MBq spread evenly over 80 kg of tissue of 1 g/mL."""
_OTHER_SCALES: dict[tuple[Modality, Unit | None], tuple[float, str]] = {
    (Modality.ADC, Unit.MM2_S): (1e-3, "normal brain is near 0.8e-3 mm2/s"),
    (Modality.RCBV, Unit.RELATIVE): (1.0, "normal white matter is 1 by definition"),
    (Modality.CT, Unit.HU): (100.0, "brain is near 40 HU, acute blood below 100 HU"),
    (Modality.PET_PARAMETRIC, Unit.RELATIVE): (1.0, "a relative map is near 1 by definition"),
}
_PLAUSIBLE = (0.02, 200.0)
"""Where the 99.5th percentile inside the brain, over the scale, may lie. A wrong unit is off by 1000 or more."""


def plan_channel(fingerprint: ChannelFingerprint) -> Chosen[ChannelPlan]:
    """Normalization and interpolation of one channel.

    Raises:
        PlanError: The channel's modality and unit have no rule, or its values contradict its unit.
    """
    channel = fingerprint.channel
    if channel.modality.is_weighted_mri and channel.unit is None:
        return Chosen(
            ChannelPlan(source=channel, normalization=Normalization(scheme="robust_z_score"), interpolation=3),
            "Weighted MRI has no physical scale: each case is centered on the median of its brain and divided by the "
            "robust standard deviation there. Cubic splines keep edges sharp.",
        )
    scale, why = _scale(channel)
    _refuse_implausible_values(fingerprint, scale)
    return Chosen(
        ChannelPlan(source=channel, normalization=Normalization(scheme="fixed_scale", scale=scale), interpolation=1),
        f"A quantity in {channel.unit}: every case is divided by the same {scale:g}, because {why}. Linear "
        "interpolation, because splines overshoot at hot spots and so invent uptake.",
    )


def _scale(channel: Channel) -> tuple[float, str]:
    if (channel.modality, channel.unit) in _OTHER_SCALES:
        return _OTHER_SCALES[channel.modality, channel.unit]
    if channel.modality in {Modality.PET_STATIC, Modality.PET_PARAMETRIC} and channel.tracer is not None:
        suv_scale = _SUV_SCALE[channel.tracer]
        if channel.unit == Unit.SUV_BW:
            return suv_scale, f"typical {channel.tracer} uptake is near SUV {suv_scale:g}"
        if channel.unit == Unit.TBR:
            return _TBR_SCALE, "background is 1 by definition and amino-acid uptake counts as tumor from 1.6 to 2 on"
        if channel.unit == Unit.BQ_ML:
            return _BQ_ML_PER_SUV * suv_scale, (
                f"that is SUV {suv_scale:g} after 200 MBq in 80 kg; WARNING: activity per volume depends on the "
                "injected activity and the body weight of each patient, so convert the channel to suv_bw or tbr"
            )
    raise PlanError(
        f"channel {channel.name!r}",
        expected="a modality and a unit that a normalization is known for",
        found=f"modality {channel.modality}, unit {channel.unit}, tracer {channel.tracer}",
        fix=_fix(channel),
    )


def _fix(channel: Channel) -> str:
    if channel.modality == Modality.PET_DYNAMIC:
        return "Declare a pet_static or pet_parametric channel made from the dynamic series instead"
    return (
        "Correct modality or unit in dataset.json: PET takes suv_bw, tbr or bq_ml, adc mm2_s, ct hu, rcbv relative, "
        "t1n, t1c, t2w and t2f none"
    )


def _refuse_implausible_values(fingerprint: ChannelFingerprint, scale: float) -> None:
    if fingerprint.brain is None:
        return
    high = fingerprint.brain.percentile_99_5
    lowest, highest = (bound * scale for bound in _PLAUSIBLE)
    if not lowest <= high <= highest:
        channel = fingerprint.channel
        raise PlanError(
            f"channel {channel.name!r}",
            expected=f"the 99.5th percentile inside the brain between {lowest:g} and {highest:g} {channel.unit}",
            found=f"{high:g}",
            fix="Correct the unit in dataset.json, or convert the images to the declared unit",
        )
