"""Fingerprint and budget -> plan: every choice with its reason, from training cases only."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, NamedTuple

from glioframe.artifacts.plan import Configuration, Plan, preprocessing_hash
from glioframe.core.errors import PlanError
from glioframe.planning.cohort import choose_num_folds
from glioframe.planning.draft import first_draft
from glioframe.planning.dynamic_pet import choose_alignment, dynamic_channel, plan_dynamic_pet
from glioframe.planning.field_of_view import choose_field_of_view
from glioframe.planning.memory_search import fill_memory
from glioframe.planning.normalization import plan_channel
from glioframe.planning.reasons import times
from glioframe.planning.residual_encoder import ResidualEncoderFamily
from glioframe.planning.training import choose_training
from glioframe.planning.vision_transformer import VisionTransformerFamily

if TYPE_CHECKING:
    from collections.abc import Sequence

    from glioframe.artifacts.dataset import DatasetDescription
    from glioframe.artifacts.fingerprint import Fingerprint
    from glioframe.artifacts.plan import TrainingPlan
    from glioframe.artifacts.protocol import Protocol
    from glioframe.planning.budget import Budget
    from glioframe.planning.draft import Draft
    from glioframe.planning.memory_estimate import MemoryEstimator, PeakMemory
    from glioframe.planning.network_family import NetworkFamily

CONFIGURATIONS = ("3d_cnn", "3d_vit")
DEFAULT_CONFIGURATIONS = ("3d_cnn",)
_PLANS_NAME = "glioframePlans"
_BINARY = 2


def plan_dataset(
    fingerprint: Fingerprint,
    description: DatasetDescription,
    *,
    budget: Budget,
    protocol: Protocol | None = None,
    configurations: Sequence[str] = DEFAULT_CONFIGURATIONS,
    estimate_memory: MemoryEstimator,
) -> Plan:
    """Plans every configuration asked for.

    Raises:
        PlanError: Nothing legal fits the budget, a channel has no normalization rule or implausible values, there are
            too few subjects, a configuration is unknown, or a dynamic PET has no protocol that fits its scans.
    """
    _refuse_unknown(configurations)
    dynamic = dynamic_channel(fingerprint)
    dynamic_pet = None if dynamic is None else plan_dynamic_pet(dynamic, protocol)
    channels = [
        chosen
        for channel in fingerprint.channels
        for chosen in (dynamic_pet.channels if dynamic_pet and channel is dynamic else [plan_channel(channel)])
    ]
    alignment = choose_alignment(description)
    field_of_view = choose_field_of_view(fingerprint.cases)
    num_folds = choose_num_folds(fingerprint)
    plan = Plan(
        dataset_name=fingerprint.dataset_name,
        plans_name=_PLANS_NAME,
        channels=tuple(channel.value for channel in channels),
        field_of_view=field_of_view.value,
        dynamic_pet=dynamic_pet.plan if dynamic_pet else None,
        rigid_alignment=alignment.value,
        num_folds=num_folds.value,
        gpu_memory_gb=budget.gpu_memory_gb,
        configurations={},
        reasons={
            **{f"channels.{channel.value.name}": channel.reason for channel in channels},
            **(dynamic_pet.reasons if dynamic_pet else {}),
            "rigid_alignment": alignment.reason,
            "field_of_view": field_of_view.reason,
            "num_folds": num_folds.reason,
            "gpu_memory_gb": f"Budget {budget.name}, planned for a {budget.device.upper()}.",
        },
    )
    num_classes = max((len(target.classes) for target in description.targets), default=_BINARY)
    for name in configurations:
        family = _family(name, fingerprint, budget, num_channels=len(channels))
        plan = _with_configuration(plan, name, family, fingerprint, budget, _Estimate(estimate_memory, num_classes))
    return plan


class _Estimate(NamedTuple):
    """What estimates memory, and for how many classes."""

    estimate_memory: MemoryEstimator
    num_classes: int


def _family(name: str, fingerprint: Fingerprint, budget: Budget, *, num_channels: int) -> NetworkFamily:
    if name == "3d_cnn":
        return ResidualEncoderFamily(budget=budget, num_subjects=fingerprint.num_subjects)
    fewest_present = min(channel.num_present for channel in fingerprint.channels)
    return VisionTransformerFamily(
        budget=budget,
        num_subjects=fingerprint.num_subjects,
        num_channels=num_channels,
        missing_share=1 - fewest_present / max(1, len(fingerprint.cases)),
    )


def _with_configuration(
    plan: Plan,
    name: str,
    family: NetworkFamily,
    fingerprint: Fingerprint,
    budget: Budget,
    estimate: _Estimate,
) -> Plan:
    def training_of(draft: Draft) -> tuple[TrainingPlan, dict[str, str]]:
        training, reasons = choose_training(
            fingerprint, budget, family, num_folds=plan.num_folds, batch_size=draft.batch_size
        )
        return replace(training, checkpointing=draft.checkpointing), reasons

    def configuration_of(draft: Draft) -> Configuration:
        patch_size_vox, network = draft.layout
        configuration = Configuration(
            name=name,
            data_identifier="",
            spacing_mm=draft.spacing_mm,
            patch_size_vox=patch_size_vox,
            batch_size=draft.batch_size,
            network=network,
            training=training_of(draft)[0],
        )
        return replace(configuration, data_identifier=_data_identifier(plan, configuration))

    def memory_of(draft: Draft) -> PeakMemory:
        return estimate.estimate_memory(
            configuration_of(draft), plan, num_classes=estimate.num_classes, device=budget.device
        )

    wanted, reasons = first_draft(
        fingerprint, budget, family, field_of_view=plan.field_of_view, num_folds=plan.num_folds
    )
    fitted = fill_memory(wanted, memory_of)
    draft = fitted.draft
    configuration = replace(
        configuration_of(draft),
        predicted_peak_memory_gb=round(fitted.memory.training_gb, 3),
        predicted_inference_memory_gb=round(fitted.memory.inference_gb, 3),
    )
    configuration.check()
    reasons = {
        **_with_memory({**reasons, **family.reasons(draft.layout, draft.spacing_mm)}, wanted, draft),
        **training_of(draft)[1],
        "training.checkpointing": _checkpointing_reason(draft),
        "patch_size_vox": _patch_reason(draft),
        "predicted_peak_memory_gb": fitted.reason,
        "predicted_inference_memory_gb": "Traced as well: one fold's network on a case and its mirror image in "
        "float32, without gradients. An ensemble keeps the weights of its other folds in memory too.",
        "data_identifier": "Names the spacing and, in eight digits, the content of the preprocessing: plans of "
        "equal preprocessing share the folder.",
    }
    return replace(
        plan,
        configurations={**plan.configurations, name: configuration},
        reasons={**plan.reasons, **{f"{name}.{key}": reason for key, reason in reasons.items()}},
    )


def _with_memory(reasons: dict[str, str], wanted: Draft, draft: Draft) -> dict[str, str]:
    """The reasons, with a word on each value that had to give way to the memory."""
    width = (wanted.width, draft.width)
    given_way = {
        "spacing_mm": (times(wanted.spacing_mm), times(draft.spacing_mm)),
        "network.features_per_stage": width,
        "network.width": width,
        "batch_size": (wanted.batch_size, draft.batch_size),
    }
    return {
        key: reason + (f" To fit the memory, {before} became {after}." if before != after else "")
        for key, reason in reasons.items()
        for before, after in [given_way.get(key, ("", ""))]
    }


def _checkpointing_reason(draft: Draft) -> str:
    if draft.checkpointing:
        return "On, because two patches per step do not fit otherwise; it takes about a third more time."
    return "Off: two patches per step fit without, and it would take about a third more time."


def _patch_reason(draft: Draft) -> str:
    extent_mm, network = draft.field_of_view.extent_mm, draft.layout.network
    return (
        f"The field of view, {times(extent_mm)} mm at {times(draft.spacing_mm)} mm, in one patch, rounded up to "
        f"multiples of the network's total stride {times(network.total_stride)}: a case is judged as a whole."
    )


def _data_identifier(plan: Plan, configuration: Configuration) -> str:
    spacing = configuration.spacing_mm
    text = f"{spacing[0]:g}" if len(set(spacing)) == 1 else "x".join(f"{edge:g}" for edge in spacing)
    return f"{plan.plans_name}_{text}mm_{preprocessing_hash(plan, configuration)[:8]}"


def _refuse_unknown(configurations: Sequence[str]) -> None:
    for name in configurations:
        if name not in CONFIGURATIONS:
            raise PlanError(
                f"configuration {name!r}",
                expected=f"one of {', '.join(CONFIGURATIONS)}",
                found=repr(name),
                fix="Choose a listed configuration",
            )
