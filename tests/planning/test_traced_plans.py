"""Plans by the real trace: within the budget, filled, and different where channels differ."""

from dataclasses import replace

import pytest
from planning_fingerprints import GOLDEN, MRI, SUV, T1C, TBR, make_description, make_fingerprint, protocol_of

from glioframe.artifacts.plan import Plan
from glioframe.planning.budget import load_budget
from glioframe.planning.planner import CONFIGURATIONS, plan_dataset
from glioframe.training.memory import predict_planned_memory


def plan(fingerprint, budget: str, name: str, *, gpu_memory_gb: float | None = None) -> Plan:
    limits = load_budget(budget)
    return plan_dataset(
        fingerprint,
        make_description(fingerprint),
        budget=limits if gpu_memory_gb is None else replace(limits, gpu_memory_gb=gpu_memory_gb),
        protocol=protocol_of(fingerprint),
        configurations=[name],
        estimate_memory=predict_planned_memory,
    )


def check(cohort: str, budget: str, name: str) -> None:
    fingerprint = GOLDEN[cohort]()
    planned = plan(fingerprint, budget, name)
    configuration = planned.configuration(name)  # checks it
    usable_gb = load_budget(budget).usable_memory_gb
    peak_gb = configuration.predicted_peak_memory_gb
    assert 0 < peak_gb <= usable_gb
    assert 0 < configuration.predicted_inference_memory_gb <= usable_gb
    reason = planned.reasons[f"{name}.predicted_peak_memory_gb"]
    assert peak_gb >= 0.6 * usable_gb or "bound" in reason or "bind" in reason or "would not have fitted" in reason
    # What is predicted is what the final choice needs, not an interpolation.
    traced = predict_planned_memory(configuration, planned, num_classes=2, device=load_budget(budget).device)
    assert peak_gb == pytest.approx(traced.training_gb, abs=1e-3)


@pytest.mark.parametrize("name", CONFIGURATIONS)
@pytest.mark.parametrize(("cohort", "budget"), [("small_cohort", "cpu"), ("mri_1mm_4_channels", "8gb")])
def test_a_traced_plan_is_legal_and_fills_its_budget(cohort, budget, name):
    check(cohort, budget, name)


@pytest.mark.slow
@pytest.mark.parametrize("name", CONFIGURATIONS)
@pytest.mark.parametrize("budget", ["8gb", "24gb", "80gb"])
@pytest.mark.parametrize("cohort", GOLDEN)
def test_every_golden_plan_is_legal_and_fills_its_budget(cohort, budget, name):
    check(cohort, budget, name)


@pytest.mark.parametrize("name", CONFIGURATIONS)
def test_more_channels_change_what_is_predicted(name):
    two, six = (
        plan(make_fingerprint(num_subjects=30, lesion_mm=40.0, channels=channels), "cpu", name).configuration(name)
        for channels in ((T1C, SUV), (*MRI, SUV, TBR))
    )
    assert six.predicted_peak_memory_gb > two.predicted_peak_memory_gb
    assert six.predicted_inference_memory_gb > two.predicted_inference_memory_gb


def test_where_memory_is_tight_more_channels_change_the_plan():
    def tight(channels, gpu_memory_gb=None):
        fingerprint = make_fingerprint(num_subjects=30, lesion_mm=40.0, channels=channels)
        return plan(fingerprint, "cpu", "3d_cnn", gpu_memory_gb=gpu_memory_gb).configuration("3d_cnn")

    roomy = tight((T1C, SUV))
    just_enough_gb = 1.001 * roomy.predicted_peak_memory_gb / load_budget("cpu").usable_fraction
    two, six = tight((T1C, SUV), just_enough_gb), tight((*MRI, SUV, TBR), just_enough_gb)
    assert two.batch_size == roomy.batch_size
    assert six.batch_size < two.batch_size
