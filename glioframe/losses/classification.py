"""Losses of case-level classification."""

# ruff: noqa: N803, N806 - names end in their shape: B batch, K classes

from __future__ import annotations

from typing import TYPE_CHECKING

import torch
from torch.nn import functional

if TYPE_CHECKING:
    from collections.abc import Sequence

    from torch import Tensor


def weighted_cross_entropy(
    logits_BK: Tensor, target_B: Tensor, *, class_weights: Sequence[float] | None = None, label_smoothing: float = 0.0
) -> Tensor:
    """Cross entropy of each case (b,), times the weight of its class.

    Args:
        logits_BK: One score per case and class.
        target_B: Class indices.
        class_weights: One per class; None for 1. The mean of the result over cases that hold every class as often
            as the weights expect (see :func:`inverse_frequency_weights`) is then the mean over classes. The weights
            are not renormalized within a batch, so that a case counts the same whatever its neighbors are.
        label_smoothing: Share of the reference's certainty that is spread evenly over all classes.
    """
    log_probabilities_BK = functional.log_softmax(logits_BK.float(), dim=1)
    certain_B = -log_probabilities_BK.gather(1, target_B[:, None]).squeeze(1)
    uniform_B = -log_probabilities_BK.mean(dim=1)
    loss_B = (1 - label_smoothing) * certain_B + label_smoothing * uniform_B
    if class_weights is None:
        return loss_B
    weight_K = torch.tensor(class_weights, dtype=loss_B.dtype, device=loss_B.device)
    return loss_B * weight_K[target_B]


def inverse_frequency_weights(counts: Sequence[int]) -> tuple[float, ...]:
    """A weight per class that makes every class count the same in total; 1 on average over the cases.

    A class without a case gets 0: nothing is learned about it either way.
    """
    present = sum(count > 0 for count in counts)
    return tuple(sum(counts) / (present * count) if count else 0.0 for count in counts)
