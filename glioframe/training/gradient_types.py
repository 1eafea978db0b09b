"""What a task that descends a gradient hands to the engine."""

# ruff: noqa: N815 - names end in their shape: B batch, K classes

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Mapping

    import torch


@dataclass(frozen=True, kw_only=True, slots=True)
class StepResult:
    """What a training step found.

    Attributes:
        loss: A scalar to descend: a mean over the batch.
        metrics: Further numbers worth averaging over the epoch, each a mean over the cases; none are required, but
            every step has the same.
        weight: What the loss was divided by to make it a mean, where that is not the number of cases. Several
            processes that share a batch average their losses by it.
    """

    loss: torch.Tensor
    metrics: Mapping[str, float] = field(default_factory=dict)
    weight: float | None = None


@dataclass(frozen=True, kw_only=True, slots=True)
class ValidationResult:
    """What the network says of inner cases.

    Attributes:
        loss_B: One per case.
        probabilities_BK: One per case and class; None for a task without a target.
    """

    loss_B: torch.Tensor
    probabilities_BK: torch.Tensor | None = None


@dataclass(frozen=True, kw_only=True, slots=True)
class Sampling:
    """How the engine draws patches.

    Attributes:
        balanced: Draw every class equally often, instead of every case.
        center_jitter_mm: In training, move the patch's center by up to so much along each axis.
    """

    balanced: bool = False
    center_jitter_mm: float = 0.0
