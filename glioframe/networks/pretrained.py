"""An encoder that starts from weights that were trained before, here or elsewhere."""

from __future__ import annotations

from typing import TYPE_CHECKING

import torch

from glioframe.core.errors import ArtifactError
from glioframe.networks.foreign_weights import LoadedWeights, load_foreign_encoder
from glioframe.networks.lora import is_of_lora, merged_state
from glioframe.networks.weights import differences, distinct_weights, is_saved_by_glioframe, read_weights

if TYPE_CHECKING:
    from pathlib import Path

    from glioframe.networks.encoder import Encoder

_ENCODER = "encoder."
"""Under which a task's network holds its encoder."""


def load_pretrained_encoder(encoder: Encoder, path: Path) -> LoadedWeights:
    """Fills ``encoder`` from weights that glioframe saved, of an encoder or a network that has one, or foreign ones.

    Low-rank changes in the file are merged. Those that ``encoder`` is to learn itself stay as they are.

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
