from dataclasses import replace

import pytest
from planning_fingerprints import make_statistics

from glioframe.artifacts.dataset import Channel, DatasetDescription
from glioframe.artifacts.fingerprint import ChannelFingerprint, ScheduleFingerprint
from glioframe.core.errors import PlanError
from glioframe.core.modality import Modality, Tracer, Unit
from glioframe.pet.frames import FrameSchedule
from glioframe.pet.protocol import find_protocol
from glioframe.planning.dynamic_pet import choose_alignment, plan_dynamic_pet

NANCY, GIRARD = find_protocol("fdopa_nancy_30x60"), find_protocol("fdopa_girard_20min")


def make_dynamic(*patterns, tracer=Tracer.FDOPA, start_s=0.0):
    schedules = [FrameSchedule.from_pattern(pattern, start_s=start_s) for pattern in patterns]
    return ChannelFingerprint(
        channel=Channel(name="dopa", modality=Modality.PET_DYNAMIC, tracer=tracer, unit=Unit.SUV_BW),
        num_present=len(patterns),
        brain=make_statistics(3.0),
        lesion=None,
        schedules=tuple(
            ScheduleFingerprint(frame_start_s=each.start_s, frame_duration_s=each.duration_s, num_cases=1)
            for each in schedules
        ),
    )


def recipes_of(planned):
    return [chosen.value.recipe for chosen in planned.channels]


def test_a_full_scan_gives_every_map_each_with_a_reason():
    planned = plan_dynamic_pet(make_dynamic("30x60"), NANCY)
    assert recipes_of(planned) == ["static_tbr", "time_to_peak_min", "late_slope_per_h", "k2_per_min", "vt"]
    assert [chosen.value.name for chosen in planned.channels][:2] == ["dopa_static_tbr", "dopa_time_to_peak_min"]
    assert all(chosen.reason for chosen in planned.channels)
    assert all(chosen.value.normalization.scheme == "fixed_scale" for chosen in planned.channels)
    assert all(chosen.value.interpolation == 1 for chosen in planned.channels)
    assert planned.plan.static_window_s == NANCY.static_window_s
    assert planned.plan.protocol == NANCY


def test_the_shortest_scan_ends_all_windows():
    planned = plan_dynamic_pet(make_dynamic("30x60", "8x15,2x30,2x60,3x300"), NANCY)
    assert planned.plan.stop_s == 1200.0
    assert planned.plan.static_window_s[1] <= 1200.0
    assert "shortest scan ends after 20 min" in planned.reasons["dynamic_pet"]


@pytest.mark.parametrize(
    ("fingerprint", "obstacle"),
    [
        (make_dynamic("5x300", start_s=300.0), "needs the bolus"),
        (make_dynamic("4x300"), "4 frames"),
    ],
)
def test_without_bolus_or_frames_no_model_is_planned_and_the_plan_says_why(fingerprint, obstacle):
    planned = plan_dynamic_pet(fingerprint, GIRARD)
    assert set(recipes_of(planned)) <= {"static_tbr", "late_slope_per_h"}
    assert obstacle in planned.reasons["channels.dopa_vt"]
    assert obstacle in planned.reasons["channels.dopa_time_to_peak_min"]


def test_a_protocol_is_required_and_has_to_be_of_the_same_tracer():
    with pytest.raises(PlanError, match="--protocol"):
        plan_dynamic_pet(make_dynamic("30x60"), None)
    with pytest.raises(PlanError, match="fdopa"):
        plan_dynamic_pet(make_dynamic("50x60", tracer=Tracer.FET), NANCY)


def test_scans_that_miss_the_static_window_are_refused():
    with pytest.raises(PlanError, match="static window"):
        plan_dynamic_pet(make_dynamic("11x60"), NANCY)


def test_pet_is_aligned_only_where_channels_have_grids_of_their_own():
    channels = (Channel(name="t1c", modality=Modality.T1C), make_dynamic("30x60").channel)
    shared = DatasetDescription(name="Dataset001_Test", channels=channels)
    assert not choose_alignment(shared).value
    assert choose_alignment(replace(shared, grid="per_channel")).value
    assert not choose_alignment(replace(shared, grid="per_channel", channels=channels[:1])).value
