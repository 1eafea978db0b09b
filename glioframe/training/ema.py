"""Weights averaged over the course of training: what is watched and what predicts."""

from __future__ import annotations

import copy
from typing import TYPE_CHECKING

import torch

if TYPE_CHECKING:
    from torch import nn


class AveragedNetwork:
    """An exponential moving average of a network's weights.

    Attributes:
        network: A copy that holds the average, in evaluation mode.
    """

    def __init__(self, network: nn.Module, *, decay: float) -> None:
        self.network = copy.deepcopy(network).eval().requires_grad_(requires_grad=False)
        self._decay = decay

    @torch.no_grad()
    def update(self, network: nn.Module, *, num_updates: int) -> None:
        """Takes in the weights after optimizer step ``num_updates``, counted from 0.

        The decay grows from 0.1 to its final value, so that the random weights of the start are soon forgotten and
        short trainings are averaged too. Buffers are copied.
        """
        decay = min(self._decay, (1 + num_updates) / (10 + num_updates))
        for parameter, current in zip(self.network.parameters(), network.parameters(), strict=True):
            parameter.lerp_(current, 1 - decay)
        for buffer, present in zip(self.network.buffers(), network.buffers(), strict=True):
            buffer.copy_(present)
