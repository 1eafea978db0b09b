"""What the number of subjects and classes allows: folds, and a held-out share inside each fold."""

from __future__ import annotations

from typing import TYPE_CHECKING

from glioframe.core.errors import PlanError
from glioframe.planning.reasons import Chosen

if TYPE_CHECKING:
    from glioframe.artifacts.fingerprint import Fingerprint

_FOLDS = 5
_FEWEST_FOLDS = 2
_INNER_FRACTION = 0.2
_FEWEST_INNER_CASES = 4


def smallest_class(fingerprint: Fingerprint) -> tuple[str, int] | None:
    """Name and size of the smallest class of the target whose smallest class is largest; None without targets.

    One target that is known for few cases only shall not cost the others their folds.
    """
    smallest = []
    for target, counts in sorted(fingerprint.class_counts.items()):
        known = {name: count for name, count in counts.items() if name and count}
        if known:
            name = min(known, key=lambda each: (known[each], each))
            smallest.append((known[name], f"{target}={name}"))
    if not smallest:
        return None
    count, name = max(smallest, key=lambda each: each[0])
    return name, count


def choose_num_folds(fingerprint: Fingerprint) -> Chosen[int]:
    """Five, or as many as the smallest class has cases.

    Raises:
        PlanError: Fewer than two training subjects.
    """
    if fingerprint.num_subjects < _FEWEST_FOLDS:
        raise PlanError(
            fingerprint.dataset_name,
            expected=f"at least {_FEWEST_FOLDS} training subjects",
            found=str(fingerprint.num_subjects),
            fix="Add cases with split train to cases.tsv",
        )
    smallest = smallest_class(fingerprint)
    name, count = smallest or ("subjects", fingerprint.num_subjects)
    num_folds = max(_FEWEST_FOLDS, min(_FOLDS, count, fingerprint.num_subjects))
    if num_folds == _FOLDS:
        return Chosen(num_folds, f"The smallest class, {name}, has {count} cases: enough for {_FOLDS} folds.")
    return Chosen(
        num_folds,
        f"The smallest class, {name}, has only {count} cases, so {num_folds} folds instead of {_FOLDS}: every fold "
        "needs some of it to validate on.",
    )


def training_fold_size(num_subjects: int, num_folds: int) -> int:
    """Subjects that a fold learns from."""
    return max(1, num_subjects * (num_folds - 1) // num_folds)


def choose_inner_fraction(fingerprint: Fingerprint, num_folds: int) -> Chosen[float]:
    """A fifth of the training fold, where that still holds a few cases of every class; else nothing."""
    smallest = smallest_class(fingerprint)
    if smallest is None:
        return Chosen(_INNER_FRACTION, f"Without classes {_INNER_FRACTION:.0%} of each training fold watch the loss.")
    name, count = smallest
    inner = _INNER_FRACTION * training_fold_size(count, num_folds)
    if inner >= _FEWEST_INNER_CASES:
        return Chosen(
            _INNER_FRACTION,
            f"{_INNER_FRACTION:.0%} of each training fold, about {inner:.0f} cases of the smallest class, {name}, are "
            "held out to set the operating point without touching the fold's validation cases.",
        )
    return Chosen(
        0.0,
        f"A fifth of a training fold would hold about {inner:.1f} cases of {name}: too few to set an operating point "
        "by, and missed in training. So all of the fold is learned from, and the operating point stays 0.5.",
    )
