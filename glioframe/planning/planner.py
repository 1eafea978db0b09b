"""Fingerprint and budget -> plan: every choice with its reason, from training cases only."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import TYPE_CHECKING

from glioframe.artifacts.plan import Configuration, Plan, preprocessing_hash
from glioframe.core.errors import PlanError
from glioframe.planning.cohort import choose_num_folds
from glioframe.planning.draft import Draft, first_draft
from glioframe.planning.dynamic_pet import choose_alignment, dynamic_channel, plan_dynamic_pet
from glioframe.planning.field_of_view import choose_field_of_view
from glioframe.planning.memory_ladder import fit_to_memory
from glioframe.planning.normalization import plan_channel
from glioframe.planning.reasons import times
from glioframe.planning.topology import MIN_LAST_VOX
from glioframe.planning.training import choose_training

if TYPE_CHECKING:
    from collections.abc import Sequence

    from glioframe.artifacts.dataset import DatasetDescription
    from glioframe.artifacts.fingerprint import Fingerprint
    from glioframe.artifacts.protocol import Protocol
    from glioframe.planning.budget import Budget

PeakMemoryEstimator = Callable[[Configuration, int, int], float]
"""(configuration, number of channels, number of classes) -> predicted peak of a training step in GB."""

CONFIGURATIONS = ("3d_cnn",)
_PLANS_NAME = "glioframePlans"
_BINARY = 2


def plan_dataset(
    fingerprint: Fingerprint,
    description: DatasetDescription,
    *,
    budget: Budget,
    protocol: Protocol | None = None,
    configurations: Sequence[str] = CONFIGURATIONS,
    estimate_peak_memory_gb: PeakMemoryEstimator,
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

    def estimate_gb(configuration: Configuration) -> float:
        return estimate_peak_memory_gb(configuration, len(channels), num_classes)

    for name in configurations:
        plan = _with_configuration(plan, name, fingerprint, budget=budget, estimate_gb=estimate_gb)
    return plan


def _with_configuration(
    plan: Plan,
    name: str,
    fingerprint: Fingerprint,
    *,
    budget: Budget,
    estimate_gb: Callable[[Configuration], float],
) -> Plan:
    def configuration_of(draft: Draft) -> Configuration:
        training, _ = choose_training(fingerprint, budget, num_folds=plan.num_folds, batch_size=draft.batch_size)
        configuration = Configuration(
            name=name,
            data_identifier="",
            spacing_mm=draft.spacing_mm,
            patch_size_vox=draft.topology.patch_size_vox,
            batch_size=draft.batch_size,
            network=draft.network,
            training=training,
        )
        return replace(configuration, data_identifier=_data_identifier(plan, configuration))

    wanted, reasons = first_draft(fingerprint, budget, field_of_view=plan.field_of_view, num_folds=plan.num_folds)
    draft, peak_gb, memory_reason = fit_to_memory(wanted, lambda each: estimate_gb(configuration_of(each)))
    configuration = replace(configuration_of(draft), predicted_peak_memory_gb=round(peak_gb, 3))
    configuration.check()
    _, training_reasons = choose_training(fingerprint, budget, num_folds=plan.num_folds, batch_size=draft.batch_size)
    return replace(
        plan,
        configurations={**plan.configurations, name: configuration},
        reasons={
            **plan.reasons,
            **_with_memory(reasons, wanted, draft),
            **training_reasons,
            "patch_size_vox": _patch_reason(draft),
            "network.strides": _strides_reason(draft),
            "network.kernel_sizes": "3 along an axis from the stage on at which its voxels are less than twice as long "
            "as the finest, 1 before: thick slices are not mixed too early (nnU-Net's rule).",
            "predicted_peak_memory_gb": memory_reason,
            "data_identifier": "Names the spacing and, in eight digits, the content of the preprocessing: plans of "
            "equal preprocessing share the folder.",
        },
    )


def _with_memory(reasons: dict[str, str], wanted: Draft, draft: Draft) -> dict[str, str]:
    """The reasons, with a word on each value that had to give way to the memory."""
    given_way = {
        "spacing_mm": (times(wanted.spacing_mm), times(draft.spacing_mm)),
        "network.features_per_stage": (wanted.base_features, draft.base_features),
        "batch_size": (wanted.batch_size, draft.batch_size),
    }
    return {
        key: reason + (f" To fit the memory, {before} became {after}." if before != after else "")
        for key, reason in reasons.items()
        for before, after in [given_way.get(key, ("", ""))]
    }


def _patch_reason(draft: Draft) -> str:
    extent_mm = draft.field_of_view.extent_mm
    return (
        f"The field of view, {times(extent_mm)} mm at {times(draft.spacing_mm)} mm, in one patch, rounded up to "
        f"multiples of the network's total stride {times(draft.network.total_stride)}: a case is judged as a whole."
    )


def _strides_reason(draft: Draft) -> str:
    patch, total = draft.topology.patch_size_vox, draft.network.total_stride
    last = [edge // step for edge, step in zip(patch, total, strict=True)]
    return (
        f"Each axis is halved while its edge is at least {2 * MIN_LAST_VOX} voxels and it is less than twice as coarse "
        f"as the finest, in at most {len(draft.budget.blocks_per_stage)} stages. The last feature "
        f"map has {times(last)} voxels."
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
