"""From what a task says of cases to rows of ``predictions.tsv``."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

from glioframe.artifacts.prediction import PredictionRow

if TYPE_CHECKING:
    from collections.abc import Sequence

    from glioframe.artifacts.cases import Case
    from glioframe.artifacts.dataset import Target
    from glioframe.task_api.task import CasePrediction


def ensemble(predictions: Sequence[CasePrediction]) -> CasePrediction:
    """The mean over an ensemble's members; the spread is taken over all members of all parts."""
    from glioframe.task_api.task import CasePrediction

    members = tuple(member for part in predictions for member in (part.member_probabilities or (part.probabilities,)))
    num_classes = len(predictions[0].probabilities)
    mean = tuple(
        math.fsum(part.probabilities[k] for part in predictions) / len(predictions) for k in range(num_classes)
    )
    return CasePrediction(probabilities=mean, member_probabilities=members)


def prediction_rows(
    case: Case, prediction: CasePrediction, target: Target, *, model: str, fold: int | None, operating_point: float
) -> list[PredictionRow]:
    """One row for a binary target; one per class, one against the rest, for more classes.

    One-against-the-rest rows are called positive from an even share of the probability on.
    """
    value = case.targets.get(target.name)
    positives = [target.classes[-1]] if target.is_binary else list(target.classes)
    rows = []
    for positive in positives:
        index = target.class_index(positive)
        rows.append(
            PredictionRow(
                case_id=case.case_id,
                subject_id=case.subject_id,
                site=case.site,
                fold=fold,
                split=case.split,
                target=target.name if target.is_binary else f"{target.name}={positive}",
                reference=None if value is None else int(value == positive),
                probability=_probability(prediction.probabilities[index]),
                std=_standard_deviation([member[index] for member in prediction.member_probabilities]),
                model=model,
                operating_point=operating_point if target.is_binary else 1 / len(target.classes),
            )
        )
    return rows


def _probability(value: float) -> float:
    # Rounding in a softmax may step over 1 by an ulp.
    return min(max(value, 0.0), 1.0)


def _standard_deviation(values: Sequence[float]) -> float:
    if not values:
        return 0.0
    mean = math.fsum(values) / len(values)
    return math.sqrt(math.fsum((value - mean) ** 2 for value in values) / len(values))
