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
    """AdamW or SGD with Nesterov momentum.

    Only the matrices and kernels of layers are decayed towards zero. Norms, biases and what is added to tokens
    (positions, registers, channel embeddings) are not. Frozen parameters are left out.

    Args:
        network: Whose parameters are trained.
        plan: Of the training.
        fused: Whether one pass moves all parameters, without copies, where the device has it: the fastest.
    """
    trained = [(name, parameter) for name, parameter in network.named_parameters() if parameter.requires_grad]
    decayed = [parameter for name, parameter in trained if _is_decayed(name, parameter)]
    others = [parameter for name, parameter in trained if not _is_decayed(name, parameter)]
    groups = [
        {"params": decayed, "weight_decay": plan.weight_decay},
        {"params": others, "weight_decay": 0.0},
    ]
    groups = [group for group in groups if group["params"]]
    fused = fused and all(parameter.device.type in _FUSING_DEVICES for _, parameter in trained)
    if plan.optimizer == "adamw":
        return torch.optim.AdamW(groups, lr=plan.learning_rate, fused=fused)
    return torch.optim.SGD(groups, lr=plan.learning_rate, momentum=_MOMENTUM, nesterov=True, fused=fused)


def set_learning_rate(optimizer: torch.optim.Optimizer, learning_rate: float) -> None:
    """Sets the learning rate of all parameters."""
    for group in optimizer.param_groups:
        group["lr"] = learning_rate


def frozen_share(network: nn.Module) -> float:
    """Share of the weights that are not trained, 0 to 1."""
    sizes = [(parameter.numel(), parameter.requires_grad) for parameter in network.parameters()]
    return sum(size for size, trained in sizes if not trained) / sum(size for size, _ in sizes)


def _is_decayed(name: str, parameter: nn.Parameter) -> bool:
    """Whether it is a layer's matrix or kernel, which torch names ``weight``, ``in_proj_weight`` and the like."""
    return parameter.ndim > 1 and "weight" in name.rpartition(".")[2]
