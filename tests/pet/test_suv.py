import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from glioframe.core.errors import DatasetError
from glioframe.pet.suv import is_plausible_brain_suv, suv_bw, suv_factor

F18_S = 109.77 * 60
ACTIVITY = st.floats(1e6, 5e9)
WEIGHT = st.floats(10, 250)


def test_suv_is_one_when_activity_is_spread_evenly_over_the_body():
    injected_activity_bq, weight_kg = 200e6, 80.0
    activity_bq_ml = np.array([injected_activity_bq / (weight_kg * 1000)])
    suv = suv_bw(activity_bq_ml, injected_activity_bq=injected_activity_bq, weight_kg=weight_kg)
    np.testing.assert_allclose(suv, 1.0, rtol=1e-6)


def test_suv_equals_the_formula_worked_by_hand():
    # 5000 Bq/mL x 70 kg x 1000 g/kg / (185 MBq x 2^(-10 min / 109.77 min)) = 2.0152
    expected = 5000 * 70_000 / (185e6 * 2 ** (-10 / 109.77))
    suv = 5000 * suv_factor(injected_activity_bq=185e6, weight_kg=70, half_life_s=F18_S, reference_s=600)
    assert suv == pytest.approx(expected, rel=1e-12)
    assert suv == pytest.approx(2.0152, abs=1e-4)


def test_suv_doubles_when_the_image_refers_to_a_time_when_half_of_the_activity_has_decayed():
    at_injection = suv_factor(injected_activity_bq=185e6, weight_kg=70)
    later = suv_factor(injected_activity_bq=185e6, weight_kg=70, half_life_s=F18_S, reference_s=F18_S)
    assert later == pytest.approx(2 * at_injection, rel=1e-12)


@given(ACTIVITY, WEIGHT, st.floats(0.1, 10))
def test_suv_is_linear_in_the_activity_and_inverse_in_the_dose(injected_activity_bq, weight_kg, scale):
    image = np.array([0.0, 100.0, 5000.0])
    suv = suv_bw(image, injected_activity_bq=injected_activity_bq, weight_kg=weight_kg)
    scaled = suv_bw(scale * image, injected_activity_bq=injected_activity_bq, weight_kg=weight_kg)
    np.testing.assert_allclose(scaled, scale * suv, rtol=1e-5)
    if 1e6 <= injected_activity_bq * scale <= 5e9:
        diluted = suv_bw(image, injected_activity_bq=injected_activity_bq * scale, weight_kg=weight_kg)
        np.testing.assert_allclose(diluted * scale, suv, rtol=1e-5)


@pytest.mark.parametrize(
    ("injected_activity_bq", "weight_kg", "fault"),
    [
        (None, 70.0, "injected_activity_bq .* found none"),
        (185e6, None, "weight_kg .* found none"),
        (185.0, 70.0, "injected_activity_bq .* found 185"),
        (0.0, 70.0, "injected_activity_bq"),
        (float("nan"), 70.0, "injected_activity_bq .* found nan"),
        (185e6, 70_000.0, "weight_kg .* found 70000"),
        (185e6, -70.0, "weight_kg"),
    ],
)
def test_suv_is_refused_without_a_possible_weight_and_activity(injected_activity_bq, weight_kg, fault):
    with pytest.raises(DatasetError, match=fault) as caught:
        suv_factor(injected_activity_bq=injected_activity_bq, weight_kg=weight_kg, where="CASE_01")
    assert str(caught.value).startswith("CASE_01: ")


def test_suv_of_an_image_at_scan_start_needs_the_half_life():
    with pytest.raises(DatasetError, match="half-life"):
        suv_factor(injected_activity_bq=185e6, weight_kg=70, reference_s=600)


def test_becquerels_are_no_plausible_brain_suv():
    assert is_plausible_brain_suv(1.1)
    assert not is_plausible_brain_suv(4200.0)
    assert not is_plausible_brain_suv(0.02)
