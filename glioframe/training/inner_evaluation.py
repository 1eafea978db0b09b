"""How the averaged network does on the inner cases of a fold."""

# ruff: noqa: N803, N806 - names end in their shape: B batch, K classes

from __future__ import annotations

import math
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import numpy as np

from glioframe.evaluation.discrimination import auc

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

    from glioframe.training.gradient_types import ValidationResult


@dataclass(frozen=True, kw_only=True, slots=True)
class InnerScores:
    """Scores over the inner cases; None where undefined."""

    loss: float | None = None
    auc: float | None = None
    balanced_accuracy: float | None = None


def on_cpu(result: ValidationResult) -> ValidationResult:
    """The same off the device."""
    probabilities_BK = result.probabilities_BK
    return replace(
        result,
        loss_B=result.loss_B.float().cpu(),
        probabilities_BK=None if probabilities_BK is None else probabilities_BK.float().cpu(),
    )


def inner_scores(results: Sequence[ValidationResult], references: Sequence[int]) -> InnerScores:
    """Scores of all inner cases together.

    Args:
        results: Of the batches, in order, on the CPU; empty without inner cases.
        references: Class index of each case, in the same order; empty for a task without a target.
    """
    if not results:
        return InnerScores()
    loss = float(np.mean(np.concatenate([result.loss_B.numpy() for result in results])))
    probabilities = [result.probabilities_BK.numpy() for result in results if result.probabilities_BK is not None]
    if not (probabilities and references):
        return InnerScores(loss=loss)
    probability_BK = np.concatenate(probabilities)
    reference_B = np.asarray(references)
    return InnerScores(
        loss=loss, auc=_auc(probability_BK, reference_B), balanced_accuracy=_balanced(probability_BK, reference_B)
    )


def _auc(probability_BK: NDArray[np.float32], reference_B: NDArray[np.int64]) -> float | None:
    """The AUC of one class against the rest, averaged over the classes for which it is defined."""
    each = [auc(reference_B == index, probability_BK[:, index]) for index in range(probability_BK.shape[1])]
    defined = [value for value in each if not math.isnan(value)]
    return float(np.mean(defined)) if defined else None


def _balanced(probability_BK: NDArray[np.float32], reference_B: NDArray[np.int64]) -> float | None:
    """The mean sensitivity over classes, taking the most probable class; None with a single class."""
    classes = np.unique(reference_B)
    if len(classes) == 1:
        return None
    correct_B = probability_BK.argmax(1) == reference_B
    return float(np.mean([correct_B[reference_B == index].mean() for index in classes]))
