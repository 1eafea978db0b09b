"""Resampling against scipy.ndimage and SimpleITK as independent implementations, and against analytic values."""

from __future__ import annotations

import numpy as np
import pytest
from scipy.ndimage import gaussian_filter, map_coordinates

from glioframe.core.geometry import Geometry
from glioframe.imaging.resample import (
    field_of_view,
    resample,
    resample_label,
    resample_label_to,
    resample_to,
    resampled_geometry,
)
from glioframe.imaging.volume import Volume, affine_from_array


def make_volume(array, *, spacing_zyx=(1.0, 1.0, 1.0), rotation=None, origin=(-10.0, 20.0, 5.0)):
    affine = np.eye(4)
    affine[:3, :3] = (np.eye(3) if rotation is None else rotation) @ np.diag(spacing_zyx[::-1])
    affine[:3, 3] = origin
    return Volume(
        np.asarray(array, dtype=np.float32), Geometry(shape_vox=array.shape, affine=affine_from_array(affine))
    )


def make_noise(shape_zyx=(23, 30, 26), *, smooth=0.0, seed=0):
    noise = np.random.default_rng(seed).standard_normal(shape_zyx).astype(np.float32)
    return gaussian_filter(noise, smooth) if smooth else noise


def voxel_positions(source, target, index_axes=None):
    """Indices in ``source`` of all voxels of ``target`` (3, z, y, x), through the world."""
    axes = index_axes or [np.arange(n, dtype=float) for n in target.shape_vox]
    zyx = np.stack(np.meshgrid(*axes, indexing="ij"))
    flat = np.vstack([zyx[::-1].reshape(3, -1), np.ones(zyx[0].size)])
    xyz = np.linalg.inv(np.array(source.affine)) @ np.array(target.affine) @ flat
    return xyz[:3][::-1].reshape(zyx.shape)


@pytest.mark.parametrize("order", [1, 3])
@pytest.mark.parametrize("spacing", [(1.25, 1.25, 1.25), (0.7, 1.0, 1.4), (0.5, 0.61, 1.3), (1.1, 0.9, 1.5)])
def test_interpolation_equals_scipy_map_coordinates(order, spacing):
    volume = make_volume(make_noise())
    result = resample(volume, spacing, order=order)
    positions = voxel_positions(volume.geometry, result.geometry)
    expected = map_coordinates(volume.array.astype(np.float64), positions, order=order, mode="mirror")
    np.testing.assert_allclose(result.array, expected, atol=1e-5)


@pytest.mark.parametrize("order", [1, 3])
def test_coarse_voxels_are_the_mean_of_the_spline_over_their_extent(order):
    volume = make_volume(make_noise((8, 9, 41)))
    ratio, num_points = 2.7, 400
    result = resample(volume, (1.0, 1.0, ratio), order=order)
    within = ((np.arange(num_points) + 0.5) / num_points - 0.5)[None]
    axes = [np.arange(8.0), np.arange(9.0), (np.arange(result.array.shape[2])[:, None] + within).ravel()]
    positions = voxel_positions(volume.geometry, result.geometry, axes)
    fine = map_coordinates(volume.array.astype(np.float64), positions, order=order, mode="mirror")
    expected = fine.reshape(8, 9, -1, num_points).mean(-1)
    np.testing.assert_allclose(result.array, expected, atol=1e-4)


@pytest.mark.parametrize("spacing", [(1.25, 0.8, 1.0), (3.1, 2.0, 5.5), (0.3, 1.49, 1.51)])
@pytest.mark.parametrize("order", [1, 3])
def test_a_constant_image_stays_constant(spacing, order):
    result = resample(make_volume(np.full((11, 12, 13), 7.25)), spacing, order=order)
    np.testing.assert_allclose(result.array, 7.25, rtol=1e-6)


@pytest.mark.parametrize("spacing", [1.25, 0.4, 2.3])
@pytest.mark.parametrize("order", [1, 3])
def test_a_ramp_in_mm_stays_the_same_ramp_in_mm_away_from_the_border(spacing, order):
    shape = (40, 42, 44)
    volume = make_volume(np.zeros(shape), spacing_zyx=(1.0, 1.1, 0.9))

    def ramp(geometry):
        z, y, x = np.meshgrid(*(np.arange(n) for n in geometry.shape_vox), indexing="ij")
        right, anterior, superior = geometry.world_mm((z, y, x))
        return 0.5 * right - 2.0 * anterior + 3.0 * superior

    result = resample(Volume(ramp(volume.geometry).astype(np.float32), volume.geometry), (spacing,) * 3, order=order)
    border = max(4, round(10 / spacing))  # mirroring bends the ramp at its ends; the cubic prefilter spreads that
    inside = (slice(border, -border),) * 3
    np.testing.assert_allclose(result.array[inside], ramp(result.geometry)[inside], atol=2e-3)


def test_equal_spacing_changes_no_bit():
    volume = make_volume(make_noise(), spacing_zyx=(2.0, 0.9, 0.9))
    result = resample(volume, (2.0, 0.9, 0.9))
    np.testing.assert_array_equal(result.array, volume.array)
    assert result.geometry == volume.geometry


def test_a_smooth_image_survives_the_way_there_and_back():
    volume = make_volume(make_noise((40, 44, 48), smooth=3.0))
    back = resample(resample(volume, (1.25, 1.25, 1.25)), (1.0, 1.0, 1.0))
    inside = (slice(6, -6),) * 3
    error = back.array[inside] - volume.array[inside]
    assert back.array.shape == volume.array.shape
    assert np.abs(error).max() < 0.01 * np.ptp(volume.array)


@pytest.mark.parametrize("spacing", [(1.25, 1.25, 1.25), (2.0, 2.0, 2.0), (4.0, 3.0, 2.5), (0.7, 0.7, 0.7)])
def test_total_activity_is_kept_within_one_percent(spacing):
    z, y, x = np.meshgrid(*(np.linspace(-1, 1, n) for n in (50, 54, 58)), indexing="ij")
    head = ((z**2 + y**2 + x**2) < 0.6).astype(np.float32)
    volume = make_volume(gaussian_filter(head, 1.5) + 2 * gaussian_filter((head > 0) & (x > 0.5), 1.0))
    result = resample(volume, spacing)
    total, new_total = volume.array.sum(), result.array.sum() * np.prod(spacing)
    assert new_total == pytest.approx(total, rel=0.01)


def test_the_field_of_view_keeps_its_center_and_its_extent_to_half_a_voxel():
    rotation = np.array([[0.8, -0.6, 0.0], [0.6, 0.8, 0.0], [0.0, 0.0, 1.0]])
    geometry = make_volume(np.zeros((26, 256, 208)), spacing_zyx=(5.5, 0.9, 0.9), rotation=rotation).geometry
    new = resampled_geometry(geometry, (1.0, 1.2, 1.3))
    center, new_center = (
        grid.world_mm(tuple((n - 1) / 2 for n in grid.shape_vox))  # type: ignore[arg-type]
        for grid in (geometry, new)
    )
    np.testing.assert_allclose(new_center, center, atol=1e-6)
    np.testing.assert_allclose(new.spacing_mm, (1.0, 1.2, 1.3), atol=1e-7)
    for extent, new_extent, spacing in zip(geometry.extent_mm, new.extent_mm, new.spacing_mm, strict=True):
        assert abs(extent - new_extent) <= spacing / 2 + 1e-6


def test_a_single_slice_is_repeated():
    result = resample(make_volume(make_noise((1, 12, 12)), spacing_zyx=(5.0, 1.0, 1.0)), (1.0, 1.0, 1.0))
    assert result.array.shape == (5, 12, 12)
    np.testing.assert_allclose(result.array, np.repeat(result.array[:1], 5, axis=0), atol=1e-6)


def test_a_label_takes_the_nearest_voxel_and_keeps_its_volume():
    z, y, x = np.meshgrid(*(np.arange(n) for n in (40, 44, 48)), indexing="ij")
    label = ((z - 20) ** 2 + (y - 21) ** 2 + (x - 25) ** 2 < 144).astype(np.int16) * 4
    source = make_volume(label)
    result = resample_label(Volume(label, source.geometry), (1.25, 0.8, 2.0))
    positions = voxel_positions(source.geometry, result.geometry)
    nearest = np.clip(
        np.floor(np.round(positions, 6) + 0.5).astype(int), 0, np.array(label.shape)[:, None, None, None] - 1
    )
    np.testing.assert_array_equal(result.array, label[tuple(nearest)])
    assert set(np.unique(result.array)) == {0, 4}
    assert (result.array > 0).sum() * 2.0 == pytest.approx((label > 0).sum(), rel=0.02)


@pytest.mark.parametrize("order", [1, 3])
def test_resampling_to_another_grid_equals_scipy(order):
    angle = np.deg2rad(17.0)
    rotation = np.array([[np.cos(angle), -np.sin(angle), 0], [np.sin(angle), np.cos(angle), 0], [0, 0, 1]])
    volume = make_volume(make_noise((20, 30, 28), smooth=1.0), spacing_zyx=(2.0, 1.0, 1.1), rotation=rotation)
    target = make_volume(np.zeros((24, 22, 20)), spacing_zyx=(1.2, 1.3, 1.1), origin=(-20.0, 25.0, 10.0)).geometry
    result = resample_to(volume, target, order=order)
    positions = voxel_positions(volume.geometry, target)
    limits = np.array(volume.array.shape)[:, None, None, None]
    inside = ((positions >= 0) & (positions <= limits - 1)).all(0)
    outside = ((positions < -0.5) | (positions > limits - 0.5)).any(0)
    expected = map_coordinates(volume.array.astype(np.float64), positions, order=order, mode="mirror")
    assert inside.mean() > 0.2
    np.testing.assert_allclose(result.array[inside], expected[inside], atol=1e-4)
    assert not result.array[outside].any()


def test_both_ways_of_resampling_agree_where_both_apply():
    volume = make_volume(make_noise((30, 36, 32), smooth=1.5), spacing_zyx=(1.0, 1.0, 0.5))
    spacing = (1.25, 1.1, 1.6)  # the last axis is averaged
    separable = resample(volume, spacing)
    general = resample_to(volume, separable.geometry)
    inside = (slice(2, -2),) * 3
    np.testing.assert_allclose(general.array[inside], separable.array[inside], atol=2e-3)


def test_a_mask_on_another_grid_keeps_its_place_and_type():
    mask = np.zeros((20, 20, 20), dtype=bool)
    mask[8:12, 4:9, 10:16] = True
    volume = make_volume(mask)
    target = make_volume(np.zeros((40, 40, 40)), spacing_zyx=(0.5, 0.5, 0.5), origin=(-10.25, 19.75, 4.75)).geometry
    result = resample_label_to(Volume(mask, volume.geometry), target)
    assert result.array.dtype == bool
    np.testing.assert_array_equal(result.array, mask.repeat(2, 0).repeat(2, 1).repeat(2, 2))


@pytest.mark.parametrize("spacing_zyx", [(1.0, 1.0, 1.0), (0.4, 0.5, 0.3)])
@pytest.mark.parametrize("order", [1, 3])
def test_the_field_of_view_is_where_an_image_of_ones_arrives(spacing_zyx, order):
    ones = make_volume(np.ones((20, 24, 22), dtype=np.float32), spacing_zyx=spacing_zyx)
    target = make_volume(np.zeros((15, 16, 14), np.float32), spacing_zyx=(1.2, 1.3, 1.1), origin=(-8.0, 17.0, 3.0))
    inside = field_of_view(ones.geometry, target.geometry)
    assert 0.01 < inside.mean() < 0.99
    np.testing.assert_allclose(resample_to(ones, target.geometry, order=order).array, inside, atol=1e-5)
