"""The optimizer of a training plan."""

from __future__ import annotations

from typing import TYPE_CHECKING

import torch

if TYPE_CHECKING:
    from torch import nn

    from glioframe.artifacts.plan import TrainingPlan

_MOMENTUM = 0.99
"""As in nnU-Net."""
_FUSING_DEVICES = ("cpu", "cuda")


def build_optimizer(network: nn.Module, plan: TrainingPlan, *, fused: bool = True) -> torch.optim.Optimizer:
    """AdamW or SGD with Nesterov momentum; norms and biases (all vectors) are not decayed towards zero.

    Args:
        network: Whose parameters are trained.
        plan: Of the training.
        fused: Whether one pass moves all parameters, without copies, where the device has it: the fastest.
    """
    trained = [parameter for parameter in network.parameters() if parameter.requires_grad]
    groups = [
        {"params": [parameter for parameter in trained if parameter.ndim > 1], "weight_decay": plan.weight_decay},
        {"params": [parameter for parameter in trained if parameter.ndim <= 1], "weight_decay": 0.0},
    ]
    groups = [group for group in groups if group["params"]]
    fused = fused and all(parameter.device.type in _FUSING_DEVICES for parameter in trained)
    if plan.optimizer == "adamw":
        return torch.optim.AdamW(groups, lr=plan.learning_rate, fused=fused)
    return torch.optim.SGD(groups, lr=plan.learning_rate, momentum=_MOMENTUM, nesterov=True, fused=fused)


def set_learning_rate(optimizer: torch.optim.Optimizer, learning_rate: float) -> None:
    """Sets the learning rate of all parameters."""
    for group in optimizer.param_groups:
        group["lr"] = learning_rate
