"""Input functions, convolution and the forward model against analytic solutions and the published golden values."""

from __future__ import annotations

import numpy as np
import pytest
from scipy.integrate import quad, solve_ivp

from glioframe.core.errors import SettingError
from glioframe.core.modality import Tracer
from glioframe.pet.convolution import exponential_frames, exponential_response, frame_averages
from glioframe.pet.frames import FrameSchedule
from glioframe.pet.input_function import FENG_FDG, FENG_FDOPA, FENG_FET, InputFunction, population_input
from glioframe.pet.tissue_tables import FDOPA_TISSUES, FET_TISSUES
from glioframe.pet.two_tissue import TissueKinetics, two_tissue_curve, two_tissue_frames, two_tissue_voxels

NANCY = FrameSchedule.from_pattern("30x60")
GIRARD = FrameSchedule.from_pattern("8x15,2x30,2x60,3x300")
LMU = FrameSchedule.from_pattern("7x10,3x30,1x120,3x300,2x600")
JUELICH = FrameSchedule.from_pattern("5x60,5x180,6x300")


def argmax_time_to_peak_min(frames, schedule):
    mid_s = np.array(schedule.mid_s)
    late = mid_s >= 120
    return mid_s[late][frames[late].argmax()] / 60


def window_mean(frames, schedule, start_s, stop_s):
    seconds = schedule.frames_within(start_s, stop_s)
    return seconds @ frames / seconds.sum()


def late_slope_per_h(frames, schedule, start_s, stop_s):
    mid_s = np.array(schedule.mid_s)
    late = (mid_s >= start_s) & (mid_s <= stop_s)
    return np.polyfit(mid_s[late] / 3600, frames[late], 1)[0]


class TestFengModel:
    def test_it_starts_at_exactly_zero(self):
        assert FENG_FDG.plasma_at(0.0) == 0.0

    def test_its_peak_is_where_the_published_constants_put_it(self):
        time_s = np.linspace(0, 120, 120_001)
        plasma = FENG_FDG.plasma_at(time_s)
        assert plasma.max() == pytest.approx(103.44, abs=0.005)
        assert time_s[plasma.argmax()] / 60 == pytest.approx(0.289, abs=0.001)

    def test_its_tail_and_area_have_the_golden_values(self):
        assert FENG_FDG.plasma_at(1800.0) == pytest.approx(15.85, abs=0.005)
        assert FENG_FDG.plasma_integral_min(3600.0) == pytest.approx(1151.9, abs=0.1)

    def test_its_analytic_area_is_the_integral_of_its_curve(self):
        for until_s in (7.0, 90.0, 1234.0):
            area, _ = quad(FENG_FDG.plasma_at, 0, until_s, limit=200)
            assert FENG_FDG.plasma_integral_min(until_s) == pytest.approx(area / 60, rel=1e-9)

    @pytest.mark.parametrize(
        ("model", "golden"),
        [(FENG_FDOPA, {5: 3.62, 10: 2.89, 30: 1.80}), (FENG_FET, {5: 2.81, 10: 2.51, 30: 2.00, 60: 1.70})],
    )
    def test_suv_scaled_sets_pass_through_their_stated_values(self, model, golden):
        for minute, suv in golden.items():
            assert model.plasma_at(60.0 * minute) == pytest.approx(suv, abs=0.006)

    def test_a_later_onset_moves_the_curve(self):
        early, late = (population_input(Tracer.FET, end_s=1800, onset_s=onset_s) for onset_s in (0.0, 20.0))
        assert late.plasma_at([0.0, 10.0, 20.0]) == pytest.approx(0.0, abs=1e-12)
        assert late.plasma_at(320.0) == pytest.approx(early.plasma_at(300.0), rel=1e-4)


class TestInputFunction:
    def test_sampling_keeps_the_area_of_the_model(self):
        sampled = FENG_FDG.sampled(end_s=3600, whole_blood_fraction=1.0)
        for until_s in (30.0, 100.5, 3600.0):
            assert sampled.plasma_integral_min(until_s) == pytest.approx(
                FENG_FDG.plasma_integral_min(until_s), rel=1e-4
            )

    def test_whole_blood_is_the_stated_fraction_of_plasma(self):
        for tracer, fraction in ((Tracer.FDOPA, 0.9), (Tracer.FET, 0.95)):
            bolus = population_input(tracer, end_s=1800)
            assert bolus.whole_blood == pytest.approx(fraction * bolus.plasma)

    def test_a_tracer_without_a_population_is_refused_by_name(self):
        with pytest.raises(SettingError, match=r"fdopa, fet, found met"):
            population_input(Tracer.MET, end_s=1800)

    def test_unsorted_blood_samples_are_refused(self):
        with pytest.raises(SettingError, match="increasing times"):
            InputFunction(time_s=np.array([0.0, 2.0, 1.0]), plasma=np.ones(3), whole_blood=np.ones(3))

    def test_shifting_later_and_back_again_gives_the_same_curve(self):
        bolus = population_input(Tracer.FDOPA, end_s=1800)
        back = bolus.shifted(12.5).shifted(-12.5)
        time_s = np.linspace(0, 1787, 500)
        assert back.plasma_at(time_s) == pytest.approx(bolus.plasma_at(time_s), abs=1e-9)
        assert bolus.shifted(12.5).plasma_at(112.5) == pytest.approx(bolus.plasma_at(100.0))

    def test_scaling_to_blood_recovers_the_height_of_a_patient(self):
        bolus = population_input(Tracer.FDOPA, end_s=1800)
        patient = bolus.scaled(1.37)
        recovered = bolus.scaled_to_blood(patient.whole_blood_frames(NANCY), NANCY, start_s=600, stop_s=1800)
        assert recovered.plasma == pytest.approx(patient.plasma)


class TestConvolution:
    def test_a_constant_input_gives_the_textbook_saturation(self):
        time_s, ones = np.array([0.0, 5000.0]), np.ones(2)
        at_s = np.array([3.0, 60.0, 1800.0])
        expected = (1 - np.exp(-0.2 * at_s / 60)) / 0.2
        assert exponential_response([0.2], time_s, ones, at_s)[0] == pytest.approx(expected, rel=1e-12)

    def test_a_ramp_averaged_over_frames_is_exact(self):
        rate, end_min = 0.37, 25.0
        time_s, ramp = np.array([0.0, 60 * end_min]), np.array([0.0, end_min])
        schedule = FrameSchedule.from_pattern("1x90,1x600,1x810")

        def running_integral(t):
            return t**2 / (2 * rate) - t / rate**2 + (1 - np.exp(-rate * t)) / rate**3

        edges_min = np.array([0.0, 1.5, 11.5, 25.0])
        expected = np.diff(running_integral(edges_min)) / np.diff(edges_min)
        assert exponential_frames([rate], time_s, ramp, schedule)[0] == pytest.approx(expected, rel=1e-11)

    def test_tiny_rates_join_the_running_integral_smoothly(self):
        bolus = population_input(Tracer.FET, end_s=3000)
        rates = np.array([0.0, 1e-9, 1e-6, 1e-4])
        frames = exponential_frames(rates, bolus.time_s, bolus.plasma, JUELICH)
        assert frames[1] == pytest.approx(frames[0], rel=1e-7)
        assert frames[2] == pytest.approx(frames[0], rel=1e-4)
        assert (np.diff(frames, axis=0)[1:] < 0).all()

    def test_frame_averages_agree_with_numerical_integration(self):
        bolus = population_input(Tracer.FDOPA, end_s=1800)
        averages = frame_averages(bolus.time_s, bolus.plasma, GIRARD)
        for start_s, end_s, average in zip(GIRARD.start_s, GIRARD.end_s, averages, strict=True):
            fine_s = np.linspace(start_s, end_s, 200_001)
            assert average == pytest.approx(np.trapezoid(bolus.plasma_at(fine_s), fine_s) / (end_s - start_s), rel=1e-6)

    def test_an_input_shorter_than_the_frames_is_refused(self):
        bolus = population_input(Tracer.FDOPA, end_s=1200)
        with pytest.raises(SettingError, match="from 0 s to 1200 s"):
            exponential_frames([0.1], bolus.time_s, bolus.plasma, NANCY)


class TestTwoTissueModel:
    @pytest.mark.parametrize("tissue", [FET_TISSUES["hot_spot"], FDOPA_TISSUES["striatum"]])
    def test_the_closed_form_solves_the_differential_equations(self, tissue):
        bolus = population_input(Tracer.FET, end_s=2400)

        def flow(t_min, state):
            free, bound = state
            back = (tissue.k2_per_min + tissue.k3_per_min) * free - tissue.k4_per_min * bound
            into = tissue.k3_per_min * free - tissue.k4_per_min * bound
            return [tissue.k1_ml_cm3_min * float(bolus.plasma_at(60 * t_min)) - back, into]

        at_s = np.array([60.0, 600.0, 2400.0])
        solution = solve_ivp(flow, (0, 40), [0, 0], t_eval=at_s / 60, rtol=1e-8, atol=1e-10, max_step=0.05)
        expected = (1 - tissue.vb) * solution.y.sum(axis=0) + tissue.vb * bolus.whole_blood_at(at_s)
        assert two_tissue_curve(tissue, bolus, at_s) == pytest.approx(expected, rel=1e-5)

    def test_many_voxels_at_once_equal_one_at_a_time(self):
        bolus = population_input(Tracer.FET, end_s=3000)
        tissues = [*FET_TISSUES.values(), *FDOPA_TISSUES.values()]
        constants = np.array([[t.k1_ml_cm3_min, t.k2_per_min, t.k3_per_min, t.k4_per_min, t.vb] for t in tissues]).T
        expected = np.stack([two_tissue_frames(tissue, bolus, LMU) for tissue in tissues], axis=1)
        assert two_tissue_voxels(constants, bolus, LMU) == pytest.approx(expected, rel=3e-5)

    def test_distribution_volume_and_net_uptake_follow_their_definitions(self):
        reversible = TissueKinetics(k1_ml_cm3_min=0.1, k2_per_min=0.2, k3_per_min=0.03, k4_per_min=0.06)
        assert reversible.vt_ml_cm3 == pytest.approx(0.75)
        assert reversible.ki_ml_cm3_min == pytest.approx(0.1 * 0.03 / 0.23)
        assert TissueKinetics(k1_ml_cm3_min=0.1, k2_per_min=0.2).vt_ml_cm3 == pytest.approx(0.5)


# Tissue: SUV 20-40 min, TBR, time to peak LMU and Juelich [min], late slope [SUV/h] on LMU frames.
FET_GOLDEN = {
    "white_matter": (0.72, 0.68, 34.7, 47.5, 0.40),
    "gray_matter": (1.20, 1.14, 34.7, 47.5, 0.54),
    "striatum": (1.17, 1.11, 34.7, 47.5, 0.52),
    "reference": (1.05, 1.00, 34.7, 47.5, 0.53),
    "glioblastoma_bulk": (2.31, 2.19, 12.2, 12.5, -0.51),
    "hot_spot": (3.16, 2.99, 7.2, 9.5, -1.11),
    "max_uptake_decoy": (3.79, 3.60, 24.7, 22.5, -0.22),
    "idh_mutant_astrocytoma": (2.11, 2.00, 24.7, 22.5, -0.10),
    "oligodendroglioma": (2.74, 2.60, 17.2, 18.5, -0.23),
    "low_grade_accumulating": (1.79, 1.70, 34.7, 32.5, 0.10),
    "progression": (2.74, 2.60, 17.2, 15.5, -0.57),
    "treatment_related_change": (1.69, 1.61, 34.7, 32.5, 0.12),
}

# Tissue: SUV 10-30 min, TBR, time to peak Nancy and Girard [min], late slope [SUV/h] on Nancy frames.
FDOPA_GOLDEN = {
    "white_matter": (0.70, 0.74, 22.5, 17.5, 0.19),
    "gray_matter": (1.06, 1.13, 19.5, 17.5, 0.04),
    "cerebellum": (1.05, 1.12, 17.5, 17.5, -0.07),
    "striatum": (1.88, 2.00, 29.5, None, 1.98),
    "reference": (0.94, 1.00, 20.5, None, 0.15),
    "idh_wildtype_bulk": (1.80, 1.91, 4.5, 4.5, -2.87),
    "hot_spot": (2.18, 2.32, 4.5, 4.5, -3.46),
    "max_uptake_decoy": (2.75, 2.92, 8.5, 7.5, -3.44),
    "idh_mutant_astrocytoma": (1.71, 1.82, 6.5, 7.5, -2.63),
    "oligodendroglioma": (1.99, 2.12, 7.5, 7.5, -2.75),
    "progression": (2.29, 2.43, 6.5, 7.5, -3.40),
    "treatment_related_change": (1.43, 1.52, 12.5, None, -0.92),
}


class TestCalibratedTables:
    # The printed constants have three digits, which moves SUV, TBR and slope by up to one in the last printed place.
    LAST_PLACE = 0.0115

    @pytest.mark.parametrize("name", FET_TISSUES)
    def test_a_fet_tissue_shows_its_published_uptake_and_dynamics(self, name):
        bolus = population_input(Tracer.FET, end_s=3000)
        suv, tbr, lmu_min, juelich_min, slope = FET_GOLDEN[name]
        frames, reference = (two_tissue_frames(FET_TISSUES[key], bolus, LMU) for key in (name, "reference"))
        uptake, background = (window_mean(curve, LMU, 1200, 2400) for curve in (frames, reference))
        assert uptake == pytest.approx(suv, abs=self.LAST_PLACE)
        assert uptake / background == pytest.approx(tbr, abs=self.LAST_PLACE)
        assert late_slope_per_h(frames, LMU, 1200, 2400) == pytest.approx(slope, abs=self.LAST_PLACE)
        assert argmax_time_to_peak_min(frames, LMU) == pytest.approx(lmu_min, abs=0.05)
        juelich = two_tissue_frames(FET_TISSUES[name], bolus, JUELICH)
        assert argmax_time_to_peak_min(juelich, JUELICH) == juelich_min

    @pytest.mark.parametrize("name", FDOPA_TISSUES)
    def test_an_fdopa_tissue_shows_its_published_uptake_and_dynamics(self, name):
        bolus = population_input(Tracer.FDOPA, end_s=1800)
        suv, tbr, nancy_min, girard_min, slope = FDOPA_GOLDEN[name]
        frames, reference = (two_tissue_frames(FDOPA_TISSUES[key], bolus, NANCY) for key in (name, "reference"))
        uptake, background = (window_mean(curve, NANCY, 600, 1800) for curve in (frames, reference))
        assert uptake == pytest.approx(suv, abs=self.LAST_PLACE)
        assert uptake / background == pytest.approx(tbr, abs=self.LAST_PLACE)
        assert late_slope_per_h(frames, NANCY, 600, 1800) == pytest.approx(slope, abs=self.LAST_PLACE)
        assert argmax_time_to_peak_min(frames, NANCY) == nancy_min
        if girard_min is not None:
            girard = two_tissue_frames(FDOPA_TISSUES[name], bolus, GIRARD)
            assert argmax_time_to_peak_min(girard, GIRARD) == girard_min

    def test_the_striatum_outshines_most_tumors_on_fdopa(self):
        bolus = population_input(Tracer.FDOPA, end_s=1800)
        uptake = {
            name: window_mean(two_tissue_frames(tissue, bolus, NANCY), NANCY, 600, 1800)
            for name, tissue in FDOPA_TISSUES.items()
        }
        assert uptake["striatum"] > max(uptake["idh_wildtype_bulk"], uptake["idh_mutant_astrocytoma"])
