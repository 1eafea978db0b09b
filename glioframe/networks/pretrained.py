"""An encoder that starts from weights that were trained before, here or elsewhere."""

# ruff: noqa: N806 - names end in their shape: N tokens of one grid, F features

from __future__ import annotations

import math
from typing import TYPE_CHECKING

import torch

from glioframe.core.errors import ArtifactError
from glioframe.networks.foreign_weights import LoadedWeights, load_foreign_encoder
from glioframe.networks.lora import is_of_lora, merged_state
from glioframe.networks.token_positions import resize_positions
from glioframe.networks.vision_transformer import VisionTransformer
from glioframe.networks.weights import differences, distinct_weights, is_saved_by_glioframe, read_weights

if TYPE_CHECKING:
    from pathlib import Path

    from glioframe.core.geometry import Shape
    from glioframe.networks.encoder import Encoder

_POSITIONS = "eva.pos_embed"
_ENCODER = "encoder."
"""Under which a task's network holds its encoder."""


def load_pretrained_encoder(encoder: Encoder, path: Path, *, patch_size_vox: Shape | None = None) -> LoadedWeights:
    """Fills ``encoder`` from weights that glioframe saved, of an encoder or a network that has one, or foreign ones.

    Low-rank changes in the file are merged. Those that ``encoder`` is to learn itself stay as they are. A vision
    transformer's learned positions are interpolated, where its patch is another one.

    Args:
        encoder: To fill.
        path: A safetensors file, or a foreign checkpoint.
        patch_size_vox: Of the patches (z, y, x) that weights of ours were trained on; None for the encoder's own.

    Raises:
        ArtifactError: The file cannot be read, or holds another encoder; nothing is loaded then.
    """
    if not is_saved_by_glioframe(path):
        return load_foreign_encoder(encoder, path)
    ours = {name: value for name, value in distinct_weights(encoder).items() if not is_of_lora(name)}
    found = merged_state(read_weights(path))
    theirs = found
    if found.keys() != ours.keys():
        theirs = {name.removeprefix(_ENCODER): value for name, value in found.items() if name.startswith(_ENCODER)}
    if patch_size_vox is not None and isinstance(encoder, VisionTransformer):
        theirs = _on_the_grid_of(encoder, theirs, patch_size_vox)
    faults = differences(ours, theirs)
    if faults:
        raise ArtifactError(
            path,
            expected=f"the encoder of the plan's {type(encoder).__name__}",
            found=faults,
            fix="Plan the network that the weights were trained with",
        )
    with torch.no_grad():
        own = encoder.state_dict(keep_vars=True)
        for name, value in theirs.items():
            own[name].copy_(value)
    return LoadedWeights(
        loaded=tuple(sorted(theirs)),
        initialized=(),
        skipped=tuple(sorted(found.keys() - theirs.keys() - {_ENCODER + name for name in theirs})),
    )


def _on_the_grid_of(
    encoder: VisionTransformer, theirs: dict[str, torch.Tensor], patch_size_vox: Shape
) -> dict[str, torch.Tensor]:
    grid = encoder.grid_of(patch_size_vox)
    positions_1NF = theirs.get(_POSITIONS)
    if positions_1NF is None or positions_1NF.shape[1] != math.prod(grid):
        return theirs
    return theirs | {_POSITIONS: resize_positions(positions_1NF, grid, encoder.grid)}
