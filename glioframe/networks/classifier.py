"""A network that calls a whole patch: encoder, pooling, one linear layer."""

# ruff: noqa: N803, N806 - names end in their shape: B batch, C channels, F features, K classes, Z Y X space

from __future__ import annotations

from typing import TYPE_CHECKING, Literal, TypeAlias, final

import torch
from torch import nn

from glioframe.networks.build_encoder import build_encoder
from glioframe.networks.encoder import Encoding, without_absent
from glioframe.networks.gated_attention import GatedAttentionPooling
from glioframe.networks.quantities import PatchQuantities
from glioframe.networks.standardization import RunningStandardization

if TYPE_CHECKING:
    from collections.abc import Sequence

    from glioframe.artifacts.network_plan import NetworkPlan
    from glioframe.core.geometry import Shape

Pooling: TypeAlias = Literal["mean", "gated_attention"]

_ATTENTION_SHARE = 2
"""Gated attention has half as many hidden features as the feature map has features."""

# An adaptive optimizer moves every weight equally fast, so a branch moves a logit as fast as its inputs are many and
# large. Unscaled, many features that a small cohort is learned by heart with outrun the few quantities. Scaled so, the
# quantities go first and the features refine.
_FEATURE_PULL = 2.0
"""Sum over the features' scales."""
_QUANTITY_PULL = 5.0
"""Scale of each quantity."""


@final
class Classifier(nn.Module):
    """Logits of a case-level target from a patch and the presence of its channels.

    The head sees three things: the pooled features, the quantities of the channels that have a unit, and which
    channels are there. It is linear, so that what each adds to a logit can be read off.

    Args:
        network: Of the plan, of either family.
        patch_size_vox: Of the plan.
        num_classes: Of the target.
        quantitative: Per input channel, whether its values have a unit.
        pooling: From the feature map to one vector: as the encoder does by itself (``mean``), or by learned weights of
            its positions (``gated_attention``).
        checkpointing: Whether the backward pass computes the encoder's activations again instead of keeping them.
    """

    def __init__(
        self,
        network: NetworkPlan,
        *,
        patch_size_vox: Shape,
        num_classes: int,
        quantitative: Sequence[bool],
        pooling: Pooling,
        checkpointing: bool,
    ) -> None:
        super().__init__()
        num_features, num_channels = network.num_features, len(quantitative)
        self.encoder = build_encoder(
            network, num_channels=num_channels, patch_size_vox=patch_size_vox, checkpointing=checkpointing
        )
        self.quantities = PatchQuantities(quantitative)
        self.standardization = RunningStandardization(self.quantities.num_features)
        self.feature_scale = _FEATURE_PULL / num_features if self.quantities.num_features else 1.0
        self.norm = nn.LayerNorm(num_features)
        self.dropout = nn.Dropout(network.dropout)
        self.head = nn.Linear(num_features + self.quantities.num_features + num_channels, num_classes)
        self.attention = (
            GatedAttentionPooling(num_features, max(1, num_features // _ATTENTION_SHARE))
            if pooling == "gated_attention"
            else None
        )

    def encode(self, image_BCZYX: torch.Tensor, presence_BC: torch.Tensor) -> Encoding:
        """Features of (b, c, z, y, x) patches; what stands in absent channels has no influence."""
        return self.encoder.encode(image_BCZYX, presence_BC)

    def forward(self, image_BCZYX: torch.Tensor, presence_BC: torch.Tensor) -> torch.Tensor:
        """Logits (b, k) of patches (b, c, z, y, x) whose channels are present as (b, c) says."""
        measured_BQ = self.quantities(without_absent(image_BCZYX, presence_BC))
        quantities_BQ = self.standardization(measured_BQ, self.quantities.present(presence_BC))
        features_BF = self.dropout(self.norm(self._pooled(self.encode(image_BCZYX, presence_BC))))
        facts_BH = torch.cat(
            [self.feature_scale * features_BF.float(), _QUANTITY_PULL * quantities_BQ, presence_BC.float()], dim=1
        )
        # bfloat16 has three digits: rounded logits would tie cases that the network tells apart.
        with torch.autocast(image_BCZYX.device.type, enabled=False):
            logits_BK: torch.Tensor = self.head(facts_BH)
        return logits_BK

    @torch.no_grad()
    def attention_of(self, image_BCZYX: torch.Tensor, presence_BC: torch.Tensor) -> torch.Tensor:
        """How much each position of the feature map counts, (b, Z, Y, X), of sum 1 per patch.

        Raises:
            TypeError: The classifier pools without attention.
        """
        if self.attention is None:
            raise TypeError("a classifier that pools by the mean has no attention")
        return self.attention.weights(self.encode(image_BCZYX, presence_BC).dense)

    def _pooled(self, encoding: Encoding) -> torch.Tensor:
        pooled_BF: torch.Tensor = encoding.pooled if self.attention is None else self.attention(encoding.dense)
        return pooled_BF


def build_classifier(
    network: NetworkPlan,
    *,
    num_channels: int,
    patch_size_vox: Shape,
    num_classes: int,
    quantitative: Sequence[bool],
    pooling: Pooling = "mean",
    checkpointing: bool = False,
) -> Classifier:
    """The classifier that a plan describes, freshly initialized from torch's random state."""
    if len(quantitative) != num_channels:
        raise ValueError(f"{num_channels} channels need as many flags, got {len(quantitative)}")
    return Classifier(
        network,
        patch_size_vox=patch_size_vox,
        num_classes=num_classes,
        quantitative=quantitative,
        pooling=pooling,
        checkpointing=checkpointing,
    )
