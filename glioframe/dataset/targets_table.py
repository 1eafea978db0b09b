"""The table that a person writes to go with a folder of images: cases, subjects, sites, splits and targets."""

from __future__ import annotations

import csv
import io
from dataclasses import dataclass
from typing import TYPE_CHECKING, cast

from glioframe.artifacts.cases import NUMBER_COLUMNS, REQUIRED_COLUMNS, Case, positive_number
from glioframe.artifacts.dataset import MIN_CLASSES, Target
from glioframe.core.errors import DatasetError

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence
    from pathlib import Path

    from glioframe.artifacts.cases import Split


@dataclass(frozen=True, kw_only=True)
class TargetsTable:
    """A table of cases, read.

    Attributes:
        cases: In file order.
        targets: One per column that is not otherwise known.
    """

    cases: tuple[Case, ...]
    targets: tuple[Target, ...]


def read_targets_table(
    path: Path,
    *,
    classes: Mapping[str, Sequence[str]],
    covariates: Sequence[str] = (),
    subject_of: Callable[[str], str] = str,
) -> TargetsTable:
    """Reads a tab-separated table whose only required column is ``case_id``.

    Args:
        path: The table.
        classes: The classes of a target in order, the positive one last; of other targets, the values sorted.
        covariates: Columns to carry along that are no targets.
        subject_of: Gives the subject of a case where the column subject_id is absent or empty.

    Raises:
        DatasetError: The table is no such table, with the line at fault.
    """
    header, rows = _read_rows(path)
    for column in (*classes, *covariates):
        if column not in header:
            raise DatasetError(
                path, expected=f"a column {column}", found=", ".join(header), fix="Correct the option or the table"
            )
    known = {*REQUIRED_COLUMNS, *NUMBER_COLUMNS, *covariates}
    names = [column for column in header if column not in known]
    targets = tuple(_target(path, name, [row[name] for _, row in rows], classes.get(name)) for name in names)
    cases: dict[str, Case] = {}
    for where, row in rows:
        case = _case(where, row, targets, covariates, subject_of)
        if case.case_id in cases:
            raise DatasetError(
                where, expected="a new case_id", found=repr(case.case_id), fix="Remove one of the two rows"
            )
        cases[case.case_id] = case
    return TargetsTable(cases=tuple(cases.values()), targets=targets)


def _read_rows(path: Path) -> tuple[list[str], list[tuple[str, dict[str, str]]]]:
    try:
        lines = list(csv.reader(io.StringIO(path.read_text(encoding="utf-8-sig")), delimiter="\t"))
    except (UnicodeDecodeError, csv.Error) as error:
        raise DatasetError(
            path, expected="a tab-separated table in UTF-8", found=str(error), fix="Save it as such"
        ) from None
    header = [column.strip() for column in lines[0]] if lines else []
    if "case_id" not in header or len(set(header)) != len(header) or not all(header):
        raise DatasetError(
            path,
            expected="tab-separated columns with different names, one of them case_id",
            found=", ".join(header) or "an empty table",
            fix="Correct the first line",
        )
    rows = []
    for number, cells in enumerate(lines[1:], start=2):
        if not any(cells):
            continue
        if len(cells) != len(header):
            raise DatasetError(
                f"{path}:{number}",
                expected=f"{len(header)} cells",
                found=str(len(cells)),
                fix="Separate the cells by single tabs",
            )
        row = {column: cell.strip() for column, cell in zip(header, cells, strict=True)}
        rows.append((f"{path}:{number}", row))
    if not rows:
        raise DatasetError(path, expected="one row per case", found="no row", fix="Add the cases")
    return header, rows


def _target(path: Path, name: str, values: Sequence[str], classes: Sequence[str] | None) -> Target:
    occurring = sorted({value for value in values if value})
    undeclared = [value for value in occurring if classes is not None and value not in classes]
    if undeclared:
        raise DatasetError(
            f"{path}, column {name}",
            expected=f"{', '.join(classes or ())} or empty cells",
            found=", ".join(undeclared),
            fix="Correct the cells, or name every class in --classes",
        )
    target = Target(name=name, classes=tuple(classes or occurring))
    if len(set(target.classes)) < MIN_CLASSES:
        raise DatasetError(
            f"{path}, column {name}",
            expected="two or more classes, because a column of another name is a target",
            found=", ".join(target.classes) or "empty cells only",
            fix="Name the classes in --classes, name the column in --covariates, or remove it",
        )
    return target


def _case(
    where: str,
    row: Mapping[str, str],
    targets: Sequence[Target],
    covariates: Sequence[str],
    subject_of: Callable[[str], str],
) -> Case:
    case_id, split = row["case_id"], row.get("split") or "train"
    if not case_id:
        raise DatasetError(where, expected="a case_id", found="an empty cell", fix="Fill it in")
    if split not in ("train", "external"):
        raise DatasetError(where, expected="split train or external", found=repr(split), fix="Correct the column split")
    return Case(
        case_id=case_id,
        subject_id=row.get("subject_id") or subject_of(case_id),
        session_id=row.get("session_id", ""),
        site=row.get("site", ""),
        split=cast("Split", split),
        weight_kg=positive_number(where, "weight_kg", row),
        injected_activity_bq=positive_number(where, "injected_activity_bq", row),
        targets={target.name: row[target.name] or None for target in targets},
        covariates={column: row[column] for column in covariates},
    )
