import numpy as np
import pytest
from scipy import ndimage

from glioframe.artifacts.protocol import ReferenceRegionRule
from glioframe.core.errors import DatasetError
from glioframe.pet.reference_region import find_reference_region
from glioframe.pet.symmetry import find_symmetry_plane
from pet_phantom import LESION_SUV, SPACING_MM, make_head

NUM_HEADS = 100
MAX_BIAS = 0.03
# The crescent as a reader who knew the anatomy would draw it, in MNI mm: above the ventricles and below the vertex.
TRUE_HEIGHT_MM = (30, 65)
TRUE_LATERAL_MM = 8


def random_head(index: int):
    """Every fourth lesion lies at the midline; every other head comes without a mask of the striatum."""
    rng = np.random.default_rng(1000 + index)
    lateral_mm = rng.uniform(-6, 6) if index % 4 == 0 else rng.choice([-1, 1]) * rng.uniform(8, 50)
    center = (rng.uniform(-10, 55), rng.uniform(-60, 40), lateral_mm)
    return make_head(seed=index, lesion_center_mm=center, lesion_radius_mm=rng.uniform(8, 26))


def find(head, **options):
    return find_reference_region(
        head.uptake, head.brain, spacing_mm=SPACING_MM, **{"lesion": head.lesion, "is_suv": True} | options
    )


def true_reference(head, side: str) -> float:
    """Uptake of the healthy tissue in the crescent that the known anatomy defines, without lesion or noise."""
    depth_mm = ndimage.distance_transform_edt(head.brain, sampling=SPACING_MM)
    crescent = head.tissue & ~head.lesion & (depth_mm >= 12) & (depth_mm <= 30)
    crescent &= (head.height_mm > TRUE_HEIGHT_MM[0]) & (head.height_mm < TRUE_HEIGHT_MM[1])
    crescent &= (head.lateral_mm if side == "right" else -head.lateral_mm) > TRUE_LATERAL_MM
    return float(head.healthy[crescent].mean())


def check_heads(indices) -> None:
    biases = []
    for index in indices:
        head = random_head(index)
        region = find(head, physiological=None if index % 2 else head.striatum)
        assert not (region.mask & head.lesion).any(), index
        assert not (region.mask & head.striatum).any(), index
        assert (np.sign(head.lateral_mm[region.mask]) == (1 if region.side == "right" else -1)).all(), index
        biases.append(region.mean / true_reference(head, region.side) - 1)
    assert np.abs(biases).max() <= MAX_BIAS


def test_the_reference_region_is_healthy_and_unbiased_wherever_the_lesion_lies():
    check_heads(range(16))


@pytest.mark.slow
def test_the_reference_region_is_healthy_and_unbiased_for_a_hundred_lesions():
    check_heads(range(NUM_HEADS))


@pytest.mark.parametrize("angles_deg", [(15, 0, 0), (0, -15, 0), (-12, 12, 12)])
def test_a_tilted_head_gives_the_same_reference(angles_deg):
    lesion = {"lesion_center_mm": (30, 0, 30), "lesion_radius_mm": 20, "noise": 0.0}
    upright = find(make_head(seed=1, angles_deg=(0, 0, 0), **lesion))
    head = make_head(seed=1, angles_deg=angles_deg, **lesion)
    tilted = find(head)
    assert tilted.mean == pytest.approx(upright.mean, rel=0.03)
    assert not (tilted.mask & (head.lesion | head.striatum)).any()


def test_the_plane_lies_where_the_anatomy_has_its_midline():
    head = make_head(seed=2, lesion_center_mm=(20, 10, -35), lesion_radius_mm=25, angles_deg=(10, 8, 5))
    plane = find_symmetry_plane(head.uptake, head.brain, spacing_mm=SPACING_MM, lesion=head.lesion)
    at_plane = np.abs(plane.distance_map_mm(head.brain.shape, SPACING_MM)) < 2
    assert np.abs(head.lateral_mm[at_plane & head.brain]).mean() < 2.5
    assert plane.normal[2] > 0
    assert plane.correlation > 0.95


def test_reflecting_twice_is_staying():
    head = make_head(seed=3, lesion_center_mm=(20, 10, -35), lesion_radius_mm=15)
    plane = find_symmetry_plane(head.uptake, head.brain, spacing_mm=SPACING_MM)
    points = np.random.default_rng(0).uniform(-100, 100, (3, 50))
    np.testing.assert_allclose(plane.reflect(plane.reflect(points)), points, atol=1e-9)
    np.testing.assert_allclose(plane.distance_mm(plane.reflect(points)), -plane.distance_mm(points), atol=1e-9)


def test_the_region_lies_opposite_of_the_lesion_without_flags():
    head = make_head(seed=4, lesion_center_mm=(30, 0, 35), lesion_radius_mm=18)
    region = find(head)
    assert region.side == "left"
    assert region.flags == ()
    assert region.volume_ml >= 30
    assert region.volume_ml == pytest.approx(region.mask.sum() * 0.064)
    values = head.uptake[region.mask]
    assert region.coefficient_of_variation == pytest.approx(values.std() / values.mean(), rel=1e-4)


def test_without_a_lesion_mask_the_hemisphere_without_tumor_is_found_and_flagged():
    head = make_head(seed=5, lesion_center_mm=(45, -10, 35), lesion_radius_mm=20)
    region = find(head, lesion=None)
    assert region.side == "left"
    assert [flag for flag in region.flags if "no lesion is known" in flag]
    assert find(head, lesion=np.zeros_like(head.lesion)).side == "left"


def test_doubling_the_uptake_doubles_the_mean_in_the_same_region():
    head = make_head(seed=6, lesion_center_mm=(30, 0, -35), lesion_radius_mm=18)
    once = find(head)
    twice = find_reference_region(2 * head.uptake, head.brain, spacing_mm=SPACING_MM, lesion=head.lesion)
    np.testing.assert_array_equal(once.mask, twice.mask)
    assert twice.mean == pytest.approx(2 * once.mean, rel=1e-6)


def test_poor_regions_are_flagged_in_words():
    head = make_head(seed=7, lesion_center_mm=(30, 0, -35), lesion_radius_mm=18, noise=0.4)
    narrow = ReferenceRegionRule(depth_mm=(12.0, 16.0), below_vertex_mm=(20.0, 30.0))
    region = find_reference_region(
        1000 * head.uptake, head.brain, spacing_mm=SPACING_MM, lesion=head.lesion, is_suv=True, rule=narrow
    )
    text = "; ".join(region.flags)
    assert "uneven: coefficient of variation" in text
    assert "mL, below 30 mL" in text
    assert "implausible: mean SUV" in text


def test_a_scan_that_misses_the_vertex_is_flagged():
    head = make_head(seed=8, lesion_center_mm=(0, 0, -35), lesion_radius_mm=12)
    seen = slice(0, int(np.flatnonzero(head.brain.any(axis=(1, 2)))[-1]) - 4)
    region = find_reference_region(
        head.uptake[seen], head.brain[seen], spacing_mm=SPACING_MM, lesion=head.lesion[seen], is_suv=True
    )
    assert any("cuts off the top of the brain" in flag for flag in region.flags)


def test_a_mask_with_skull_and_scalp_is_flagged():
    head = make_head(seed=8, lesion_center_mm=(30, 0, -35), lesion_radius_mm=12)
    with_scalp = ndimage.binary_dilation(head.brain, iterations=3)
    region = find_reference_region(head.uptake, with_scalp, spacing_mm=SPACING_MM, lesion=head.lesion, is_suv=True)
    assert any("holds more than the brain" in flag for flag in region.flags)


def test_a_brain_full_of_lesion_has_no_reference_region():
    head = make_head(seed=9, lesion_center_mm=(30, 0, 0), lesion_radius_mm=12)
    with pytest.raises(DatasetError, match="no voxel that keeps all margins"):
        find(head, lesion=head.brain)


def test_masks_on_another_grid_are_refused():
    head = make_head(seed=9, lesion_center_mm=(30, 0, 0), lesion_radius_mm=12)
    with pytest.raises(DatasetError, match="lesion mask: expected the shape of the uptake"):
        find(head, lesion=head.lesion[1:])
    with pytest.raises(DatasetError, match="an empty mask"):
        find_reference_region(head.uptake, np.zeros_like(head.brain), spacing_mm=SPACING_MM)


def test_a_hot_spot_in_the_healthy_hemisphere_is_left_out_as_an_outlier():
    head = make_head(seed=10, lesion_center_mm=(30, 0, 40), lesion_radius_mm=12)
    clean = find(head)
    spoiled = head.uptake.copy()
    some = np.flatnonzero(clean.mask)[::20]
    spoiled.ravel()[some] = LESION_SUV * 4
    region = find_reference_region(spoiled, head.brain, spacing_mm=SPACING_MM, lesion=head.lesion, is_suv=True)
    assert region.mean == pytest.approx(clean.mean, rel=0.02)
