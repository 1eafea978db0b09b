"""What a training step sees."""

# ruff: noqa: N815 - names end in their shape: B batch, C channels, Z Y X space

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import torch


@dataclass(frozen=True, kw_only=True)
class Batch:
    """Patches of some cases, on the device.

    Attributes:
        image_BCZYX: Float32; absent channels are zero.
        presence_BC: Which channels each case has, as far as the network may know.
        target_B: Class indices; None for a task without a target.
        case_ids: One per patch.
    """

    image_BCZYX: torch.Tensor
    presence_BC: torch.Tensor
    target_B: torch.Tensor | None
    case_ids: tuple[str, ...]
