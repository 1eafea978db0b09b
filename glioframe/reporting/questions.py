"""Rows of predictions, sorted into what was asked and what was answered for each case."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

if TYPE_CHECKING:
    from collections.abc import Sequence

    from glioframe.artifacts.cases import Split
    from glioframe.artifacts.dataset import DatasetDescription
    from glioframe.artifacts.prediction import PredictionRow

UNNAMED_CLASSES = ("negative", "positive")
_WORST_FIRST = ("wrong", "right", "unknown")


@dataclass(frozen=True, kw_only=True)
class Question:
    """One target put to one model.

    Attributes:
        model: Name of the model.
        target: Name of the target.
        classes: Of two, the last is the positive one.
        is_binary: Whether a case has one row; otherwise it has one per class.
        rows: All of it.
    """

    model: str
    target: str
    classes: tuple[str, ...]
    is_binary: bool
    rows: tuple[PredictionRow, ...]

    @property
    def parts(self) -> tuple[tuple[str, str, str], ...]:
        """(target in the rows, negative class, positive class) of each two-class comparison."""
        if self.is_binary:
            return ((self.target, self.classes[0], self.classes[1]),)
        return tuple((f"{self.target}={name}", "the rest", name) for name in self.classes)


@dataclass(frozen=True, kw_only=True)
class CaseAnswer:
    """What the model said of one case.

    Attributes:
        case_id: The case.
        subject_id: The patient.
        site: The hospital.
        split: Cross-validated or external.
        fold: Whose model said it; None for all folds together.
        probabilities: (class, probability), the positive class alone for two classes.
        std: Largest standard deviation over the ensemble.
        operating_point: Of the positive class; None for several classes.
        reference: The expert's class; empty where unknown.
        call: The class called.
        error: 1 minus the probability of the reference class; 0 where unknown.
    """

    case_id: str
    subject_id: str
    site: str
    split: Split
    fold: int | None
    probabilities: tuple[tuple[str, float], ...]
    std: float
    operating_point: float | None
    reference: str
    call: str
    error: float

    @property
    def verdict(self) -> Literal["right", "wrong", "unknown"]:
        """Whether the call is the reference."""
        if not self.reference:
            return "unknown"
        return "right" if self.call == self.reference else "wrong"


def questions_in(rows: Sequence[PredictionRow], description: DatasetDescription | None) -> list[Question]:
    """The questions, in the order in which they appear."""
    declared = {target.name: target.classes for target in description.targets} if description else {}
    asked: dict[tuple[str, str], list[PredictionRow]] = {}
    for row in rows:
        asked.setdefault((row.model, row.target.partition("=")[0]), []).append(row)
    questions = []
    for (model, target), own in asked.items():
        is_binary = own[0].target == target
        found = UNNAMED_CLASSES if is_binary else tuple(dict.fromkeys(row.target.partition("=")[2] for row in own))
        classes = declared.get(target, found)
        if set(found) != set(classes) and not is_binary:
            classes = found
        questions.append(Question(model=model, target=target, classes=classes, is_binary=is_binary, rows=tuple(own)))
    return questions


def answers_to(question: Question) -> list[CaseAnswer]:
    """One answer per case: wrong calls first, the surest error foremost."""
    of_case: dict[tuple[str, str], list[PredictionRow]] = {}
    for row in question.rows:
        of_case.setdefault((row.split, row.case_id), []).append(row)
    answer = _binary_answer if question.is_binary else _class_answer
    answers = [answer(question, rows) for rows in of_case.values()]
    return sorted(answers, key=lambda found: (_WORST_FIRST.index(found.verdict), -found.error, found.case_id))


def _binary_answer(question: Question, rows: Sequence[PredictionRow]) -> CaseAnswer:
    row = rows[0]
    return CaseAnswer(
        case_id=row.case_id,
        subject_id=row.subject_id,
        site=row.site,
        split=row.split,
        fold=row.fold,
        probabilities=((question.classes[1], row.probability),),
        std=row.std,
        operating_point=row.operating_point,
        reference="" if row.reference is None else question.classes[row.reference],
        call=question.classes[int(row.probability >= row.operating_point)],
        error=0.0 if row.reference is None else abs(row.reference - row.probability),
    )


def _class_answer(question: Question, rows: Sequence[PredictionRow]) -> CaseAnswer:
    first = rows[0]
    probability = {row.target.partition("=")[2]: row.probability for row in rows}
    reference = next((row.target.partition("=")[2] for row in rows if row.reference), "")
    return CaseAnswer(
        case_id=first.case_id,
        subject_id=first.subject_id,
        site=first.site,
        split=first.split,
        fold=first.fold,
        probabilities=tuple((name, probability[name]) for name in question.classes if name in probability),
        std=max(row.std for row in rows),
        operating_point=None,
        reference=reference,
        call=max(probability, key=lambda name: probability[name]),
        error=1 - probability[reference] if reference else 0.0,
    )
