"""The striatum on a PET: against analytic images, and against simulated heads whose striatum is known."""

from dataclasses import dataclass

import numpy as np
import pytest
from scipy import ndimage

from glioframe.core.errors import ImageError
from glioframe.core.geometry import Geometry
from glioframe.imaging.template_registration import register_template
from glioframe.imaging.volume import Volume
from glioframe.pet.striatum import place_striatum
from glioframe.pet.tbr import tumor_to_striatum_ratio
from glioframe.simulation.case import simulate_case
from glioframe.simulation.grid import Grid
from glioframe.simulation.roster import draw_roster
from glioframe.simulation.settings import CohortSettings
from glioframe.simulation.template import load_template
from glioframe.simulation.tissues import Tissue

GRID = Grid(spacing_mm=4.0)
SPACING_MM = (4.0, 4.0, 4.0)


@dataclass
class Found:
    dice: list[float]
    centroid_mm: list[float]
    ratio_error: float
    missed_ml: float


def dice(first, second):
    return 2 * (first & second).sum() / (first.sum() + second.sum())


def distance_mm(first, second):
    return 4.0 * np.linalg.norm(np.subtract(ndimage.center_of_mass(first), ndimage.center_of_mass(second)))


def find_in(case) -> Found:
    """Both sides of a simulated head, found from its T1c, brain, lesion and FDOPA, compared with the truth."""
    geometry, lesion, right = GRID.geometry, case.lesion.mask, GRID.axes_mm[2] > 0
    alignment = register_template(
        Volume(case.t1c, geometry), brain=Volume(case.anatomy.brain, geometry), lesion=Volume(lesion, geometry)
    )
    assert alignment.is_plausible
    fractions = alignment.striatum_on(geometry)
    found = place_striatum(case.fdopa, fractions, brain=case.anatomy.brain, spacing_mm=SPACING_MM, lesion=lesion)
    true = case.anatomy.fractions[Tissue.STRIATUM] > 0.5
    pairs = [(found.left.mask, true & ~right), (found.right.mask, true & right)]
    healthy = 0 if (lesion & right).sum() * 2 > lesion.sum() else 1
    ratios = [tumor_to_striatum_ratio(case.fdopa, lesion, mask) for mask in pairs[healthy]]
    # Hot as a tumor and within the blur of the true striatum, away from the lesion's own blur.
    hot = case.fdopa >= 1.6 * np.median(case.fdopa[case.anatomy.brain])
    near = ndimage.distance_transform_edt(~true) * 4.0 <= 10.0
    near &= ndimage.distance_transform_edt(~lesion) * 4.0 > 8.0
    missed = hot & near & ~found.physiological(spacing_mm=SPACING_MM, lesion=lesion)
    return Found(
        dice=[dice(*pair) for pair in pairs],
        centroid_mm=[distance_mm(*pair) for pair in pairs],
        ratio_error=ratios[0] / ratios[1] - 1,
        missed_ml=float(missed.sum() * GRID.voxel_ml),
    )


def find_in_cohort(num_heads: int) -> list[Found]:
    settings = CohortSettings(num_cases=max(num_heads, 4), num_external=0, spacing_mm=4.0, seed=11)
    template = load_template(blur_mm=4.0)
    return [find_in(simulate_case(patient, template, GRID)) for patient in draw_roster(settings)[:num_heads]]


def check(found: list[Found]) -> None:
    assert min(value for each in found for value in each.dice) >= 0.7
    assert max(value for each in found for value in each.centroid_mm) <= 4.0
    assert max(abs(each.ratio_error) for each in found) <= 0.1
    assert np.median([each.missed_ml for each in found]) < 0.2


def test_the_striatum_of_a_simulated_head_is_found():
    check(find_in_cohort(2))


@pytest.mark.slow
def test_the_striatum_of_two_dozen_simulated_heads_is_found():
    found = find_in_cohort(24)
    check(found)
    assert np.median([each.dice for each in found]) >= 0.78
    assert np.median([each.centroid_mm for each in found]) <= 2.0
    assert np.mean([abs(each.ratio_error) for each in found]) <= 0.04


def two_blobs(shift_mm=(0.0, 0.0, 0.0), shape=(24, 24, 30)):
    """Anatomy of two ellipsoids of radii 8 and 12 mm, one a side, and the uptake of both after a shift."""
    z, y, x = np.indices(shape) * 4.0

    def blob(center_x, shift):
        where = [(p - c - s) / r for p, c, s, r in zip((z, y, x), (46, 46, center_x), shift, (8, 12, 8), strict=True)]
        return sum(part**2 for part in where) < 1

    fractions = np.stack([blob(34, (0, 0, 0)), blob(82, (0, 0, 0))]).astype(np.float32)
    uptake = 1.0 + blob(34, shift_mm) + blob(82, shift_mm)
    return fractions, ndimage.gaussian_filter(uptake.astype(np.float32), 0.6)


def place(fractions, uptake, **options):
    brain = np.ones(uptake.shape, dtype=bool)
    return place_striatum(uptake, fractions, brain=brain, spacing_mm=SPACING_MM, **options)


def test_a_striatum_that_lies_elsewhere_is_followed():
    fractions, uptake = two_blobs(shift_mm=(4.0, -4.0, 4.0))
    found = place(fractions, uptake)
    for side in (found.left, found.right):
        assert side.shift_mm == pytest.approx(np.sqrt(48), abs=1.5)
        assert side.correlation > 0.8
    assert not (found.left.mask & found.right.mask).any()
    assert found.flags == ()
    assert found.side("left") is found.left


def test_ratios_do_not_depend_on_the_unit_of_the_image():
    fractions, uptake = two_blobs(shift_mm=(0.0, 4.0, 0.0))
    np.testing.assert_array_equal(place(fractions, uptake).mask, place(fractions, 5000 * uptake).mask)


def test_a_side_that_the_lesion_covers_stays_where_the_anatomy_puts_it():
    fractions, uptake = two_blobs(shift_mm=(4.0, 0.0, 0.0))
    lesion = np.zeros(uptake.shape, dtype=bool)
    lesion[:, :, :11] = True
    found = place(fractions, np.where(lesion, 5.0, uptake), lesion=lesion)
    assert "100% of it lies in the lesion" in found.left.why_unrefined
    np.testing.assert_array_equal(found.left.mask, fractions[0] > 0.5)
    assert found.right.why_unrefined == ""
    assert found.flags == (f"left striatum placed by anatomy alone: {found.left.why_unrefined}",)


def test_uptake_without_a_striatum_is_not_trusted():
    fractions, uptake = two_blobs()
    noise = np.random.default_rng(0).normal(1.0, 0.1, uptake.shape)
    found = place(fractions, noise)
    assert "resembles it too little" in found.left.why_unrefined
    np.testing.assert_array_equal(found.mask, fractions.max(axis=0) > 0.5)


def test_what_spills_over_is_excluded_but_not_the_lesion_beside_it():
    fractions, uptake = two_blobs()
    found = place(fractions, uptake)
    lesion = np.zeros(uptake.shape, dtype=bool)
    lesion[:, :, 11:14] = True  # touches the left side
    excluded = found.physiological(spacing_mm=SPACING_MM, lesion=lesion)
    assert excluded.sum() > found.mask.sum()
    np.testing.assert_array_equal(excluded & lesion, found.mask & lesion)


def test_an_image_without_a_brain_is_refused():
    geometry = Geometry(shape_vox=(8, 8, 8), affine=GRID.geometry.affine)
    constant, empty = Volume(np.ones((8, 8, 8), np.float32), geometry), Volume(np.zeros((8, 8, 8), bool), geometry)
    with pytest.raises(ImageError, match="a constant image"):
        register_template(constant, brain=Volume(np.ones((8, 8, 8), bool), geometry))
    with pytest.raises(ImageError, match="an empty brain mask"):
        register_template(constant, brain=empty)
