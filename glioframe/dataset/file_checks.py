"""Checks of the folders: every case has its files, every file has its case."""

from __future__ import annotations

from typing import TYPE_CHECKING

from glioframe.artifacts.raw_dataset import CaseFiles, channel_file_name, find_case_files
from glioframe.core.errors import DatasetError
from glioframe.dataset.findings import error, from_fault, names_in_short, warning

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from pathlib import Path

    from glioframe.artifacts.cases import Case
    from glioframe.artifacts.dataset import DatasetDescription
    from glioframe.artifacts.preflight import Finding


def find_files(
    folder: Path, description: DatasetDescription, cases: Sequence[Case]
) -> tuple[list[CaseFiles], list[Finding]]:
    """The files of every case that has any, and what is missing."""
    found: list[CaseFiles] = []
    findings: list[Finding] = []
    for case in cases:
        try:
            files = find_case_files(
                case.case_id, description, images_folder=folder / "imagesTr", labels_folder=folder / "labelsTr"
            )
        except DatasetError as fault:
            findings.append(from_fault("images_present", fault, case_id=case.case_id))
        else:
            found.append(files)
    findings += _check_channels(description, found)
    findings += _check_labels(folder, description, found)
    return found, findings


def check_stray_files(folder: Path, description: DatasetDescription, cases: Sequence[Case]) -> Iterator[Finding]:
    """Warns of whatever lies in the image and label folders without belonging to a case."""
    channels = range(description.num_channels)
    images = {channel_file_name(case.case_id, index, description) for case in cases for index in channels}
    sidecars = {name.removesuffix(description.file_ending) + ".json" for name in images}
    labels = {f"{case.case_id}{description.file_ending}" for case in cases}
    for subfolder, expected in (("imagesTr", images | sidecars), ("labelsTr", labels)):
        if not (folder / subfolder).is_dir():
            continue
        for path in sorted((folder / subfolder).iterdir()):
            if path.name not in expected:
                yield warning(
                    "stray_file",
                    path,
                    expected=f"only files of the cases in cases.tsv, named like {min(expected, default='CASE')}",
                    found="a file that belongs to none" if path.is_file() else "a folder",
                    fix="Add its case to cases.tsv, correct its name, or move it away",
                )


def _check_channels(description: DatasetDescription, files: Sequence[CaseFiles]) -> Iterator[Finding]:
    for index, channel in enumerate(description.channels):
        missing = [case.case_id for case in files if case.channels[index] is None]
        where = f"imagesTr/*_{index:04d}{description.file_ending}"
        if files and len(missing) == len(files):
            yield error(
                "channel_present",
                where,
                expected=f"images of channel {channel.name}",
                found="none in any case",
                fix="Add them, or remove the channel from dataset.json and renumber the others",
            )
        elif missing:
            yield warning(
                "channel_present",
                where,
                expected=f"channel {channel.name} in every case",
                found=f"none in {len(missing)} of {len(files)} cases ({names_in_short(missing)})",
                fix="Add the images if they exist; otherwise models are trained to do without",
            )


def _check_labels(folder: Path, description: DatasetDescription, files: Sequence[CaseFiles]) -> Iterator[Finding]:
    missing = [case.case_id for case in files if case.label is None]
    if missing:
        alone = len(missing) == 1
        yield warning(
            "label_present",
            folder / "labelsTr" / f"{missing[0]}{description.file_ending}" if alone else folder / "labelsTr",
            expected="a lesion label for every case",
            found=f"none for {len(missing)} of {len(files)} cases ({names_in_short(missing)})",
            fix="Add the labels if they exist; without them no view can be centered on the lesion",
            case_id=missing[0] if alone else "",
        )
