"""BraTS-style folders -> raw dataset."""

from __future__ import annotations

import gzip
import re
import shutil
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import nibabel
import numpy as np

from glioframe.artifacts.cases import save_cases
from glioframe.artifacts.dataset import Channel, DatasetDescription, save_dataset_description
from glioframe.artifacts.raw_dataset import RawDataset, channel_file_name, load_raw_dataset
from glioframe.core.errors import DatasetError
from glioframe.core.files import atomic_path, write_bytes_atomically
from glioframe.dataset.brats_folders import (
    FROM_2023,
    LABELS,
    UNTIL_2021,
    BratsCase,
    common_file_ending,
    find_brats_cases,
    subject_of,
)
from glioframe.dataset.findings import names_in_short
from glioframe.dataset.targets_table import TargetsTable, read_targets_table
from glioframe.imaging.nifti_file import parse_header, parse_voxels, read_bytes

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from pathlib import Path

    from glioframe.core.progress import Progress


@dataclass(frozen=True, kw_only=True)
class BratsSource:
    """What to convert.

    Attributes:
        folder: Holds one folder per case, at any depth.
        table: Tab-separated: case_id (the folder's name), then, as far as known, subject_id, session_id, site,
            split, and one column per target. Its rows choose the cases.
        classes: Classes of a target in order, the positive one last.
        covariates: Columns of the table that are no targets.
    """

    folder: Path
    table: Path
    classes: Mapping[str, Sequence[str]]
    covariates: Sequence[str] = ()


def convert_brats(source: BratsSource, folder: Path, *, progress: Progress) -> RawDataset:
    """Makes the raw dataset ``folder``: images copied byte by byte, labels renumbered.

    The dataset appears whole or not at all: it is built beside its place and renamed at the end.

    Raises:
        DatasetError: The folder exists, or folders and table do not fit together.
        ImageError: A segmentation cannot be read.
    """
    if folder.exists():
        raise DatasetError(folder, expected="no such folder yet", found="a folder", fix="Choose another id or name")
    table = read_targets_table(
        source.table, classes=source.classes, covariates=source.covariates, subject_of=subject_of
    )
    cases = _chosen_cases(source, table, progress)
    description = DatasetDescription(
        name=folder.name,
        channels=_channels(cases),
        labels=LABELS,
        targets=table.targets,
        description="Converted from BraTS-style folders.",
        file_ending=common_file_ending(cases),
    )
    partial = folder.with_name(f".{folder.name}.partial")
    shutil.rmtree(partial, ignore_errors=True)  # what a killed conversion left
    try:
        values_of = {
            case.case_id: _convert_case(case, description, partial)
            for case in progress.track(cases, step="converting cases", total=len(cases))
        }
        names = _label_names(cases, values_of)
        description = replace(description, labels={name: value for name, value in LABELS.items() if name in names})
        num_training = sum(case.split == "train" for case in table.cases)
        save_dataset_description(description, partial / "dataset.json", num_training=num_training)
        save_cases(table.cases, partial / "cases.tsv", description)
        partial.replace(folder)
    except BaseException:
        shutil.rmtree(partial, ignore_errors=True)
        raise
    return load_raw_dataset(folder)


def _chosen_cases(source: BratsSource, table: TargetsTable, progress: Progress) -> list[BratsCase]:
    found = find_brats_cases(source.folder)
    wanted = [case.case_id for case in table.cases]
    absent = [case_id for case_id in wanted if case_id not in found]
    if absent:
        raise DatasetError(
            source.table,
            expected=f"a folder with images below {source.folder} for every case",
            found=f"none for {names_in_short(absent)}",
            fix="Correct these case_ids, or remove their rows",
        )
    illegal = [case_id for case_id in wanted if not re.fullmatch(r"[A-Za-z0-9_.-]+", case_id)]
    if illegal:
        raise DatasetError(
            source.table,
            expected="case_ids of letters, digits, '-', '_' and '.'",
            found=names_in_short(illegal),
            fix="Rename these folders and their files",
        )
    left_out = sorted(found.keys() - set(wanted))
    if left_out:
        progress.note(f"{len(left_out)} folders are not in the table and left out: {names_in_short(left_out)}.")
    return [found[case_id] for case_id in wanted]


def _channels(cases: Sequence[BratsCase]) -> tuple[Channel, ...]:
    """The sequences that occur in any case, in BraTS's order."""
    return tuple(
        Channel(name=modality.value, modality=modality)
        for modality in FROM_2023.modalities.values()
        if any(modality in case.images for case in cases)
    )


def _convert_case(case: BratsCase, description: DatasetDescription, folder: Path) -> set[int]:
    """Writes a case's files; returns the values above 0 in its segmentation, as BraTS numbers them."""
    for index, channel in enumerate(description.channels):
        image = case.images.get(channel.modality)
        if image:
            with atomic_path(folder / "imagesTr" / channel_file_name(case.case_id, index, description)) as copy:
                shutil.copyfile(image, copy)
    if case.label is None:
        return set()
    content, values = _renumbered(case.label, case.naming.labels)
    name = f"{case.case_id}{description.file_ending}"
    if name.endswith(".gz"):
        content = gzip.compress(content, mtime=0)
    write_bytes_atomically(folder / "labelsTr" / name, content)
    return values


def _renumbered(path: Path, names: Mapping[int, str]) -> tuple[bytes, set[int]]:
    """The segmentation as uint8 NIfTI in our numbers, on its grid as stored, and the values that it had."""
    content = read_bytes(path)
    header = parse_header(content, path)
    stored = parse_voxels(content, header, path)
    slope, intercept = header.get_slope_inter()
    if (slope or 1.0, intercept or 0.0) != (1.0, 0.0):
        stored = stored * slope + intercept
    values = np.unique(stored[stored != 0]).tolist()
    unknown = [value for value in values if value not in names]
    if unknown:
        raise DatasetError(
            path,
            expected=f"the values 0, {', '.join(f'{value} ({name})' for value, name in names.items())}",
            found=names_in_short([f"{value:g}" for value in unknown]),
            fix="Correct the segmentation",
        )
    label = np.zeros(stored.shape, dtype=np.uint8)
    for value in values:
        label[stored == value] = LABELS[names[int(value)]]
    header.set_data_dtype(np.uint8)
    header.set_slope_inter(1.0, 0.0)
    return nibabel.Nifti1Image(label.T, None, header).to_bytes(), {int(value) for value in values}


def _label_names(cases: Sequence[BratsCase], values_of: Mapping[str, set[int]]) -> set[str]:
    """The label names to declare: those of every BraTS, and the resection cavity where it occurs.

    Raises:
        DatasetError: Both 3 and 4 occur under the old naming, where one of them must be wrong.
    """
    old = [case for case in cases if case.naming is UNTIL_2021]
    with_3 = [case.case_id for case in old if 3 in values_of[case.case_id]]  # noqa: PLR2004 - BraTS's own numbers
    with_4 = [case.case_id for case in old if 4 in values_of[case.case_id]]  # noqa: PLR2004
    if with_3 and with_4:
        raise DatasetError(
            f"segmentation of case {with_3[0]}",
            expected="enhancing tumor as 4 (BraTS 2017-2021) or as 3 in all cases",
            found=f"the value 3, and the value 4 in case {with_4[0]}",
            fix="Merge 3 into 1 if these are cases of BraTS 2012-2016 (3 = non-enhancing core), or renumber",
        )
    used = {case.naming.labels[value] for case in cases for value in values_of[case.case_id]}
    return {"background", "netc", "snfh", "et"} | used
