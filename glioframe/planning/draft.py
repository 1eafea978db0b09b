"""A configuration in the making: the choices that its memory depends on."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from glioframe.artifacts.network_plan import ResidualEncoderPlan
from glioframe.planning.cohort import training_fold_size
from glioframe.planning.reasons import Chosen, times
from glioframe.planning.spacing import coarser, native_spacing
from glioframe.planning.topology import Topology, choose_topology
from glioframe.planning.training import choose_batch_size

if TYPE_CHECKING:
    from glioframe.artifacts.fingerprint import Fingerprint
    from glioframe.artifacts.plan import FieldOfView
    from glioframe.core.geometry import Spacing
    from glioframe.planning.budget import Budget

MIN_BASE_FEATURES = 16
_SMALL_COHORT = 100
_DROPOUT = (0.1, 0.2)


@dataclass(frozen=True, kw_only=True, slots=True)
class Draft:
    """The choices that memory depends on.

    Attributes:
        field_of_view: Stays; a coarser spacing makes the patch smaller.
        spacing_mm: (z, y, x).
        base_features: Feature maps of the first stage.
        batch_size: Patches per step.
        budget: To stay within.
        num_subjects: Of the training cases.
    """

    field_of_view: FieldOfView
    spacing_mm: Spacing
    base_features: int
    batch_size: int
    budget: Budget
    num_subjects: int

    @property
    def topology(self) -> Topology:
        """Patch, strides and kernels."""
        return choose_topology(
            self.field_of_view.extent_mm, self.spacing_mm, max_stages=len(self.budget.blocks_per_stage)
        )

    @property
    def network(self) -> ResidualEncoderPlan:
        """The residual encoder: feature maps double from stage to stage."""
        topology = self.topology
        num_stages = len(topology.strides)
        return ResidualEncoderPlan(
            features_per_stage=tuple(
                min(self.base_features * 2**stage, self.budget.max_features) for stage in range(num_stages)
            ),
            blocks_per_stage=self.budget.blocks_per_stage[:num_stages],
            kernel_sizes=topology.kernel_sizes,
            strides=topology.strides,
            dropout=_DROPOUT[self.num_subjects < _SMALL_COHORT],
        )


def first_draft(
    fingerprint: Fingerprint, budget: Budget, *, field_of_view: FieldOfView, num_folds: int
) -> tuple[Draft, dict[str, str]]:
    """What suits the cohort within the budget's bounds, before memory is looked at; with the reasons."""
    spacing = native_spacing(fingerprint.spacings, fingerprint.shapes_after_crop)
    features = _choose_base_features(fingerprint.num_subjects, budget)
    batch_size = choose_batch_size(training_fold_size(fingerprint.num_subjects, num_folds), budget)
    draft, coarsening = _within_voxel_limit(
        Draft(
            field_of_view=field_of_view,
            spacing_mm=spacing.value,
            base_features=features.value,
            batch_size=batch_size.value,
            budget=budget,
            num_subjects=fingerprint.num_subjects,
        )
    )
    return draft, {
        "spacing_mm": spacing.reason + coarsening,
        "batch_size": batch_size.reason,
        "network.features_per_stage": features.reason,
        "network.blocks_per_stage": f"Of budget {budget.name}: "
        + ("those of nnU-Net's residual encoder." if budget.device == "gpu" else "one per stage, for a CPU's speed."),
        "network.dropout": f"{draft.network.dropout:g} before the classification layer for {fingerprint.num_subjects} "
        f"subjects ({_DROPOUT[True]:g} below {_SMALL_COHORT}, {_DROPOUT[False]:g} from there on).",
    }


def _choose_base_features(num_subjects: int, budget: Budget) -> Chosen[int]:
    """The budget's own number, or 16 for a small cohort."""
    if num_subjects < _SMALL_COHORT and budget.base_features > MIN_BASE_FEATURES:
        return Chosen(
            MIN_BASE_FEATURES,
            f"{MIN_BASE_FEATURES} feature maps in the first stage instead of the {budget.base_features} of budget "
            f"{budget.name}, because {num_subjects} subjects (fewer than {_SMALL_COHORT}) overfit wide networks.",
        )
    return Chosen(
        budget.base_features,
        f"{budget.base_features} feature maps in the first stage, as budget {budget.name} says for {num_subjects} "
        "subjects.",
    )


def _within_voxel_limit(draft: Draft) -> tuple[Draft, str]:
    """Coarsens the spacing until the patch has no more voxels than the budget allows; with the reason, if it did."""
    limit = draft.budget.max_patch_vox
    before = draft
    while draft.topology.num_voxels > limit:
        draft = replace(draft, spacing_mm=coarser(draft.spacing_mm))
    if draft is before:
        return draft, ""
    return draft, (
        f" At {times(before.spacing_mm)} mm the field of view would need a patch of "
        f"{times(before.topology.patch_size_vox)} voxels; budget {draft.budget.name} allows {limit}, so the spacing "
        f"is coarsened to {times(draft.spacing_mm)} mm."
    )
