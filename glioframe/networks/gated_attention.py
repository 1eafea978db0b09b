"""Pooling that learns where to look: gated attention (M. Ilse, J. M. Tomczak and M. Welling, ICML 2018)."""

# ruff: noqa: N803, N806 - names end in their shape: B batch, F features, N positions, Z Y X space

from __future__ import annotations

from typing import TYPE_CHECKING

from torch import nn

if TYPE_CHECKING:
    import torch


class GatedAttentionPooling(nn.Module):
    """A weighted mean of a feature map over its positions: (b, f, z, y, x) -> (b, f).

    Position n with features h weighs softmax of w (tanh(V h) * sigmoid(U h)). w starts at zero, so that training starts
    from the plain mean.

    Args:
        num_features: Of the feature map.
        hidden: Rows of V and U.
    """

    def __init__(self, num_features: int, hidden: int) -> None:
        super().__init__()
        self.content = nn.Linear(num_features, hidden)
        self.gate = nn.Linear(num_features, hidden)
        self.score = nn.Linear(hidden, 1, bias=False)  # a bias would add the same to all scores
        nn.init.zeros_(self.score.weight)

    def forward(self, dense_BFZYX: torch.Tensor) -> torch.Tensor:
        """The weighted mean."""
        weights_BN = self.weights(dense_BFZYX).flatten(1)
        return (dense_BFZYX.flatten(2) * weights_BN[:, None]).sum(2)

    def weights(self, dense_BFZYX: torch.Tensor) -> torch.Tensor:
        """How much each position counts: (b, z, y, x), of sum 1 per patch."""
        features_BNF = dense_BFZYX.flatten(2).transpose(1, 2)
        scores_BN = self.score(self.content(features_BNF).tanh() * self.gate(features_BNF).sigmoid())[..., 0]
        weights_BN: torch.Tensor = scores_BN.float().softmax(1)
        return weights_BN.reshape(len(dense_BFZYX), *dense_BFZYX.shape[2:])
