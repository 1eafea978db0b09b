"""Weights that others pretrained: the encoders of nnssl and nnU-Net, brought into ours.

A checkpoint holds more than an encoder (a decoder, a head), under names that its adaptation plan tells. The tensors of
the encoder must fit ours one by one: a network that starts from half of its weights only looks pretrained.
"""

# ruff: noqa: N803, N806 - names end in their shape: T tokens, F features

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal, TypeAlias, cast

import torch

from glioframe.core.errors import ArtifactError
from glioframe.networks.foreign_checkpoint import read_checkpoint
from glioframe.networks.lora import is_of_lora
from glioframe.networks.token_positions import resize_positions
from glioframe.networks.vision_transformer import VisionTransformer
from glioframe.networks.weights import differences

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping
    from pathlib import Path

    from glioframe.core.geometry import Shape
    from glioframe.networks.encoder import Encoder
    from glioframe.networks.foreign_checkpoint import ForeignCheckpoint

State: TypeAlias = dict[str, torch.Tensor]
TokenOrder: TypeAlias = Literal["zyx", "yzx"]
"""The axes of the token grid, slowest first. Ours is ``zyx``; nnssl's Primus has ``yzx``, but for SimMIM."""

_OURS_ALONE = {"register_tokens", "channel_embedding"}
"""What a foreign vision transformer has not; it stays as initialized."""

_POSITIONS = "eva.pos_embed"
_CONVOLUTION_AXES = 5


@dataclass(frozen=True, kw_only=True, slots=True)
class LoadedWeights:
    """What became of a foreign checkpoint.

    Attributes:
        loaded: Tensors of our encoder that hold foreign values now.
        initialized: Tensors of our encoder that the checkpoint cannot know, as they were.
        skipped: Tensors of the checkpoint that are no part of its encoder.
    """

    loaded: tuple[str, ...]
    initialized: tuple[str, ...]
    skipped: tuple[str, ...]


def load_foreign_encoder(encoder: Encoder, path: Path, *, token_order: TokenOrder | None = None) -> LoadedWeights:
    """Fills ``encoder`` from a checkpoint of nnssl or nnU-Net; all of it, or nothing.

    The stem of a network for one channel is repeated for several and divided by their number, so that equal channels
    give what one gave. Learned positions are interpolated to the encoder's token grid.

    Args:
        encoder: Of the family and size of the checkpoint's.
        path: A safetensors file, or one of torch.save, which is read as data and never run.
        token_order: Of a vision transformer's checkpoint; None to go by the trainer that it names.

    Raises:
        ArtifactError: The file cannot be read, its encoder is another one, or its token order is unknown.
    """
    checkpoint = read_checkpoint(path)
    ours = dict(encoder.state_dict(keep_vars=True))
    first_name_of = _first_names(ours)
    our_name_of = _our_names(checkpoint, encoder)
    theirs = {first_name_of.get(our, our): checkpoint.state[their] for their, our in our_name_of.items()}
    order: TokenOrder = "zyx"
    if isinstance(encoder, VisionTransformer):
        order = token_order or _token_order(checkpoint)
        theirs = _on_our_grid(theirs, encoder, checkpoint, order)
    needed = {name for name in first_name_of.values() if name not in _OURS_ALONE and not is_of_lora(name)}
    wanted = {name: ours[name] for name in needed | (theirs.keys() & ours.keys())}
    theirs = {name: _for_channels(value, wanted.get(name)) for name, value in theirs.items()}
    faults = differences(wanted, theirs)
    if faults:
        raise ArtifactError(
            path,
            expected=f"the encoder of the plan's {type(encoder).__name__}",
            found=faults,
            fix="Plan the network that the weights were trained with",
        )
    if isinstance(encoder, VisionTransformer) and order == "yzx":
        theirs = _turned_by_our_axes(theirs, encoder.eva.in_order[0].attn.num_heads)
    with torch.no_grad():
        for name, value in theirs.items():
            ours[name].copy_(value)
    return LoadedWeights(
        loaded=tuple(sorted(theirs)),
        initialized=tuple(sorted(set(first_name_of.values()) - theirs.keys())),
        skipped=tuple(sorted(checkpoint.state.keys() - our_name_of.keys())),
    )


def _first_names(state: Mapping[str, torch.Tensor]) -> dict[str, str]:
    """Of every name, the first one of the same tensor: some tensors have several."""
    first: dict[int, str] = {}
    return {name: first.setdefault(id(value), name) for name, value in state.items()}


def _our_names(checkpoint: ForeignCheckpoint, encoder: Encoder) -> dict[str, str]:
    """Their names of the encoder's tensors, with ours.

    Raises:
        ArtifactError: The checkpoint has no such part.
    """
    ours = ("eva", "down_projection") if isinstance(encoder, VisionTransformer) else ("encoder.stages", "encoder.stem")
    plan = checkpoint.adaptation_plan
    # nnssl's contrastive methods hold the whole network under the name of encoder.
    candidates = [ours, (f"encoder.{ours[0]}", f"encoder.{ours[1]}")]
    if "key_to_encoder" in plan and "key_to_stem" in plan:
        candidates = [(plan["key_to_encoder"], plan["key_to_stem"])]
    for theirs in candidates:
        names = {
            name: our + name.removeprefix(their)
            for their, our in zip(theirs, ours, strict=True)
            for name in checkpoint.state
            if name.startswith(f"{their}.")
        }
        if names:
            return names
    raise ArtifactError(
        checkpoint.path,
        expected=f"tensors under {' and '.join(candidates[0])}, of a {type(encoder).__name__}",
        found=f"others, as {min(checkpoint.state)}",
        fix="Plan the kind of network that the weights were trained with",
    )


def _for_channels(theirs: torch.Tensor, ours: torch.Tensor | None) -> torch.Tensor:
    """A convolution of one channel repeated for as many as ours has."""
    if ours is None or theirs.ndim != _CONVOLUTION_AXES or theirs.shape[1] != 1 or ours.ndim != _CONVOLUTION_AXES:
        return theirs
    return theirs.repeat(1, ours.shape[1], 1, 1, 1) / ours.shape[1]


def _token_order(checkpoint: ForeignCheckpoint) -> TokenOrder:
    """As the trainer implies: nnssl's Primus numbers tokens along y first, but for SimMIM's; nnU-Net's along z first.

    Raises:
        ArtifactError: The checkpoint names no trainer.
    """
    if not checkpoint.trainer:
        raise ArtifactError(
            checkpoint.path,
            expected="a trainer_name, which tells the order of the tokens",
            found="none",
            fix="Say token_order: yzx for nnssl's Primus (zyx if by SimMIM), zyx for nnU-Net's",
        )
    ours = checkpoint.trainer.startswith("nnUNet") or "simmim" in checkpoint.trainer.lower()
    return "zyx" if ours else "yzx"


def _on_our_grid(theirs: State, encoder: VisionTransformer, checkpoint: ForeignCheckpoint, order: TokenOrder) -> State:
    """Learned positions in our order, interpolated to our grid of tokens."""
    if _POSITIONS not in theirs:
        return theirs
    positions_1TF = theirs[_POSITIONS].float()
    grid = _grid_of(positions_1TF, encoder, checkpoint, order)
    if order == "yzx":
        positions_1TF = positions_1TF.reshape(1, *grid, -1).transpose(1, 2).flatten(1, 3)
    return theirs | {_POSITIONS: resize_positions(positions_1TF, grid, encoder.grid)}


def _turned_by_our_axes(theirs: State, num_heads: int) -> State:
    """Queries and keys whose features for z and y are exchanged, in every head; each axis has a third of them.

    Rotary positions turn the first third by the place along z. The product of a query and a key does not mind in which
    order its terms stand.
    """
    turned = dict(theirs)
    for name, rows in theirs.items():
        if ".q_proj." in name or ".k_proj." in name:
            by_axis = rows.reshape(num_heads, 3, -1, *rows.shape[1:])
            turned[name] = by_axis[:, [1, 0, 2]].reshape(rows.shape)
    return turned


def _grid_of(
    positions_1TF: torch.Tensor,
    encoder: VisionTransformer,
    checkpoint: ForeignCheckpoint,
    order: TokenOrder,
) -> Shape:
    """The token grid of learned positions: of a patch that the adaptation plan names, else a cube, else ours.

    Raises:
        ArtifactError: None of them has as many tokens.
    """
    num_tokens = positions_1TF.shape[1]
    edge = round(num_tokens ** (1 / 3))
    grids = [
        cast("Shape", tuple(size // token for size, token in zip(patch, encoder.token_size_vox, strict=True)))
        for patch in _patch_sizes(checkpoint.adaptation_plan)
    ]
    for grid in [*grids, (edge, edge, edge), encoder.grid]:
        # With y before z, the foreign network turned z by y's place: that makes sense where both are equally long.
        if math.prod(grid) == num_tokens and (order == "zyx" or grid[0] == grid[1]):
            return grid
    raise ArtifactError(
        checkpoint.path,
        expected=f"learned positions of a grid of tokens, such as {encoder.grid}",
        found=f"{num_tokens} positions",
        fix="Put the adaptation_plan.json of the checkpoint beside it",
    )


def _patch_sizes(plan: Mapping[str, Any]) -> Iterator[tuple[int, ...]]:
    configurations = plan.get("pretrain_plan", {}).get("configurations", {}).values()
    found = [plan.get("pretrain_patch_size"), *(each.get("patch_size") for each in configurations)]
    found.append(plan.get("recommended_downstream_patchsize"))
    return (tuple(patch) for patch in found if patch)
