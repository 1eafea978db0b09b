import numpy as np
import pytest

import pet_curves
from glioframe.core.errors import DatasetError
from glioframe.pet.frames import FrameSchedule
from glioframe.pet.semi_quantitative import area_under_curve_min, early_to_late_ratio, late_slope_per_h
from glioframe.pet.static import window_mean

SCHEDULES = {
    "fet": FrameSchedule.from_pattern("7x10,3x30,1x120,3x300,2x600"),
    "fdopa": FrameSchedule.from_pattern("30x60"),
}
LATE_S = {"fet": (1200.0, 2380.0), "fdopa": (600.0, 1800.0)}
LMU, NANCY = SCHEDULES["fet"], SCHEDULES["fdopa"]
ROWS = pytest.mark.parametrize("row", pet_curves.ROWS, ids=lambda row: f"{row.tracer} {row.name}")


@ROWS
def test_the_static_suv_of_the_calibrated_tissues_is_reproduced(row):
    schedule, (start_s, stop_s) = SCHEDULES[row.tracer], LATE_S[row.tracer]
    suv = window_mean(pet_curves.frame_means(row, schedule), schedule, start_s=start_s, stop_s=stop_s).value
    assert float(suv) == pytest.approx(row.suv, abs=0.011)


@ROWS
def test_the_late_slope_of_the_calibrated_tissues_is_reproduced(row):
    schedule = SCHEDULES[row.tracer]
    slope = late_slope_per_h(pet_curves.frame_means(row, schedule), schedule, window_s=LATE_S[row.tracer]).value
    assert float(slope) == pytest.approx(row.slope_per_h, abs=0.011)


def test_uptake_ratios_of_the_calibrated_tissues_are_reproduced():
    published = {
        ("fdopa", "striatum"): 2.00,
        ("fdopa", "decoy"): 2.92,
        ("fet", "decoy"): 3.60,
        ("fet", "hot spot"): 2.99,
    }
    for (tracer, name), tbr in published.items():
        schedule, (start_s, stop_s) = SCHEDULES[tracer], LATE_S[tracer]
        uptake, background = (
            window_mean(
                pet_curves.frame_means(pet_curves.find_row(tracer, tissue), schedule),
                schedule,
                start_s=start_s,
                stop_s=stop_s,
            ).value
            for tissue in (name, "reference")
        )
        assert uptake / background == pytest.approx(tbr, abs=0.012)


@pytest.mark.parametrize("schedule", [LMU, NANCY], ids=["lmu", "nancy"])
def test_the_slope_of_a_straight_line_is_its_slope_on_any_frames(schedule):
    time_h = np.array(schedule.mid_s) / 3600
    series = 2.0 - 1.5 * time_h[:, None, None] * np.array([[1.0, 2.0], [0.0, -1.0]])
    slope = late_slope_per_h(series, schedule, window_s=(700, 1750)).value
    np.testing.assert_allclose(slope, [[-1.5, -3.0], [0.0, 1.5]], atol=2e-5)


def test_a_slope_needs_two_frames():
    with pytest.raises(DatasetError, match="two or more frames"):
        late_slope_per_h(np.zeros((16, 1)), LMU, window_s=(1800, 2300))


def test_the_area_under_a_constant_is_its_height_times_minutes():
    area = area_under_curve_min(np.full((30, 2), 3.0), NANCY, window_s=(90, 690)).value
    np.testing.assert_allclose(area, 30.0, rtol=1e-6)


def test_areas_of_adjacent_windows_add_up():
    series = np.random.default_rng(1).random((16, 5))
    first, second, whole = (
        area_under_curve_min(series, LMU, window_s=window).value for window in ((0, 735), (735, 2000), (0, 2000))
    )
    np.testing.assert_allclose(first + second, whole, rtol=1e-5)


def test_the_ratio_does_not_change_with_the_dose():
    series = 1 + np.random.default_rng(2).random((30, 4))
    windows = {"early_s": (180, 480), "late_s": (1200, 1800)}
    once = early_to_late_ratio(series, NANCY, **windows).value
    twice = early_to_late_ratio(2 * series, NANCY, **windows).value
    np.testing.assert_allclose(once, twice, rtol=1e-6)
    expected = series[3:8].mean(axis=0) / series[20:].mean(axis=0)
    np.testing.assert_allclose(once, expected, rtol=1e-6)


def test_the_ratio_is_undefined_without_late_uptake():
    series = np.ones((30, 2))
    series[20:, 1] = 0
    ratio = early_to_late_ratio(series, NANCY, early_s=(180, 480), late_s=(1200, 1800)).value
    assert ratio[0] == pytest.approx(1.0, rel=1e-6)
    assert np.isnan(ratio[1])


@pytest.mark.parametrize("per_voxel", [False, True])
@pytest.mark.parametrize("late_s", [(1200.0, 1800.0), (300.0, 1800.0)], ids=["apart", "overlapping"])
def test_the_standard_error_of_the_ratio_is_the_spread_of_repeated_noise(late_s, per_voxel):
    curve = pet_curves.frame_means(pet_curves.find_row("fdopa", "IDH-mutant"), NANCY)
    sigma = pet_curves.frame_sigma(curve, NANCY, last_frame_cv=0.05)
    series = curve[:, None] + sigma[:, None] * np.random.default_rng(3).normal(size=(30, 8000))
    noise = np.broadcast_to(sigma[:, None], series.shape) if per_voxel else sigma
    estimate = early_to_late_ratio(series, NANCY, early_s=(180, 480), late_s=late_s, sigma=noise)
    np.testing.assert_allclose(np.median(estimate.standard_error), estimate.value.std(), rtol=0.04)


@pytest.mark.parametrize("measure", [late_slope_per_h, area_under_curve_min])
def test_the_standard_error_of_a_linear_measure_is_the_spread_of_repeated_noise(measure):
    sigma = np.linspace(0.1, 0.4, 30)
    series = 1 + sigma[:, None] * np.random.default_rng(4).normal(size=(30, 8000))
    estimate = measure(series, NANCY, window_s=(600, 1770), sigma=sigma)
    np.testing.assert_allclose(estimate.standard_error, estimate.value.std(), rtol=0.03)
