import numpy as np

from glioframe.pet.hottest import hottest_part

SPACING_MM = (5.0, 5.0, 4.0)  # ten voxels to the mL
LESION = np.zeros((4, 6, 6), dtype=bool)
LESION[1:3, 1:5, 1:5] = True


def test_a_millilitre_of_the_highest_voxels_inside_the_lesion_is_chosen():
    uptake = np.random.default_rng(0).permutation(LESION.size).reshape(LESION.shape).astype(np.float32)
    uptake[0] += 1000  # outside, and hotter
    hottest = hottest_part(uptake, LESION, spacing_mm=SPACING_MM)
    assert hottest.sum() == 10
    assert not (hottest & ~LESION).any()
    assert uptake[hottest].min() > uptake[LESION & ~hottest].max()


def test_a_smaller_lesion_is_taken_whole():
    assert np.array_equal(hottest_part(LESION * 1.0, LESION, spacing_mm=SPACING_MM, volume_ml=100.0), LESION)


def test_coarse_voxels_give_at_least_one():
    uptake = np.arange(LESION.size, dtype=np.float32).reshape(LESION.shape)
    (index,) = np.flatnonzero(hottest_part(uptake, LESION, spacing_mm=(20.0, 20.0, 20.0)))
    assert index == np.flatnonzero(LESION)[-1]
