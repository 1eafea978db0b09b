"""Parameters are recovered from curves whose truth is known, with honest standard errors."""

from __future__ import annotations

import numpy as np
import pytest
from sklearn.metrics import roc_auc_score

from glioframe.core.errors import ImageError, SettingError
from glioframe.core.modality import Tracer
from glioframe.pet.decay import half_life_s
from glioframe.pet.frames import FrameSchedule
from glioframe.pet.graphical import GraphicalSettings, logan, patlak, reference_logan, reference_patlak
from glioframe.pet.input_function import population_input
from glioframe.pet.noise import add_noise, noise_level, noise_sigma, noise_weights
from glioframe.pet.one_tissue import OneTissueSettings, fit_one_tissue
from glioframe.pet.time_to_peak import frame_time_to_peak_s
from glioframe.pet.tissue_tables import FDOPA_TISSUES
from glioframe.pet.two_tissue import TissueKinetics, two_tissue_curve, two_tissue_frames, two_tissue_voxels

NANCY = FrameSchedule.from_pattern("30x60")
GIRARD = FrameSchedule.from_pattern("8x15,2x30,2x60,3x300")
FDOPA = population_input(Tracer.FDOPA, end_s=7200)
F18_S = half_life_s("F18")
MAPS = ("k1_ml_cm3_min", "k2_per_min", "vt_ml_cm3", "vb", "time_to_peak_s")


def random_one_tissue_voxels(schedule, *, num_voxels=2000, seed=0):
    rng = np.random.default_rng(seed)
    k1, vb = rng.uniform(0.02, 0.4, num_voxels), rng.uniform(0, 0.1, num_voxels)
    k2 = np.exp(rng.uniform(np.log(0.02), np.log(1.0), num_voxels))
    vb[: num_voxels // 10] = 0
    none = np.zeros(num_voxels)
    return k1, k2, vb, two_tissue_voxels(np.stack([k1, k2, none, none, vb]), FDOPA, schedule)


def noisy_copies(tissue, schedule, *, last_frame_cv, num_voxels, seed):
    clean = two_tissue_frames(tissue, FDOPA, schedule)
    level = noise_level(clean, schedule, half_life_s=F18_S, last_frame_cv=last_frame_cv)
    sigma = noise_sigma(clean, schedule, half_life_s=F18_S, level=level)
    copies = np.repeat(clean[:, None], num_voxels, axis=1)
    return add_noise(copies, sigma[:, None], np.random.default_rng(seed)), level


class TestOneTissue:
    @pytest.mark.parametrize("schedule", [NANCY, GIRARD])
    def test_noiseless_parameters_are_recovered_within_half_a_percent(self, schedule):
        k1, k2, vb, frames = random_one_tissue_voxels(schedule)
        maps = fit_one_tissue(frames, schedule, FDOPA)
        assert maps.k1_ml_cm3_min.value == pytest.approx(k1, rel=0.005)
        assert maps.k2_per_min.value == pytest.approx(k2, rel=0.005)
        assert maps.vt_ml_cm3.value == pytest.approx(k1 / k2, rel=0.005)
        assert maps.vb.value == pytest.approx(vb, abs=0.002)

    def test_the_peak_is_that_of_the_continuous_curve(self):
        tissues = [tissue for name, tissue in FDOPA_TISSUES.items() if name != "striatum"]
        frames = np.stack([two_tissue_frames(tissue, FDOPA, NANCY) for tissue in tissues], axis=1)
        time_s = np.linspace(120, 1800, 16_801)
        peak_s = [time_s[two_tissue_curve(tissue, FDOPA, time_s).argmax()] for tissue in tissues]
        assert fit_one_tissue(frames, NANCY, FDOPA).time_to_peak_s.value == pytest.approx(peak_s, abs=1.0)

    def test_doubling_the_activity_doubles_nothing_but_the_residuals(self):
        noisy, _ = noisy_copies(FDOPA_TISSUES["progression"], NANCY, last_frame_cv=0.1, num_voxels=50, seed=1)
        once, twice = fit_one_tissue(noisy, NANCY, FDOPA), fit_one_tissue(2 * noisy, NANCY, FDOPA.scaled(2.0))
        for name in MAPS:
            assert getattr(twice, name).value == pytest.approx(getattr(once, name).value, rel=1e-3, abs=1e-4)
        assert twice.residual_sd.value == pytest.approx(2 * once.residual_sd.value, rel=1e-3)

    @pytest.mark.parametrize("name", ["idh_wildtype_bulk", "idh_mutant_astrocytoma", "gray_matter"])
    def test_standard_errors_match_the_spread_over_noise(self, name):
        noisy, level = noisy_copies(FDOPA_TISSUES[name], NANCY, last_frame_cv=0.1, num_voxels=4000, seed=2)
        weights = noise_weights(noisy.mean(axis=1), NANCY, half_life_s=F18_S)
        maps = fit_one_tissue(noisy, NANCY, FDOPA, weights=weights)
        assert np.median(maps.residual_sd.value) == pytest.approx(level, rel=0.03)
        for parameter in MAPS:
            estimate = getattr(maps, parameter)
            spread = np.subtract(*np.percentile(estimate.value, [75, 25])) / 1.349
            tolerance = 0.25 if parameter == "time_to_peak_s" else 0.08
            assert np.median(estimate.standard_error) == pytest.approx(spread, rel=tolerance), parameter

    def test_model_maps_separate_idh_groups_in_noise_where_the_highest_frame_cannot(self):
        groups = [FDOPA_TISSUES["idh_wildtype_bulk"], FDOPA_TISSUES["idh_mutant_astrocytoma"]]
        halves = [
            noisy_copies(tissue, NANCY, last_frame_cv=0.17, num_voxels=3000, seed=seed)[0]
            for seed, tissue in enumerate(groups)
        ]
        noisy, wildtype = np.concatenate(halves, axis=1), np.repeat([1, 0], 3000)
        weights = noise_weights(noisy.mean(axis=1), NANCY, half_life_s=F18_S)
        maps = fit_one_tissue(noisy, NANCY, FDOPA, weights=weights)
        assert roc_auc_score(wildtype, maps.k2_per_min.value) >= 0.90
        assert roc_auc_score(wildtype, -maps.time_to_peak_s.value) >= 0.90
        highest_frame = roc_auc_score(wildtype, -frame_time_to_peak_s(noisy, NANCY))
        assert highest_frame == pytest.approx(0.68, abs=0.03)

    def test_no_uptake_gives_zeros_and_no_warnings(self):
        maps = fit_one_tissue(np.zeros((30, 5), np.float32), NANCY, FDOPA)
        for name in MAPS:
            assert not getattr(maps, name).value.any()

    def test_a_vessel_has_a_blood_fraction_of_one_and_no_tissue(self):
        vessel = FDOPA.whole_blood_frames(NANCY)[:, None]
        maps = fit_one_tissue(vessel, NANCY, FDOPA)
        assert maps.vb.value[0] == pytest.approx(1.0, abs=0.01)
        assert maps.k1_ml_cm3_min.value[0] == 0.0

    def test_outside_the_mask_nothing_is_fitted_and_inside_nothing_changes(self):
        *_, frames = random_one_tissue_voxels(NANCY, num_voxels=60)
        volume = frames.reshape(30, 3, 4, 5)
        mask = np.random.default_rng(3).random((3, 4, 5)) < 0.5
        part, whole = (fit_one_tissue(volume, NANCY, FDOPA, mask=chosen) for chosen in (mask, None))
        assert not part.vt_ml_cm3.value[~mask].any()
        assert part.vt_ml_cm3.value[mask] == pytest.approx(whole.vt_ml_cm3.value[mask], rel=1e-4)

    def test_a_frame_of_weight_zero_has_no_influence(self):
        *_, frames = random_one_tissue_voxels(NANCY, num_voxels=20)
        weights = np.asarray(NANCY.duration_s).copy()
        weights[7] = 0
        spoiled = frames.copy()
        spoiled[7] = 1e3
        fits = [fit_one_tissue(series, NANCY, FDOPA, weights=weights) for series in (frames, spoiled)]
        assert fits[0].k2_per_min.value == pytest.approx(fits[1].k2_per_min.value, rel=1e-6)

    def test_a_mask_of_another_shape_is_refused(self):
        with pytest.raises(ImageError, match="Resample the mask"):
            fit_one_tissue(np.zeros((30, 4, 4)), NANCY, FDOPA, mask=np.ones((4, 5), bool))

    def test_three_frames_cannot_carry_three_parameters(self):
        with pytest.raises(SettingError, match="more than 3 frames"):
            fit_one_tissue(np.ones((3, 2)), FrameSchedule.from_pattern("3x300"), FDOPA)

    def test_weights_below_zero_are_refused(self):
        with pytest.raises(SettingError, match="inverse variance"):
            fit_one_tissue(np.ones((30, 2)), NANCY, FDOPA, weights=-np.ones(30))

    def test_an_empty_range_of_rates_is_refused(self):
        with pytest.raises(SettingError, match="range of rates"):
            fit_one_tissue(np.ones((30, 2)), NANCY, FDOPA, settings=OneTissueSettings(max_k2_per_min=0.001))


class TestGraphicalAnalysis:
    LATE = GraphicalSettings(t_star_s=300.0)

    @pytest.mark.parametrize("schedule", [NANCY, GIRARD])
    def test_logan_recovers_vt_of_reversible_tissue_within_half_a_percent(self, schedule):
        tissues = [TissueKinetics(k1_ml_cm3_min=k1, k2_per_min=k2) for k1, k2 in [(0.02, 0.05), (0.2, 0.2), (0.4, 0.4)]]
        frames = np.stack([two_tissue_frames(tissue, FDOPA, schedule) for tissue in tissues], axis=1)
        slope = logan(frames, schedule, FDOPA, settings=self.LATE).slope
        assert slope.value == pytest.approx([tissue.vt_ml_cm3 for tissue in tissues], rel=0.005)

    def test_reference_logan_recovers_the_ratio_of_volumes(self):
        reference, tumor = FDOPA_TISSUES["reference"], FDOPA_TISSUES["progression"]
        bare = [
            TissueKinetics(k1_ml_cm3_min=tissue.k1_ml_cm3_min, k2_per_min=tissue.k2_per_min)
            for tissue in (reference, tumor)
        ]
        background, frames = (two_tissue_frames(tissue, FDOPA, NANCY) for tissue in bare)
        lines = reference_logan(
            frames[:, None], NANCY, background, settings=self.LATE, k2_reference_per_min=reference.k2_per_min
        )
        assert lines.slope.value[0] == pytest.approx(bare[1].vt_ml_cm3 / bare[0].vt_ml_cm3, rel=0.005)

    def test_patlak_recovers_ki_of_trapping_tissue_within_two_percent_in_an_hour(self):
        tissues = [TissueKinetics(k1_ml_cm3_min=0.046, k2_per_min=0.06, k3_per_min=k3) for k3 in (0.03, 0.045, 0.08)]
        hour = FrameSchedule.from_pattern("60x60")
        frames = np.stack([two_tissue_frames(tissue, FDOPA, hour) for tissue in tissues], axis=1)
        slope = patlak(frames, hour, FDOPA, settings=GraphicalSettings(t_star_s=1800.0)).slope
        assert slope.value == pytest.approx([tissue.ki_ml_cm3_min for tissue in tissues], rel=0.02)

    def test_reference_patlak_approaches_ki_over_the_volume_of_the_reference(self):
        trapping = TissueKinetics(k1_ml_cm3_min=0.1, k2_per_min=0.3, k3_per_min=0.1)
        reference = TissueKinetics(k1_ml_cm3_min=0.2, k2_per_min=0.4)
        long = FrameSchedule.from_pattern("120x60")
        frames, background = (two_tissue_frames(tissue, FDOPA, long) for tissue in (trapping, reference))
        settings = GraphicalSettings(t_star_s=3600.0)
        lines = reference_patlak(frames[:, None], long, background, settings=settings)
        # The reference lags behind plasma, which declines at its slowest rate: Cref = VT k2 / (k2 - slowest) Cp.
        expected = trapping.ki_ml_cm3_min / (reference.vt_ml_cm3 * 0.4 / (0.4 - 0.0104))
        assert lines.slope.value[0] == pytest.approx(expected, rel=0.03)

    def test_the_standard_error_of_a_slope_matches_the_spread_over_noise(self):
        tissue = TissueKinetics(k1_ml_cm3_min=0.046, k2_per_min=0.06, k3_per_min=0.045)
        clean = two_tissue_frames(tissue, FDOPA, NANCY)[:, None]
        noise = np.random.default_rng(5).standard_normal((30, 4000)) * 0.03 * FDOPA.plasma_frames(NANCY)[:, None]
        slope = patlak(clean + noise, NANCY, FDOPA, settings=GraphicalSettings(t_star_s=600.0)).slope
        assert np.median(slope.standard_error) == pytest.approx(slope.value.std(), rel=0.05)

    def test_too_late_a_start_is_refused_with_the_last_frame(self):
        with pytest.raises(SettingError, match="1770 s"):
            logan(np.ones((30, 2)), NANCY, FDOPA, settings=GraphicalSettings(t_star_s=1700.0))

    def test_a_reference_without_efflux_is_refused(self):
        with pytest.raises(SettingError, match="above 0 per min"):
            reference_logan(np.ones((30, 2)), NANCY, np.ones(30), settings=self.LATE, k2_reference_per_min=0.0)

    def test_empty_voxels_give_zero_slopes_and_no_warnings(self):
        lines = logan(np.zeros((30, 4)), NANCY, FDOPA, settings=self.LATE)
        assert not lines.slope.value.any()


class TestNoise:
    def test_the_last_frame_has_the_asked_coefficient_of_variation(self):
        clean = two_tissue_frames(FDOPA_TISSUES["gray_matter"], FDOPA, NANCY)
        level = noise_level(clean, NANCY, half_life_s=F18_S, last_frame_cv=0.17)
        sigma = noise_sigma(clean, NANCY, half_life_s=F18_S, level=level)
        assert sigma[-1] / clean[-1] == pytest.approx(0.17)

    def test_sigma_follows_counts_and_decay(self):
        schedule = FrameSchedule.from_pattern("2x60,1x240")
        sigma = noise_sigma(np.array([1.0, 4.0, 4.0]), schedule, half_life_s=F18_S, level=1.0)
        decay = np.log(2) / F18_S
        assert sigma[1] / sigma[0] == pytest.approx(2 * np.exp(decay * 60 / 2), rel=1e-6)
        assert sigma[2] / sigma[1] == pytest.approx(0.5 * np.exp(decay * 150 / 2), rel=1e-4)

    def test_an_empty_curve_has_no_weights(self):
        with pytest.raises(SettingError, match="above 0"):
            noise_weights(np.zeros(30), NANCY, half_life_s=F18_S)

    def test_a_curve_that_ends_in_nothing_has_no_level(self):
        with pytest.raises(SettingError, match="last frame"):
            noise_level(np.zeros(30), NANCY, half_life_s=F18_S, last_frame_cv=0.1)
