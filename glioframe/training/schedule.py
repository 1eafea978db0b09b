"""How the learning rate goes."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from glioframe.artifacts.plan import TrainingPlan

_POLY_POWER = 0.9
"""As in nnU-Net."""


def learning_rate(plan: TrainingPlan, step: int) -> float:
    """The learning rate of optimizer step ``step``, counted from 0 over all epochs.

    Rises linearly over the warm-up, then falls from the peak at its end to zero just after the last step.
    """
    warmup = plan.warmup_epochs * plan.iterations_per_epoch
    if step < warmup:
        return plan.learning_rate * (step + 1) / (warmup + 1)
    total = plan.epochs * plan.iterations_per_epoch
    done = (step - warmup) / max(1, total - warmup)
    if plan.schedule == "cosine":
        return plan.learning_rate * (1 + math.cos(math.pi * done)) / 2
    return float(plan.learning_rate * (1 - done) ** _POLY_POWER)
