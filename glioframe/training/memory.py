"""Predicts the peak memory of training and prediction without running them, on any machine.

A step is traced with fake tensors: every operation runs on shapes and types alone, and a tracker adds up what is
alive. So channels, batch, precision, optimizer, averaged weights and checkpointed activations all count, and so do the
copies that convolution libraries make of their operands. What an allocator cannot use again in between (fragmentation)
and a GPU's context are not seen; a budget keeps a reserve for them.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Literal, NamedTuple

import torch
from torch._subclasses.fake_tensor import FakeTensorMode
from torch.nn import functional
from torch.utils._python_dispatch import TorchDispatchMode

from glioframe.networks.classifier import Classifier, build_classifier
from glioframe.planning.memory_estimate import PeakMemory
from glioframe.training.optimizer import build_optimizer
from glioframe.training.quantities import quantitative_channels
from glioframe.training.tensor_tracker import TensorTracker

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from glioframe.artifacts.plan import Configuration, Plan, TrainingPlan

BYTES_PER_GB = 1e9
_VIEWS = 2
"""A case is predicted as it is and mirrored, in one batch."""


class _ZerosRead(TorchDispatchMode):  # type: ignore[no-untyped-call]
    """Within it, a value read from a fake tensor is 0, so that initializations that look at what they drew end."""

    def __torch_dispatch__(
        self,
        func: Callable[..., Any],
        types: object,
        args: tuple[Any, ...] = (),
        kwargs: dict[str, Any] | None = None,
    ) -> Any:  # noqa: ANN401 - whatever the operation returns
        """Runs every operation but the reading."""
        if func is torch.ops.aten._local_scalar_dense.default:  # noqa: SLF001 - its only name
            return 0
        return func(*args, **(kwargs or {}))


class _Patches(NamedTuple):
    """What a network is given."""

    image: torch.Tensor
    presence: torch.Tensor


def predict_planned_memory(
    configuration: Configuration, plan: Plan, *, num_classes: int, device: Literal["cpu", "gpu"]
) -> PeakMemory:
    """What ``configuration`` needs on any machine with such a device.

    GPUs compute in bfloat16 where the plan says so. Of CPUs few can, so float32 is assumed.
    """
    mixed = configuration.training.amp and device == "gpu"
    return predict_peak_memory(
        configuration,
        quantitative=quantitative_channels(plan),
        num_classes=num_classes,
        dtype=torch.bfloat16 if mixed else None,
    )


def predict_peak_memory(
    configuration: Configuration,
    *,
    quantitative: Sequence[bool],
    num_classes: int,
    dtype: torch.dtype | None,
) -> PeakMemory:
    """Traces one training step and one prediction of ``configuration``.

    Args:
        configuration: Planned.
        quantitative: Per network channel, whether its values have a unit.
        num_classes: Of the target.
        dtype: Of convolutions and matrix products in training; None for float32.
    """
    num_channels, training = len(quantitative), configuration.training
    # The trace must not move the random state of whoever asks.
    with torch.random.fork_rng(devices=[]), FakeTensorMode():
        with _ZerosRead():  # type: ignore[no-untyped-call]
            network = build_classifier(
                configuration.network,
                num_channels=num_channels,
                patch_size_vox=configuration.patch_size_vox,
                num_classes=num_classes,
                quantitative=quantitative,
                checkpointing=training.checkpointing,
            )
        case, batch = (
            _Patches(torch.empty(size, num_channels, *configuration.patch_size_vox), torch.ones(size, num_channels))
            for size in (_VIEWS, configuration.batch_size)
        )
        inference_bytes = _trace_prediction(network, case)
        training_bytes = _trace_step(network, batch, training, dtype=dtype)
    return PeakMemory(training_gb=training_bytes / BYTES_PER_GB, inference_gb=inference_bytes / BYTES_PER_GB)


def _trace_prediction(network: Classifier, case: _Patches) -> int:
    network.eval()
    tracker = TensorTracker([*_weights(network), *case])
    with tracker, torch.no_grad():
        network(*case)
    return tracker.peak_bytes


def _trace_step(network: Classifier, batch: _Patches, training: TrainingPlan, *, dtype: torch.dtype | None) -> int:
    """Peak of any step but the first: the optimizer, which makes its moments in the first, has them all along."""
    network.train()
    optimizer = build_optimizer(network, training, fused=False)  # fake tensors cannot be fused, but copy as little
    average = [torch.empty_like(weight) for weight in _weights(network)] if training.ema_decay > 0 else []
    reference = torch.zeros(len(batch.image), dtype=torch.long)
    tracker = TensorTracker([*_weights(network), *average, *batch, reference])
    with tracker:
        # Autocast for the CPU casts the same operations as the one for GPUs, and needs no GPU to be traced.
        with torch.autocast("cpu", dtype, enabled=dtype is not None):
            loss = functional.cross_entropy(network(*batch), reference)
        torch.autograd.backward(loss)
        peak_before_moments = tracker.peak_bytes
        torch.nn.utils.clip_grad_norm_(network.parameters(), training.gradient_clip_norm)
        optimizer.step()
    moments = [value for state in optimizer.state.values() for value in state.values() if torch.is_tensor(value)]
    return max(peak_before_moments + sum(moment.nbytes for moment in moments), tracker.peak_bytes)


def _weights(network: Classifier) -> list[torch.Tensor]:
    return [*network.parameters(), *network.buffers()]
