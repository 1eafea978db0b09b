"""The residual encoder (ResEnc of nnU-Net) that a plan describes."""

# ruff: noqa: N803, N806 - names end in their shape: B batch, C channels, F features, Z Y X space

from __future__ import annotations

from typing import TYPE_CHECKING, final

from dynamic_network_architectures.building_blocks.residual_encoders import ResidualEncoder
from torch import nn

from glioframe.networks.encoder import Encoder, Encoding, without_absent
from glioframe.networks.recomputing import recomputed

if TYPE_CHECKING:
    from collections.abc import Iterator

    import torch

    from glioframe.artifacts.network_plan import ResidualEncoderPlan

_LEAKY_SLOPE = 0.01
"""LeakyReLU's own default, which the initialization must know too."""


@final
class ResidualEncoderNetwork(Encoder):
    """Residual stages on the patch, each coarser than the one before.

    Instance normalization, because small batches make batch statistics useless and a prediction must not depend on
    the cases that happen to share its batch. The convolutions have a bias, although the normalization cancels it, so
    that the parameters have the names and shapes of nnU-Net's and nnssl's encoders.

    Args:
        network: Of the plan.
        num_channels: Input channels.
        checkpointing: Whether the backward pass computes activations again instead of keeping them.
    """

    def __init__(self, network: ResidualEncoderPlan, *, num_channels: int, checkpointing: bool = False) -> None:
        super().__init__()
        self.checkpointing = checkpointing
        self.encoder = ResidualEncoder(
            input_channels=num_channels,
            n_stages=len(network.features_per_stage),
            features_per_stage=network.features_per_stage,
            conv_op=nn.Conv3d,
            kernel_sizes=[list(kernel) for kernel in network.kernel_sizes],
            strides=[list(stride) for stride in network.strides],
            n_blocks_per_stage=network.blocks_per_stage,
            conv_bias=True,
            norm_op=nn.InstanceNorm3d,
            norm_op_kwargs={"eps": 1e-5, "affine": True},
            nonlin=nn.LeakyReLU,
            nonlin_kwargs={"negative_slope": _LEAKY_SLOPE, "inplace": True},
        )
        self.encoder.apply(_initialize)

    def forward(self, image_BCZYX: torch.Tensor, presence_BC: torch.Tensor) -> Encoding:
        """The last feature map, and its mean plus its peak."""
        dense_BFZYX = without_absent(image_BCZYX, presence_BC)
        again = self.checkpointing and self.training
        for part in self._parts():
            dense_BFZYX = recomputed(part, dense_BFZYX) if again else part(dense_BFZYX)
        # The normalization makes the mean of a feature map say little by itself; its peak says whether the feature
        # occurs anywhere, as a small lesion does.
        pooled_BF = dense_BFZYX.mean((2, 3, 4)) + dense_BFZYX.amax((2, 3, 4))
        return Encoding(dense=dense_BFZYX, pooled=pooled_BF)

    def _parts(self) -> Iterator[nn.Module]:
        """Stem and blocks, in order."""
        yield self.encoder.stem
        for stage in self.encoder.stages:
            yield from stage.blocks


def _initialize(module: nn.Module) -> None:
    """He initialization for leaky rectifiers (He et al. 2015), biases 0."""
    if isinstance(module, nn.Conv3d):
        nn.init.kaiming_normal_(module.weight, a=_LEAKY_SLOPE)
        if module.bias is not None:
            nn.init.zeros_(module.bias)
