"""How BraTS names its folders, files, labels and subjects, from 2012 to today."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING

from glioframe.core.errors import DatasetError
from glioframe.core.modality import Modality

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from pathlib import Path

LABELS = {"background": 0, "netc": 1, "snfh": 2, "et": 3, "rc": 4}
"""The labels of a converted dataset; ``rc`` is declared only where it occurs."""
FILE_ENDINGS = (".nii.gz", ".nii")


@dataclass(frozen=True, kw_only=True)
class Naming:
    """One convention.

    Attributes:
        modalities: Modality by the file name's suffix.
        label_suffix: Suffix of the segmentation.
        labels: Our label name by BraTS's value.
    """

    modalities: Mapping[str, Modality]
    label_suffix: str
    labels: Mapping[int, str]


# Until 2021 the value 3 (non-enhancing core in 2012-2016) was merged into 1 and left a gap; some copies close it.
UNTIL_2021 = Naming(
    modalities={"_t1": Modality.T1N, "_t1ce": Modality.T1C, "_t2": Modality.T2W, "_flair": Modality.T2F},
    label_suffix="_seg",
    labels={1: "netc", 2: "snfh", 3: "et", 4: "et"},
)
# From 2023 on the value 4 is the resection cavity (post-treatment cases of 2024).
FROM_2023 = Naming(
    modalities={"-t1n": Modality.T1N, "-t1c": Modality.T1C, "-t2w": Modality.T2W, "-t2f": Modality.T2F},
    label_suffix="-seg",
    labels={1: "netc", 2: "snfh", 3: "et", 4: "rc"},
)
_NAMINGS = (UNTIL_2021, FROM_2023)

# In these names, and only in these, the last number counts the scans of one subject.
_SUBJECT_PATTERNS = (
    re.compile(r"(Brats1[789]_.+)_\d+", re.IGNORECASE),  # Brats18_TCIA01_201_1
    re.compile(r"(BraTS-[A-Z]+-\d+)-\d{3}"),  # BraTS-GLI-00002-000
)


@dataclass(frozen=True, kw_only=True)
class BratsCase:
    """One case's folder.

    Attributes:
        case_id: The folder's name.
        naming: The convention of its files.
        images: Image by modality; what the case lacks is absent.
        label: The segmentation, if any.
        file_ending: Of all its files.
    """

    case_id: str
    naming: Naming
    images: Mapping[Modality, Path]
    label: Path | None
    file_ending: str


def find_brats_cases(folder: Path) -> dict[str, BratsCase]:
    """Every case folder below ``folder``, at any depth (BraTS 2018 sorts them into HGG and LGG), by its name.

    Raises:
        DatasetError: There is none, or two have the same name.
    """
    cases: dict[str, BratsCase] = {}
    origin: dict[str, Path] = {}
    for subfolder in sorted(path for path in folder.rglob("*") if path.is_dir()):
        case = _case_in(subfolder)
        if case is None:
            continue
        if case.case_id in cases:
            raise DatasetError(
                subfolder,
                expected="case folders with different names",
                found=f"the same name as {origin[case.case_id]}",
                fix="Rename one of them and its files",
            )
        cases[case.case_id], origin[case.case_id] = case, subfolder
    if not cases:
        raise DatasetError(
            folder,
            expected="folders like CASE with CASE_t1.nii.gz, _t1ce, _t2, _flair, _seg (or CASE-t1n.nii.gz, ...)",
            found="none" if folder.is_dir() else "no such folder",
            fix="Give the folder that holds the case folders",
        )
    return cases


def subject_of(case_id: str) -> str:
    """The subject behind a case name of the BraTS challenges; any other name stands for a subject of its own."""
    for pattern in _SUBJECT_PATTERNS:
        match = pattern.fullmatch(case_id)
        if match:
            return match.group(1)
    return case_id


def common_file_ending(cases: Sequence[BratsCase]) -> str:
    """The one ending of all files.

    Raises:
        DatasetError: Some files are compressed and some are not.
    """
    endings = {case.file_ending: case.case_id for case in cases}
    if len(endings) > 1:
        raise DatasetError(
            endings[".nii"],
            expected="all files compressed (.nii.gz) or all uncompressed (.nii)",
            found=f"this case uncompressed and case {endings['.nii.gz']} compressed",
            fix="Compress the rest with gzip",
        )
    return next(iter(endings))


def _case_in(folder: Path) -> BratsCase | None:
    for naming in _NAMINGS:
        for ending in FILE_ENDINGS:
            paths = {
                modality: folder / f"{folder.name}{suffix}{ending}" for suffix, modality in naming.modalities.items()
            }
            images = {modality: path for modality, path in paths.items() if path.is_file()}
            label = folder / f"{folder.name}{naming.label_suffix}{ending}"
            if images:
                return BratsCase(
                    case_id=folder.name,
                    naming=naming,
                    images=images,
                    label=label if label.is_file() else None,
                    file_ending=ending,
                )
    return None
