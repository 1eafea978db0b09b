"""The 3D vision transformer that a plan describes: Primus' encoder, with channels that may be absent.

Parameters are named as in nnssl's Primus (``down_projection.proj``, ``eva.blocks.0...``), so that its weights fit.
"""

# ruff: noqa: N803, N806, N815 - names end in their shape: B batch, C channels, G grids of tokens, T tokens of the sequence,
# N tokens of one grid, F features, Z Y X space, L blocks

from __future__ import annotations

import math
from typing import TYPE_CHECKING, NamedTuple, cast, final

import torch
from torch import nn
from torch.nn import functional

from glioframe.networks.encoder import Encoder, Encoding, without_absent
from glioframe.networks.recomputing import recomputed
from glioframe.networks.token_positions import Rotation, resize_positions, rotation_of
from glioframe.networks.transformer_block import TransformerBlock

if TYPE_CHECKING:
    from collections.abc import Sequence

    from glioframe.artifacts.network_plan import VisionTransformerPlan
    from glioframe.core.geometry import Shape

_INITIAL_STD = 0.02
"""As EVA, which truncates at 100 standard deviations, that is, nowhere."""
_STEM_SLOPE = 0.01
"""Primus initializes its stem as if a leaky rectifier of this slope followed."""


class TokenEmbedding(nn.Module):
    """Turns each block of voxels into one token by one linear map.

    Args:
        num_channels: That a token sees.
        width: Features of a token.
        token_size_vox: Edges (z, y, x) of the block.
    """

    def __init__(self, num_channels: int, width: int, token_size_vox: Shape) -> None:
        super().__init__()
        self.proj = nn.Conv3d(num_channels, width, kernel_size=token_size_vox, stride=token_size_vox)
        nn.init.kaiming_normal_(self.proj.weight, a=_STEM_SLOPE)
        nn.init.zeros_(cast("nn.Parameter", self.proj.bias))

    def forward(self, image_BCZYX: torch.Tensor) -> torch.Tensor:
        """From (b, c, z, y, x) to (b, f, Z, Y, X), coarser by the token size."""
        tokens_BFZYX: torch.Tensor = self.proj(image_BCZYX)
        return tokens_BFZYX


class Trunk(nn.Module):
    """Learned positions, blocks, and the final normalization."""

    def __init__(self, network: VisionTransformerPlan, num_positions: int) -> None:
        super().__init__()
        self.pos_embed = nn.Parameter(torch.empty(1, num_positions, network.width))
        self.blocks = nn.ModuleList(TransformerBlock(network) for _ in range(network.depth))
        self.norm = nn.LayerNorm(network.width)
        self._initialize()

    @property
    def in_order(self) -> list[TransformerBlock]:
        """The blocks, first to last."""
        return cast("list[TransformerBlock]", list(self.blocks))

    def _initialize(self) -> None:
        """As EVA: normal; the layers that add to the tokens the smaller, the deeper their block is."""
        nn.init.normal_(self.pos_embed, std=_INITIAL_STD)
        for depth, block in enumerate(self.in_order, start=1):
            for module in block.modules():
                if isinstance(module, nn.Linear):
                    nn.init.normal_(module.weight, std=_INITIAL_STD)
                    if module.bias is not None:
                        nn.init.zeros_(module.bias)
            for last in (block.attn.proj, block.mlp.fc2):
                last.weight.data /= math.sqrt(2.0 * depth)


class _Sequence(NamedTuple):
    """What the blocks work on."""

    tokens_BTF: torch.Tensor
    rotation: Rotation
    visible_BT: torch.Tensor | None
    grid: Shape


@final
class VisionTransformer(Encoder):
    """Tokens of the patch that look at each other, block after block.

    With ``early`` fusion, a token sees all channels of its block of voxels, and an absent channel adds nothing to it.
    With ``per_channel`` fusion every channel makes tokens by the same weights, told apart by a learned embedding, and
    those of an absent channel are invisible. In both cases the result is that of a network without the absent channel.

    Args:
        network: Of the plan.
        num_channels: Input channels.
        patch_size_vox: Whose tokens get learned positions, (z, y, x); for others they are interpolated.
        checkpointing: Whether the backward pass computes activations again instead of keeping them.
    """

    def __init__(
        self, network: VisionTransformerPlan, *, num_channels: int, patch_size_vox: Shape, checkpointing: bool = False
    ) -> None:
        super().__init__()
        self.checkpointing = checkpointing
        self.per_channel = network.fusion == "per_channel"
        self.token_size_vox = network.token_size_vox
        self.grid = network.token_grid(patch_size_vox)
        self.head_features = network.width // network.num_heads
        self.num_registers = network.num_registers
        self.drop_path = network.drop_path
        self.down_projection = TokenEmbedding(
            1 if self.per_channel else num_channels, network.width, network.token_size_vox
        )
        self.eva = Trunk(network, math.prod(self.grid))
        self.register_tokens = _embedding(1, network.num_registers, network.width)
        self.channel_embedding = _embedding(num_channels if self.per_channel else 0, 1, network.width)

    def forward(self, image_BCZYX: torch.Tensor, presence_BC: torch.Tensor) -> Encoding:
        """The tokens in space, averaged over the present channels, and their mean."""
        sequence = self._embed(image_BCZYX, presence_BC)
        tokens_BTF = sequence.tokens_BTF
        scales_L2B11 = self._branch_scales(tokens_BTF)
        again = self.checkpointing and self.training
        for index, block in enumerate(self.eva.in_order):
            scale = None if scales_L2B11 is None else scales_L2B11[index]
            arguments = (tokens_BTF, sequence.rotation, sequence.visible_BT, scale)
            tokens_BTF = recomputed(block, *arguments) if again else block(*arguments)
        tokens_BGNF = self._in_grids(self.eva.norm(tokens_BTF), sequence.grid)
        tokens_BNF = _mean_over_present(tokens_BGNF, presence_BC) if self.per_channel else tokens_BGNF[:, 0]
        dense_BFZYX = tokens_BNF.transpose(1, 2).reshape(len(tokens_BNF), -1, *sequence.grid)
        return Encoding(dense=dense_BFZYX, pooled=tokens_BNF.mean(1))

    @torch.no_grad()
    def attention_of(self, image_BCZYX: torch.Tensor, presence_BC: torch.Tensor, *, block: int = -1) -> torch.Tensor:
        """How much each token looks at each other one in a block: (b, heads, t, t), rows of sum 1.

        The tokens are the registers, then the grid of tokens, with z slowest and x fastest; with ``per_channel``
        fusion one grid after the other. ``tokens_to_maps`` brings a value per token back into space.

        Args:
            image_BCZYX: Patches.
            presence_BC: Which channels are there.
            block: Which, counted from the end if negative.
        """
        sequence = self._embed(image_BCZYX, presence_BC)
        tokens_BTF = sequence.tokens_BTF
        asked = self.eva.in_order[block]
        for earlier in self.eva.in_order[: self.eva.in_order.index(asked)]:
            tokens_BTF = earlier(tokens_BTF, sequence.rotation, sequence.visible_BT, None)
        return asked.attn.weights(asked.norm1(tokens_BTF), sequence.rotation, sequence.visible_BT)

    def tokens_to_maps(self, values_BT: torch.Tensor, patch_size_vox: Shape) -> torch.Tensor:
        """A value per token of the sequence, in space: (b, c, Z, Y, X), with one map for all channels if early."""
        grid = self.grid_of(patch_size_vox)
        values_BGN = self._in_grids(values_BT[:, :, None], grid)[..., 0]
        return values_BGN.reshape(*values_BGN.shape[:2], *grid)

    def _embed(self, image_BCZYX: torch.Tensor, presence_BC: torch.Tensor) -> _Sequence:
        """The tokens with their positions, registers first."""
        image_BCZYX = without_absent(image_BCZYX, presence_BC)
        num_grids = presence_BC.shape[1] if self.per_channel else 1
        grid = self.grid_of(image_BCZYX.shape[2:])
        image_GCZYX = image_BCZYX.flatten(0, 1)[:, None] if self.per_channel else image_BCZYX
        tokens_BNF = self.down_projection(image_GCZYX).flatten(2).transpose(1, 2)
        tokens_BGNF = tokens_BNF.reshape(-1, num_grids, *tokens_BNF.shape[1:])
        tokens_BGNF = tokens_BGNF + resize_positions(self.eva.pos_embed, self.grid, grid)
        if self.channel_embedding is not None:
            tokens_BGNF = tokens_BGNF + self.channel_embedding
        tokens_BTF = tokens_BGNF.flatten(1, 2)
        if self.register_tokens is not None:
            registers_BRF = self.register_tokens.expand(len(tokens_BTF), -1, -1).to(tokens_BTF.dtype)
            tokens_BTF = torch.cat([registers_BRF, tokens_BTF], dim=1)
        rotation = rotation_of(
            grid,
            num_grids=num_grids,
            num_unplaced=self.num_registers,
            head_features=self.head_features,
            device=tokens_BTF.device,
        )
        return _Sequence(tokens_BTF, rotation, self._visible(presence_BC, grid), grid)

    def _visible(self, presence_BC: torch.Tensor, grid: Shape) -> torch.Tensor | None:
        """Which tokens may be looked at, (b, t); None for all."""
        if not self.per_channel:
            return None
        visible_BT = (presence_BC > 0).repeat_interleave(math.prod(grid), dim=1)
        return functional.pad(visible_BT, (self.num_registers, 0), value=True)

    def _branch_scales(self, tokens_BTF: torch.Tensor) -> torch.Tensor | None:
        """Factors (l, 2, b, 1, 1) of the blocks' branches: 0 where skipped, the others larger to make up for it.

        Drawn outside the blocks, so that computing a block again needs no random state.
        """
        if not (self.training and self.drop_path):
            return None
        kept_L = 1 - torch.linspace(0, self.drop_path, len(self.eva.blocks), device=tokens_BTF.device)
        kept_L1111 = kept_L[:, None, None, None, None]
        drawn_L2B11 = torch.rand((len(kept_L), 2, len(tokens_BTF), 1, 1), device=tokens_BTF.device)
        return ((drawn_L2B11 < kept_L1111) / kept_L1111).to(tokens_BTF.dtype)

    def _in_grids(self, tokens_BTF: torch.Tensor, grid: Shape) -> torch.Tensor:
        """The tokens (b, g, n, f) that have a place."""
        return tokens_BTF[:, self.num_registers :].reshape(len(tokens_BTF), -1, math.prod(grid), tokens_BTF.shape[2])

    def grid_of(self, shape_vox: Sequence[int]) -> Shape:
        """Tokens (z, y, x) of a patch, per channel where channels have tokens of their own."""
        z, y, x = (size // token for size, token in zip(shape_vox, self.token_size_vox, strict=True))
        return (z, y, x)


def _mean_over_present(tokens_BCNF: torch.Tensor, presence_BC: torch.Tensor) -> torch.Tensor:
    present_BC = (presence_BC > 0).to(tokens_BCNF.dtype)
    share_BC = present_BC / present_BC.sum(1, keepdim=True).clamp_min(1)
    return (tokens_BCNF * share_BC[:, :, None, None]).sum(1)


def _embedding(first: int, second: int, width: int) -> nn.Parameter | None:
    """Learned vectors (first, second, width); None for none."""
    if not first * second:
        return None
    return nn.Parameter(nn.init.normal_(torch.empty(first, second, width), std=_INITIAL_STD))
