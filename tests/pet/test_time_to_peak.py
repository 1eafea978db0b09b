import numpy as np
import pytest
from sklearn.metrics import roc_auc_score

import pet_curves
from glioframe.core.errors import DatasetError
from glioframe.pet.frames import FrameSchedule
from glioframe.pet.time_to_peak import frame_time_to_peak_s, smoothed_time_to_peak_s, spline_time_to_peak_s

NANCY = FrameSchedule.from_pattern("30x60")
SCHEDULES = {
    "fet": (
        FrameSchedule.from_pattern("7x10,3x30,1x120,3x300,2x600"),
        FrameSchedule.from_pattern("5x60,5x180,6x300"),
    ),
    "fdopa": (NANCY, FrameSchedule.from_pattern("8x15,2x30,2x60,3x300")),
}


@pytest.mark.parametrize("row", pet_curves.ROWS, ids=lambda row: f"{row.tracer} {row.name}")
def test_the_frame_time_to_peak_of_the_calibrated_tissues_is_reproduced_exactly(row):
    peaks_min = tuple(
        round(float(frame_time_to_peak_s(pet_curves.frame_means(row, schedule), schedule)) / 60, 1)
        for schedule in SCHEDULES[row.tracer]
    )
    assert peaks_min == row.time_to_peak_min


def test_blood_before_the_search_is_no_peak():
    series = np.ones((30, 2))
    series[0] = 9
    series[10, 1] = 2
    np.testing.assert_array_equal(frame_time_to_peak_s(series, NANCY), [150, 630])
    np.testing.assert_array_equal(frame_time_to_peak_s(series, NANCY, search_start_s=0), [30, 30])


@pytest.mark.parametrize("function", [frame_time_to_peak_s, smoothed_time_to_peak_s])
def test_a_time_to_peak_keeps_the_shape_of_the_volume(function):
    assert function(np.random.default_rng(0).random((30, 2, 3, 4)), NANCY).shape == (2, 3, 4)


@pytest.mark.parametrize("function", [frame_time_to_peak_s, smoothed_time_to_peak_s, spline_time_to_peak_s])
def test_a_scan_that_ends_before_the_search_has_no_time_to_peak(function):
    with pytest.raises(DatasetError, match="after 2000 s"):
        function(np.zeros((30, 1)), NANCY, search_start_s=2000)


@pytest.mark.parametrize("peak_min", [5.3, 9.0, 14.2])
def test_the_spline_finds_a_peak_between_frame_middles(peak_min):
    fine_s = np.arange(0, 1800, 5.0) + 2.5
    curve = (fine_s / 60 / peak_min) * np.exp(1 - fine_s / 60 / peak_min)
    for schedule in SCHEDULES["fdopa"][:1]:
        series = np.array(
            [
                curve[(fine_s > start) & (fine_s < stop)].mean()
                for start, stop in zip(schedule.start_s, schedule.end_s, strict=True)
            ]
        )
        peak_s = float(spline_time_to_peak_s(series[:, None], schedule).value[0])
        assert peak_s / 60 == pytest.approx(peak_min, rel=0.08)


def noisy_voxels(name: str, last_frame_cv: float) -> tuple[np.ndarray, np.ndarray]:
    curve = pet_curves.frame_means(pet_curves.find_row("fdopa", name), NANCY)
    sigma = pet_curves.frame_sigma(curve, NANCY, last_frame_cv=last_frame_cv)
    return curve[:, None] + sigma[:, None] * np.random.default_rng(5).normal(size=(30, 3000)), sigma


def auc(function, last_frame_cv: float) -> float:
    early, _ = noisy_voxels("IDH-wildtype", last_frame_cv)
    late, _ = noisy_voxels("IDH-mutant", last_frame_cv)
    score = np.concatenate([function(early), function(late)])
    return float(roc_auc_score(np.repeat([0, 1], 3000), score))


@pytest.mark.parametrize(("last_frame_cv", "published"), [(0.09, 0.73), (0.17, 0.68), (0.35, 0.63)])
def test_noise_blunts_the_frame_time_to_peak_as_published(last_frame_cv, published):
    measured = auc(lambda series: frame_time_to_peak_s(series, NANCY), last_frame_cv)
    assert measured == pytest.approx(published, abs=0.03)


def test_the_smoothed_variants_separate_better_than_the_frames():
    frames, smoothed, spline = (
        auc(function, 0.17)
        for function in (
            lambda series: frame_time_to_peak_s(series, NANCY),
            lambda series: smoothed_time_to_peak_s(series, NANCY),
            lambda series: spline_time_to_peak_s(series, NANCY).value,
        )
    )
    assert frames + 0.02 < smoothed < spline


def test_noise_makes_the_frame_peak_late_but_not_the_spline_peak():
    series, _ = noisy_voxels("IDH-wildtype", 0.35)
    assert frame_time_to_peak_s(series, NANCY).mean() / 60 > 6.0
    assert spline_time_to_peak_s(series, NANCY).value.mean() / 60 == pytest.approx(4.5, abs=0.5)


def test_the_standard_error_of_the_spline_peak_is_the_spread_of_little_noise():
    series, sigma = noisy_voxels("oligodendroglioma", 0.02)
    estimate = spline_time_to_peak_s(series, NANCY, sigma=sigma)
    np.testing.assert_allclose(np.nanmedian(estimate.standard_error), estimate.value.std(), rtol=0.1)


def test_a_curve_that_rises_to_the_end_has_no_standard_error_of_its_peak():
    series = np.array(NANCY.mid_s)[:, None]
    estimate = spline_time_to_peak_s(series, NANCY, sigma=np.ones(30))
    assert estimate.value[0] == NANCY.mid_s[-1]
    assert np.isnan(estimate.standard_error[0])


def test_a_spline_needs_enough_frames():
    schedule = FrameSchedule.from_pattern("4x300")
    with pytest.raises(DatasetError, match="to fit a spline"):
        spline_time_to_peak_s(np.zeros((4, 1)), schedule)
