"""Ki of trapping tissue, within the short scans of the clinic."""

from __future__ import annotations

import numpy as np
import pytest

from glioframe.core.errors import SettingError
from glioframe.core.modality import Tracer
from glioframe.pet.decay import half_life_s
from glioframe.pet.frames import FrameSchedule
from glioframe.pet.input_function import population_input
from glioframe.pet.irreversible import fit_irreversible
from glioframe.pet.noise import add_noise, noise_level, noise_sigma, noise_weights
from glioframe.pet.tissue_tables import FDOPA_TISSUES
from glioframe.pet.two_tissue import TissueKinetics, two_tissue_frames

NANCY = FrameSchedule.from_pattern("30x60")
GIRARD = FrameSchedule.from_pattern("8x15,2x30,2x60,3x300")
FDOPA = population_input(Tracer.FDOPA, end_s=1800)
F18_S = half_life_s("F18")
TRAPPING = (
    TissueKinetics(k1_ml_cm3_min=0.046, k2_per_min=0.06, k3_per_min=0.045, vb=0.04),
    TissueKinetics(k1_ml_cm3_min=0.1, k2_per_min=0.3, k3_per_min=0.02, vb=0.03),
    TissueKinetics(k1_ml_cm3_min=0.1, k2_per_min=0.3, k3_per_min=0.1, vb=0.0),
)


@pytest.mark.parametrize("schedule", [NANCY, GIRARD])
def test_noiseless_ki_is_recovered_within_one_percent_in_half_an_hour(schedule):
    frames = np.stack([two_tissue_frames(tissue, FDOPA, schedule) for tissue in TRAPPING], axis=1)
    maps = fit_irreversible(frames, schedule, FDOPA)
    assert maps.ki_ml_cm3_min.value == pytest.approx([tissue.ki_ml_cm3_min for tissue in TRAPPING], rel=0.01)
    rates = [tissue.k2_per_min + tissue.k3_per_min for tissue in TRAPPING]
    assert maps.rate_per_min.value == pytest.approx(rates, rel=0.02)


def test_tumor_that_lets_the_tracer_go_has_no_ki():
    frames = two_tissue_frames(FDOPA_TISSUES["progression"], FDOPA, NANCY)[:, None]
    assert fit_irreversible(frames, NANCY, FDOPA).ki_ml_cm3_min.value[0] == pytest.approx(0.0, abs=2e-4)


def test_the_slow_loss_from_the_striatum_costs_few_percent_of_its_ki():
    striatum = FDOPA_TISSUES["striatum"]
    frames = two_tissue_frames(striatum, FDOPA, NANCY)[:, None]
    ratio = fit_irreversible(frames, NANCY, FDOPA).ki_ml_cm3_min.value[0] / striatum.ki_ml_cm3_min
    assert 0.95 < ratio < 1.0


def test_the_standard_error_of_ki_matches_the_spread_over_noise():
    clean = two_tissue_frames(TRAPPING[2], FDOPA, NANCY)
    level = noise_level(clean, NANCY, half_life_s=F18_S, last_frame_cv=0.08)
    sigma = noise_sigma(clean, NANCY, half_life_s=F18_S, level=level)[:, None]
    noisy = add_noise(np.repeat(clean[:, None], 4000, axis=1), sigma, np.random.default_rng(4))
    weights = noise_weights(clean, NANCY, half_life_s=F18_S)
    estimate = fit_irreversible(noisy, NANCY, FDOPA, weights=weights).ki_ml_cm3_min
    assert np.median(estimate.standard_error) == pytest.approx(estimate.value.std(), rel=0.12)
    assert estimate.value.mean() == pytest.approx(TRAPPING[2].ki_ml_cm3_min, rel=0.03)


def test_doubling_the_injected_activity_leaves_ki_alone():
    frames = two_tissue_frames(TRAPPING[0], FDOPA, NANCY)[:, None]
    once, twice = (fit_irreversible(factor * frames, NANCY, FDOPA.scaled(factor)) for factor in (1.0, 2.0))
    assert twice.ki_ml_cm3_min.value == pytest.approx(once.ki_ml_cm3_min.value, rel=1e-4)


def test_four_frames_are_too_few():
    with pytest.raises(SettingError, match="more than 4 frames"):
        fit_irreversible(np.ones((4, 2)), FrameSchedule.from_pattern("4x300"), FDOPA)
