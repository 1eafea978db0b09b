"""``splits_final.json``: nnU-Net's list of folds, each {"train": [case ids], "val": [case ids]}."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, ClassVar

from glioframe.artifacts.cases import Case
from glioframe.artifacts.json_file import STRICT, parse, read_json
from glioframe.core.errors import ArtifactError
from glioframe.core.files import sha256_of_text, write_text_atomically


@dataclass(frozen=True, kw_only=True, slots=True)
class Fold:
    """One fold of a cross-validation.

    Attributes:
        train: Case ids to learn from.
        val: Case ids to predict once and never learn from.
    """

    __pydantic_config__: ClassVar[dict[str, Any]] = STRICT
    train: tuple[str, ...]
    val: tuple[str, ...]


def load_splits(path: Path) -> list[Fold]:
    """Reads the folds.

    Raises:
        ArtifactError: The file is malformed, or a case is in both parts of one fold.
    """
    content = read_json(path)
    if not isinstance(content, list):
        raise ArtifactError(
            path,
            expected="a list of folds",
            found=type(content).__name__,
            fix="Run the planning step again",
        )
    folds = [parse(Fold, item, where=f"{path}, fold {index}") for index, item in enumerate(content)]
    for index, fold in enumerate(folds):
        shared = sorted(set(fold.train) & set(fold.val))
        if shared:
            raise ArtifactError(
                f"{path}, fold {index}",
                expected="no case in both train and val",
                found=", ".join(shared),
                fix="Remove them from one of the two, or plan again",
            )
    return folds


def check_folds(folds: Sequence[Fold], training_cases: Sequence[Case], *, where: Path) -> None:
    """Refuses folds that leak, or that do not fit the training cases.

    Raises:
        ArtifactError: A subject is on both sides of a fold, a case is validated twice or never, or is no training case.
    """
    subjects = {case.case_id: case.subject_id for case in training_cases}
    for index, fold in enumerate(folds):
        strangers = sorted({*fold.train, *fold.val} - set(subjects))
        if strangers:
            raise _unfit(f"{where}, fold {index}", "training cases of cases.tsv only", ", ".join(strangers))
        shared = sorted({subjects[case_id] for case_id in fold.train} & {subjects[case_id] for case_id in fold.val})
        if shared:
            raise _unfit(f"{where}, fold {index}", "no subject in both train and val", ", ".join(shared))
    times = Counter(case_id for fold in folds for case_id in fold.val)
    uneven = sorted(case_id for case_id in subjects if times[case_id] != 1)
    if uneven:
        found = ", ".join(f"{case_id} in {times[case_id]}" for case_id in uneven)
        raise _unfit(str(where), "every training case in val of exactly one fold", found)


def _unfit(where: str, expected: str, found: str) -> ArtifactError:
    fix = "Mend the folds, or remove the file and run glioframe_plan_and_preprocess to draw new ones"
    return ArtifactError(where, expected=expected, found=found, fix=fix)


def save_splits(folds: Sequence[Fold], path: Path) -> None:
    """Writes the folds so that nnU-Net reads them too."""
    write_text_atomically(path, splits_text(folds))


def splits_text(folds: Sequence[Fold]) -> str:
    """The text of ``splits_final.json``."""
    import json

    return json.dumps([{"train": list(fold.train), "val": list(fold.val)} for fold in folds], indent=2) + "\n"


def splits_hash(folds: Sequence[Fold]) -> str:
    """SHA-256 that two models share exactly when they were evaluated on the same folds."""
    return sha256_of_text(splits_text(folds))
