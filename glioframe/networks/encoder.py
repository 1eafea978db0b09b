"""What every encoder gives to every task, whichever family it is of."""

# ruff: noqa: N803, N806 - names end in their shape: B batch, C channels, F features, Z Y X space

from __future__ import annotations

from abc import ABC, abstractmethod
from typing import TYPE_CHECKING, NamedTuple

from torch import nn

if TYPE_CHECKING:
    import torch


class Encoding(NamedTuple):
    """What an encoder makes of a patch.

    Attributes:
        dense: A feature map coarser than the patch by the network's total stride, (b, f, z, y, x).
        pooled: One vector per patch, (b, f).
    """

    dense: torch.Tensor
    pooled: torch.Tensor


class Encoder(nn.Module, ABC):
    """Makes features of patches whose channels may be absent. What stands in an absent channel has no influence."""

    def encode(self, image_BCZYX: torch.Tensor, presence_BC: torch.Tensor) -> Encoding:
        """Features of (b, c, z, y, x) patches whose channels are present as (b, c) says, 1 or 0."""
        encoding: Encoding = self(image_BCZYX, presence_BC)
        return encoding

    @abstractmethod
    def forward(self, image_BCZYX: torch.Tensor, presence_BC: torch.Tensor) -> Encoding:
        """What ``encode`` does, as torch wants it called."""


def without_absent(image_BCZYX: torch.Tensor, presence_BC: torch.Tensor) -> torch.Tensor:
    """Zeros in absent channels, even where they hold NaN."""
    absent_BC111 = (presence_BC <= 0)[:, :, None, None, None]
    return image_BCZYX.masked_fill(absent_BC111, 0.0)
