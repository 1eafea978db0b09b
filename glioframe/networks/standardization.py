"""Brings a few measured numbers per patch to a common scale, as learned from the training patches."""

# ruff: noqa: N803, N806, N815 - names end in their shape: B batch, Q numbers

from __future__ import annotations

from typing import TYPE_CHECKING

import torch
from torch import nn

if TYPE_CHECKING:
    from collections.abc import Callable

_SMALLEST_SPREAD = 0.05
"""A number that differs less between patches carries nothing; dividing by less would only enlarge its noise."""
_FURTHEST = 4.0
"""Where a number saturates: a patch unlike all training patches must not dominate a logit."""


class RunningStandardization(nn.Module):
    """Subtracts the mean and divides by the standard deviation over all training patches so far: (b, q) -> (b, q).

    Unlike batch normalization it uses the running figures in training too, so that batches of two cases do. Numbers of
    absent channels do not count, and become 0, the mean. Mean and variance are merged as by T. F. Chan, G. H. Golub
    and R. J. LeVeque, COMPSTAT (1982) 30-41.

    Args:
        num_features: Numbers per patch.

    Attributes:
        gather: Where several processes share a batch: gives the tensor of each for this process's own, in their order.
    """

    count_Q: torch.Tensor
    mean_Q: torch.Tensor
    squares_Q: torch.Tensor

    def __init__(self, num_features: int) -> None:
        super().__init__()
        self.gather: Callable[[torch.Tensor], list[torch.Tensor]] = _alone
        for name in ("count_Q", "mean_Q", "squares_Q"):
            self.register_buffer(name, torch.zeros(num_features))

    def forward(self, measured_BQ: torch.Tensor, present_BQ: torch.Tensor) -> torch.Tensor:
        """Standardizes what is present; in training mode, learns from it first."""
        if self.training:
            self._learn(measured_BQ.detach(), present_BQ.to(measured_BQ.dtype))
        std_Q = (self.squares_Q / self.count_Q.clamp_min(1)).sqrt().clamp_min(_SMALLEST_SPREAD)
        std_Q = std_Q.where(self.count_Q > 0, 1.0)
        standardized_BQ = (measured_BQ - self.mean_Q) / std_Q
        return (_FURTHEST * torch.tanh(standardized_BQ / _FURTHEST)).where(present_BQ, 0.0)

    @torch.no_grad()
    def _learn(self, measured_BQ: torch.Tensor, weight_BQ: torch.Tensor) -> None:
        count_Q = weight_BQ.sum(0)
        mean_Q = (measured_BQ * weight_BQ).sum(0) / count_Q.clamp_min(1)
        squares_Q = ((measured_BQ - mean_Q) ** 2 * weight_BQ).sum(0)
        for share_3Q in self.gather(torch.stack([count_Q, mean_Q, squares_Q])):
            self._merge(*share_3Q)

    def _merge(self, count_Q: torch.Tensor, mean_Q: torch.Tensor, squares_Q: torch.Tensor) -> None:
        total_Q = self.count_Q + count_Q
        share_Q = count_Q / total_Q.clamp_min(1)
        shift_Q = mean_Q - self.mean_Q
        self.squares_Q += squares_Q + shift_Q**2 * self.count_Q * share_Q
        self.mean_Q += shift_Q * share_Q
        self.count_Q.copy_(total_Q)


def _alone(own: torch.Tensor) -> list[torch.Tensor]:
    return [own]
