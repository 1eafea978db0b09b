"""A network that calls a whole patch: residual encoder, pooling, one linear layer."""

# ruff: noqa: N803, N806 - names end in their shape: B batch, C channels, F features, K classes, Z Y X space

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple, final

import torch
from torch import nn

from glioframe.networks.quantities import PatchQuantities
from glioframe.networks.residual_encoder import build_residual_encoder
from glioframe.networks.standardization import RunningStandardization

if TYPE_CHECKING:
    from collections.abc import Sequence

    from glioframe.artifacts.network_plan import ResidualEncoderPlan

# An adaptive optimizer moves every weight equally fast, so a branch moves a logit as fast as its inputs are many and
# large. Unscaled, many features that a small cohort is learned by heart with outrun the few quantities. Scaled so, the
# quantities go first and the features refine.
_FEATURE_PULL = 2.0
"""Sum over the features' scales."""
_QUANTITY_PULL = 5.0
"""Scale of each quantity."""


class Encoding(NamedTuple):
    """What the encoder makes of a patch.

    Attributes:
        dense: The last feature map, (b, f, z, y, x).
        pooled: One vector per patch, (b, f).
    """

    dense: torch.Tensor
    pooled: torch.Tensor


@final
class Classifier(nn.Module):
    """Logits of a case-level target from a patch and the presence of its channels.

    The head sees three things: the pooled features, the quantities of the channels that have a unit, and which
    channels are there. It is linear, so that what each adds to a logit can be read off.

    Args:
        network: Of the plan.
        num_channels: Input channels.
        num_classes: Of the target.
        quantitative: Per channel, whether its values have a unit.
    """

    def __init__(
        self, network: ResidualEncoderPlan, *, num_channels: int, num_classes: int, quantitative: Sequence[bool]
    ) -> None:
        super().__init__()
        num_features = network.features_per_stage[-1]
        self.encoder = build_residual_encoder(network, num_channels=num_channels)
        self.quantities = PatchQuantities(quantitative)
        self.standardization = RunningStandardization(self.quantities.num_features)
        self.feature_scale = _FEATURE_PULL / num_features if self.quantities.num_features else 1.0
        self.norm = nn.LayerNorm(num_features)
        self.dropout = nn.Dropout(network.dropout)
        self.head = nn.Linear(num_features + self.quantities.num_features + num_channels, num_classes)

    def encode(self, image_BCZYX: torch.Tensor, presence_BC: torch.Tensor) -> Encoding:
        """Features of (b, c, z, y, x) patches; what stands in absent channels has no influence."""
        dense_BFZYX = self.encoder(_without_absent(image_BCZYX, presence_BC))
        # The normalization makes the mean of a feature map say little by itself; its peak says whether the feature
        # occurs anywhere, as a small lesion does.
        pooled_BF = dense_BFZYX.mean((2, 3, 4)) + dense_BFZYX.amax((2, 3, 4))
        return Encoding(dense=dense_BFZYX, pooled=pooled_BF)

    def forward(self, image_BCZYX: torch.Tensor, presence_BC: torch.Tensor) -> torch.Tensor:
        """Logits (b, k) of patches (b, c, z, y, x) whose channels are present as (b, c) says."""
        measured_BQ = self.quantities(_without_absent(image_BCZYX, presence_BC))
        quantities_BQ = self.standardization(measured_BQ, self.quantities.present(presence_BC))
        features_BF = self.dropout(self.norm(self.encode(image_BCZYX, presence_BC).pooled))
        facts_BH = torch.cat(
            [self.feature_scale * features_BF.float(), _QUANTITY_PULL * quantities_BQ, presence_BC.float()], dim=1
        )
        # bfloat16 has three digits: rounded logits would tie cases that the network tells apart.
        with torch.autocast(image_BCZYX.device.type, enabled=False):
            logits_BK: torch.Tensor = self.head(facts_BH)
        return logits_BK


def build_classifier(
    network: ResidualEncoderPlan, *, num_channels: int, num_classes: int, quantitative: Sequence[bool]
) -> Classifier:
    """The classifier that a plan describes, freshly initialized from torch's random state."""
    if len(quantitative) != num_channels:
        raise ValueError(f"{num_channels} channels need as many flags, got {len(quantitative)}")
    return Classifier(network, num_channels=num_channels, num_classes=num_classes, quantitative=quantitative)


def _without_absent(image_BCZYX: torch.Tensor, presence_BC: torch.Tensor) -> torch.Tensor:
    """Zeros in absent channels, even where they hold NaN."""
    absent_BC111 = (presence_BC <= 0)[:, :, None, None, None]
    return image_BCZYX.masked_fill(absent_BC111, 0.0)
