"""Checks of dataset.json and cases.tsv: what can be told without opening an image."""

from __future__ import annotations

import csv
from collections import defaultdict
from dataclasses import dataclass
from typing import TYPE_CHECKING

from glioframe.artifacts.cases import Case, read_cases
from glioframe.artifacts.dataset import MIN_CLASSES, DatasetDescription, load_dataset_description
from glioframe.artifacts.json_file import read_json
from glioframe.core.errors import GlioframeError
from glioframe.core.modality import Modality, Unit
from glioframe.dataset.findings import error, from_fault, from_system_error, names_in_short, warning

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from pathlib import Path

    from glioframe.artifacts.dataset import Target
    from glioframe.artifacts.preflight import Finding

_USUAL_NUM_FOLDS = 5
_MIN_SUBJECTS_PER_CLASS = 2


@dataclass(frozen=True, kw_only=True)
class Tables:
    """What could be read of the two tables.

    Attributes:
        description: None where dataset.json cannot be used.
        cases: The legal rows of cases.tsv.
        complete: Whether every row was legal.
        findings: What is wrong.
    """

    description: DatasetDescription | None
    cases: tuple[Case, ...]
    complete: bool
    findings: tuple[Finding, ...]


def check_tables(folder: Path) -> Tables:
    """Reads both tables and lists everything that is wrong with them."""
    description, findings = _check_description(folder / "dataset.json")
    # Without a description the columns that every table has can still be checked.
    cases, table_findings = _check_table(
        folder / "cases.tsv", description or DatasetDescription(name=folder.name, channels=())
    )
    findings += table_findings
    findings += _check_splits(cases)
    if description and not table_findings:  # numbers mean little while rows are missing
        findings += _check_sites(cases)
        findings += _check_num_subjects(cases)
        findings += _check_num_training(folder / "dataset.json", cases)
        findings += _check_activities(description, cases)
        training_cases = [case for case in cases if case.split == "train"]
        for target in description.targets:
            findings += _check_target(target, training_cases)
    return Tables(description=description, cases=tuple(cases), complete=not table_findings, findings=tuple(findings))


def _check_description(path: Path) -> tuple[DatasetDescription | None, list[Finding]]:
    try:
        description = load_dataset_description(path)
    except GlioframeError as fault:
        finding = from_fault("description", fault)
    except OSError as fault:
        finding = from_system_error("description", path, fault)
    else:
        return description, []
    afterwards = error(
        "description",
        path,
        expected="channels and labels to check the images against",
        found="no usable description",
        fix="Mend dataset.json first, then run the check again: no image was looked at",
    )
    return None, [finding, afterwards]


def _check_table(path: Path, description: DatasetDescription) -> tuple[list[Case], list[Finding]]:
    try:
        cases, faults = read_cases(path, description)
    except OSError as fault:
        return [], [from_system_error("cases_table", path, fault)]
    except csv.Error as fault:
        finding = error(
            "cases_table",
            path,
            expected="a tab-separated table",
            found=str(fault),
            fix="Save it as text with tabs between the cells",
        )
        return [], [finding]
    return cases, [from_fault("cases_table", fault) for fault in faults]


def _check_splits(cases: Sequence[Case]) -> Iterator[Finding]:
    subjects = {split: {case.subject_id for case in cases if case.split == split} for split in ("train", "external")}
    for subject in sorted(subjects["train"] & subjects["external"]):
        rows = [f"{case.case_id} ({case.split})" for case in cases if case.subject_id == subject]
        yield error(
            "subject_in_one_split",
            "cases.tsv",
            expected=f"all cases of subject {subject} in one split",
            found=names_in_short(rows),
            fix="Give all of them the same split, or correct the subject_id",
        )


def _check_num_subjects(cases: Sequence[Case]) -> Iterator[Finding]:
    num_subjects = len({case.subject_id for case in cases if case.split == "train"})
    if num_subjects < _USUAL_NUM_FOLDS:
        yield warning(
            "enough_subjects",
            "cases.tsv",
            expected=f"at least {_USUAL_NUM_FOLDS} subjects with split train, one per fold",
            found=f"{num_subjects}",
            fix="Add subjects; with so few, fewer folds are planned",
        )


def _check_sites(cases: Sequence[Case]) -> Iterator[Finding]:
    cases_at: defaultdict[str, list[str]] = defaultdict(list)
    for case in cases:
        cases_at[case.site].append(case.case_id)
    lonely = [f"{site} ({case_ids[0]})" for site, case_ids in sorted(cases_at.items()) if site and len(case_ids) == 1]
    if lonely:
        yield warning(
            "site_size",
            "cases.tsv, column site",
            expected="two or more cases per site",
            found=f"one case at {names_in_short(lonely)}",
            fix="Correct misspelled names; nothing can be said of a site with one case",
        )


def _check_num_training(path: Path, cases: Sequence[Case]) -> Iterator[Finding]:
    declared = read_json(path)["numTraining"]
    num_training = sum(case.split == "train" for case in cases)
    if declared != num_training:
        yield warning(
            "num_training",
            f"{path}, numTraining",
            expected=f"{num_training}, the rows of cases.tsv with split train",
            found=str(declared),
            fix="Correct the number (nnU-Net reads it)",
        )


def _check_activities(description: DatasetDescription, cases: Sequence[Case]) -> Iterator[Finding]:
    """A dynamic PET's sidecar may hold them; that is checked with its image."""
    channels = [channel for channel in description.channels if channel.modality != Modality.PET_DYNAMIC]
    if not any(channel.unit == Unit.BQ_ML for channel in channels):
        return
    for column in ("weight_kg", "injected_activity_bq"):
        unknown = [case.case_id for case in cases if getattr(case, column) is None]
        if unknown:
            yield warning(
                "activity_known",
                f"cases.tsv, column {column}",
                expected="a value, because a PET channel is in Bq/mL and differs between patients by dose and weight",
                found=f"{len(unknown)} of {len(cases)} cells empty ({names_in_short(unknown)})",
                fix="Fill them in, or give the images as SUV or TBR",
            )


def _check_target(target: Target, training_cases: Sequence[Case]) -> Iterator[Finding]:
    where = f"cases.tsv, column {target.name}"
    unknown = [case.case_id for case in training_cases if case.targets.get(target.name) is None]
    subjects_of = {
        name: {case.subject_id for case in training_cases if case.targets.get(target.name) == name}
        for name in target.classes
    }
    occurring = [name for name, subjects in subjects_of.items() if subjects]
    if training_cases and len(occurring) < MIN_CLASSES:
        yield error(
            "target_classes",
            where,
            expected=f"two or more of {', '.join(target.classes)} among the training cases",
            found=f"only {occurring[0]}" if occurring else "only empty cells",
            fix="Fill in the column, add cases of the other classes, or remove the target from dataset.json",
        )
        return
    if unknown:
        yield warning(
            "target_known",
            where,
            expected="a class for every training case",
            found=f"{len(unknown)} of {len(training_cases)} unknown ({names_in_short(unknown)})",
            fix="Fill them in if they are known; a model of this target learns from the others only",
        )
    for name, subjects in subjects_of.items():
        if training_cases and len(subjects) < _MIN_SUBJECTS_PER_CLASS:
            yield warning(
                "class_size",
                where,
                expected=f"{_MIN_SUBJECTS_PER_CLASS} or more training subjects of class {name}",
                found=f"{len(subjects)}",
                fix="Add subjects, or merge the class with another; it cannot be cross-validated",
            )
