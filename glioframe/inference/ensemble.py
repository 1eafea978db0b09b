"""Views of one case for test-time augmentation, and how the members of an ensemble are combined."""

# ruff: noqa: N803 - names end in their shape: C channels, Z Y X space

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import torch

from glioframe.task_api.task import CasePrediction

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray
    from torch import Tensor

LEFT_RIGHT = -1
"""Axis x of (..., z, y, x) arrays. The brain's only near symmetry: the other axes are never mirrored."""


def mirrored_views(image_CZYX: Tensor, *, mirror: bool = True) -> Tensor:
    """The views (v, c, z, y, x) of an image that test-time augmentation predicts: itself and its mirror image."""
    if not mirror:
        return image_CZYX[None]
    return torch.stack([image_CZYX, image_CZYX.flip(LEFT_RIGHT)])


def mean_probabilities(members: Sequence[Sequence[float]]) -> tuple[float, ...]:
    """One probability per class: the mean over members, each with one probability per class."""
    mean: NDArray[np.float64] = np.asarray(members, dtype=np.float64).mean(axis=0)
    return tuple(mean.tolist())


def ensemble(predictions: Sequence[CasePrediction]) -> CasePrediction:
    """The mean over an ensemble's members; the spread is taken over all members of all parts."""
    members = tuple(member for part in predictions for member in (part.member_probabilities or (part.probabilities,)))
    mean = mean_probabilities([part.probabilities for part in predictions])
    return CasePrediction(probabilities=mean, member_probabilities=members)


def spread(members: Sequence[Sequence[float]]) -> tuple[float, ...]:
    """Standard deviation of each class's probability over the members (population; 0 for one member)."""
    std: NDArray[np.float64] = np.asarray(members, dtype=np.float64).std(axis=0)
    return tuple(std.tolist())
