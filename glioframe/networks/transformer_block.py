"""A transformer block as of EVA-02 (Y. Fang et al. 2024, arXiv:2303.11331), with the parameter names of timm's."""

# ruff: noqa: N803, N806, N815 - names end in their shape: B batch, H heads, T tokens, D features of a head, F features

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

import torch
from torch import nn
from torch.nn import functional

from glioframe.networks.token_positions import rotate

if TYPE_CHECKING:
    from glioframe.artifacts.network_plan import VisionTransformerPlan
    from glioframe.networks.token_positions import Rotation


class AttentionInput(NamedTuple):
    """What attention compares, and what it hands on."""

    query_BHTD: torch.Tensor
    key_BHTD: torch.Tensor
    value_BHTD: torch.Tensor


class Attention(nn.Module):
    """Every token looks at every visible one.

    Args:
        width: Features of a token.
        num_heads: Parallel comparisons.
    """

    def __init__(self, width: int, num_heads: int) -> None:
        super().__init__()
        self.num_heads = num_heads
        self.q_proj = nn.Linear(width, width)
        # A bias would add the same to all scores of a query, which the softmax takes away again.
        self.k_proj = nn.Linear(width, width, bias=False)
        self.v_proj = nn.Linear(width, width)
        self.norm = nn.LayerNorm(width)
        self.proj = nn.Linear(width, width)

    def forward(
        self, tokens_BTF: torch.Tensor, rotation: Rotation, visible_BT: torch.Tensor | None = None
    ) -> torch.Tensor:
        """Mixes the tokens (b, t, f); invisible ones are not looked at."""
        query_BHTD, key_BHTD, value_BHTD = self._project(tokens_BTF, rotation)
        mask_B11T = None if visible_BT is None else visible_BT[:, None, None, :]
        mixed_BHTD = functional.scaled_dot_product_attention(query_BHTD, key_BHTD, value_BHTD, attn_mask=mask_B11T)
        mixed_BTF: torch.Tensor = self.proj(self.norm(mixed_BHTD.transpose(1, 2).flatten(2)))
        return mixed_BTF

    def weights(
        self, tokens_BTF: torch.Tensor, rotation: Rotation, visible_BT: torch.Tensor | None = None
    ) -> torch.Tensor:
        """How much each token looks at each other one: (b, heads, t, t), rows of sum 1."""
        query_BHTD, key_BHTD, _ = self._project(tokens_BTF, rotation)
        scores_BHTT = query_BHTD @ key_BHTD.transpose(-1, -2) * query_BHTD.shape[-1] ** -0.5
        if visible_BT is not None:
            scores_BHTT = scores_BHTT.masked_fill(~visible_BT[:, None, None, :], -torch.inf)
        weights_BHTT: torch.Tensor = scores_BHTT.softmax(-1)
        return weights_BHTT

    def _project(self, tokens_BTF: torch.Tensor, rotation: Rotation) -> AttentionInput:
        batch, num_tokens, _ = tokens_BTF.shape
        query, key, value = (
            project(tokens_BTF).reshape(batch, num_tokens, self.num_heads, -1).transpose(1, 2)
            for project in (self.q_proj, self.k_proj, self.v_proj)
        )
        return AttentionInput(rotate(query, rotation), rotate(key, rotation), value)


class GatedFeedForward(nn.Module):
    """Each token by itself: SwiGLU (N. Shazeer 2020, arXiv:2002.05202), normalized before its last layer."""

    def __init__(self, width: int, hidden: int) -> None:
        super().__init__()
        self.fc1_g = nn.Linear(width, hidden)
        self.fc1_x = nn.Linear(width, hidden)
        self.norm = nn.LayerNorm(hidden)
        self.fc2 = nn.Linear(hidden, width)

    def forward(self, tokens_BTF: torch.Tensor) -> torch.Tensor:
        """From (b, t, f) to (b, t, f)."""
        gated = functional.silu(self.fc1_g(tokens_BTF)) * self.fc1_x(tokens_BTF)
        changed_BTF: torch.Tensor = self.fc2(self.norm(gated))
        return changed_BTF


class TransformerBlock(nn.Module):
    """Attention, then feed-forward; each adds to the tokens, by a learned factor (LayerScale) where planned."""

    def __init__(self, network: VisionTransformerPlan) -> None:
        super().__init__()
        width = network.width
        self.norm1 = nn.LayerNorm(width)
        self.attn = Attention(width, network.num_heads)
        self.norm2 = nn.LayerNorm(width)
        self.mlp = GatedFeedForward(width, network.hidden_features)
        scaled = network.layer_scale > 0
        self.gamma_1 = nn.Parameter(torch.full((width,), network.layer_scale)) if scaled else None
        self.gamma_2 = nn.Parameter(torch.full((width,), network.layer_scale)) if scaled else None

    def forward(
        self,
        tokens_BTF: torch.Tensor,
        rotation: Rotation,
        visible_BT: torch.Tensor | None,
        branch_scale_2B11: torch.Tensor | None,
    ) -> torch.Tensor:
        """Tokens (b, t, f) after both branches, each times ``branch_scale``, which is 0 where it is skipped."""
        attended_BTF = _scaled(self.attn(self.norm1(tokens_BTF), rotation, visible_BT), self.gamma_1)
        if branch_scale_2B11 is not None:
            attended_BTF = attended_BTF * branch_scale_2B11[0]
        tokens_BTF = tokens_BTF + attended_BTF
        thought_BTF = _scaled(self.mlp(self.norm2(tokens_BTF)), self.gamma_2)
        if branch_scale_2B11 is not None:
            thought_BTF = thought_BTF * branch_scale_2B11[1]
        return tokens_BTF + thought_BTF


def _scaled(branch_BTF: torch.Tensor, factor_F: torch.Tensor | None) -> torch.Tensor:
    return branch_BTF if factor_F is None else branch_BTF * factor_F
