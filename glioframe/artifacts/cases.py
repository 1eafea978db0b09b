"""``cases.tsv``: one row per case, with subject, session, site, split, doses and targets."""

from __future__ import annotations

import csv
import io
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal, cast

from glioframe.artifacts.dataset import DatasetDescription
from glioframe.core.errors import DatasetError
from glioframe.core.files import write_text_atomically

Split = Literal["train", "external"]

REQUIRED_COLUMNS = ("case_id", "subject_id", "session_id", "site", "split")
NUMBER_COLUMNS = ("weight_kg", "injected_activity_bq")
_FILE_NAME_CHARACTERS = frozenset("abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789-_.")


@dataclass(frozen=True, kw_only=True, slots=True)
class Case:
    """One session of one subject, as one sample.

    Attributes:
        case_id: Unique; the start of the case's file names.
        subject_id: The patient. Splits are always by subject.
        session_id: The visit; empty when there is only one.
        site: The hospital; empty for unknown.
        split: ``train`` takes part in cross-validation; ``external`` is never seen before evaluation.
        weight_kg: Body weight.
        injected_activity_bq: Injected activity at injection time.
        targets: Class name by target; None where unknown.
        covariates: The other columns, as text.
    """

    case_id: str
    subject_id: str
    session_id: str = ""
    site: str = ""
    split: Split = "train"
    weight_kg: float | None = None
    injected_activity_bq: float | None = None
    targets: dict[str, str | None] = field(default_factory=dict)
    covariates: dict[str, str] = field(default_factory=dict)


def load_cases(path: Path, description: DatasetDescription) -> list[Case]:
    """Reads ``cases.tsv`` in file order.

    Raises:
        DatasetError: With the first fault; :func:`read_cases` gives all of them.
    """
    cases, faults = read_cases(path, description)
    if faults:
        raise faults[0]
    return cases


def read_cases(path: Path, description: DatasetDescription) -> tuple[list[Case], list[DatasetError]]:
    """Reads what is legal of ``cases.tsv``, and every fault in it.

    A case with a faulty row is left out. Without readable columns no case is returned.
    """
    try:
        header, rows = _table(path)
    except DatasetError as fault:
        return [], [fault]
    faults = _header_faults(path, header, description)
    if faults:
        return [], faults
    cases: list[Case] = []
    line_of: dict[str, int] = {}
    for line, cells in rows:
        try:
            case = _case(path, line, header, cells, description)
        except DatasetError as fault:
            faults.append(fault)
            continue
        if case.case_id in line_of:
            faults.append(_repeated_case(f"{path}:{line}", case.case_id, line_of[case.case_id]))
            continue
        line_of[case.case_id] = line
        cases.append(case)
    if not cases and not faults:
        faults.append(DatasetError(path, expected="one row per case", found="no row", fix="Add the cases"))
    return cases, faults


def load_references(path: Path, description: DatasetDescription) -> dict[str, dict[str, str | None]]:
    """Class names by case and target, from a table with ``case_id`` and one or more target columns.

    Raises:
        DatasetError: The table cannot be read, lacks such columns, repeats a case or holds an unknown class.
    """
    header, rows = _table(path)
    targets = [target for target in description.targets if target.name in header]
    if "case_id" not in header or not targets:
        names = " or ".join(target.name for target in description.targets)
        raise _missing_column(path, f"case_id and a column {names}", header, fix="Add them (tab-separated)")
    references: dict[str, dict[str, str | None]] = {}
    line_of: dict[str, int] = {}
    for line, cells in rows:
        row = _row(f"{path}:{line}", header, cells)
        if row["case_id"] in line_of:
            raise _repeated_case(f"{path}:{line}", row["case_id"], line_of[row["case_id"]])
        line_of[row["case_id"]] = line
        references[row["case_id"]] = {
            target.name: _class(f"{path}:{line}", target.name, target.classes, row) for target in targets
        }
    return references


def save_cases(cases: Sequence[Case], path: Path, description: DatasetDescription) -> None:
    """Writes ``cases.tsv`` with every target and covariate as a column."""
    targets = [target.name for target in description.targets]
    covariates = sorted({name for case in cases for name in case.covariates})
    buffer = io.StringIO()
    writer = csv.writer(buffer, delimiter="\t", lineterminator="\n")
    writer.writerow([*REQUIRED_COLUMNS, *NUMBER_COLUMNS, *targets, *covariates])
    for case in cases:
        numbers = [getattr(case, column) for column in NUMBER_COLUMNS]
        writer.writerow(
            [
                *(getattr(case, column) for column in REQUIRED_COLUMNS),
                *("" if number is None else f"{number:.10g}" for number in numbers),
                *(case.targets.get(name) or "" for name in targets),
                *(case.covariates.get(name, "") for name in covariates),
            ]
        )
    write_text_atomically(path, buffer.getvalue())


def _header_faults(path: Path, header: list[str], description: DatasetDescription) -> list[DatasetError]:
    faults = [
        _missing_column(path, column, header, fix=f"Add the column {column} (tab-separated)")
        for column in REQUIRED_COLUMNS
        if column not in header
    ]
    for target in description.targets:
        if target.name not in header:
            fix = f"Add the column {target.name}, or remove the target from dataset.json"
            faults.append(_missing_column(path, target.name, header, fix=fix))
    repeated = sorted({column for column in header if header.count(column) > 1})
    if repeated:
        faults.append(
            DatasetError(
                path,
                expected="each column once",
                found=", ".join(repeated),
                fix="Remove the copies",
            )
        )
    return faults


def _table(path: Path) -> tuple[list[str], list[tuple[int, list[str]]]]:
    """The header, and every row that is not empty with its line number."""
    try:
        text = path.read_text(encoding="utf-8-sig")
    except FileNotFoundError:
        raise DatasetError(
            path, expected="a table of cases", found="no file", fix=f"Write {path.name}, or correct the path"
        ) from None
    except UnicodeDecodeError as error:
        raise DatasetError(
            path,
            expected="UTF-8 text",
            found=f"byte 0x{error.object[error.start]:02x} at offset {error.start}",
            fix="Save the table as UTF-8",
        ) from None
    lines = list(csv.reader(io.StringIO(text), delimiter="\t"))
    return (lines[0] if lines else []), [(number, cells) for number, cells in enumerate(lines[1:], 2) if any(cells)]


def _repeated_case(where: str, case_id: str, first_line: int) -> DatasetError:
    return DatasetError(
        where,
        expected="a new case_id",
        found=f"{case_id!r}, as in line {first_line}",
        fix="Give each session its own case_id",
    )


def _missing_column(path: Path, column: str, header: list[str], *, fix: str) -> DatasetError:
    return DatasetError(path, expected=f"a column {column}", found=", ".join(header) or "no header", fix=fix)


def _case(path: Path, line: int, header: list[str], cells: list[str], description: DatasetDescription) -> Case:
    where = f"{path}:{line}"
    if len(cells) != len(header):
        raise DatasetError(
            where,
            expected=f"{len(header)} cells",
            found=f"{len(cells)}",
            fix="Separate the cells by single tabs",
        )
    row = {column: cell.strip() for column, cell in zip(header, cells, strict=True)}
    for column in ("case_id", "subject_id"):
        if not row[column]:
            raise DatasetError(where, expected=f"a {column}", found="an empty cell", fix="Fill it in")
    if not set(row["case_id"]) <= _FILE_NAME_CHARACTERS:
        raise DatasetError(
            where,
            expected="a case_id of letters, digits, '-', '_' and '.'",
            found=repr(row["case_id"]),
            fix="Rename the case and its files",
        )
    if row["split"] not in ("train", "external"):
        raise DatasetError(
            where,
            expected="split train or external",
            found=repr(row["split"]),
            fix="Correct the column split",
        )
    target_names = [target.name for target in description.targets]
    known = {*REQUIRED_COLUMNS, *NUMBER_COLUMNS, *target_names}
    return Case(
        case_id=row["case_id"],
        subject_id=row["subject_id"],
        session_id=row["session_id"],
        site=row["site"],
        split=cast("Split", row["split"]),
        weight_kg=positive_number(where, "weight_kg", row),
        injected_activity_bq=positive_number(where, "injected_activity_bq", row),
        targets={target.name: _class(where, target.name, target.classes, row) for target in description.targets},
        covariates={column: cell for column, cell in row.items() if column not in known},
    )


def _row(where: str, header: list[str], cells: list[str]) -> dict[str, str]:
    if len(cells) != len(header):
        raise DatasetError(
            where, expected=f"{len(header)} cells", found=f"{len(cells)}", fix="Separate the cells by single tabs"
        )
    return {column: cell.strip() for column, cell in zip(header, cells, strict=True)}


def positive_number(where: str, column: str, row: Mapping[str, str]) -> float | None:
    """The number in a cell; None where the cell is empty or the column absent.

    Raises:
        DatasetError: The cell holds anything else.
    """
    text = row.get(column, "")
    if not text:
        return None
    try:
        number = float(text)
    except ValueError:
        number = math.nan
    if not (math.isfinite(number) and number > 0):
        raise DatasetError(
            where,
            expected=f"a positive number in {column}",
            found=repr(text),
            fix="Correct it, or leave it empty",
        )
    return number


def _class(where: str, target: str, classes: tuple[str, ...], row: dict[str, str]) -> str | None:
    value = row[target]
    if not value:
        return None
    if value not in classes:
        raise DatasetError(
            where,
            expected=f"{target} to be one of {', '.join(classes)}, or empty",
            found=repr(value),
            fix="Correct the cell, or declare the class in dataset.json",
        )
    return value
