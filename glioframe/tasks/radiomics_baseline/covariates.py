"""Clinical columns of cases.tsv as features."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

from glioframe.core.errors import TaskError
from glioframe.tasks.radiomics_baseline.table import CLINICAL

if TYPE_CHECKING:
    from glioframe.artifacts.cases import Case
    from glioframe.tasks.radiomics_baseline.settings import Settings


def covariate_features(case: Case | None, settings: Settings) -> dict[str, float]:
    """Numbers as they are; a declared category as one column of 0 and 1 for each value but the first.

    An empty cell, and a case without a row, are missing values.

    Raises:
        TaskError: A column is absent, or a cell is neither a number nor a declared category.
    """
    features: dict[str, float] = {}
    for column in settings.covariates:
        cell = _cell(case, column)
        categories = settings.categories.get(column)
        if categories is None:
            features[f"{CLINICAL}{column}"] = _number(case, column, cell)
            continue
        if cell and cell not in categories:
            raise _wrong(case, column, cell, expected=f"one of {', '.join(categories)}, or empty")
        for category in categories[1:]:
            features[f"{CLINICAL}{column}={category}"] = float(cell == category) if cell else math.nan
    return features


def _cell(case: Case | None, column: str) -> str:
    if case is None:
        return ""
    if column == "weight_kg":
        return "" if case.weight_kg is None else f"{case.weight_kg!r}"
    if column not in case.covariates:
        raise TaskError(
            "cases.tsv",
            expected=f"a column {column}, as task.covariates names it",
            found=", ".join(sorted(case.covariates)) or "no covariates",
            fix="Correct the name, or add the column",
        )
    return case.covariates[column]


def _number(case: Case | None, column: str, cell: str) -> float:
    if not cell:
        return math.nan
    try:
        value = float(cell)
    except ValueError:
        value = math.inf
    if not math.isfinite(value):
        raise _wrong(case, column, cell, expected="a number, or empty")
    return value


def _wrong(case: Case | None, column: str, cell: str, *, expected: str) -> TaskError:
    return TaskError(
        f"cases.tsv, {case.case_id if case else 'case'}, column {column}",
        expected=expected,
        found=repr(cell),
        fix=f'Correct the cell, or declare its values: --set task.categories={{"{column}": [...]}}',
    )
