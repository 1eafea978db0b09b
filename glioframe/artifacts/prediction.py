"""``predictions.tsv``: one row per case and model. Everything that evaluates or reports reads this format.

A binary target has one row per case with the probability of its positive (last) class. A target of more
classes has one row per case and class, one class against the rest, with ``target`` = ``name=class``.
"""

from __future__ import annotations

import csv
import io
import math
from collections.abc import Sequence
from dataclasses import dataclass, fields
from pathlib import Path
from typing import cast

from glioframe.artifacts.cases import Split
from glioframe.core.errors import PredictionError
from glioframe.core.files import write_text_atomically


@dataclass(frozen=True, kw_only=True, slots=True)
class PredictionRow:
    """One probability.

    Attributes:
        case_id: The case.
        subject_id: The patient: intervals count patients, not cases.
        site: The hospital; may be empty.
        fold: Fold whose model predicted it; None for an ensemble of all folds.
        split: ``train`` for a held-out case of the cross-validation, ``external`` otherwise.
        target: ``name``, or ``name=class`` for one class of several against the rest.
        reference: 1 or 0; None where the expert's label is unknown.
        probability: Of the positive class.
        std: Standard deviation over the ensemble: folds, their members, mirrored views.
        model: Name of the model, e.g. ``recurrence_classifier/3d_cnn``.
        operating_point: Call it positive from this probability on; fixed inside the row's training fold.
    """

    case_id: str
    subject_id: str
    site: str
    fold: int | None
    split: Split
    target: str
    reference: int | None
    probability: float
    std: float
    model: str
    operating_point: float = 0.5


COLUMNS = tuple(field.name for field in fields(PredictionRow))


def save_predictions(rows: Sequence[PredictionRow], path: Path) -> None:
    """Writes the rows, sorted so that equal predictions give equal bytes."""
    ordered = sorted(rows, key=lambda row: (row.model, row.target, row.split, row.case_id))
    buffer = io.StringIO()
    writer = csv.writer(buffer, delimiter="\t", lineterminator="\n")
    writer.writerow(COLUMNS)
    for row in ordered:
        writer.writerow([_cell(getattr(row, column)) for column in COLUMNS])
    write_text_atomically(path, buffer.getvalue())


def load_predictions(path: Path) -> list[PredictionRow]:
    """Reads the rows; the column ``operating_point`` may be absent and is then 0.5.

    Raises:
        PredictionError: The file is absent or a cell is malformed.
    """
    try:
        with path.open(encoding="utf-8", newline="") as stream:
            reader = csv.DictReader(stream, delimiter="\t", restkey="", restval=None)
            missing = set(COLUMNS) - {"operating_point"} - set(reader.fieldnames or ())
            if missing:
                raise PredictionError(
                    path,
                    expected=f"the columns {', '.join(COLUMNS)}",
                    found=f"no {', '.join(sorted(missing))}",
                    fix="Add the columns, separated by tabs",
                )
            return [_row(f"{path}:{line}", cells) for line, cells in enumerate(reader, start=2)]
    except FileNotFoundError:
        raise PredictionError(
            path,
            expected="a table of predictions",
            found="no file",
            fix="Predict first, or correct the path",
        ) from None
    except UnicodeDecodeError as error:
        raise PredictionError(path, expected="UTF-8 text", found=str(error), fix="Save it as UTF-8") from None


def _row(where: str, cells: dict[str, str]) -> PredictionRow:
    if None in cells.values() or "" in cells:
        raise PredictionError(
            where,
            expected="as many cells as columns",
            found=str(len(cells)),
            fix="Separate the cells by tabs",
        )
    split = cells["split"]
    if split not in ("train", "external"):
        raise PredictionError(where, expected="split train or external", found=repr(split), fix="Correct it")
    if cells["reference"] not in ("", "0", "1"):
        raise PredictionError(
            where,
            expected="reference 0, 1 or empty",
            found=repr(cells["reference"]),
            fix="Correct it",
        )
    return PredictionRow(
        case_id=cells["case_id"],
        subject_id=cells["subject_id"],
        site=cells["site"],
        fold=_fold(where, cells["fold"]),
        split=cast("Split", split),
        target=cells["target"],
        reference=int(cells["reference"]) if cells["reference"] else None,
        probability=_number(where, "probability", cells["probability"], low=0.0, high=1.0),
        std=_number(where, "std", cells["std"] or "0", low=0.0, high=math.inf),
        model=cells["model"],
        operating_point=_number(where, "operating_point", cells.get("operating_point") or "0.5", low=0.0, high=1.0),
    )


def _fold(where: str, text: str) -> int | None:
    if not text:
        return None
    if not text.isdigit():
        raise PredictionError(where, expected="a fold number or nothing", found=repr(text), fix="Correct it")
    return int(text)


def _number(where: str, column: str, text: str, *, low: float, high: float) -> float:
    try:
        number = float(text)
    except ValueError:
        number = math.nan
    if not low <= number <= high:
        raise PredictionError(
            where,
            expected=f"{column} in [{low:g}, {high:g}]",
            found=repr(text),
            fix="Correct the cell",
        )
    return number


def _cell(value: object) -> str:
    if value is None:
        return ""
    return f"{value:.9g}" if isinstance(value, float) else str(value)
