"""What a patch measures in channels that have a unit.

Instance normalization divides every feature map by its own spread: after the first convolution a lesion of SUV 2 in a
brain of SUV 1 looks like one of SUV 4 in a brain of SUV 2. That is welcome for weighted MRI and wrong for PET, where
the scale is the finding. So a few numbers per quantitative channel go around the encoder, straight to the head.
"""

# ruff: noqa: N803, N806, N815 - names end in their shape: B batch, C channels, Q quantitative ones, V voxels

from __future__ import annotations

from typing import TYPE_CHECKING

import torch
from torch import nn
from torch.nn import functional

if TYPE_CHECKING:
    from collections.abc import Sequence

NUM_QUANTITIES = 3
"""Per channel: mean, standard deviation, and mean of the hottest share of the patch."""
HOT_SHARE = 0.01
"""A share instead of one voxel, as SUVpeak instead of SUVmax: a maximum is mostly noise."""
_POOLING_VOX = 2
_EPSILON = 1e-4
"""Keeps the gradient of a constant channel's standard deviation finite."""


class PatchQuantities(nn.Module):
    """Three numbers per quantitative channel: (b, c, z, y, x) -> (b, 3 q). No parameters.

    They are compressed by log(1 + |v|) with the sign kept: nearly linear for the small values of tissue, tame for a
    vessel full of tracer. An absent channel measures zeros.

    Args:
        quantitative: One flag per input channel.
    """

    channels_Q: torch.Tensor

    def __init__(self, quantitative: Sequence[bool]) -> None:
        super().__init__()
        indices = [index for index, flag in enumerate(quantitative) if flag]
        self.register_buffer("channels_Q", torch.tensor(indices, dtype=torch.long), persistent=False)
        self.num_features = NUM_QUANTITIES * len(indices)

    def forward(self, image_BCZYX: torch.Tensor) -> torch.Tensor:
        """Measures the patch in float32, whatever the precision around it."""
        if not self.num_features:
            return image_BCZYX.new_zeros((image_BCZYX.shape[0], 0), dtype=torch.float32)
        with torch.autocast(image_BCZYX.device.type, enabled=False):
            image_BQZYX = image_BCZYX.index_select(1, self.channels_Q).float()
            voxels_BQV = _smooth(image_BQZYX).flatten(2)
            num_hot = max(1, round(HOT_SHARE * voxels_BQV.shape[2]))
            hot_BQ = voxels_BQV.topk(num_hot, dim=2, sorted=False).values.mean(2)
            std_BQ = (voxels_BQV.var(2, correction=0) + _EPSILON**2).sqrt() - _EPSILON
            measured_B3Q = torch.cat([voxels_BQV.mean(2), std_BQ, hot_BQ], dim=1)
            return measured_B3Q.sign() * measured_B3Q.abs().log1p()


def _smooth(image_BQZYX: torch.Tensor) -> torch.Tensor:
    """Averages blocks of 2 x 2 x 2 voxels: PET noise is independent of its neighbor, uptake is not."""
    edges = [min(_POOLING_VOX, size) for size in image_BQZYX.shape[2:]]
    return functional.avg_pool3d(image_BQZYX, edges)
