"""LoRA: a pretrained linear map stays, and a change of low rank is learned beside it (E. Hu et al., ICLR 2022)."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, final

import torch
from torch import nn
from torch.nn import functional

from glioframe.networks.transformer_block import Attention

if TYPE_CHECKING:
    from collections.abc import Mapping

_ADAPTED = ("q_proj", "k_proj", "v_proj", "proj")
"""The linear maps of an attention."""
_PARTS = ("lora_down_weight", "lora_up_weight", "lora_scale")


@final
class AdaptedLinear(nn.Linear):
    """W x + b + scale * up(down(x)). ``up`` starts at zero, so that it starts as W x + b.

    Weight and bias keep their names and are frozen; pretrained weights load as before.

    Args:
        original: The map to adapt, whose weight and bias are taken over.
        rank: Of the change.
        alpha: The change is scaled by alpha / rank, so that another rank needs no other learning rate.
    """

    lora_scale: torch.Tensor

    def __init__(self, original: nn.Linear, *, rank: int, alpha: float) -> None:
        super().__init__(original.in_features, original.out_features, bias=original.bias is not None, device="meta")
        self.weight, self.bias = original.weight, original.bias
        for parameter in self.parameters():
            parameter.requires_grad = False
        self.lora_down_weight = nn.Parameter(torch.empty(rank, original.in_features))
        self.lora_up_weight = nn.Parameter(torch.zeros(original.out_features, rank))
        self.register_buffer("lora_scale", torch.tensor(alpha / rank))
        nn.init.kaiming_uniform_(self.lora_down_weight, a=math.sqrt(5))  # as torch initializes linear maps

    def forward(self, input: torch.Tensor) -> torch.Tensor:  # noqa: A002 - torch's name
        """From (..., f) to (..., g)."""
        change = functional.linear(functional.linear(input, self.lora_down_weight), self.lora_up_weight)
        return super().forward(input) + self.lora_scale * change

    def merged(self) -> nn.Linear:
        """One linear map that does the same."""
        merged = nn.Linear(self.in_features, self.out_features, bias=self.bias is not None, device="meta")
        with torch.no_grad():
            weight = self.weight + self.lora_scale * (self.lora_up_weight @ self.lora_down_weight)
        merged.weight, merged.bias = nn.Parameter(weight, requires_grad=False), self.bias
        return merged.train(self.training)


def adapt_attention(network: nn.Module, *, rank: int, alpha: float) -> int:
    """Gives every linear map of every attention a change of low rank to learn, and freezes the map itself.

    Returns:
        How many maps were adapted; 0 for a network without attention.
    """
    attentions = [module for module in network.modules() if isinstance(module, Attention)]
    for attention in attentions:
        for name in _ADAPTED:
            setattr(attention, name, AdaptedLinear(getattr(attention, name), rank=rank, alpha=alpha))
    return len(attentions) * len(_ADAPTED)


def merge_adapted(network: nn.Module) -> None:
    """Replaces every adapted map by one that does the same, so that prediction costs what it did before."""
    for parent in list(network.modules()):
        for name, child in parent.named_children():
            if isinstance(child, AdaptedLinear):
                setattr(parent, name, child.merged())


def is_of_lora(name: str) -> bool:
    """Whether a parameter or buffer of this name is part of a change of low rank."""
    return name.endswith(_PARTS)


def merged_state(state: Mapping[str, torch.Tensor]) -> dict[str, torch.Tensor]:
    """The weights that a network has once its adapted maps are merged."""
    merged = {name: value for name, value in state.items() if not is_of_lora(name)}
    for name in state:
        if name.endswith("lora_scale"):
            prefix = name.removesuffix("lora_scale")
            down, up = state[f"{prefix}lora_down_weight"], state[f"{prefix}lora_up_weight"]
            merged[f"{prefix}weight"] = merged[f"{prefix}weight"] + state[name] * (up @ down)
    return merged
