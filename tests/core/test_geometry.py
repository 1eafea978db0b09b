import math

import pytest

from glioframe.core.geometry import Geometry

# 30 degrees about the z axis, spacing x 1, y 2, z 5 mm, origin (10, 20, 30) mm.
COS, SIN = math.cos(math.radians(30)), math.sin(math.radians(30))
OBLIQUE = ((COS, -2 * SIN, 0.0, 10.0), (SIN, 2 * COS, 0.0, 20.0), (0.0, 0.0, 5.0, 30.0), (0.0, 0.0, 0.0, 1.0))


@pytest.fixture
def oblique() -> Geometry:
    return Geometry(shape_vox=(4, 6, 8), affine=OBLIQUE)


def test_spacing_of_an_oblique_grid_is_the_length_of_the_voxel_edges(oblique):
    assert oblique.spacing_mm == pytest.approx((5.0, 2.0, 1.0))


def test_extent_is_voxels_times_spacing(oblique):
    assert oblique.extent_mm == pytest.approx((20.0, 12.0, 8.0))


def test_the_first_voxel_lies_at_the_origin(oblique):
    assert oblique.world_mm((0, 0, 0)) == pytest.approx((10.0, 20.0, 30.0))


def test_one_step_along_x_moves_along_the_rotated_axis(oblique):
    assert oblique.world_mm((0, 0, 1)) == pytest.approx((10 + COS, 20 + SIN, 30.0))


def test_a_grid_matches_itself_and_a_shift_below_the_tolerance(oblique):
    nudged = tuple((*row[:3], row[3] + 0.05) if index < 3 else row for index, row in enumerate(OBLIQUE))
    moved = tuple((*row[:3], row[3] + 0.2) if index < 3 else row for index, row in enumerate(OBLIQUE))
    assert oblique.matches(oblique)
    assert oblique.matches(Geometry(shape_vox=(4, 6, 8), affine=nudged))
    assert not oblique.matches(Geometry(shape_vox=(4, 6, 8), affine=moved))


def test_a_flip_does_not_match_although_the_same_box_is_covered():
    straight = Geometry(shape_vox=(3, 3, 3), affine=((1, 0, 0, 0), (0, 1, 0, 0), (0, 0, 1, 0), (0, 0, 0, 1)))
    flipped = Geometry(shape_vox=(3, 3, 3), affine=((-1, 0, 0, 2), (0, 1, 0, 0), (0, 0, 1, 0), (0, 0, 0, 1)))
    assert straight.largest_corner_shift_mm(flipped) == pytest.approx(2.0)
    assert not straight.matches(flipped)


def test_grids_of_other_shape_are_infinitely_far_apart(oblique):
    assert oblique.largest_corner_shift_mm(Geometry(shape_vox=(4, 6, 7), affine=OBLIQUE)) == math.inf
