"""Schedules are made comparable, and the input function is found in the image."""

from __future__ import annotations

import numpy as np
import pytest

from glioframe.core.errors import DatasetError, ImageError
from glioframe.core.modality import Tracer
from glioframe.pet.delay import estimate_delay_s
from glioframe.pet.frames import FrameSchedule
from glioframe.pet.harmonize import common_stop_s, cut_to_span, frames_of_model
from glioframe.pet.image_derived_input import find_vessels, fit_feng, input_from_frames, mean_curve
from glioframe.pet.input_function import population_input
from glioframe.pet.one_tissue import OneTissueSettings, fit_one_tissue
from glioframe.pet.tissue_tables import FDOPA_TISSUES, TISSUE_TABLES
from glioframe.pet.two_tissue import two_tissue_frames

NANCY = FrameSchedule.from_pattern("30x60")
GIRARD = FrameSchedule.from_pattern("8x15,2x30,2x60,3x300")
LMU = FrameSchedule.from_pattern("7x10,3x30,1x120,3x300,2x600")
JUELICH = FrameSchedule.from_pattern("5x60,5x180,6x300")
PAIRS = {Tracer.FDOPA: (NANCY, GIRARD), Tracer.FET: (LMU, JUELICH)}
FDOPA = population_input(Tracer.FDOPA, end_s=3600)


def table_frames(tracer, schedule, bolus):
    return np.stack([two_tissue_frames(tissue, bolus, schedule) for tissue in TISSUE_TABLES[tracer].values()], axis=1)


class TestTwoSchedulesOfOneCurve:
    @pytest.mark.parametrize("tracer", PAIRS)
    def test_peak_and_volume_agree_for_every_tissue(self, tracer):
        bolus, fits = population_input(tracer, end_s=3600), []
        stop_s = common_stop_s(PAIRS[tracer])
        for schedule in PAIRS[tracer]:
            frames, kept = cut_to_span(table_frames(tracer, schedule, bolus), schedule, stop_s=stop_s)
            fits.append(fit_one_tissue(frames, kept, bolus, settings=OneTissueSettings(peak_until_s=stop_s)))
        first, second = fits
        assert np.abs(first.time_to_peak_s.value - second.time_to_peak_s.value).max() < 30.0
        assert second.vt_ml_cm3.value == pytest.approx(first.vt_ml_cm3.value, rel=0.03)

    def test_frames_read_off_the_model_are_those_of_the_other_scanner(self):
        names = ("progression", "gray_matter", "max_uptake_decoy")
        nancy, girard = (
            np.stack([two_tissue_frames(FDOPA_TISSUES[name], FDOPA, schedule) for name in names], axis=1)
            for schedule in (NANCY, GIRARD)
        )
        translated = frames_of_model(fit_one_tissue(nancy, NANCY, FDOPA), FDOPA, GIRARD)
        assert translated == pytest.approx(girard, rel=2e-3)

    def test_a_frame_that_barely_exceeds_the_span_is_kept_and_a_longer_one_is_not(self):
        series = np.zeros((16, 2))
        assert cut_to_span(series, JUELICH, stop_s=LMU.end_s[-1])[1].end_s[-1] == 2400.0
        assert cut_to_span(series, JUELICH, stop_s=2250.0)[1].end_s[-1] == 2100.0

    def test_a_span_before_the_first_frame_is_refused(self):
        with pytest.raises(DatasetError, match="both schedules"):
            cut_to_span(np.zeros((16, 2)), JUELICH, stop_s=10.0)


class TestImageDerivedInput:
    def test_vessels_are_the_voxels_that_are_hot_first(self):
        tissue = two_tissue_frames(FDOPA_TISSUES["max_uptake_decoy"], FDOPA, GIRARD)
        series = np.repeat(tissue[:, None], 50, axis=1)
        series[:, [7, 31]] = FDOPA.whole_blood_frames(GIRARD)[:, None]
        vessels = find_vessels(series, GIRARD, num_voxels=2)
        assert np.flatnonzero(vessels).tolist() == [7, 31]
        assert mean_curve(series, vessels) == pytest.approx(FDOPA.whole_blood_frames(GIRARD))

    def test_a_search_mask_limits_the_vessels(self):
        series = np.tile(np.arange(10.0), (15, 1))
        mask = np.arange(10) < 5
        assert np.flatnonzero(find_vessels(series, GIRARD, num_voxels=1, mask=mask)).tolist() == [4]

    @pytest.mark.parametrize("schedule", [NANCY, GIRARD, LMU])
    def test_the_curve_between_frames_keeps_every_frame_average(self, schedule):
        measured = FDOPA.whole_blood_frames(schedule)
        derived = input_from_frames(measured, schedule, whole_blood_fraction=0.9)
        assert derived.whole_blood_frames(schedule) == pytest.approx(measured, rel=1e-9, abs=1e-9)
        assert derived.plasma == pytest.approx(derived.whole_blood / 0.9)

    @pytest.mark.parametrize(("schedule", "onset_s"), [(NANCY, 0.0), (GIRARD, 12.0)])
    def test_a_fitted_bolus_gives_the_kinetics_of_the_true_one(self, schedule, onset_s):
        truth = population_input(Tracer.FDOPA, end_s=3600, onset_s=onset_s)
        fitted = fit_feng(truth.plasma_frames(schedule), schedule).sampled(end_s=3600, whole_blood_fraction=0.9)
        tissue = FDOPA_TISSUES["idh_wildtype_bulk"]
        maps = fit_one_tissue(two_tissue_frames(tissue, truth, schedule)[:, None], schedule, fitted)
        assert maps.k1_ml_cm3_min.value[0] == pytest.approx(tissue.k1_ml_cm3_min, rel=0.01)
        assert maps.vt_ml_cm3.value[0] == pytest.approx(tissue.vt_ml_cm3, rel=0.005)

    def test_no_blood_cannot_be_fitted(self):
        with pytest.raises(DatasetError, match="vessel mask"):
            fit_feng(np.zeros(30), NANCY)

    def test_a_scan_that_missed_the_bolus_is_refused(self):
        late = FrameSchedule.from_pattern("4x300", start_s=600.0)
        with pytest.raises(DatasetError, match="population input"):
            find_vessels(np.ones((4, 10)), late, num_voxels=2)

    def test_an_empty_mask_is_refused(self):
        with pytest.raises(ImageError, match="one voxel or more"):
            mean_curve(np.ones((4, 10)), np.zeros(10, bool))

    def test_more_vessels_than_voxels_are_refused(self):
        with pytest.raises(ImageError, match="at least 11"):
            find_vessels(np.ones((15, 10)), GIRARD, num_voxels=11)


class TestDelay:
    @pytest.mark.parametrize("delay_s", [-6.0, 0.0, 14.0])
    def test_a_late_tissue_is_recognized_to_the_second(self, delay_s):
        sampled = population_input(Tracer.FDOPA, end_s=2000, onset_s=15.0)
        curve = two_tissue_frames(FDOPA_TISSUES["reference"], sampled.shifted(delay_s), GIRARD)
        assert estimate_delay_s(curve, GIRARD, sampled, np.arange(-10.0, 21.0)) == delay_s
