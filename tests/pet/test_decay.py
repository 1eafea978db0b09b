import math

import numpy as np
import pytest
from scipy.integrate import quad

from glioframe.artifacts.protocol import DecayReference
from glioframe.core.errors import SettingError
from glioframe.pet.decay import (
    HALF_LIFE_S,
    correct_to_injection,
    factors_to_injection,
    frame_decay_factors,
    half_life_s,
    remaining_fraction,
)
from glioframe.pet.frames import FrameSchedule

F18_S = 109.77 * 60
GIRARD = FrameSchedule.from_pattern("8x15,2x30,2x60,3x300", start_s=12.0)


@pytest.mark.parametrize("spelling", ["F18", "18F", "F-18", "[18F]", "^18^Fluorine", "f18", "Fluorine-18"])
def test_fluorine_has_one_half_life_however_it_is_spelled(spelling):
    assert half_life_s(spelling) == F18_S


def test_carbon_decays_with_a_half_life_of_20_36_min():
    assert half_life_s("C-11") == pytest.approx(1221.6)


@pytest.mark.parametrize("radionuclide", ["", "F19", "18", "Tc99m", "water"])
def test_an_unknown_radionuclide_is_refused_by_name(radionuclide):
    with pytest.raises(SettingError, match="one of F18, C11"):
        half_life_s(radionuclide)


def test_a_quarter_is_left_after_two_half_lives():
    assert remaining_fraction(2 * F18_S, half_life_s=F18_S) == pytest.approx(0.25, rel=1e-12)


@pytest.mark.parametrize("half_life", HALF_LIFE_S.values())
def test_frame_factors_invert_the_mean_of_the_decay_over_each_frame(half_life):
    factors = frame_decay_factors(GIRARD, half_life_s=half_life)
    for factor, start_s, end_s in zip(factors, GIRARD.start_s, GIRARD.end_s, strict=True):
        decayed, _ = quad(lambda t: math.exp(-math.log(2) * t / half_life), start_s, end_s, epsabs=0, epsrel=1e-12)
        assert factor * decayed / (end_s - start_s) == pytest.approx(1.0, rel=1e-9)


def test_a_very_short_frame_decays_as_its_start_does():
    schedule = FrameSchedule((3600.0,), (1e-3,))
    factor = frame_decay_factors(schedule, half_life_s=F18_S)[0]
    assert factor == pytest.approx(2 ** (3600 / F18_S), rel=1e-6)


def test_all_three_references_lead_to_the_same_activity_at_injection():
    true_bq_ml = np.linspace(1e3, 9e3, GIRARD.num_frames * 8).reshape(GIRARD.num_frames, 2, 2, 2)
    measured = true_bq_ml / frame_decay_factors(GIRARD, half_life_s=F18_S).reshape(-1, 1, 1, 1)
    images = {
        DecayReference.INJECTION: true_bq_ml,
        DecayReference.SCAN_START: true_bq_ml * 2 ** (-12.0 / F18_S),
        DecayReference.NONE: measured,
    }
    for reference, image in images.items():
        corrected = correct_to_injection(image, GIRARD, half_life_s=F18_S, decay_reference=reference)
        assert corrected.dtype == np.float32
        np.testing.assert_allclose(corrected, true_bq_ml, rtol=1e-6)


def test_a_scan_start_other_than_the_first_frame_can_be_stated():
    factors = factors_to_injection(
        GIRARD, half_life_s=F18_S, decay_reference=DecayReference.SCAN_START, scan_start_s=F18_S
    )
    np.testing.assert_allclose(factors, 2.0, rtol=1e-12)
