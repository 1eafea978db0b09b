"""Folders of DICOM -> raw dataset: one case per patient and PET series, with the MR series that a mapping names."""

from __future__ import annotations

import re
from functools import partial
from typing import TYPE_CHECKING

from glioframe.artifacts.cases import Case
from glioframe.core.errors import DatasetError
from glioframe.dataset.dynamic_source import PetCase, PetSource, channel_modalities, file_name_part, write_pet_dataset
from glioframe.imaging.dicom_pet import read_dicom_pet
from glioframe.imaging.dicom_series import DicomSeries, find_dicom_series, frames_of, read_frames
from glioframe.imaging.volume import Volume

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from pathlib import Path

    from glioframe.artifacts.pet_sidecar import PetSidecar
    from glioframe.artifacts.raw_dataset import RawDataset
    from glioframe.core.progress import Progress
    from glioframe.imaging.series import Series


def convert_dicom(source: PetSource, folder: Path, *, progress: Progress) -> RawDataset:
    """Makes the raw dataset ``folder``.

    Raises:
        DatasetError: No PET, several of one study, or a mapping that fits several series.
        ImageError: A tag is absent or illegal.
    """
    channel_modalities(source)
    series = find_dicom_series(source.folder)
    pets = [item for item in series if item.modality == "PT"]
    studies = {(item.patient_id, str(item.header.StudyInstanceUID)) for item in pets}
    if len(studies) < len(pets):
        raise DatasetError(
            source.folder,
            expected="one PET series per study",
            found=", ".join(f"{item.folder.name} ({item.description})" for item in pets[:5]),
            fix="Move the series that are not wanted away (e.g. those without attenuation correction)",
        )
    sessions = [_session(pet, pets) for pet in pets]
    cases = [
        PetCase(
            case=Case(case_id="_".join(filter(None, (subject, session))), subject_id=subject, session_id=session),
            where=pet.folder,
            read_pet=partial(_read_pet, pet),
            read_volumes=_further_channels(source, pet, series),
        )
        for pet, (subject, session) in zip(pets, sessions, strict=True)
    ]
    return write_pet_dataset(source, cases, folder, progress=progress)


def _session(pet: DicomSeries, pets: Sequence[DicomSeries]) -> tuple[str, str]:
    subject = file_name_part(pet.patient_id)
    if not subject:
        fix = "Fill in the tag with a pseudonym"
        raise DatasetError(pet.folder, expected="a PatientID (0010,0020)", found="none", fix=fix)
    alone = sum(other.patient_id == pet.patient_id for other in pets) == 1
    return subject, "" if alone else str(pet.header.get("StudyDate", "")) or str(pets.index(pet))


def _read_pet(pet: DicomSeries) -> tuple[Series, PetSidecar]:
    read = read_dicom_pet(pet)
    return read.series, read.sidecar


def _further_channels(
    source: PetSource, pet: DicomSeries, series: Sequence[DicomSeries]
) -> dict[str, Callable[[], Volume]]:
    """The MR series of the PET's study whose description fits; of the patient, where the study has no MR."""
    own = [item for item in series if item.patient_id == pet.patient_id and item.modality == "MR"]
    study = [item for item in own if item.header.StudyInstanceUID == pet.header.StudyInstanceUID]
    readers: dict[str, Callable[[], Volume]] = {}
    for name, pattern in source.channels.items():
        fitting = [item for item in study or own if re.search(pattern, item.description)]
        if len(fitting) > 1:
            raise DatasetError(
                f"--channel {name}={pattern}",
                expected=f"one MR series of patient {pet.patient_id}",
                found=", ".join(repr(item.description) for item in fitting[:5]),
                fix="Narrow the pattern, or move the other series away",
            )
        if fitting:
            readers[name] = partial(_read_volume, fitting[0])
    return readers


def _read_volume(item: DicomSeries) -> Volume:
    frames = frames_of(item)
    if len(frames) > 1:
        found = f"{len(frames)} images at each position"
        raise DatasetError(item.folder, expected="one volume", found=found, fix="Choose another series by --channel")
    series = read_frames(frames, where=item.folder)
    return Volume(series.array[0], series.geometry)
