import numpy as np
import pytest

from glioframe.core.errors import DatasetError
from glioframe.pet.suv import suv_bw
from glioframe.pet.tbr import measure_tumor, metabolic_volume, tbr, tumor_to_striatum_ratio

SPACING_MM = (2.0, 2.0, 2.0)


def ball(center, radius_mm, *, spacing_mm=SPACING_MM, shape=(40, 40, 40)):
    index = np.indices(shape).astype(float)
    return sum(((index[axis] - center[axis]) * spacing_mm[axis]) ** 2 for axis in range(3)) < radius_mm**2


def test_tbr_does_not_change_with_the_dose_while_suv_follows_it():
    activity = np.random.default_rng(0).uniform(1e3, 9e3, (4, 5, 6))
    once, twice = (suv_bw(activity * scale, injected_activity_bq=185e6, weight_kg=70) for scale in (1, 2))
    np.testing.assert_allclose(twice, 2 * once, rtol=1e-6)
    np.testing.assert_allclose(tbr(twice, float(twice[0].mean())), tbr(once, float(once[0].mean())), rtol=1e-5)


@pytest.mark.parametrize("mean", [0.0, -1.0, float("nan")])
def test_a_background_without_uptake_gives_no_ratio(mean):
    with pytest.raises(DatasetError, match="a mean uptake above 0"):
        tbr(np.ones((2, 2, 2)), mean)


@pytest.mark.parametrize("spacing_mm", [(1.0, 1.0, 1.0), (2.0, 2.0, 2.0), (5.0, 2.0, 2.0), (15.0, 15.0, 15.0)])
def test_every_measure_of_an_even_tumor_is_its_uptake(spacing_mm):
    image = np.full((20, 24, 28), 2.5)
    lesion = np.zeros(image.shape, dtype=bool)
    lesion[8:12, 0:6, 22:28] = True  # at the edge of the image
    measured = measure_tumor(image, lesion, spacing_mm=spacing_mm)
    for value in (
        measured.max_voxel,
        measured.max_10_voxels,
        measured.max_disc_16_mm,
        measured.peak_1_ml,
        measured.mean,
    ):
        assert value == pytest.approx(2.5, rel=1e-6)


def test_the_measures_of_one_hot_voxel_are_diluted_by_their_volumes():
    image = np.ones((40, 40, 40))
    image[20, 20, 20] = 101.0
    measured = measure_tumor(image, ball((20, 20, 20), 9), spacing_mm=SPACING_MM)
    assert measured.max_voxel == 101.0
    assert measured.max_10_voxels == pytest.approx(1 + 100 / 10)
    assert measured.max_disc_16_mm == pytest.approx(1 + 100 * 4 / (np.pi * 8**2), rel=0.02)
    assert measured.peak_1_ml == pytest.approx(1 + 100 * 8 / 1000, rel=0.02)


def test_the_hottest_voxels_are_those_of_the_lesion_only():
    image = np.ones((20, 20, 20))
    image[0, 0, 0] = 50.0
    lesion = np.zeros(image.shape, dtype=bool)
    lesion[10, 10, 8:12] = True
    image[lesion] = [2.0, 4.0, 3.0, 3.0]
    measured = measure_tumor(image, lesion, spacing_mm=SPACING_MM)
    assert (measured.max_voxel, measured.max_10_voxels, measured.mean) == (4.0, 3.0, 3.0)


def test_the_peak_equals_a_search_over_all_spheres():
    rng = np.random.default_rng(1)
    spacing_mm = (1.0, 1.0, 1.0)
    image = rng.random((24, 24, 24))
    lesion = ball((12, 12, 12), 3, spacing_mm=spacing_mm, shape=image.shape)
    radius_mm = (3000 / (4 * np.pi)) ** (1 / 3)
    means = [
        image[ball(center, radius_mm, spacing_mm=spacing_mm, shape=image.shape)].mean()
        for center in np.argwhere(lesion)
    ]
    assert measure_tumor(image, lesion, spacing_mm=spacing_mm).peak_1_ml == pytest.approx(max(means), rel=0.01)


def test_an_empty_lesion_is_refused():
    with pytest.raises(DatasetError, match="lesion"):
        measure_tumor(np.ones((4, 4, 4)), np.zeros((4, 4, 4), dtype=bool), spacing_mm=SPACING_MM)


def test_tumor_to_striatum_divides_the_hottest_voxel_by_the_mean_of_the_striatum():
    image, lesion, striatum = np.ones((10, 10, 10)), np.zeros((10, 10, 10), bool), np.zeros((10, 10, 10), bool)
    lesion[2, 2, 2:4], striatum[7, 7, 4:8] = True, True
    image[lesion], image[striatum] = [3.0, 2.0], [1.0, 2.0, 2.0, 3.0]
    assert tumor_to_striatum_ratio(image, lesion, striatum) == pytest.approx(1.5)
    assert tumor_to_striatum_ratio(image, lesion | striatum, striatum) == pytest.approx(1.5)
    with pytest.raises(DatasetError, match="contralateral striatum"):
        tumor_to_striatum_ratio(image, lesion, np.zeros_like(striatum))
    with pytest.raises(DatasetError, match="a mean uptake above 0"):
        tumor_to_striatum_ratio(image * ~striatum, lesion, striatum)


def test_the_metabolic_volume_is_what_reaches_the_threshold_without_the_striatum():
    lesion, striatum = ball((12.3, 12.6, 12.1), 10), ball((28, 28, 28), 8)
    image = np.where(lesion, 2.4, np.where(striatum, 2.0, 1.0))
    brain = np.ones(image.shape, dtype=bool)
    volume = metabolic_volume(image, brain, spacing_mm=SPACING_MM, threshold_tbr=1.6, physiological=striatum)
    np.testing.assert_array_equal(volume.mask, lesion)
    assert volume.volume_ml == pytest.approx(4 / 3 * np.pi, rel=0.03)
    assert volume.is_measurable
    with_striatum = metabolic_volume(image, brain, spacing_mm=SPACING_MM, threshold_tbr=1.6)
    assert with_striatum.volume_ml == pytest.approx((lesion | striatum).sum() * 0.008)
    assert with_striatum.largest_component_ml == pytest.approx(volume.volume_ml)


@pytest.mark.parametrize(("num_voxels", "is_measurable"), [(62, False), (63, True)])
def test_disease_is_measurable_from_half_a_milliliter_on(num_voxels, is_measurable):
    # 8 uL per voxel: 62 voxels are 0.496 mL, 63 voxels 0.504 mL.
    image = np.zeros((4, 4, 70))
    image[1, 1, :num_voxels] = 1.6
    volume = metabolic_volume(image, np.ones(image.shape, bool), spacing_mm=SPACING_MM, threshold_tbr=1.6)
    assert volume.is_measurable is is_measurable


def test_scattered_voxels_do_not_add_up_to_measurable_disease():
    image = np.zeros((20, 20, 20))
    image[::2, ::2, ::2] = 3.0
    volume = metabolic_volume(image, np.ones(image.shape, bool), spacing_mm=SPACING_MM, threshold_tbr=1.6)
    assert volume.volume_ml == pytest.approx(8.0)
    assert not volume.is_measurable


def test_no_uptake_is_no_volume():
    volume = metabolic_volume(np.ones((5, 5, 5)), np.ones((5, 5, 5), bool), spacing_mm=SPACING_MM, threshold_tbr=1.6)
    assert (volume.volume_ml, volume.largest_component_ml, volume.is_measurable) == (0.0, 0.0, False)
