"""What a plan says about a network: one dataclass per family, told apart by ``family``."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Annotated, Any, ClassVar, Literal, TypeAlias

from annotated_types import Ge, Gt, Le, MinLen
from pydantic import Field

from glioframe.artifacts.json_file import STRICT
from glioframe.core.errors import PlanError
from glioframe.core.geometry import Shape

Positive = Annotated[float, Gt(0)]
NonNegative = Annotated[float, Ge(0)]
Fraction = Annotated[float, Ge(0), Le(1)]
Count = Annotated[int, Ge(1)]


@dataclass(frozen=True, kw_only=True, slots=True)
class ResidualEncoderPlan:
    """A residual encoder of dynamic-network-architectures.

    Attributes:
        family: The kind of network.
        features_per_stage: Feature maps of each stage.
        blocks_per_stage: Residual blocks of each stage.
        kernel_sizes: Kernel edges (z, y, x) of each stage.
        strides: Strides (z, y, x) at each stage's entry.
        dropout: Before the classification layer.
    """

    __pydantic_config__: ClassVar[dict[str, Any]] = STRICT
    family: Literal["residual_encoder"] = "residual_encoder"
    features_per_stage: Annotated[tuple[Count, ...], MinLen(1)]
    blocks_per_stage: Annotated[tuple[Count, ...], MinLen(1)]
    kernel_sizes: tuple[Shape, ...]
    strides: tuple[Shape, ...]
    dropout: Fraction = 0.1

    @property
    def num_features(self) -> int:
        """Features of the dense map and of the global vector."""
        return self.features_per_stage[-1]

    @property
    def total_stride(self) -> Shape:
        """By how much (z, y, x) the last stage is coarser than the patch."""
        z, y, x = 1, 1, 1
        for stride_z, stride_y, stride_x in self.strides:
            z, y, x = z * stride_z, y * stride_y, x * stride_x
        return (z, y, x)

    @property
    def in_words(self) -> str:
        """Family and size, for tables."""
        features = ", ".join(map(str, self.features_per_stage))
        return f"residual encoder, {len(self.features_per_stage)} stages of {features} features"

    def check(self, patch_size_vox: Shape, *, where: str) -> None:
        """Refuses what cannot be built for the patch.

        Raises:
            PlanError: The stages' lists differ in length, the patch is not divisible by the total stride, or the last
                feature map is a single voxel.
        """
        lengths = {
            "features_per_stage": len(self.features_per_stage),
            "blocks_per_stage": len(self.blocks_per_stage),
            "kernel_sizes": len(self.kernel_sizes),
            "strides": len(self.strides),
        }
        if len(set(lengths.values())) != 1:
            raise PlanError(
                f"{where}, network",
                expected="one entry per stage in each list",
                found=", ".join(f"{name}: {length}" for name, length in lengths.items()),
                fix="Make the lists equally long",
            )
        _refuse_indivisible(patch_size_vox, self.total_stride, where=where)
        if patch_size_vox == self.total_stride:
            raise PlanError(
                f"{where}, patch_size_vox",
                expected="a last feature map of more than one voxel, which instance normalization needs",
                found=f"a patch of {patch_size_vox} with a total stride of the same",
                fix="Enlarge the patch, or take a stage out",
            )


@dataclass(frozen=True, kw_only=True, slots=True)
class VisionTransformerPlan:
    """A 3D vision transformer: Primus' encoder (T. Wald et al. 2025, arXiv:2503.01835), by default.

    Attributes:
        family: The kind of network.
        token_size_vox: Edges (z, y, x) of the block of voxels that becomes one token.
        fusion: ``early``: a token sees all channels of its block. ``per_channel``: every channel has tokens of its
            own, and an absent channel has none.
        width: Features of a token.
        depth: Blocks.
        num_heads: Of the attention; ``width`` is a multiple of 6 times as many, because positions on three axes turn
            pairs of a head's features.
        mlp_ratio: Hidden features of the gated feed-forward layer, by ``width``.
        num_registers: Extra tokens without a place (T. Darcet et al. 2024), for what belongs to the whole image.
        layer_scale: First value of the learned factor on each block's branches; 0 for none.
        drop_path: Probability of skipping a block's branch in training, for the last block; the first has 0.
        dropout: Before the classification layer.
    """

    __pydantic_config__: ClassVar[dict[str, Any]] = STRICT
    family: Literal["vision_transformer"] = "vision_transformer"
    token_size_vox: tuple[Count, Count, Count] = (8, 8, 8)
    fusion: Literal["early", "per_channel"] = "early"
    width: Count
    depth: Count
    num_heads: Count
    mlp_ratio: Positive = 8 / 3
    num_registers: Annotated[int, Ge(0)] = 0
    layer_scale: NonNegative = 0.1
    drop_path: Annotated[float, Ge(0), Le(0.9)] = 0.2
    dropout: Fraction = 0.1

    @property
    def num_features(self) -> int:
        """Features of the dense map and of the global vector."""
        return self.width

    @property
    def total_stride(self) -> Shape:
        """By how much (z, y, x) the token grid is coarser than the patch."""
        return self.token_size_vox

    @property
    def in_words(self) -> str:
        """Family and size, for tables."""
        token = " x ".join(map(str, self.token_size_vox))
        return (
            f"vision transformer, {self.depth} blocks of {self.num_heads} heads and {self.width} features, tokens of "
            f"{token} voxels, {self.fusion.replace('_', ' ')} fusion"
        )

    @property
    def hidden_features(self) -> int:
        """Inside the feed-forward layer."""
        return round(self.width * self.mlp_ratio)

    def token_grid(self, patch_size_vox: Shape) -> Shape:
        """Tokens (z, y, x) of a patch, per channel where channels have tokens of their own."""
        z, y, x = (edge // size for edge, size in zip(patch_size_vox, self.token_size_vox, strict=True))
        return (z, y, x)

    def num_tokens(self, patch_size_vox: Shape, num_channels: int) -> int:
        """Length of the sequence that attention sees, registers included."""
        grids = num_channels if self.fusion == "per_channel" else 1
        return grids * math.prod(self.token_grid(patch_size_vox)) + self.num_registers

    def check(self, patch_size_vox: Shape, *, where: str) -> None:
        """Refuses what cannot be built for the patch.

        Raises:
            PlanError: The patch is not divisible into tokens, or the width not into heads of three axes' pairs.
        """
        _refuse_indivisible(patch_size_vox, self.total_stride, where=where)
        if self.width % (6 * self.num_heads):
            raise PlanError(
                f"{where}, network",
                expected="a width that gives each head a multiple of 6 features: pairs, on three axes",
                found=f"width {self.width}, {self.num_heads} heads",
                fix=f"Make the width a multiple of {6 * self.num_heads}",
            )


NetworkPlan: TypeAlias = Annotated[ResidualEncoderPlan | VisionTransformerPlan, Field(discriminator="family")]


def _refuse_indivisible(patch_size_vox: Shape, total_stride: Shape, *, where: str) -> None:
    if any(size % stride for size, stride in zip(patch_size_vox, total_stride, strict=True)):
        raise PlanError(
            f"{where}, patch_size_vox",
            expected=f"multiples of the network's total stride {total_stride}",
            found=str(patch_size_vox),
            fix="Round the patch size, or plan again",
        )
