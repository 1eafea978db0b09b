"""The ladder by which a draft shrinks until its training step fits the memory."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from glioframe.core.errors import PlanError
from glioframe.planning.draft import MIN_BASE_FEATURES, Draft
from glioframe.planning.reasons import times
from glioframe.planning.spacing import coarser
from glioframe.planning.training import MIN_BATCH_SIZE

if TYPE_CHECKING:
    from collections.abc import Callable

_FEWEST_VOXELS = 24**3
"""Below this a whole brain is some 8 mm per voxel: coarser than the resolution of PET."""
_WORTHWHILE = 0.9


def fit_to_memory(draft: Draft, estimate_gb: Callable[[Draft], float]) -> tuple[Draft, float, str]:
    """Goes down the ladder until the predicted peak fits.

    The rungs, in this order: fewer patches per step, down to two; fewer feature maps, down to 16; a coarser spacing;
    one patch per step.

    Returns:
        The draft that fits, its predicted peak in GB, and what happened on the way.

    Raises:
        PlanError: Not even the lowest rung fits.
    """
    first = peak_gb = estimate_gb(draft)
    steps: list[str] = []
    while peak_gb > draft.budget.usable_memory_gb:
        smaller, step = _one_rung_down(draft)
        if smaller is None:
            raise PlanError(
                f"budget {draft.budget.name}",
                expected=f"at least {peak_gb / draft.budget.usable_fraction:.2g} GB for the smallest training step",
                found=f"{draft.budget.gpu_memory_gb:g} GB",
                fix="Plan for a device with more memory, or for the CPU",
            )
        draft = smaller
        steps.append(step)
        peak_gb = estimate_gb(draft)
    budget = draft.budget
    reason = (
        f"Traced with fake tensors; {budget.usable_memory_gb:.3g} GB may be filled, {budget.usable_fraction:.0%} of "
        f"{budget.gpu_memory_gb:g} GB, because a trace does not see workspaces and fragmentation."
    )
    if steps:
        reason += f" The first draft needed {first:.3g} GB, so: {', '.join(steps)}."
    return draft, peak_gb, reason


def _one_rung_down(draft: Draft) -> tuple[Draft | None, str]:
    if draft.batch_size > MIN_BATCH_SIZE:
        batch_size = max(MIN_BATCH_SIZE, draft.batch_size // 2)
        return replace(draft, batch_size=batch_size), f"batch {batch_size}"
    if draft.base_features > MIN_BASE_FEATURES:
        base_features = max(MIN_BASE_FEATURES, draft.base_features // 2)
        return replace(draft, base_features=base_features), f"{base_features} base features"
    smaller = _smaller_patch(draft)
    if smaller is not None:
        return smaller, f"spacing {times(smaller.spacing_mm)} mm"
    if draft.batch_size > 1:
        return replace(draft, batch_size=1), "batch 1"
    return None, ""


def _smaller_patch(draft: Draft) -> Draft | None:
    """The next coarser spacing that saves a tenth of the voxels; None where the patch would become too coarse."""
    most = _WORTHWHILE * draft.topology.num_voxels
    if most < _FEWEST_VOXELS:
        return None
    smaller = draft
    while smaller.topology.num_voxels > most:
        smaller = replace(smaller, spacing_mm=coarser(smaller.spacing_mm))
    return smaller if smaller.topology.num_voxels >= _FEWEST_VOXELS else None
