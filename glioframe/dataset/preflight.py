"""Finds everything that is wrong with a raw dataset, at once, before hours are spent on it."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING

from glioframe.artifacts.preflight import Preflight
from glioframe.core.files import sha256_of_file
from glioframe.core.provenance import Provenance
from glioframe.dataset.case_checks import CaseReport, check_case
from glioframe.dataset.duplicate_checks import check_duplicates
from glioframe.dataset.dynamic_checks import check_protocol
from glioframe.dataset.file_checks import check_stray_files, find_files
from glioframe.dataset.findings import in_order
from glioframe.dataset.table_checks import check_tables
from glioframe.imaging.parallel import for_each_case

if TYPE_CHECKING:
    from pathlib import Path

    from glioframe.artifacts.cases import Case
    from glioframe.artifacts.dataset import DatasetDescription
    from glioframe.artifacts.raw_dataset import CaseFiles
    from glioframe.core.progress import Progress

COMMAND = "glioframe_check_dataset"


def check_dataset(folder: Path, *, num_workers: int, progress: Progress) -> Preflight:
    """Checks the raw dataset in ``folder``; bad data gives findings, never an exception.

    Each image is read once. ``num_workers`` cases are in memory at a time; of a checked case only its
    findings and a small thumbnail of each channel are kept.

    Raises:
        SettingError: ``num_workers`` is less than one.
        DatasetError: A worker was killed.
    """
    tables = check_tables(folder)
    findings = list(tables.findings)
    num_files = 0
    if tables.description:
        files, file_findings = find_files(folder, tables.description, tables.cases)
        findings += file_findings
        if tables.complete:  # the files of an illegal row would seem to be strays
            findings += check_stray_files(folder, tables.description, tables.cases)
        findings += check_protocol(folder, tables.description)
        row_of = {case.case_id: case for case in tables.cases}
        reports = for_each_case(
            partial(_check, description=tables.description),
            [(case_files, row_of[case_files.case_id]) for case_files in files],
            num_workers=num_workers,
            progress=progress,
            step="checking cases",
        )
        findings += [finding for report in reports for finding in report.findings]
        thumbnails = {report.case_id: report.thumbnails for report in reports}
        channel_names = [channel.name for channel in tables.description.channels]
        findings += check_duplicates(thumbnails, files, tables.cases, channel_names)
        num_files = sum(report.num_files for report in reports)
    return Preflight(
        dataset_name=folder.resolve().name,
        num_cases=len(tables.cases),
        num_files=num_files,
        findings=in_order(findings, folder=folder),
        provenance=Provenance(command=COMMAND, inputs=_hashes(folder)),
    )


def _check(case: tuple[CaseFiles, Case], description: DatasetDescription) -> CaseReport:
    files, row = case
    return check_case(files, description=description, case=row)


def _hashes(folder: Path) -> dict[str, str]:
    return {name: sha256_of_file(folder / name) for name in ("dataset.json", "cases.tsv") if (folder / name).is_file()}
