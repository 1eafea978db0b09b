"""Predicts the peak memory of a training step without running it, on any machine.

The step is traced with fake tensors: every operation runs on shapes and types alone, and a tracker adds up what is
alive. The tracker sees every tensor, so that channels, batch, precision, optimizer and averaged weights all count; it
does not see the workspaces of convolution libraries, fragmentation, or a GPU's context, for which a budget keeps a
reserve.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

import torch
from torch._subclasses.fake_tensor import FakeTensorMode
from torch.distributed._tools.mem_tracker import MemTracker
from torch.nn import functional

from glioframe.networks.classifier import Classifier, build_classifier
from glioframe.training.optimizer import build_optimizer

if TYPE_CHECKING:
    from collections.abc import Callable

    from glioframe.artifacts.plan import Configuration, TrainingPlan

BYTES_PER_GB = 1e9


class _Step(NamedTuple):
    """What takes part in a step."""

    network: Classifier
    averaged: Classifier | None
    optimizer: torch.optim.Optimizer
    image: torch.Tensor
    presence: torch.Tensor
    reference: torch.Tensor


def predict_peak_memory_gb(configuration: Configuration, num_channels: int, num_classes: int) -> float:
    """Peak of the tensors alive during one step of ``configuration``, in GB (1e9 bytes)."""
    training = configuration.training
    # The trace must not move the random state of whoever asks.
    with torch.random.fork_rng(devices=[]), FakeTensorMode():
        step = _prepare_step(configuration, num_channels, num_classes)
        # Two trackers, because each operation costs the more time the more modules its tracker has watched.
        peaks = [_peak_bytes(step, training, phase) for phase in (_find_gradients, _descend)]
    return max(peaks) / BYTES_PER_GB


def _peak_bytes(step: _Step, training: TrainingPlan, phase: Callable[[_Step, TrainingPlan], None]) -> int:
    tracker = MemTracker()
    tracker.track_external(step.network, step.optimizer, step.image, step.presence, step.reference)
    if step.averaged is not None:
        tracker.track_external(step.averaged)
    gradients = [parameter.grad for parameter in step.network.parameters() if parameter.grad is not None]
    tracker.track_external(*gradients)
    with tracker:
        phase(step, training)
    return sum(snapshot["Total"] for snapshot in tracker.get_tracker_snapshot("peak").values())


def _prepare_step(configuration: Configuration, num_channels: int, num_classes: int) -> _Step:
    training = configuration.training
    batch = configuration.batch_size

    def build() -> Classifier:
        return build_classifier(
            configuration.network,
            num_channels=num_channels,
            patch_size_vox=configuration.patch_size_vox,
            num_classes=num_classes,
            quantitative=[True] * num_channels,
            checkpointing=training.checkpointing,
        )

    network = build()
    # As on a GPU, where temporary copies are needed.
    optimizer = build_optimizer(network, training, foreach=True)
    # The optimizer allocates its state in its first step; the peak is that of a later one.
    for parameter in network.parameters():
        parameter.grad = torch.zeros_like(parameter)
    optimizer.step()
    optimizer.zero_grad()
    return _Step(
        network=network,
        averaged=build() if training.ema_decay > 0 else None,
        optimizer=optimizer,
        image=torch.empty(batch, num_channels, *configuration.patch_size_vox),
        presence=torch.ones(batch, num_channels),
        reference=torch.zeros(batch, dtype=torch.long),
    )


def _find_gradients(step: _Step, training: TrainingPlan) -> None:
    # Autocast for the CPU casts the same convolutions as the one for GPUs, and needs no GPU to be traced.
    with torch.autocast("cpu", torch.bfloat16, enabled=training.amp):
        loss = functional.cross_entropy(step.network(step.image, step.presence), step.reference)
    loss.backward()  # type: ignore[no-untyped-call]


def _descend(step: _Step, training: TrainingPlan) -> None:
    torch.nn.utils.clip_grad_norm_(step.network.parameters(), training.gradient_clip_norm, foreach=True)
    step.optimizer.step()
