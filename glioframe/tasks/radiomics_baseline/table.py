"""A table of features: one row per case, one column per feature."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

import numpy as np

from glioframe.core.errors import TaskError

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from pathlib import Path

    from numpy.typing import NDArray

CASE_COLUMN = "case_id"
CLINICAL = "clinical_"
"""What the names of covariates begin with."""
_NOT_FEATURES = ("diagnostics_",)
"""PyRadiomics writes what it did into columns that begin so."""
_MOST_NAMED = 5


@dataclass(frozen=True, kw_only=True, eq=False)
class FeatureTable:
    """Features of cases.

    Attributes:
        case_ids: The rows.
        subjects: The patient of each row: rows of one patient are never on two sides of a split.
        sites: The site of each row; empty for unknown.
        names: The columns.
        values: Float64 (n, p); NaN for missing.
    """

    case_ids: tuple[str, ...]
    subjects: tuple[str, ...]
    sites: tuple[str, ...]
    names: tuple[str, ...]
    values: NDArray[np.float64]

    def rows(self, chosen: NDArray[Any]) -> FeatureTable:
        """The rows of a boolean mask or of indices, (m,)."""
        indices = np.flatnonzero(chosen) if chosen.dtype == np.bool_ else chosen
        return replace(
            self,
            case_ids=tuple(self.case_ids[index] for index in indices),
            subjects=tuple(self.subjects[index] for index in indices),
            sites=tuple(self.sites[index] for index in indices),
            values=self.values[indices],
        )

    def columns(self, names: Sequence[str]) -> FeatureTable:
        """The columns of these names, in their order."""
        position = {name: index for index, name in enumerate(self.names)}
        return replace(self, names=tuple(names), values=self.values[:, [position[name] for name in names]])


def read_features(path: Path) -> dict[str, dict[str, float]]:
    """Reads a CSV or TSV with a column ``case_id``: features by case.

    Columns that begin with ``diagnostics_`` are left out. Empty cells are missing values.

    Raises:
        TaskError: No such file, no column ``case_id``, a case twice, or a cell that is no number.
    """
    import pandas as pd

    if not path.is_file():
        raise TaskError(path, expected="a table of features", found="no file", fix="Correct task.features")
    frame = pd.read_csv(path, sep="\t" if path.suffix == ".tsv" else ",", dtype=str, keep_default_na=False)
    if CASE_COLUMN not in frame.columns:
        raise TaskError(
            path,
            expected=f"a column {CASE_COLUMN}",
            found=", ".join(map(str, frame.columns[:_MOST_NAMED])),
            fix="Add the column, or rename the one that names the cases",
        )
    repeated = sorted(set(frame[CASE_COLUMN][frame[CASE_COLUMN].duplicated()]))
    if repeated:
        raise TaskError(
            path,
            expected="one row per case",
            found=f"more than one for {', '.join(repeated[:_MOST_NAMED])}",
            fix="Keep one row of each case",
        )
    names = [name for name in frame.columns if name != CASE_COLUMN and not name.startswith(_NOT_FEATURES)]
    columns = {name: [_number(path, name, cell) for cell in frame[name]] for name in names}
    return {case_id: {name: columns[name][row] for name in names} for row, case_id in enumerate(frame[CASE_COLUMN])}


def check_cases(path: str, features: Mapping[str, Mapping[str, float]], case_ids: Sequence[str]) -> None:
    """Every case must have a row.

    Raises:
        TaskError: Some have none.
    """
    missing = [case_id for case_id in case_ids if case_id not in features]
    if missing:
        more = f" and {len(missing) - _MOST_NAMED} more" if len(missing) > _MOST_NAMED else ""
        raise TaskError(
            path,
            expected="a row for every case",
            found=f"none for {', '.join(missing[:_MOST_NAMED])}{more}",
            fix="Add the rows (an empty cell is a missing value), or correct the case ids",
        )


def _number(path: Path, column: str, cell: str) -> float:
    text = cell.strip()
    if not text:
        return float("nan")
    try:
        value = float(text)
    except ValueError:
        raise TaskError(
            f"{path}, column {column!r}",
            expected="numbers",
            found=repr(cell),
            fix="Remove the column, or turn it into numbers",
        ) from None
    return value if np.isfinite(value) else float("nan")
