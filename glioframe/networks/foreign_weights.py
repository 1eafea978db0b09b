"""Weights that others pretrained: encoders of nnssl and nnU-Net, brought into ours.

A checkpoint holds more than an encoder (a decoder, a head), under names that its adaptation plan tells. The encoder's
tensors must fit ours one by one: a network that starts from half of its weights looks as if it were pretrained.
"""

from __future__ import annotations

import json
import pickle
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal, TypeAlias, cast

import safetensors
import torch
from safetensors.torch import load_file

from glioframe.core.errors import ArtifactError
from glioframe.networks.residual_encoder import ResidualEncoderNetwork
from glioframe.networks.token_positions import resize_positions
from glioframe.networks.vision_transformer import VisionTransformer

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    from glioframe.core.geometry import Shape

State: TypeAlias = dict[str, torch.Tensor]
TokenOrder: TypeAlias = Literal["zyx", "yzx"]
"""Which axis of the token grid is slowest, ..., fastest. Ours is ``zyx``; nnssl's Primus, but for SimMIM, ``yzx``."""

_OURS_ALONE = ("register_tokens", "channel_embedding")
"""Parts of a vision transformer that a foreign one may lack; they stay as initialized."""
_PREFIXES = {
    ResidualEncoderNetwork: ("encoder.stages", "encoder.stem"),
    VisionTransformer: ("eva", "down_projection"),
}
"""Of trunk and stem, in ours and in most of theirs."""
_WRAPPERS = ("module.", "_orig_mod.")
"""What parallel training and compilation put before every name."""
_MOST_NAMES_SHOWN = 3


@dataclass(frozen=True, kw_only=True, slots=True)
class LoadedWeights:
    """What became of a foreign checkpoint.

    Attributes:
        loaded: Tensors of our encoder that hold foreign values now.
        initialized: Tensors of our encoder that the checkpoint says nothing about.
        skipped: Tensors of the checkpoint that are no part of an encoder.
        token_order: In which the checkpoint numbers tokens; None for a residual encoder.
    """

    loaded: tuple[str, ...]
    initialized: tuple[str, ...]
    skipped: tuple[str, ...]
    token_order: TokenOrder | None


@dataclass(frozen=True, kw_only=True, slots=True)
class _Checkpoint:
    """A foreign file, as it is."""

    path: Path
    state: State
    adaptation_plan: Mapping[str, Any]
    trainer: str
