"""Patches, strides and kernels, against nnU-Net's rules applied by hand."""

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from glioframe.planning.topology import MIN_LAST_VOX, MIN_PATCH_VOX, choose_topology


def test_an_isotropic_patch_is_halved_until_four_voxels_are_left():
    topology = choose_topology((64.0, 64.0, 64.0), (1.0, 1.0, 1.0), max_stages=6)
    assert topology.patch_size_vox == (64, 64, 64)
    assert topology.strides == ((1, 1, 1),) + ((2, 2, 2),) * 4
    assert topology.kernel_sizes == ((3, 3, 3),) * 5


def test_the_number_of_stages_is_bounded():
    topology = choose_topology((140.0, 172.0, 140.0), (1.0, 1.0, 1.0), max_stages=5)
    assert topology.patch_size_vox == (144, 176, 144)
    assert len(topology.strides) == 5


def test_thick_slices_are_neither_convolved_nor_pooled_across_until_the_pixels_are_as_coarse():
    topology = choose_topology((144.0, 128.0, 128.0), (6.0, 1.0, 1.0), max_stages=5)
    # In plane: 1, 2, 4 mm. At 4 mm the slices of 6 mm are less than twice as coarse.
    assert topology.strides == ((1, 1, 1), (1, 2, 2), (1, 2, 2), (2, 2, 2), (2, 2, 2))
    assert topology.kernel_sizes == ((1, 3, 3), (1, 3, 3), (3, 3, 3), (3, 3, 3), (3, 3, 3))
    assert topology.patch_size_vox == (24, 128, 128)


def test_short_axes_stop_being_halved_before_long_ones():
    topology = choose_topology((12.0, 64.0, 64.0), (1.0, 1.0, 1.0), max_stages=5)
    assert [stride[0] for stride in topology.strides] == [1, 2, 1, 1, 1]


def test_rounding_errors_of_an_affine_do_not_add_a_voxel():
    assert choose_topology((64.0, 64.0, 64.0), (0.9999999, 1.0, 1.0), max_stages=3).patch_size_vox == (64, 64, 64)


extents = st.tuples(*[st.floats(20.0, 260.0)] * 3)
spacings = st.tuples(*[st.floats(0.4, 9.0)] * 3)


@given(extent_mm=extents, spacing_mm=spacings, max_stages=st.integers(1, 6))
def test_every_topology_is_legal_and_holds_the_field_of_view(extent_mm, spacing_mm, max_stages):
    topology = choose_topology(extent_mm, spacing_mm, max_stages=max_stages)
    assert len(topology.strides) == len(topology.kernel_sizes) <= max_stages
    for axis in range(3):
        total = math.prod(stride[axis] for stride in topology.strides)
        edge = topology.patch_size_vox[axis]
        assert edge % total == 0
        assert edge >= MIN_PATCH_VOX
        assert edge // total >= MIN_LAST_VOX
        assert edge * spacing_mm[axis] >= extent_mm[axis] - 0.01
        assert edge < max(MIN_PATCH_VOX, extent_mm[axis] / spacing_mm[axis] + 1) + total


@pytest.mark.parametrize("max_stages", [1, 4, 6])
def test_an_axis_is_pooled_only_while_it_is_about_as_fine_as_the_finest(max_stages):
    topology = choose_topology((150.0, 150.0, 150.0), (5.0, 1.0, 1.0), max_stages=max_stages)
    spacing = [5.0, 1.0, 1.0]
    for stride in topology.strides[1:]:
        for axis in range(3):
            if stride[axis] == 2:
                assert spacing[axis] < 2 * min(spacing)
        spacing = [edge * step for edge, step in zip(spacing, stride, strict=True)]
