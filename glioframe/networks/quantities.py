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

NUM_QUANTITIES = 5
"""Per channel: mean, standard deviation, mean of the hottest share of the patch; mean and deviation in its middle."""
HOT_SHARE = 0.01
"""A share instead of one voxel, as SUVpeak instead of SUVmax: a maximum is mostly noise."""
MIDDLE_SIGMA = 0.1
"""Width of the Gaussian that weighs the patch's middle, as a share of its edges: of 90 mm, full width 21 mm at half
height, about a lesion. Elsewhere in the brain uptake is high too (striatum, vessels), and means something else."""
_POOLING_VOX = 2
_EPSILON = 1e-4
"""Keeps the gradient of a constant channel's standard deviation finite."""


class PatchQuantities(nn.Module):
    """Five numbers per quantitative channel: (b, c, z, y, x) -> (b, 5 q). No parameters.

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
            smooth_BQZYX = _smooth(image_BQZYX)
            voxels_BQV = smooth_BQZYX.flatten(2)
            num_hot = max(1, round(HOT_SHARE * voxels_BQV.shape[2]))
            hot_BQ = voxels_BQV.topk(num_hot, dim=2, sorted=False).values.mean(2)
            even_V = torch.full_like(voxels_BQV[0, 0], 1 / voxels_BQV.shape[2])
            middle_V = _middle_weights(smooth_BQZYX).flatten()
            measured_B5Q = torch.cat([*_moments(voxels_BQV, even_V), hot_BQ, *_moments(voxels_BQV, middle_V)], dim=1)
            return measured_B5Q.sign() * measured_B5Q.abs().log1p()

    def present(self, presence_BC: torch.Tensor) -> torch.Tensor:
        """Which of the numbers (b, 5 q) are measured on a channel that is present (b, c)."""
        return (presence_BC.index_select(1, self.channels_Q) > 0).repeat(1, NUM_QUANTITIES)


def _moments(voxels_BQV: torch.Tensor, weight_V: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
    """Weighted mean and standard deviation, both (b, q), of weights that sum to 1."""
    mean_BQ = (voxels_BQV * weight_V).sum(2)
    variance_BQ = ((voxels_BQV - mean_BQ[..., None]) ** 2 * weight_V).sum(2)
    return mean_BQ, (variance_BQ + _EPSILON**2).sqrt() - _EPSILON


def _middle_weights(image_BQZYX: torch.Tensor) -> torch.Tensor:
    """A Gaussian (z, y, x) about the middle of the patch, of sum 1."""
    weight_ZYX = torch.ones((), device=image_BQZYX.device)
    for size in image_BQZYX.shape[2:]:
        position = (torch.arange(size, device=image_BQZYX.device) + 0.5) / size - 0.5
        weight_ZYX = weight_ZYX[..., None] * torch.exp(-0.5 * (position / MIDDLE_SIGMA) ** 2)
    return weight_ZYX / weight_ZYX.sum()


def _smooth(image_BQZYX: torch.Tensor) -> torch.Tensor:
    """Averages blocks of 2 x 2 x 2 voxels: PET noise is independent of its neighbor, uptake is not."""
    edges = [min(_POOLING_VOX, size) for size in image_BQZYX.shape[2:]]
    return functional.avg_pool3d(image_BQZYX, edges)
