from dataclasses import replace

import numpy as np
import pytest
from small_plan import ROBUST, make_configuration

from dynamic_builders import DYNAMIC, SCHEDULE, make_dynamic_dataset
from glioframe.artifacts.pet_record import HOTTEST, load_pet_record
from glioframe.artifacts.pet_sidecar import sidecar_path
from glioframe.artifacts.plan import ChannelPlan, DynamicPetPlan, FieldOfView, Normalization, Plan, preprocessing_hash
from glioframe.core.errors import GlioframeError, PlanError
from glioframe.imaging.array_store import load_array
from glioframe.pet.protocol import find_protocol
from glioframe.pet.tissue_tables import FDOPA_TISSUES
from glioframe.preprocessing.case import preprocess_case, preprocess_case_once

RECIPES = ("static_tbr", "static_suv", "time_to_peak_min", "late_slope_per_h", "k2_per_min", "vt")
PROTOCOL = find_protocol("fdopa_girard_20min")


def make_plan(description, recipes=RECIPES, *, spacing_mm=(4.0, 4.0, 4.0)):
    unscaled = Normalization(scheme="fixed_scale", scale=1.0)
    configuration = make_configuration(spacing_mm=spacing_mm)
    return Plan(
        dataset_name=description.name,
        channels=(
            ChannelPlan(source=description.channels[0], normalization=ROBUST),
            *(ChannelPlan(source=DYNAMIC, recipe=r, normalization=unscaled, interpolation=1) for r in recipes),
        ),
        field_of_view=FieldOfView(kind="whole_brain", extent_mm=(120.0, 120.0, 120.0)),
        dynamic_pet=DynamicPetPlan(
            protocol=PROTOCOL,
            static_window_s=PROTOCOL.static_window_s,
            slope_window_s=PROTOCOL.slope_window_s,
            stop_s=1200.0,
        ),
        gpu_memory_gb=4.0,
        configurations={configuration.name: configuration},
    )


def run(folder, *, dose=1.0, case="case001"):
    dataset = make_dynamic_dataset(folder / "Dataset001_Test", num_subjects=2, dose=dose)
    plan = make_plan(dataset.description)
    files = dataset.files(case)
    done = preprocess_case(files, dataset.description, plan, plan.configuration("3d_cnn"), folder / "cases")
    maps = dict(zip(("t1c", *RECIPES), load_array(done.image_path), strict=True))
    return dataset, plan, done, maps


@pytest.fixture(scope="module")
def single(tmp_path_factory):
    return run(tmp_path_factory.mktemp("single"))


def test_maps_of_the_lesion_are_those_of_its_tissue(single):
    _, _, done, maps = single
    lesion = load_array(done.label_path) > 0
    tissue, reference = FDOPA_TISSUES["idh_wildtype_bulk"], FDOPA_TISSUES["reference"]
    assert np.median(maps["k2_per_min"][lesion]) == pytest.approx(tissue.k2_per_min, rel=0.05)
    assert np.median(maps["vt"][lesion]) == pytest.approx(tissue.k1_ml_cm3_min / tissue.k2_per_min, rel=0.08)
    healthy = (maps["vt"] > 0) & ~lesion
    assert np.median(maps["k2_per_min"][healthy]) == pytest.approx(reference.k2_per_min, rel=0.05)
    assert np.median(maps["static_tbr"][healthy]) == pytest.approx(1.0, abs=0.02)
    assert np.median(maps["time_to_peak_min"][lesion]) < np.median(maps["time_to_peak_min"][healthy])
    assert np.median(maps["late_slope_per_h"][lesion]) < np.median(maps["late_slope_per_h"][healthy])


def test_the_record_holds_the_curves_of_lesion_reference_and_brain(single):
    _, _, done, _ = single
    record = load_pet_record(done.folder, done.case_id).dynamic
    assert set(record.curves) >= {"brain", "reference", "lesion", HOTTEST}
    static = [start >= record.static_window_s[0] for start in record.frame_start_s]
    hottest, lesion = (np.array(record.curves[name])[static].mean() for name in (HOTTEST, "lesion"))
    assert hottest > lesion
    assert record.frame_start_s == SCHEDULE.start_s
    assert max(record.curves["lesion"][-3:]) > 1.3 * max(record.curves["reference"][-3:])
    assert record.bolus_delay_s == 0.0
    assert record.blood_scale == pytest.approx(1.0, rel=0.05)


def test_double_the_dose_doubles_suv_and_leaves_all_other_maps(single, tmp_path):
    *_, maps = single
    *_, doubled = run(tmp_path, dose=2.0)
    np.testing.assert_allclose(doubled["static_suv"], 2 * maps["static_suv"], rtol=1e-4, atol=1e-5)
    for recipe in ("static_tbr", "late_slope_per_h", "time_to_peak_min", "k2_per_min", "vt"):
        difference = np.abs(doubled[recipe] - maps[recipe])
        assert np.percentile(difference, 99.9) <= 1e-3 * np.abs(maps[recipe]).max(), recipe


def test_another_sidecar_is_another_case(single):
    dataset, plan, done, _ = single
    files = dataset.files(done.case_id)
    configuration = plan.configuration("3d_cnn")
    _, was_done = preprocess_case_once(files, dataset.description, plan, configuration, done.folder)
    assert not was_done
    path = sidecar_path(files.channels[1])
    assert f"imagesTr/{path.name}" in done.properties.provenance.inputs
    before = path.read_bytes()
    path.write_bytes(before + b"\n")
    _, was_done = preprocess_case_once(files, dataset.description, plan, configuration, done.folder)
    path.write_bytes(before)
    assert was_done


def test_a_recipe_without_a_protocol_is_refused(single, tmp_path):
    dataset, plan, done, _ = single
    with pytest.raises(GlioframeError, match="protocol"):
        preprocess_case(
            dataset.files(done.case_id),
            dataset.description,
            replace(plan, dynamic_pet=None),
            plan.configuration("3d_cnn"),
            tmp_path,
        )


def test_a_recipe_for_an_mri_is_refused(single, tmp_path):
    dataset, plan, done, _ = single
    t1c = replace(plan.channels[0], recipe="static_tbr")
    with pytest.raises(PlanError, match=r"t1c.*no dynamic PET.*static_tbr"):
        preprocess_case(
            dataset.files(done.case_id),
            dataset.description,
            replace(plan, channels=(t1c, *plan.channels[1:])),
            plan.configuration("3d_cnn"),
            tmp_path,
        )


def test_a_static_case_without_a_lesion_has_no_record_and_its_hash_knows_nothing_of_dynamic_pet(tmp_path):
    from small_plan import make_plan as make_static_plan

    from builders import make_dataset

    dataset = make_dataset(tmp_path / "Dataset002_Test", num_subjects=1)
    plan = make_static_plan(dataset.description)
    configuration = plan.configuration("3d_cnn")
    files = replace(dataset.files("case000"), label=None)
    case = preprocess_case(files, dataset.description, plan, configuration, tmp_path / "cases")
    assert load_pet_record(case.folder, case.case_id) is None
    windows = DynamicPetPlan(protocol=PROTOCOL, static_window_s=(0.0, 60.0), slope_window_s=None, stop_s=60.0)
    assert preprocessing_hash(plan, configuration) == preprocessing_hash(
        replace(plan, dynamic_pet=windows), configuration
    )


def test_a_dynamic_case_is_made_again_when_its_window_changes(single):
    _, plan, _, _ = single
    configuration = plan.configuration("3d_cnn")
    later = replace(plan, dynamic_pet=replace(plan.dynamic_pet, static_window_s=(900.0, 1200.0)))
    assert preprocessing_hash(plan, configuration) != preprocessing_hash(later, configuration)
