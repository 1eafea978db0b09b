"""Every channel is normalized by what it measures; what nobody knows a rule for is refused."""

import pytest
from planning_fingerprints import ADC, HIGH, RCBV, SUV, TBR, make_channel_fingerprint

from glioframe.artifacts.dataset import Channel
from glioframe.core.errors import PlanError
from glioframe.core.modality import Modality, Tracer, Unit
from glioframe.planning.normalization import plan_channel

CT = Channel(name="ct", modality=Modality.CT, unit=Unit.HU)
ACTIVITY = Channel(name="pet", modality=Modality.PET_STATIC, tracer=Tracer.FET, unit=Unit.BQ_ML)
FDG = Channel(name="fdg", modality=Modality.PET_STATIC, tracer=Tracer.FDG, unit=Unit.SUV_BW)


def plan(channel: Channel, *, high: float | None = None):
    return plan_channel(make_channel_fingerprint(channel, num_present=10, high=high))


@pytest.mark.parametrize("modality", [each for each in Modality if each.is_weighted_mri])
def test_weighted_mri_is_standardized_case_by_case(modality):
    planned = plan(Channel(name="mri", modality=modality)).value
    assert planned.normalization.scheme == "robust_z_score"
    assert planned.interpolation == 3


@pytest.mark.parametrize("channel", [SUV, TBR, FDG, ADC, RCBV, CT])
def test_quantities_keep_their_scale_whatever_the_cohort_looks_like(channel):
    low, high = (plan(channel, high=HIGH[channel.unit] * factor).value for factor in (0.5, 2.0))
    assert low == high
    assert low.normalization.scheme == "fixed_scale"
    assert low.interpolation == 1


def test_typical_values_become_network_inputs_near_one():
    typical = {SUV: 2.0, TBR: 2.0, FDG: 8.0, ADC: 0.8e-3, RCBV: 1.0, ACTIVITY: 5000.0}
    for channel, value in typical.items():
        assert 0.5 <= value / plan(channel).value.normalization.scale <= 2, channel.name


def test_fdg_of_cortex_is_scaled_like_amino_acid_uptake_of_tumor():
    assert plan(FDG).value.normalization.scale > plan(SUV).value.normalization.scale


def test_activity_concentrations_come_with_a_warning():
    reason = plan(ACTIVITY).reason
    assert "WARNING" in reason
    assert "suv_bw or tbr" in reason


@pytest.mark.parametrize(
    "channel",
    [
        Channel(name="pet", modality=Modality.PET_STATIC, tracer=Tracer.FET, unit=Unit.HU),
        Channel(name="pet", modality=Modality.PET_STATIC, unit=Unit.SUV_BW),
        Channel(name="pet", modality=Modality.PET_STATIC, tracer=Tracer.FET, unit=Unit.RELATIVE),
        Channel(name="t1c", modality=Modality.T1C, unit=Unit.HU),
        Channel(name="adc", modality=Modality.ADC),
        Channel(name="adc", modality=Modality.ADC, unit=Unit.RELATIVE),
        Channel(name="ct", modality=Modality.CT),
    ],
)
def test_a_modality_with_an_unknown_unit_is_refused_by_name(channel):
    with pytest.raises(PlanError, match=f"channel '{channel.name}'.*modality {channel.modality}.*dataset.json"):
        plan(channel)


def test_a_dynamic_series_says_what_to_declare_instead():
    dynamic = Channel(name="dyn", modality=Modality.PET_DYNAMIC, tracer=Tracer.FDOPA, unit=Unit.SUV_BW)
    with pytest.raises(PlanError, match="pet_static or pet_parametric"):
        plan(dynamic)


@pytest.mark.parametrize(
    ("channel", "high"),
    [
        (SUV, 9000.0),  # Bq/mL declared as SUV
        (ADC, 3000.0),  # 1e-6 mm2/s declared as mm2/s
        (ADC, 3.0),  # 1e-3 mm2/s declared as mm2/s
        (ACTIVITY, 3.0),  # SUV declared as Bq/mL
        (TBR, 0.0),  # nothing at all
    ],
)
def test_values_that_contradict_their_unit_are_refused(channel, high):
    with pytest.raises(PlanError, match=r"99\.5th percentile inside the brain.*Correct the unit"):
        plan(channel, high=high)


def test_a_channel_that_no_case_has_is_planned_by_its_declaration():
    fingerprint = make_channel_fingerprint(SUV, num_present=0)
    fingerprint = type(fingerprint)(channel=SUV, num_present=0, brain=None, lesion=None)
    assert plan_channel(fingerprint).value.normalization.scheme == "fixed_scale"
