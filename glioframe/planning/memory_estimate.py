"""What the planner asks of whoever can predict memory."""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal, NamedTuple, Protocol

if TYPE_CHECKING:
    from glioframe.artifacts.plan import Configuration, Plan


class PeakMemory(NamedTuple):
    """Most memory needed at a time, in GB (1e9 bytes).

    Attributes:
        training_gb: Of one training step, with all that stays in memory between steps.
        inference_gb: Of the prediction of one case by one network, in float32.
    """

    training_gb: float
    inference_gb: float


class MemoryEstimator(Protocol):
    """Predicts what a configuration needs, without running it."""

    def __call__(
        self, configuration: Configuration, plan: Plan, *, num_classes: int, device: Literal["cpu", "gpu"]
    ) -> PeakMemory:
        """Of ``configuration`` with the channels of ``plan``, on such a device."""
        ...
