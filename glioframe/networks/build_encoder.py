"""From a plan's network to the encoder of its family."""

from __future__ import annotations

from typing import TYPE_CHECKING

from glioframe.artifacts.network_plan import VisionTransformerPlan
from glioframe.networks.residual_encoder import ResidualEncoderNetwork
from glioframe.networks.vision_transformer import VisionTransformer

if TYPE_CHECKING:
    from glioframe.artifacts.network_plan import NetworkPlan
    from glioframe.core.geometry import Shape
    from glioframe.networks.encoder import Encoder


def build_encoder(
    network: NetworkPlan, *, num_channels: int, patch_size_vox: Shape, checkpointing: bool = False
) -> Encoder:
    """The encoder that a plan describes, freshly initialized from torch's random state.

    Args:
        network: Of the plan.
        num_channels: Input channels.
        patch_size_vox: Of the plan, (z, y, x). A vision transformer learns a position for each of its tokens; other
            patches can be encoded all the same.
        checkpointing: Whether the backward pass computes activations again instead of keeping them.
    """
    if isinstance(network, VisionTransformerPlan):
        return VisionTransformer(
            network, num_channels=num_channels, patch_size_vox=patch_size_vox, checkpointing=checkpointing
        )
    return ResidualEncoderNetwork(network, num_channels=num_channels, checkpointing=checkpointing)
