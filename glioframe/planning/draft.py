"""A configuration in the making: the choices that its memory depends on."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from glioframe.planning.cohort import training_fold_size
from glioframe.planning.reasons import times
from glioframe.planning.spacing import coarser, native_spacing
from glioframe.planning.topology import choose_topology
from glioframe.planning.training import choose_batch_size

if TYPE_CHECKING:
    from glioframe.artifacts.fingerprint import Fingerprint
    from glioframe.artifacts.plan import FieldOfView
    from glioframe.core.geometry import Spacing
    from glioframe.planning.budget import Budget
    from glioframe.planning.network_family import Layout, NetworkFamily


@dataclass(frozen=True, kw_only=True, slots=True)
class Draft:
    """The choices that memory depends on.

    Attributes:
        family: Of the network.
        field_of_view: Stays; a coarser spacing makes the patch smaller.
        spacing_mm: (z, y, x).
        width: One of the family's.
        batch_size: Patches per step.
        checkpointing: Whether activations are computed again in the backward pass.
        budget: To stay within.
    """

    family: NetworkFamily
    field_of_view: FieldOfView
    spacing_mm: Spacing
    width: int
    batch_size: int
    checkpointing: bool = False
    budget: Budget

    @property
    def layout(self) -> Layout:
        """Patch and network."""
        return self.family.layout(self.field_of_view.extent_mm, self.spacing_mm, self.width)


def first_draft(
    fingerprint: Fingerprint, budget: Budget, family: NetworkFamily, *, field_of_view: FieldOfView, num_folds: int
) -> tuple[Draft, dict[str, str]]:
    """What suits the cohort within the budget's bounds, before memory is looked at; with the reasons."""
    spacing = native_spacing(fingerprint.spacings, fingerprint.shapes_after_crop)
    batch_size = choose_batch_size(training_fold_size(fingerprint.num_subjects, num_folds), budget)
    spacing_mm, coarsening = _within_voxel_limit(spacing.value, field_of_view, budget)
    draft = Draft(
        family=family,
        field_of_view=field_of_view,
        spacing_mm=spacing_mm,
        width=family.widths[0],
        batch_size=batch_size.value,
        budget=budget,
    )
    return draft, {"spacing_mm": spacing.reason + coarsening, "batch_size": batch_size.reason}


def _within_voxel_limit(spacing_mm: Spacing, field_of_view: FieldOfView, budget: Budget) -> tuple[Spacing, str]:
    """Coarsens the spacing until a patch has no more voxels than the budget allows; with the reason, if it did.

    The patch is a residual encoder's for every family, so that configurations share their preprocessed cases.
    """

    def patch_at(spacing: Spacing) -> tuple[int, tuple[int, int, int]]:
        topology = choose_topology(field_of_view.extent_mm, spacing, max_stages=len(budget.blocks_per_stage))
        return topology.num_voxels, topology.patch_size_vox

    allowed_mm = spacing_mm
    while patch_at(allowed_mm)[0] > budget.max_patch_vox:
        allowed_mm = coarser(allowed_mm)
    if allowed_mm == spacing_mm:
        return spacing_mm, ""
    return allowed_mm, (
        f" At {times(spacing_mm)} mm the field of view would need a patch of {times(patch_at(spacing_mm)[1])} voxels; "
        f"budget {budget.name} allows {budget.max_patch_vox}, so the spacing is coarsened to {times(allowed_mm)} mm."
    )


def narrower(draft: Draft) -> Draft | None:
    """The next smaller width of the family; None below the smallest."""
    widths = [width for width in draft.family.widths if width < draft.width]
    return replace(draft, width=max(widths)) if widths else None
