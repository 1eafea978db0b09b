"""Target spacings, (z, y, x) in mm, of cohorts whose answer is known."""

import pytest

from glioframe.planning.spacing import coarser, native_spacing


def spacing_of(*spacings, shape=(150, 180, 150)):
    return native_spacing(spacings, [shape] * len(spacings)).value


def test_each_axis_takes_its_median():
    assert spacing_of((1.0, 2.0, 2.0), (5.0, 3.0, 2.5), (2.0, 4.0, 3.0)) == (2.0, 3.0, 2.5)


def test_nearly_isotropic_voxels_become_isotropic_with_equal_volume():
    z, y, x = spacing_of((1.2, 1.0, 1.0))
    assert z == y == x
    assert z * y * x == pytest.approx(1.2, rel=0.01)


def test_clearly_anisotropic_voxels_stay_as_they_are():
    assert spacing_of((2.0, 1.0, 1.0)) == (2.0, 1.0, 1.0)


def test_thick_slices_take_the_tenth_percentile_of_their_thickness():
    slices = [(3.5, 1.0, 1.0)] + [(6.0, 1.0, 1.0)] * 9
    assert native_spacing(slices, [(24, 180, 150)] * 10).value == (3.5, 1.0, 1.0)


def test_the_axis_across_slices_never_becomes_finer_than_the_pixels():
    slices = [(0.5, 1.0, 1.0)] * 2 + [(6.0, 1.0, 1.0)] * 8
    assert native_spacing(slices, [(24, 180, 150)] * 10).value == (1.0, 1.0, 1.0)


def test_many_thick_slices_keep_the_median():
    slices = [(3.0, 0.5, 0.5)] * 3 + [(4.0, 0.5, 0.5)] * 7
    assert native_spacing(slices, [(120, 300, 300)] * 10).value == (4.0, 0.5, 0.5)


@pytest.mark.parametrize(
    ("before", "after"),
    [
        ((1.0, 1.0, 1.0), (1.25, 1.25, 1.25)),
        ((0.94, 0.94, 0.94), (1.0, 1.0, 1.0)),
        ((6.0, 1.0, 1.0), (6.0, 1.25, 1.25)),
        ((1.1, 1.0, 1.0), (1.25, 1.25, 1.25)),
    ],
)
def test_coarsening_moves_the_finest_axes_to_the_next_quarter_of_a_millimeter(before, after):
    assert coarser(before) == after


def test_coarsening_makes_anisotropic_voxels_isotropic_in_the_end():
    spacing = (6.0, 1.0, 1.0)
    for _ in range(21):
        spacing = coarser(spacing)
    assert spacing == (6.25, 6.25, 6.25)


def test_the_reason_names_the_median_and_the_number_of_cases():
    reason = native_spacing([(1.0, 2.0, 2.0)] * 7, [(150, 90, 90)] * 7).reason
    assert "7 training cases" in reason
    assert "1 x 2 x 2 mm" in reason
