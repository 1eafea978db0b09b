import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from glioframe.core.errors import DatasetError
from glioframe.pet.frames import FrameSchedule
from glioframe.pet.static import window_mean

LMU = FrameSchedule.from_pattern("7x10,3x30,1x120,3x300,2x600")


def test_a_constant_stays_itself_in_every_window():
    series = np.full((LMU.num_frames, 2, 3, 4), 1.7, dtype=np.float32)
    mean = window_mean(series, LMU, start_s=33.0, stop_s=1234.5).value
    np.testing.assert_allclose(mean, np.full((2, 3, 4), 1.7), rtol=1e-6)


def test_a_frame_that_lies_half_in_the_window_counts_half():
    schedule = FrameSchedule.from_pattern("3x60")
    mean = window_mean(np.array([[1.0], [4.0], [7.0]]), schedule, start_s=30, stop_s=120).value
    np.testing.assert_allclose(mean, [(30 * 1 + 60 * 4) / 90], rtol=1e-6)


@given(st.integers(0, 15), st.integers(1, 16))
def test_the_window_mean_of_a_ramp_is_the_middle_of_the_window_between_frame_borders(first, last):
    # The frame means of a ramp are the frames' middles; the mean over whole frames is the window's middle.
    if last <= first:
        first, last = last, first + 1
    start_s, stop_s = LMU.start_s[first], LMU.end_s[last - 1]
    mean = window_mean(np.array(LMU.mid_s), LMU, start_s=start_s, stop_s=stop_s).value
    assert float(mean) == pytest.approx((start_s + stop_s) / 2, rel=1e-6)


@pytest.mark.parametrize("window", [(1200, 2400), (-60, 600), (600, 600), (2400, 3000)])
def test_a_schedule_that_does_not_cover_the_window_is_refused(window):
    with pytest.raises(DatasetError, match="frames from 0 to 2380 s"):
        window_mean(np.zeros((16, 1)), LMU, start_s=window[0], stop_s=window[1])


@pytest.mark.parametrize("per_voxel", [False, True])
def test_the_standard_error_is_the_spread_of_repeated_noise(per_voxel):
    rng = np.random.default_rng(0)
    sigma = np.linspace(0.5, 1.5, LMU.num_frames)
    series = rng.normal(size=(LMU.num_frames, 20, 20, 25)) * sigma.reshape(-1, 1, 1, 1)
    noise = np.broadcast_to(sigma.reshape(-1, 1, 1, 1), series.shape) if per_voxel else sigma
    estimate = window_mean(series, LMU, start_s=300, stop_s=2380, sigma=noise)
    assert estimate.standard_error.shape == (20, 20, 25)
    np.testing.assert_allclose(estimate.standard_error, estimate.value.std(), rtol=0.03)
