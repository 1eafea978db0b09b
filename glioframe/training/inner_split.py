"""Splits a training fold once more, by subject, so that watching it costs the validation cases nothing."""

from __future__ import annotations

import random
from typing import TYPE_CHECKING, NamedTuple

from glioframe.core.seeds import derive_seed

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from glioframe.artifacts.cases import Case

_FEWEST_TO_SHARE = 3
"""A class of fewer subjects is needed whole for fitting."""


class InnerSplit(NamedTuple):
    """Case ids of the two parts of a training fold.

    Attributes:
        fit: To descend the gradient on.
        inner: To watch the loss and to choose the operating point on.
    """

    fit: tuple[str, ...]
    inner: tuple[str, ...]


def split_inner(cases: Sequence[Case], classes: Mapping[str, int], *, fraction: float, seed: int) -> InnerSplit:
    """Holds out ``fraction`` of the subjects of each class, at least one where the class has three or more.

    Args:
        cases: The training cases of a fold; their order does not matter.
        classes: Class index by case id; empty for a task without a target.
        fraction: Of the subjects; 0 holds out nobody.
        seed: Of the draw.
    """
    class_of_subject: dict[str, int] = {}
    for case in cases:
        # A subject with visits of several classes counts for the highest.
        known = class_of_subject.get(case.subject_id, 0)
        class_of_subject[case.subject_id] = max(known, classes.get(case.case_id, 0))
    inner_subjects: set[str] = set()
    for class_index in sorted(set(class_of_subject.values())):
        subjects = sorted(subject for subject, its_class in class_of_subject.items() if its_class == class_index)
        if fraction > 0 and len(subjects) >= _FEWEST_TO_SHARE:
            random.Random(derive_seed(seed, "inner_split", class_index)).shuffle(subjects)  # noqa: S311 - no secret
            inner_subjects.update(subjects[: max(1, round(fraction * len(subjects)))])
    return InnerSplit(
        fit=tuple(sorted(case.case_id for case in cases if case.subject_id not in inner_subjects)),
        inner=tuple(sorted(case.case_id for case in cases if case.subject_id in inner_subjects)),
    )
