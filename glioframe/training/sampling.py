"""Which cases make up which batch."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from glioframe.core.seeds import derive_seed

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence


def class_balanced_weights(case_ids: Sequence[str], classes: Mapping[str, int]) -> list[float]:
    """A weight per case that gives every class the same total."""
    indices = [classes[case_id] for case_id in case_ids]
    return [1.0 / indices.count(index) for index in indices]


def draw_epoch(
    case_ids: Sequence[str], weights: Sequence[float], *, num_batches: int, batch_size: int, seed: int
) -> list[tuple[str, ...]]:
    """The batches of one epoch: each case as often as its weight says, give or take one.

    Systematic resampling: the cases are laid side by side in random order, each as wide as its weight, and picked
    at equal distances. Independent draws would leave a third of a small cohort out of most epochs.

    Args:
        case_ids: To draw from.
        weights: One per case, of any common scale.
        num_batches: Optimizer steps of the epoch.
        batch_size: Cases of each.
        seed: Of this epoch.
    """
    rng = np.random.default_rng(derive_seed(seed, "draw_epoch"))
    order = rng.permutation(len(case_ids))
    right_edges = np.cumsum(np.asarray(weights, dtype=np.float64)[order])
    num_draws = num_batches * batch_size
    marks = (rng.random() + np.arange(num_draws)) / num_draws * right_edges[-1]
    places = np.minimum(np.searchsorted(right_edges, marks, side="right"), len(case_ids) - 1)
    drawn = rng.permutation(order[places])
    return [tuple(case_ids[index] for index in row) for row in drawn.reshape(num_batches, batch_size)]
