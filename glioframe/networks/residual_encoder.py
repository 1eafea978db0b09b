"""The residual encoder (ResEnc of nnU-Net) that a plan describes."""

from __future__ import annotations

from typing import TYPE_CHECKING

from dynamic_network_architectures.building_blocks.residual_encoders import ResidualEncoder
from torch import nn

if TYPE_CHECKING:
    from glioframe.artifacts.network_plan import ResidualEncoderPlan

_LEAKY_SLOPE = 0.01
"""LeakyReLU's own default, which the initialization must know too."""


def build_residual_encoder(network: ResidualEncoderPlan, *, num_channels: int) -> ResidualEncoder:
    """An encoder from (b, c, z, y, x) to (b, f, z / stride, y / stride, x / stride).

    Instance normalization, because small batches make batch statistics useless and a prediction must not depend on
    the cases that happen to share its batch. The convolutions have a bias, although the normalization cancels it, so
    that the parameters have the names and shapes of nnU-Net's and nnssl's encoders.
    """
    encoder = ResidualEncoder(
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
    encoder.apply(_initialize)
    return encoder


def _initialize(module: nn.Module) -> None:
    """He initialization for leaky rectifiers (He et al. 2015), biases 0."""
    if isinstance(module, nn.Conv3d):
        nn.init.kaiming_normal_(module.weight, a=_LEAKY_SLOPE)
        if module.bias is not None:
            nn.init.zeros_(module.bias)
