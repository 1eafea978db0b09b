"""Whole plans of synthetic cohorts: legal, within the budget, explained, and monotone in the budget."""

import math
from dataclasses import fields, replace

import pytest
from planning_fingerprints import COHORTS, SUV, T1C, make_description, make_fingerprint

from glioframe.artifacts.json_file import load_json, save_json
from glioframe.artifacts.network_plan import ResidualEncoderPlan
from glioframe.artifacts.plan import Configuration, Plan, TrainingPlan
from glioframe.core.errors import PlanError
from glioframe.planning.budget import Budget, load_budget
from glioframe.planning.field_of_view import COVERED_SHARE, brain_extent_mm
from glioframe.planning.memory_estimate import PeakMemory
from glioframe.planning.planner import CONFIGURATIONS, plan_dataset

BUDGETS = ("cpu", "8gb", "24gb", "80gb")


def estimate_by_hand(configuration: Configuration, plan: Plan, *, num_classes: int, device: str) -> PeakMemory:
    """Coarser than a trace and a thousand times faster; a planner must cope with any estimate that grows with size.

    Half-precision activations, of which checkpointing keeps a quarter, and five float32 copies of the weights.
    """
    network = configuration.network
    count = convolution_values if isinstance(network, ResidualEncoderPlan) else attention_values
    activations, weights = count(configuration, len(plan.channels))
    kept = 0.25 if configuration.training.checkpointing else 1.0
    weights += network.num_features * num_classes
    image = len(plan.channels) * math.prod(configuration.patch_size_vox)
    training_gb = (2 * configuration.batch_size * (kept * activations + image) + 5 * 4 * weights) / 1e9
    return PeakMemory(training_gb=training_gb, inference_gb=training_gb / 10)


def convolution_values(configuration: Configuration, num_channels: int) -> tuple[float, float]:
    """Activations of a patch, five per block, and weights."""
    edges = list(configuration.patch_size_vox)
    values, weights, width = 0.0, 0.0, num_channels
    network = configuration.network
    for features, blocks, stride, kernel in zip(
        network.features_per_stage, network.blocks_per_stage, network.strides, network.kernel_sizes, strict=True
    ):
        edges = [edge // step for edge, step in zip(edges, stride, strict=True)]
        values += 5 * (blocks + 1) * features * math.prod(edges)
        weights += math.prod(kernel) * features * (width + (2 * blocks - 1) * features)
        width = features
    return values, weights


def attention_values(configuration: Configuration, num_channels: int) -> tuple[float, float]:
    """Activations of a patch, twenty per token and block, and weights."""
    network = configuration.network
    num_tokens = network.num_tokens(configuration.patch_size_vox, num_channels)
    return 20.0 * num_tokens * network.width * network.depth, 12.0 * network.depth * network.width**2


def plan(fingerprint, budget: str | Budget, *, configurations=CONFIGURATIONS, estimate=estimate_by_hand) -> Plan:
    return plan_dataset(
        fingerprint,
        make_description(fingerprint),
        budget=load_budget(budget) if isinstance(budget, str) else budget,
        configurations=configurations,
        estimate_memory=estimate,
    )


def configuration_of(fingerprint, budget: str | Budget, name: str = "3d_cnn") -> Configuration:
    return plan(fingerprint, budget, configurations=[name]).configuration(name)


def with_memory(budget: str, gpu_memory_gb: float) -> Budget:
    return replace(load_budget(budget), gpu_memory_gb=gpu_memory_gb)


@pytest.fixture(params=CONFIGURATIONS)
def name(request):
    return request.param


@pytest.fixture(params=COHORTS)
def cohort(request):
    return COHORTS[request.param]()


@pytest.mark.parametrize("budget", BUDGETS)
def test_every_plan_is_legal_and_within_its_budget(cohort, budget, name):
    planned = plan(cohort, budget)
    configuration = planned.configuration(name)  # checks it
    limits = load_budget(budget)
    assert 0 < configuration.predicted_peak_memory_gb <= limits.usable_memory_gb
    assert 0 < configuration.predicted_inference_memory_gb <= limits.usable_memory_gb
    assert 1 <= configuration.batch_size <= limits.max_batch_size
    assert len(planned.channels) == len(cohort.channels)


@pytest.mark.parametrize("budget", BUDGETS)
def test_voxels_and_tokens_are_within_their_limits(cohort, budget):
    planned, limits = plan(cohort, budget), load_budget(budget)
    assert math.prod(planned.configuration("3d_cnn").patch_size_vox) <= limits.max_patch_vox
    transformer = planned.configuration("3d_vit")
    assert transformer.network.num_tokens(transformer.patch_size_vox, len(cohort.channels)) <= limits.max_tokens


@pytest.mark.parametrize("budget", BUDGETS)
def test_the_memory_is_filled_unless_a_named_bound_holds(cohort, budget, name):
    planned = plan(cohort, budget)
    share = planned.configuration(name).predicted_peak_memory_gb / load_budget(budget).usable_memory_gb
    reason = planned.reasons[f"{name}.predicted_peak_memory_gb"]
    named = "Memory bounds the batch" in reason or "The rest stays empty, because" in reason
    assert share >= 0.6 or named or "would not have fitted" in reason


@pytest.mark.parametrize("budget", BUDGETS)
def test_the_last_feature_map_is_never_a_single_voxel(cohort, budget):
    configuration = configuration_of(cohort, budget)
    last = [
        edge // step
        for edge, step in zip(configuration.patch_size_vox, configuration.network.total_stride, strict=True)
    ]
    assert min(last) >= 3


@pytest.mark.parametrize("budget", BUDGETS)
def test_a_patch_is_never_larger_than_the_padded_95th_percentile_brain(cohort, budget, name):
    configuration = configuration_of(cohort, budget, name)
    brain_mm = brain_extent_mm(cohort.cases, COVERED_SHARE)
    for axis in range(3):
        stride = configuration.network.total_stride[axis]
        brain_vox = math.ceil(brain_mm[axis] / configuration.spacing_mm[axis])
        assert configuration.patch_size_vox[axis] <= math.ceil((brain_vox + 1) / stride) * stride


@pytest.mark.parametrize("budget", BUDGETS)
def test_the_patch_covers_the_field_of_view(cohort, budget, name):
    planned = plan(cohort, budget)
    configuration = planned.configuration(name)
    for axis in range(3):
        seen_mm = configuration.patch_size_vox[axis] * configuration.spacing_mm[axis]
        assert seen_mm >= planned.field_of_view.extent_mm[axis] - 0.01


def test_a_larger_budget_never_means_a_smaller_patch_or_a_coarser_spacing(cohort, name):
    configurations = [configuration_of(cohort, budget, name) for budget in ("cpu", "8gb", "24gb", "40gb", "80gb")]
    voxels = [math.prod(each.patch_size_vox) for each in configurations]
    assert voxels == sorted(voxels)
    volumes = [math.prod(each.spacing_mm) for each in configurations]
    assert volumes == sorted(volumes, reverse=True)


def test_more_memory_in_one_budget_never_means_a_coarser_or_narrower_or_smaller_step(cohort, name):
    found = [configuration_of(cohort, with_memory("80gb", gb), name) for gb in (2.0, 3.0, 4.0, 8.0, 16.0, 32.0, 80.0)]
    # First comes what the network sees, then its width, then time, then the batch.
    quality = [
        (
            [-edge for edge in each.spacing_mm],
            each.network.num_features,
            not each.training.checkpointing,
            each.batch_size,
        )
        for each in found
    ]
    assert quality == sorted(quality)


def test_every_value_has_its_reason_in_words(cohort, name):
    planned = plan(cohort, "8gb")
    configuration = planned.configuration(name)
    own = {key.removeprefix(f"{name}.") for key in planned.reasons if key.startswith(f"{name}.")}
    explained = {key.partition(".")[0] for key in own}
    assert explained == {field.name for field in fields(configuration)} - {"name"}
    assert {"field_of_view", "num_folds", "gpu_memory_gb"} <= set(planned.reasons)
    assert {f"channels.{each.channel.name}" for each in cohort.channels} <= set(planned.reasons)
    for key, reason in planned.reasons.items():
        assert reason.endswith("."), key
        assert len(reason.split()) >= 5, key


def test_reasons_name_only_values_that_exist(cohort):
    planned = plan(cohort, "cpu")
    for key in planned.reasons:
        first, _, rest = key.partition(".")
        if first in planned.configurations:
            found = planned.configuration(first)
            for part in rest.split("."):
                assert hasattr(found, part), key
                found = getattr(found, part)
        else:
            assert first == "channels" or hasattr(planned, first)


def test_every_training_setting_is_explained_by_name_or_as_a_constant(cohort, name):
    planned = plan(cohort, "24gb")
    constants = planned.reasons[f"{name}.training"]
    for field in fields(TrainingPlan):
        assert f"{name}.training.{field.name}" in planned.reasons or field.name in constants


def test_planning_twice_gives_the_same_plan(cohort):
    assert plan(cohort, "24gb") == plan(cohort, "24gb")


def test_a_plan_survives_the_disk(cohort, tmp_path):
    planned = plan(cohort, "8gb")
    save_json(planned, tmp_path / "plans.json")
    assert load_json(Plan, tmp_path / "plans.json") == planned


def test_less_memory_costs_patches_then_time_then_width_then_resolution():
    fingerprint = make_fingerprint()
    roomy = configuration_of(fingerprint, "80gb")
    seen = set()
    for memory_gb in (64.0, 32.0, 16.0, 8.0, 4.0, 3.0, 2.0, 1.0, 0.5):
        tight = configuration_of(fingerprint, with_memory("80gb", memory_gb))
        fewer_patches = tight.batch_size < roomy.batch_size
        slower = tight.training.checkpointing
        narrower = tight.network.features_per_stage[0] < roomy.network.features_per_stage[0]
        coarser = tight.spacing_mm > roomy.spacing_mm
        assert slower or not narrower
        assert narrower or not coarser
        seen.add((fewer_patches, slower, narrower, coarser))
    assert seen >= {
        (False, False, False, False),
        (True, False, False, False),
        (True, True, False, False),
        (True, True, True, True),
    }


def test_values_that_gave_way_to_the_memory_say_so():
    reasons = plan(make_fingerprint(), with_memory("80gb", 1.0), configurations=["3d_cnn"]).reasons
    assert "To fit the memory, 8 became" in reasons["3d_cnn.batch_size"]
    assert "To fit the memory, 32 became 16" in reasons["3d_cnn.network.features_per_stage"]
    assert "To fit the memory, 1 x 1 x 1 became" in reasons["3d_cnn.spacing_mm"]
    assert "Two patches at 1 x 1 x 1 mm would need" in reasons["3d_cnn.predicted_peak_memory_gb"]
    assert reasons["3d_cnn.training.checkpointing"].startswith("On, because")


def test_a_prediction_must_fit_too_and_is_not_helped_by_checkpointing():
    def estimate(configuration: Configuration, *_: object, **__: object) -> PeakMemory:
        return PeakMemory(training_gb=0.1, inference_gb=math.prod(configuration.patch_size_vox) / 1e6)

    configuration = plan(make_fingerprint(), "8gb", configurations=["3d_cnn"], estimate=estimate).configuration(
        "3d_cnn"
    )
    assert configuration.predicted_inference_memory_gb <= load_budget("8gb").usable_memory_gb
    tight = plan(make_fingerprint(), with_memory("8gb", 2.0), estimate=estimate).configuration("3d_cnn")
    assert math.prod(tight.patch_size_vox) < math.prod(configuration.patch_size_vox)
    assert tight.predicted_inference_memory_gb <= 1.6
    assert not tight.training.checkpointing


def test_hopeless_memory_is_an_error_that_names_what_is_needed():
    with pytest.raises(PlanError, match=r"at least .* GB for the smallest training step, found 0\.001 GB"):
        plan(make_fingerprint(), replace(load_budget("8gb"), gpu_memory_gb=0.001))


def test_more_channels_count_in_the_memory():
    two = make_fingerprint(channels=(T1C, SUV))
    eight = COHORTS["mri_1mm_8_channels"]()
    eight = replace(two, channels=eight.channels)
    predicted = [configuration_of(each, "80gb").predicted_peak_memory_gb for each in (two, eight)]
    assert predicted[0] < predicted[1]


def test_small_cohorts_get_narrower_networks_and_more_dropout(name):
    small, large = (configuration_of(make_fingerprint(num_subjects=n), "24gb", name).network for n in (40, 400))
    assert small.num_features < large.num_features or small.features_per_stage[0] < large.features_per_stage[0]
    assert small.dropout > large.dropout


def test_channels_that_are_often_missing_get_tokens_of_their_own_while_those_are_few_enough():
    complete = make_fingerprint(lesion_mm=40.0, channels=(T1C, SUV))
    lacking = make_fingerprint(lesion_mm=40.0, channels=(T1C, SUV), missing_share=0.3)
    assert configuration_of(complete, "24gb", "3d_vit").network.fusion == "early"
    assert configuration_of(lacking, "24gb", "3d_vit").network.fusion == "per_channel"
    whole_brain = make_fingerprint(missing_share=0.3)
    planned = plan(whole_brain, "8gb")
    assert planned.configuration("3d_vit").network.fusion == "early"
    assert "would be more than the 4096" in planned.reasons["3d_vit.network.fusion"]


def test_tokens_are_about_as_long_along_every_axis():
    configuration = configuration_of(COHORTS["slices_6mm"](), "80gb", "3d_vit")
    edges_mm = [
        token * spacing
        for token, spacing in zip(configuration.network.token_size_vox, configuration.spacing_mm, strict=True)
    ]
    assert configuration.spacing_mm[0] > 3 * configuration.spacing_mm[1]
    assert max(edges_mm) < 1.5 * min(edges_mm)


def test_both_families_share_their_preprocessed_cases_where_memory_does_not_bind(cohort):
    planned = plan(cohort, "80gb")
    assert len({planned.configuration(each).data_identifier for each in CONFIGURATIONS}) == 1


def test_the_cpu_budget_sees_the_same_field_of_view_at_a_coarser_spacing():
    fingerprint = make_fingerprint()
    on_cpu, on_gpu = plan(fingerprint, "cpu"), plan(fingerprint, "80gb")
    assert on_cpu.field_of_view == on_gpu.field_of_view
    assert min(on_cpu.configuration("3d_cnn").spacing_mm) > 3
    assert "budget cpu allows" in on_cpu.reasons["3d_cnn.spacing_mm"]


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
    with pytest.raises(PlanError, match=r"'3d_magic'.*one of 3d_cnn, 3d_vit"):
        plan_dataset(
            fingerprint,
            make_description(fingerprint),
            budget=load_budget("cpu"),
            configurations=["3d_magic"],
            estimate_memory=estimate_by_hand,
        )
