"""What both converters of PET do: values to activity at injection, and the raw dataset written whole or not at all."""

from __future__ import annotations

import re
import shutil
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING

import numpy as np

from glioframe.artifacts.cases import Case, save_cases
from glioframe.artifacts.dataset import Channel, DatasetDescription, save_dataset_description
from glioframe.artifacts.pet_sidecar import RADIONUCLIDE_OF, PetSidecar, save_pet_sidecar, sidecar_path
from glioframe.artifacts.protocol import DecayReference
from glioframe.artifacts.raw_dataset import RawDataset, channel_file_name, load_raw_dataset
from glioframe.core.errors import DatasetError
from glioframe.core.modality import Modality, Tracer, Unit
from glioframe.imaging.series import Series, write_series
from glioframe.imaging.volume import Volume, write_volume
from glioframe.pet.decay import correct_to_injection
from glioframe.pet.frames import FrameSchedule
from glioframe.pet.protocol import find_protocol
from glioframe.pet.suv import suv_factor

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence
    from pathlib import Path

    from glioframe.core.progress import Progress


@dataclass(frozen=True, kw_only=True)
class PetSource:
    """What to convert.

    Attributes:
        folder: The images, at any depth.
        channels: Further channels: modality name and the regular expression that finds its image; never guessed.
        tracer: What was injected, where the headers do not say it.
        protocol: Name or file of the PET protocol; empty for none.
    """

    folder: Path
    channels: Mapping[str, str] = field(default_factory=dict)
    tracer: Tracer | None = None
    protocol: str = ""


@dataclass(frozen=True, kw_only=True)
class PetCase:
    """One session to convert; its images are read when asked for.

    Attributes:
        case: Its row, but for weight and activity.
        where: The PET, for messages.
        read_pet: Reads values and sidecar.
        read_volumes: Readers of the further channels, by name.
    """

    case: Case
    where: Path
    read_pet: Callable[[], tuple[Series, PetSidecar]]
    read_volumes: Mapping[str, Callable[[], Volume]]


def write_pet_dataset(source: PetSource, cases: Sequence[PetCase], folder: Path, *, progress: Progress) -> RawDataset:
    """Makes the raw dataset ``folder`` of ``cases``: activity in Bq/mL, decay-corrected to injection.

    Raises:
        DatasetError: The folder exists, or cases contradict themselves or each other.
    """
    if folder.exists():
        raise DatasetError(folder, expected="no such folder yet", found="a folder", fix="Choose another id or name")
    if not cases:
        raise DatasetError(source.folder, expected="a PET", found="none", fix="Give the folder that holds the images")
    if source.protocol:
        find_protocol(source.protocol)
    names = channel_modalities(source)
    partial = folder.with_name(f".{folder.name}.partial")
    shutil.rmtree(partial, ignore_errors=True)  # what a killed conversion left
    rows, kinds = [], set()
    try:
        for item in progress.track(cases, step="converting cases", total=len(cases)):
            row, kind = _convert_case(item, source, list(names), partial)
            rows.append(row)
            kinds.add(kind)
        pet = _only_kind(kinds, source)
        weighted = tuple(Channel(name=name, modality=modality) for name, modality in names.items())
        description = DatasetDescription(
            name=folder.name,
            channels=(*weighted, pet),
            grid="per_channel",
            protocol=source.protocol,
            description="Converted by glioframe_convert.",
        )
        save_dataset_description(description, partial / "dataset.json", num_training=len(rows))
        save_cases(rows, partial / "cases.tsv", description)
        partial.replace(folder)
    except BaseException:
        shutil.rmtree(partial, ignore_errors=True)
        raise
    return load_raw_dataset(folder)


def channel_modalities(source: PetSource) -> dict[str, Modality]:
    """The further channels, checked: weighted MRI with a legal pattern.

    Raises:
        DatasetError: A name is no weighted MRI, or a pattern no regular expression.
    """
    known = {modality.value: modality for modality in Modality if modality.is_weighted_mri}
    for name, pattern in source.channels.items():
        if name not in known:
            found = repr(name)
            raise DatasetError("--channel", expected=f"one of {', '.join(known)}", found=found, fix="Correct the name")
        try:
            re.compile(pattern)
        except re.error as error:
            where = f"--channel {name}"
            fix = "Correct the pattern"
            raise DatasetError(where, expected="a regular expression", found=str(error), fix=fix) from None
    return {name: known[name] for name in source.channels}


def file_name_part(text: str) -> str:
    """A text as part of a case id."""
    return re.sub(r"[^A-Za-z0-9_.-]+", "-", text).strip("-")


def to_injection(series: Series, sidecar: PetSidecar, *, where: Path | str) -> tuple[Series, PetSidecar]:
    """Activity in Bq/mL, decay-corrected to injection; ratios (TBR) stay as they are.

    Raises:
        DatasetError: The frames have gaps or overlaps, start before injection, or SUV lacks what it was made of.
    """
    schedule = FrameSchedule(sidecar.frame_start_s, sidecar.frame_duration_s)
    schedule.check(str(where))
    if len(series.array) != schedule.num_frames:
        raise DatasetError(
            where,
            expected=f"{schedule.num_frames} frames, as the sidecar says",
            found=f"{len(series.array)} in the image",
            fix="Correct FrameTimesStart and FrameDuration, or export the image again",
        )
    if schedule.start_s[0] < 0:
        raise DatasetError(
            where,
            expected="frames after the injection",
            found=f"a first frame {-schedule.start_s[0]:g} s before it",
            fix="Correct the time of injection",
        )
    array = series.array
    if sidecar.units is Unit.BQ_ML:
        array = correct_to_injection(
            array,
            schedule,
            half_life_s=sidecar.half_life_s,
            decay_reference=sidecar.decay_reference,
            scan_start_s=sidecar.scan_start_s,
        )
    elif sidecar.decay_reference is DecayReference.NONE:
        fix = "Export the image in Bq/mL"
        raise DatasetError(where, expected="ratios of decay-corrected values", found="no decay correction", fix=fix)
    elif sidecar.units is Unit.SUV_BW:
        activity, weight = sidecar.injected_activity_bq, sidecar.body_weight_kg
        factor = suv_factor(injected_activity_bq=activity, weight_kg=weight, where=str(where))
        array = array / np.float32(factor)
    units = Unit.TBR if sidecar.units is Unit.TBR else Unit.BQ_ML
    corrected = replace(sidecar, units=units, decay_reference=DecayReference.INJECTION)
    return Series(array, series.geometry), corrected


def _convert_case(item: PetCase, source: PetSource, names: Sequence[str], folder: Path) -> tuple[Case, Channel]:
    series, sidecar = item.read_pet()
    sidecar = _with_tracer(sidecar, source, item.where)
    series, sidecar = to_injection(series, sidecar, where=item.where)
    num_further = len(names)
    description = DatasetDescription(name=folder.name, channels=())
    case_id = item.case.case_id
    for index, name in enumerate(names):
        if name in item.read_volumes:
            path = folder / "imagesTr" / channel_file_name(case_id, index, description)
            write_volume(item.read_volumes[name](), path)
    path = folder / "imagesTr" / channel_file_name(case_id, num_further, description)
    if sidecar.num_frames > 1:
        modality = Modality.PET_DYNAMIC
        write_series(series, path)
    else:
        modality = Modality.PET_STATIC
        write_volume(Volume(series.array[0], series.geometry), path)
    save_pet_sidecar(sidecar, sidecar_path(path))
    assert sidecar.tracer is not None, "_with_tracer saw to it"
    row = replace(item.case, weight_kg=sidecar.body_weight_kg, injected_activity_bq=sidecar.injected_activity_bq)
    name = sidecar.tracer.value
    return row, Channel(name=name, modality=modality, tracer=sidecar.tracer, unit=sidecar.units)


def _only_kind(kinds: set[Channel], source: PetSource) -> Channel:
    if len(kinds) > 1:
        found = "; ".join(sorted(f"{channel.modality} of {channel.tracer} in {channel.unit}" for channel in kinds))
        fix = "Convert them into datasets of their own"
        raise DatasetError(source.folder, expected="one kind of PET in all cases", found=found, fix=fix)
    return next(iter(kinds))


def _with_tracer(sidecar: PetSidecar, source: PetSource, where: Path) -> PetSidecar:
    tracer = sidecar.tracer or source.tracer
    if tracer is None:
        found = repr(sidecar.tracer_name) if sidecar.tracer_name else "none"
        raise DatasetError(where, expected=f"a tracer of {', '.join(Tracer)}", found=found, fix="Pass --tracer")
    if source.tracer not in (None, tracer):
        fix = "Leave --tracer out, or correct the file"
        raise DatasetError(where, expected=f"the tracer {source.tracer}", found=tracer.value, fix=fix)
    if RADIONUCLIDE_OF[tracer] != sidecar.radionuclide:
        expected, fix = f"the radionuclide {RADIONUCLIDE_OF[tracer]} of {tracer}", "Correct the tracer or the file"
        raise DatasetError(where, expected=expected, found=sidecar.radionuclide, fix=fix)
    return sidecar if sidecar.tracer else replace(sidecar, tracer=tracer, tracer_name=tracer.value.upper())
