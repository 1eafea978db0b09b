from dataclasses import replace

import numpy as np
import pytest
from scipy import ndimage
from small_plan import make_plan

from glioframe.artifacts.dataset import Channel
from glioframe.artifacts.pet_record import load_pet_record
from glioframe.core.modality import Modality, Tracer, Unit
from glioframe.imaging.volume import read_label, read_volume
from glioframe.pet.protocol import find_protocol
from glioframe.pet.striatum import SideOfStriatum, Striatum
from glioframe.preprocessing.case import preprocess_case
from glioframe.preprocessing.uptake import StaticUptake
from glioframe.simulation.cohort import simulate_cohort
from glioframe.simulation.settings import CohortSettings
from pet_phantom import LESION_SUV, SPACING_MM, STRIATUM_SUV, make_head

FDOPA = Channel(name="fdopa", modality=Modality.PET_STATIC, tracer=Tracer.FDOPA, unit=Unit.SUV_BW)
VOXEL_ML = 0.064


def true_striatum(head) -> Striatum:
    left, right = (
        SideOfStriatum(mask=head.striatum & side, shift_mm=0.0, correlation=1.0)
        for side in (head.lateral_mm < 0, head.lateral_mm > 0)
    )
    return Striatum(left=left, right=right)


def static(head, *, knows_striatum=True, **changes) -> StaticUptake:
    given = StaticUptake(
        values=head.uptake,
        channel=FDOPA,
        protocol=find_protocol("static_fdopa"),
        spacing_mm=SPACING_MM,
        brain=head.brain,
        lesion=head.lesion,
        striatum=true_striatum(head) if knows_striatum else None,
    )
    return replace(given, **changes)


def measure(uptake: StaticUptake):
    return uptake.measure(uptake.reference_region())


@pytest.fixture(scope="module")
def beside_striatum():
    """A lesion at the outer edge of the right putamen, without noise."""
    return make_head(seed=3, lesion_center_mm=(5, 5, 46), lesion_radius_mm=14, angles_deg=(0, 0, 0), noise=0.0)


def test_ratios_are_those_of_the_tissues(beside_striatum):
    head = beside_striatum
    record = measure(static(head))
    assert record.healthy_side == "left"
    assert record.protocol == "static_fdopa"
    # Blur takes from small structures: the mean of the striatum is below its tissue's uptake, by its volume's edge.
    blurred = head.healthy[true_striatum(head).left.mask].mean()
    assert 0.7 * STRIATUM_SUV < blurred < STRIATUM_SUV
    assert record.striatum_tbr * record.reference_mean == pytest.approx(blurred, rel=1e-4)
    assert record.tbr_max_voxel * record.reference_mean == pytest.approx(LESION_SUV, rel=0.02)
    assert record.tumor_to_striatum == pytest.approx(LESION_SUV / blurred, rel=0.02)


def test_the_metabolic_volume_holds_no_striatum(beside_striatum):
    head = beside_striatum
    with_mask, without = measure(static(head)), measure(static(head, knows_striatum=False))
    hot = head.uptake >= with_mask.threshold_tbr * with_mask.reference_mean
    hot_striatum_ml = (hot & head.striatum & ~head.lesion).sum() * VOXEL_ML
    assert hot_striatum_ml > 1.0
    assert with_mask.metabolic_volume_ml < without.metabolic_volume_ml - 0.5
    # A sphere's half-way contour lies near its edge, and here the threshold is near half of lesion plus background.
    outside_striatum_ml = (head.lesion & ~head.striatum).sum() * VOXEL_ML
    assert with_mask.metabolic_volume_ml == pytest.approx(outside_striatum_ml, rel=0.25)
    assert with_mask.is_measurable


def test_a_lesion_of_no_uptake_beside_the_striatum_is_not_measurable():
    head = make_head(seed=4, lesion_center_mm=(3, 4, 42), lesion_radius_mm=10, angles_deg=(0, 0, 0), noise=0.0)
    cold = replace(head, uptake=head.healthy.astype(np.float32))
    assert not measure(static(cold)).is_measurable
    assert measure(static(cold, knows_striatum=False)).is_measurable


def test_what_the_lesion_and_the_striatum_share_is_left_out_and_said():
    head = make_head(seed=5, lesion_center_mm=(1, 3, 30), lesion_radius_mm=16, angles_deg=(0, 0, 0))
    shared_ml = (head.lesion & head.striatum).sum() * VOXEL_ML
    assert shared_ml > 1.0
    assert f"{shared_ml:.1f} mL of the lesion lie in the striatum and were left out" in measure(static(head)).flags


def test_double_the_dose_changes_no_ratio(beside_striatum):
    once = measure(static(beside_striatum))
    twice = measure(static(beside_striatum, values=2 * beside_striatum.uptake))
    assert twice.reference_mean == pytest.approx(2 * once.reference_mean, rel=1e-6)
    for name in ("tbr_max_voxel", "tbr_peak_1_ml", "tbr_mean", "tumor_to_striatum", "metabolic_volume_ml"):
        assert getattr(twice, name) == pytest.approx(getattr(once, name), rel=1e-5)


def test_nothing_is_measured_without_a_lesion(beside_striatum):
    assert measure(static(beside_striatum, lesion=None)) is None


def test_every_simulated_case_has_its_uptake_on_record(tmp_path):
    settings = CohortSettings(num_cases=4, num_external=0, missing_rate=0.0)
    dataset = simulate_cohort(settings, tmp_path / "Dataset001_Test")
    plan = make_plan(dataset.description)
    for row in dataset.cases:
        files = dataset.files(row.case_id)
        case = preprocess_case(files, dataset.description, plan, plan.configuration("3d_cnn"), tmp_path / "cases")
        record = load_pet_record(case.folder, case.case_id)
        assert record.unmeasured == ()
        (uptake,) = record.uptake
        lesion, values = read_label(files.label).array > 0, read_volume(files.channels[2]).array
        assert uptake.channel == "fdopa"
        assert uptake.tbr_max_voxel * uptake.reference_mean == pytest.approx(values[lesion].max(), rel=0.01)
        # 1.88 in the tissue table, blurred by 4.5 to 6 mm, over gray and white matter of 1.06 and 0.70.
        assert 1.5 < uptake.striatum_tbr < 1.88 / 0.7
        assert uptake.tumor_to_striatum == pytest.approx(uptake.tbr_max_voxel / uptake.striatum_tbr, rel=1e-9)
        hot = (values >= uptake.threshold_tbr * uptake.reference_mean) & lesion
        around = ndimage.binary_dilation(lesion, iterations=4)
        assert hot.sum() * 0.8 <= uptake.metabolic_volume_ml / VOXEL_ML <= around.sum()
