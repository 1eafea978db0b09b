"""BIDS -> raw dataset: one case per subject and session with a PET, and the images that a mapping names."""

from __future__ import annotations

import csv
import re
from collections import Counter
from dataclasses import replace
from functools import partial
from typing import TYPE_CHECKING

import numpy as np

from glioframe.artifacts.cases import Case
from glioframe.artifacts.json_file import read_json
from glioframe.artifacts.pet_sidecar import PetSidecar, parse_pet_sidecar, sidecar_path
from glioframe.core.errors import DatasetError
from glioframe.dataset.dynamic_source import PetCase, PetSource, channel_modalities, write_pet_dataset
from glioframe.imaging.series import Series, read_series
from glioframe.imaging.volume import Volume, read_volume

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from glioframe.artifacts.raw_dataset import RawDataset
    from glioframe.core.progress import Progress

_ENTITIES = re.compile(r"sub-(?P<sub>[A-Za-z0-9]+)(?:_ses-(?P<ses>[A-Za-z0-9]+))?(?=_)")
_BQ_PER_KBQ = 1000.0
_WEIGHT_COLUMNS = ("weight", "body_weight", "weight_kg")


def convert_bids(source: PetSource, folder: Path, *, progress: Progress) -> RawDataset:
    """Makes the raw dataset ``folder``.

    Raises:
        DatasetError: A session has several PETs, or a sidecar is absent, illegal or contradicts its image.
        ImageError: An image cannot be read.
    """
    channel_modalities(source)
    weights = _weights(source.folder / "participants.tsv")
    paths = sorted(path for ending in (".nii", ".nii.gz") for path in source.folder.rglob(f"sub-*_pet{ending}"))
    cases = [_case(path, source, weights) for path in paths]
    repeated = [name for name, count in Counter(item.case.case_id for item in cases).items() if count > 1]
    if repeated:
        found = ", ".join(item.where.name for item in cases if item.case.case_id == repeated[0])
        fix = "Move the ones that are not wanted away"
        raise DatasetError(source.folder, expected="one PET per session", found=found, fix=fix)
    return write_pet_dataset(source, cases, folder, progress=progress)


def _case(path: Path, source: PetSource, weights: dict[str, float]) -> PetCase:
    match = _ENTITIES.match(path.name)
    if match is None:
        expected, fix = "a name like sub-01_ses-1_pet.nii.gz", "Rename the file as BIDS does"
        raise DatasetError(path, expected=expected, found=path.name, fix=fix)
    subject, session = f"sub-{match['sub']}", match["ses"] or ""
    return PetCase(
        case=Case(case_id=match[0], subject_id=subject, session_id=session),
        where=path,
        read_pet=partial(_read_pet, path, weights.get(subject)),
        read_volumes=_further_channels(source, path),
    )


def _read_pet(path: Path, weight_kg: float | None) -> tuple[Series, PetSidecar]:
    beside = sidecar_path(path)
    content = read_json(beside)
    factor = 1.0
    if isinstance(content, dict) and str(content.get("Units")).lower() == "kbq/ml":
        content, factor = {**content, "Units": "Bq/mL"}, _BQ_PER_KBQ
    sidecar = parse_pet_sidecar(content, where=beside)
    if sidecar.body_weight_kg is None and weight_kg is not None:
        sidecar = replace(sidecar, body_weight_kg=weight_kg)
    series = read_series(path)
    return Series(series.array * np.float32(factor), series.geometry), sidecar


def _further_channels(source: PetSource, pet: Path) -> dict[str, Callable[[], Volume]]:
    """The image of the session's folder ``anat`` whose file name fits a pattern."""
    images = sorted(pet.parent.parent.glob("anat/*.nii*"))
    readers: dict[str, Callable[[], Volume]] = {}
    for name, pattern in source.channels.items():
        fitting = [image for image in images if re.search(pattern, image.name)]
        if len(fitting) > 1:
            raise DatasetError(
                f"--channel {name}={pattern}",
                expected=f"one image in {pet.parent.parent / 'anat'}",
                found=", ".join(image.name for image in fitting[:5]),
                fix="Narrow the pattern",
            )
        if fitting:
            readers[name] = partial(read_volume, fitting[0])
    return readers


def _weights(path: Path) -> dict[str, float]:
    """Body weight by participant, in kg, from ``participants.tsv``; BIDS keeps it there or in the sidecar."""
    if not path.is_file():
        return {}
    weights = {}
    with path.open(encoding="utf-8-sig", newline="") as stream:
        for row in csv.DictReader(stream, delimiter="\t"):
            text = next((row[name] for name in _WEIGHT_COLUMNS if row.get(name)), "n/a")
            try:
                if text != "n/a":
                    weights[row.get("participant_id", "")] = float(text)
            except ValueError:
                where, fix = f"{path}, {row.get('participant_id')}", "Correct it, or write n/a"
                raise DatasetError(where, expected="a weight in kg", found=repr(text), fix=fix) from None
    return weights
