import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from glioframe.core.errors import DatasetError, SettingError
from glioframe.pet.frames import FrameSchedule

PUBLISHED = [
    ("30x60", 30, 1800.0),
    ("8x15,2x30,2x60,3x300", 15, 1200.0),
    ("7x10,3x30,1x120,3x300,2x600", 16, 2380.0),
    ("5x60,5x180,6x300", 16, 3000.0),
]


@pytest.mark.parametrize(("pattern", "num_frames", "total_s"), PUBLISHED)
def test_a_published_schedule_has_the_stated_frames_and_length(pattern, num_frames, total_s):
    schedule = FrameSchedule.from_pattern(pattern)
    schedule.check()
    assert (schedule.num_frames, schedule.total_s, schedule.end_s[-1]) == (num_frames, total_s, total_s)


def test_the_late_frames_of_lmu_have_the_middles_that_quantize_time_to_peak():
    schedule = FrameSchedule.from_pattern("7x10,3x30,1x120,3x300,2x600")
    assert np.round(np.array(schedule.mid_s[-5:]) / 60, 1).tolist() == [7.2, 12.2, 17.2, 24.7, 34.7]


def test_a_schedule_may_start_long_after_injection():
    schedule = FrameSchedule.from_pattern("4x300", start_s=1200)
    assert schedule.start_s == (1200.0, 1500.0, 1800.0, 2100.0)
    assert schedule.covers(1200, 2400)
    assert not schedule.covers(600, 2400)


@pytest.mark.parametrize("pattern", ["", "30", "x60", "3x", "0x60", "3x0", "3x-5", "3 times 60", "3x60,,2x30"])
def test_a_pattern_that_cannot_be_read_is_refused_with_an_example(pattern):
    with pytest.raises(SettingError, match="8x15,2x30,2x60,3x300"):
        FrameSchedule.from_pattern(pattern)


@pytest.mark.parametrize(
    ("start_s", "duration_s", "fault"),
    [
        ((), (), "0 starts"),
        ((0.0, 60.0), (60.0,), "2 starts and 1 durations"),
        ((0.0, 60.0), (60.0, 0.0), "duration 0 s"),
        ((0.0, 60.0), (60.0, -60.0), "duration -60 s"),
        ((0.0, float("nan")), (60.0, 60.0), "start nan s"),
        ((0.0, 60.0), (60.0, float("inf")), "duration inf s"),
        ((0.0, 90.0), (60.0, 60.0), "a gap of 30 s between frame 0"),
        ((0.0, 50.0), (60.0, 60.0), "an overlap of 10 s between frame 0"),
        ((60.0, 0.0), (60.0, 60.0), "an overlap of 120 s"),
    ],
)
def test_an_impossible_schedule_is_refused_with_its_file_and_its_fault(start_s, duration_s, fault):
    with pytest.raises(DatasetError, match=fault) as caught:
        FrameSchedule(start_s, duration_s).check("CASE_0002.json")
    assert str(caught.value).startswith("CASE_0002.json: ")


def test_times_rounded_to_half_a_second_pass():
    FrameSchedule((0.0, 10.5, 20.0), (10.0, 10.0, 10.0)).check()


@given(st.floats(0, 1200), st.floats(0, 1200))
def test_the_seconds_of_all_frames_within_a_window_add_up_to_the_window(one, other):
    schedule = FrameSchedule.from_pattern("8x15,2x30,2x60,3x300")
    start_s, stop_s = sorted((one, other))
    assert schedule.frames_within(start_s, stop_s).sum() == pytest.approx(stop_s - start_s, abs=1e-9)
