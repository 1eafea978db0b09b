"""Finds the draft that makes the most of the memory."""

from __future__ import annotations

import math
from dataclasses import replace
from typing import TYPE_CHECKING, NamedTuple

from glioframe.core.errors import PlanError
from glioframe.planning.draft import Draft, narrower
from glioframe.planning.reasons import times
from glioframe.planning.spacing import coarser
from glioframe.planning.training import MIN_BATCH_SIZE

if TYPE_CHECKING:
    from collections.abc import Callable

    from glioframe.planning.memory_estimate import PeakMemory

_FEWEST_VOXELS = 24**3
"""Below this a whole brain is some 8 mm per voxel: coarser than the resolution of PET."""
_WORTHWHILE = 0.9
"""A smaller patch saves at least a tenth of the voxels."""
_WELL_FILLED = 0.6
"""Of the usable memory: below, the reason says what else was the bound."""


class Fitted(NamedTuple):
    """A draft that fits.

    Attributes:
        draft: Filled as far as its bounds allow.
        memory: That it needs.
        reason: What was tried, and which bound holds.
    """

    draft: Draft
    memory: PeakMemory
    reason: str


def fill_memory(wanted: Draft, estimate: Callable[[Draft], PeakMemory]) -> Fitted:
    """The best draft that fits, with as many patches per step as fit, up to those of ``wanted``.

    What is given up, in this order, until two patches fit: time (activations are computed again), width, resolution;
    at last one patch has to do. Prediction must fit too.

    Raises:
        PlanError: Not even the least fits.
    """
    usable_gb = wanted.budget.usable_memory_gb
    draft = replace(wanted, batch_size=min(MIN_BATCH_SIZE, wanted.batch_size))
    memory = estimate(draft)
    first_gb = max(memory)
    given_up: list[str] = []
    while max(memory) > usable_gb:
        smaller, step = _one_step_down(draft, memory)
        if smaller is None:
            raise _nothing_fits(draft, max(memory))
        draft, memory = smaller, estimate(smaller)
        given_up.append(step)
    draft, memory, more = _fill_batch(draft, memory, wanted.batch_size, estimate)
    budget = draft.budget
    reason = (
        f"Traced with fake tensors; {usable_gb:.3g} GB may be filled, {budget.usable_fraction:.0%} of "
        f"{budget.gpu_memory_gb:g} GB, because a trace does not see fragmentation and what else uses the device."
    )
    if given_up:
        reason += (
            f" Two patches at {times(wanted.spacing_mm)} mm would need {first_gb:.3g} GB, so: {', '.join(given_up)}."
        )
    return Fitted(draft, memory, f"{reason} {more or _what_else_binds(draft, memory, gave_way=bool(given_up))}".strip())


def _fill_batch(
    draft: Draft, memory: PeakMemory, most: int, estimate: Callable[[Draft], PeakMemory]
) -> tuple[Draft, PeakMemory, str]:
    """As many patches as fit, up to ``most``; memory grows in proportion, so that few estimates are needed."""
    usable_gb = draft.budget.usable_memory_gb
    if draft.batch_size >= most:
        return draft, memory, ""
    full = replace(draft, batch_size=most)
    full_memory = estimate(full)
    if full_memory.training_gb <= usable_gb:
        return full, full_memory, ""
    per_patch_gb = (full_memory.training_gb - memory.training_gb) / (most - draft.batch_size)
    size = draft.batch_size + math.floor((usable_gb - memory.training_gb) / per_patch_gb)
    while size > draft.batch_size:
        filled = replace(draft, batch_size=min(size, most - 1))
        filled_memory = estimate(filled)
        if filled_memory.training_gb <= usable_gb:
            draft, memory = filled, filled_memory
            break
        size -= 1
    return draft, memory, (f"Memory bounds the batch: each further patch would need about {per_patch_gb:.2g} GB more.")


def _one_step_down(draft: Draft, memory: PeakMemory) -> tuple[Draft | None, str]:
    usable_gb = draft.budget.usable_memory_gb
    if not draft.checkpointing and memory.training_gb > usable_gb:
        return replace(draft, checkpointing=True), "activations computed again in the backward pass"
    slimmer = narrower(draft)
    if slimmer is not None:
        return slimmer, f"width {slimmer.width}"
    smaller = _smaller_patch(draft, excess=max(memory) / usable_gb)
    if smaller is not None:
        return smaller, f"spacing {times(smaller.spacing_mm)} mm"
    if draft.batch_size > 1:
        return replace(draft, batch_size=1), "batch 1"
    return None, ""


def _smaller_patch(draft: Draft, *, excess: float) -> Draft | None:
    """The next coarser spacing that may fit, and saves a tenth of the voxels; None where it would be too coarse.

    Memory shrinks no faster than the voxels do, so no spacing is passed over that would fit.
    """
    num_voxels = math.prod(draft.layout.patch_size_vox)
    most = min(_WORTHWHILE, 1 / excess) * num_voxels
    smaller = draft
    while math.prod(smaller.layout.patch_size_vox) > most:
        coarse = replace(smaller, spacing_mm=coarser(smaller.spacing_mm))
        if math.prod(coarse.layout.patch_size_vox) < _FEWEST_VOXELS:
            break
        smaller = coarse
    return smaller if math.prod(smaller.layout.patch_size_vox) <= _WORTHWHILE * num_voxels else None


def _what_else_binds(draft: Draft, memory: PeakMemory, *, gave_way: bool) -> str:
    """Why memory is left over, where much is."""
    budget = draft.budget
    share = max(memory) / budget.usable_memory_gb
    if share >= _WELL_FILLED:
        return ""
    if gave_way:
        return f"{share:.0%} of it is filled; the step before would not have fitted."
    return (
        f"{share:.0%} of it is filled. The rest stays empty, because the cohort and the budget's other limits bind: "
        f"the patch shows the whole field of view at {times(draft.spacing_mm)} mm, {draft.batch_size} patches per step "
        f"are the most that the cohort and budget {budget.name} allow, and the network is as wide as they allow."
    )


def _nothing_fits(draft: Draft, needed_gb: float) -> PlanError:
    budget = draft.budget
    return PlanError(
        f"budget {budget.name}",
        expected=f"at least {needed_gb / budget.usable_fraction:.2g} GB for the smallest training step",
        found=f"{budget.gpu_memory_gb:g} GB",
        fix="Plan for a device with more memory, or for the CPU",
    )
