"""From what a task says of cases to rows of ``predictions.tsv``."""

from __future__ import annotations

from typing import TYPE_CHECKING

from glioframe.artifacts.prediction import PredictionRow
from glioframe.inference.ensemble import spread

if TYPE_CHECKING:
    from glioframe.artifacts.cases import Case
    from glioframe.artifacts.dataset import Target
    from glioframe.task_api.task import CasePrediction


def prediction_rows(
    case: Case, prediction: CasePrediction, target: Target, *, model: str, fold: int | None, operating_point: float
) -> list[PredictionRow]:
    """One row for a binary target; one per class, one against the rest, for more classes.

    One-against-the-rest rows are called positive from an even share of the probability on.
    """
    value = case.targets.get(target.name)
    positives = [target.classes[-1]] if target.is_binary else list(target.classes)
    std = spread(prediction.member_probabilities or (prediction.probabilities,))
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
                std=std[index],
                model=model,
                operating_point=operating_point if target.is_binary else 1 / len(target.classes),
            )
        )
    return rows


def _probability(value: float) -> float:
    # Rounding in a softmax may step over 1 by an ulp.
    return min(max(value, 0.0), 1.0)
