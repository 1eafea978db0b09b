"""Whole plans of synthetic cohorts: legal, within the budget, explained, and monotone in the budget."""

import math
from dataclasses import fields, replace

import pytest
from planning_fingerprints import COHORTS, SUV, T1C, make_description, make_fingerprint

from glioframe.artifacts.json_file import load_json, save_json
from glioframe.artifacts.plan import Configuration, Plan, TrainingPlan
from glioframe.core.errors import PlanError
from glioframe.planning.budget import Budget, load_budget
from glioframe.planning.field_of_view import COVERED_SHARE, brain_extent_mm
from glioframe.planning.planner import plan_dataset
from glioframe.training.memory import predict_peak_memory_gb

BUDGETS = ("cpu", "8gb", "24gb", "80gb")


def estimate_by_hand(configuration: Configuration, num_channels: int, num_classes: int) -> float:
    """Half-precision feature maps, five per block, and five float32 copies of the weights, in GB.

    Coarser than a trace and a thousand times faster; a planner must cope with any estimate that grows with size.
    """
    edges = list(configuration.patch_size_vox)
    values, weights, width = float(num_channels * math.prod(edges)), 0.0, num_channels
    network = configuration.network
    for features, blocks, stride, kernel in zip(
        network.features_per_stage, network.blocks_per_stage, network.strides, network.kernel_sizes, strict=True
    ):
        edges = [edge // step for edge, step in zip(edges, stride, strict=True)]
        values += 5 * (blocks + 1) * features * math.prod(edges)
        weights += math.prod(kernel) * features * (width + (2 * blocks - 1) * features)
        width = features
    return (2 * values * configuration.batch_size + 5 * 4 * (weights + width * num_classes)) / 1e9


def plan(fingerprint, budget: str | Budget, *, estimate=estimate_by_hand) -> Plan:
    return plan_dataset(
        fingerprint,
        make_description(fingerprint),
        budget=load_budget(budget) if isinstance(budget, str) else budget,
        estimate_peak_memory_gb=estimate,
    )


def configuration_of(fingerprint, budget: str | Budget) -> Configuration:
    return plan(fingerprint, budget).configuration("3d_cnn")


@pytest.fixture(params=COHORTS)
def cohort(request):
    return COHORTS[request.param]()


@pytest.mark.parametrize("budget", BUDGETS)
def test_every_plan_is_legal_and_within_its_budget(cohort, budget):
    planned = plan(cohort, budget)
    configuration = planned.configuration("3d_cnn")  # checks it
    limits = load_budget(budget)
    assert 0 < configuration.predicted_peak_memory_gb <= limits.usable_memory_gb
    assert math.prod(configuration.patch_size_vox) <= limits.max_patch_vox
    assert 1 <= configuration.batch_size <= limits.max_batch_size
    assert len(planned.channels) == len(cohort.channels)


@pytest.mark.parametrize("budget", BUDGETS)
def test_the_last_feature_map_is_never_a_single_voxel(cohort, budget):
    configuration = configuration_of(cohort, budget)
    last = [
        edge // step
        for edge, step in zip(configuration.patch_size_vox, configuration.network.total_stride, strict=True)
    ]
    assert min(last) >= 3


@pytest.mark.parametrize("budget", BUDGETS)
def test_a_patch_is_never_larger_than_the_padded_95th_percentile_brain(cohort, budget):
    configuration = configuration_of(cohort, budget)
    brain_mm = brain_extent_mm(cohort.cases, COVERED_SHARE)
    for axis in range(3):
        stride = configuration.network.total_stride[axis]
        brain_vox = math.ceil(brain_mm[axis] / configuration.spacing_mm[axis])
        assert configuration.patch_size_vox[axis] <= math.ceil((brain_vox + 1) / stride) * stride


@pytest.mark.parametrize("budget", BUDGETS)
def test_the_patch_covers_the_field_of_view(cohort, budget):
    planned = plan(cohort, budget)
    configuration = planned.configuration("3d_cnn")
    for axis in range(3):
        seen_mm = configuration.patch_size_vox[axis] * configuration.spacing_mm[axis]
        assert seen_mm >= planned.field_of_view.extent_mm[axis] - 0.01


def test_a_larger_budget_never_means_a_smaller_patch_or_a_coarser_spacing(cohort):
    configurations = [configuration_of(cohort, budget) for budget in ("cpu", "8gb", "24gb", "40gb", "80gb")]
    voxels = [math.prod(each.patch_size_vox) for each in configurations]
    assert voxels == sorted(voxels)
    volumes = [math.prod(each.spacing_mm) for each in configurations]
    assert volumes == sorted(volumes, reverse=True)


def test_more_memory_in_one_budget_never_means_a_smaller_step(cohort):
    budget = load_budget("80gb")
    work = []
    for memory_gb in (2.0, 4.0, 8.0, 16.0, 32.0, 80.0):
        configuration = configuration_of(cohort, replace(budget, gpu_memory_gb=memory_gb))
        work.append(configuration.batch_size * math.prod(configuration.patch_size_vox))
    assert work == sorted(work)


def test_every_value_has_its_reason_in_words(cohort):
    planned = plan(cohort, "8gb")
    configuration = planned.configuration("3d_cnn")
    named = {field.name for field in fields(configuration)} - {"name"}
    explained = {name for name in named if any(key.partition(".")[0] == name for key in planned.reasons)}
    assert explained == named
    assert {"field_of_view", "num_folds", "gpu_memory_gb"} <= set(planned.reasons)
    assert {f"channels.{each.channel.name}" for each in cohort.channels} <= set(planned.reasons)
    for key, reason in planned.reasons.items():
        assert reason.endswith("."), key
        assert len(reason.split()) >= 5, key


def test_reasons_name_only_values_that_exist(cohort):
    planned = plan(cohort, "cpu")
    configuration = planned.configuration("3d_cnn")
    for key in planned.reasons:
        section, _, name = key.partition(".")
        if section in {"network", "training"} and name:
            assert hasattr(getattr(configuration, section), name)
        elif section != "channels":
            assert hasattr(configuration, section) or hasattr(planned, section)


def test_every_training_setting_is_explained_by_name_or_as_a_constant(cohort):
    planned = plan(cohort, "24gb")
    constants = planned.reasons["training"]
    for field in fields(TrainingPlan):
        assert f"training.{field.name}" in planned.reasons or field.name in constants


def test_planning_twice_gives_the_same_plan(cohort):
    assert plan(cohort, "24gb") == plan(cohort, "24gb")


def test_a_plan_survives_the_disk(cohort, tmp_path):
    planned = plan(cohort, "8gb")
    save_json(planned, tmp_path / "plans.json")
    assert load_json(Plan, tmp_path / "plans.json") == planned


def test_the_cpu_plan_fits_a_traced_step_into_its_budget(cohort):
    planned = plan(cohort, "cpu", estimate=predict_peak_memory_gb)
    assert 0 < planned.configuration("3d_cnn").predicted_peak_memory_gb <= load_budget("cpu").usable_memory_gb


def test_the_ladder_lowers_batch_then_features_then_resolution():
    fingerprint = make_fingerprint()
    budget = load_budget("80gb")
    roomy = configuration_of(fingerprint, budget)
    seen = set()
    for memory_gb in (64.0, 32.0, 16.0, 8.0, 4.0, 2.0, 1.0):
        tight = configuration_of(fingerprint, replace(budget, gpu_memory_gb=memory_gb))
        fewer_patches = tight.batch_size < roomy.batch_size
        narrower = tight.network.features_per_stage[0] < roomy.network.features_per_stage[0]
        coarser = tight.spacing_mm > roomy.spacing_mm
        assert not narrower or tight.batch_size <= 2
        assert not coarser or tight.network.features_per_stage[0] == 16
        seen.add((fewer_patches, narrower, coarser))
    assert seen >= {(False, False, False), (True, False, False), (True, True, False), (True, True, True)}


def test_values_that_gave_way_to_the_memory_say_so():
    budget = replace(load_budget("80gb"), gpu_memory_gb=2.0)
    planned = plan(make_fingerprint(), budget)
    assert "To fit the memory, 8 became" in planned.reasons["batch_size"]
    assert "To fit the memory, 32 became 16" in planned.reasons["network.features_per_stage"]
    assert "To fit the memory, 1 x 1 x 1 became" in planned.reasons["spacing_mm"]
    assert "The first draft needed" in planned.reasons["predicted_peak_memory_gb"]


def test_hopeless_memory_is_an_error_that_names_what_is_needed():
    with pytest.raises(PlanError, match=r"at least .* GB for the smallest training step, found 0\.001 GB"):
        plan(make_fingerprint(), replace(load_budget("8gb"), gpu_memory_gb=0.001))


def test_more_channels_count_in_the_memory():
    two = make_fingerprint(channels=(T1C, SUV))
    eight = COHORTS["mri_1mm_8_channels"]()
    eight = replace(two, channels=eight.channels)
    predicted = [configuration_of(each, "80gb").predicted_peak_memory_gb for each in (two, eight)]
    assert predicted[0] < predicted[1]


def test_small_cohorts_get_narrower_networks_and_more_dropout():
    small, large = (configuration_of(make_fingerprint(num_subjects=n), "24gb").network for n in (40, 400))
    assert small.features_per_stage[0] < large.features_per_stage[0]
    assert small.dropout > large.dropout


def test_the_cpu_budget_sees_the_same_field_of_view_at_a_coarser_spacing():
    fingerprint = make_fingerprint()
    on_cpu, on_gpu = plan(fingerprint, "cpu"), plan(fingerprint, "80gb")
    assert on_cpu.field_of_view == on_gpu.field_of_view
    assert min(on_cpu.configuration("3d_cnn").spacing_mm) > 3
    assert "budget cpu allows" in on_cpu.reasons["spacing_mm"]


def test_equal_preprocessing_shares_a_folder_and_other_preprocessing_does_not():
    fingerprint = COHORTS["pet_mr_2mm"]()
    same = {configuration_of(fingerprint, budget).data_identifier for budget in ("8gb", "24gb", "80gb")}
    coarser = configuration_of(fingerprint, "cpu").data_identifier
    other_channels = configuration_of(replace(fingerprint, channels=fingerprint.channels[:1]), "8gb").data_identifier
    assert len(same) == 1
    assert len({*same, coarser, other_channels}) == 3
    assert next(iter(same)).startswith("glioframePlans_2mm")


def test_an_unknown_configuration_lists_the_known_ones():
    fingerprint = make_fingerprint()
    with pytest.raises(PlanError, match=r"'3d_magic'.*one of 3d_cnn"):
        plan_dataset(
            fingerprint,
            make_description(fingerprint),
            budget=load_budget("cpu"),
            configurations=["3d_magic"],
            estimate_peak_memory_gb=estimate_by_hand,
        )
