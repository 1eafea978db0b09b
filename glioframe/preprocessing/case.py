"""One case: raw images -> ``CASE.b2nd``, ``CASE_seg.b2nd`` and ``CASE.json``."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray
from threadpoolctl import threadpool_limits

from glioframe.artifacts.case import CaseProperties, PreprocessedCase, load_preprocessed_case, properties_path
from glioframe.artifacts.json_file import save_json
from glioframe.artifacts.pet_record import AlignmentRecord, PetRecord, pet_record_path
from glioframe.artifacts.pet_sidecar import sidecar_path
from glioframe.artifacts.plan import preprocessing_hash
from glioframe.core.errors import ArtifactError, DatasetError, PlanError
from glioframe.core.files import sha256_of_file, sha256_of_text
from glioframe.core.modality import Modality
from glioframe.core.provenance import Provenance
from glioframe.imaging.array_store import save_array
from glioframe.imaging.case_images import CaseImages, crop, read_case, voxel_index
from glioframe.imaging.registration import moved, register_rigidly
from glioframe.imaging.resample import field_of_view, resample, resample_label, resample_to
from glioframe.imaging.series import Series
from glioframe.imaging.volume import Volume
from glioframe.pet.dynamic_scan import static_image
from glioframe.preprocessing.dynamic_pet import derive_maps
from glioframe.preprocessing.normalization import normalize
from glioframe.preprocessing.striatum import CaseStriatum, find_striatum
from glioframe.preprocessing.uptake import measure_static_channels

if TYPE_CHECKING:
    from pathlib import Path

    from glioframe.artifacts.dataset import Channel, DatasetDescription
    from glioframe.artifacts.pet_sidecar import PetSidecar
    from glioframe.artifacts.plan import ChannelPlan, Configuration, Plan
    from glioframe.artifacts.raw_dataset import CaseFiles
    from glioframe.imaging.case_images import Summary
    from glioframe.preprocessing.dynamic_pet import DerivedMaps

Array = NDArray[Any]

PREPROCESSING_VERSION = 4
"""Raised with every change of this package or of imaging/ that changes a preprocessed case's bytes."""


def preprocess_case(
    files: CaseFiles, description: DatasetDescription, plan: Plan, configuration: Configuration, folder: Path
) -> PreprocessedCase:
    """Preprocesses a case into ``folder``, unless it is there already, made from the same files in the same way.

    Raises:
        ImageError: An image cannot be read or used.
        DatasetError: The case has none of the planned channels.
        PlanError: The plan names a channel that the dataset does not declare.
    """
    case, _ = preprocess_case_once(files, description, plan, configuration, folder)
    return case


def preprocess_case_once(
    files: CaseFiles, description: DatasetDescription, plan: Plan, configuration: Configuration, folder: Path
) -> tuple[PreprocessedCase, bool]:
    """As :func:`preprocess_case`; the second value says whether there was anything to do."""
    sources = _source_indices(files, description, plan)
    provenance = Provenance(
        command="glioframe_plan_and_preprocess",
        inputs={f"{path.parent.name}/{path.name}": sha256_of_file(path) for path in _inputs(files, description)},
    )
    content_hash = _content_hash(files, provenance, description, preprocessing_hash(plan, configuration))
    finished = _finished_case(folder, files.case_id, content_hash)
    if finished is not None:
        return finished, False
    # From here on the case does not exist, until its JSON is written after its arrays.
    properties_path(folder, files.case_id).unlink(missing_ok=True)
    # One thread: several round differently, and equal inputs shall give equal bytes on any number of cores.
    with threadpool_limits(limits=1):
        kept: dict[Path, Array] = {}
        images = read_case(files, description, summarize=_summary(plan, kept))
        alignments = _align(images, description) if plan.rigid_alignment else ()
        striatum = find_striatum(images, description.channels) if _is_measured(images, plan) else CaseStriatum()
        uptake, unmeasured = measure_static_channels(images, description, striatum)
        volumes, dynamic = _derived(images, files, plan, sources, striatum, kept)
        brain = resample_label(crop(images.brain, images.box), configuration.spacing_mm)
        image = _network_input(images, brain, plan.channels, volumes, [files.channels[index] for index in sources])
        label = None
        if images.label is not None:
            label = resample_label(crop(images.label, images.box), configuration.spacing_mm).array.astype(np.int8)
    properties = CaseProperties(
        case_id=files.case_id,
        shape_vox=brain.geometry.shape_vox,
        spacing_mm=configuration.spacing_mm,
        affine=brain.geometry.affine,
        original_shape_vox=images.reference.shape_vox,
        original_affine=images.reference.affine,
        brain_box_vox=images.box,
        channels_present=tuple(files.channels[index] is not None for index in sources),
        has_lesion_label=label is not None,
        lesion_center_vox=images.lesion_center_mm and voxel_index(brain.geometry, images.lesion_center_mm),
        planned_hash=preprocessing_hash(plan, configuration),
        preprocessing_hash=content_hash,
        provenance=provenance,
    )
    uptake += [dynamic.uptake] if dynamic and dynamic.uptake else []
    record = PetRecord(
        case_id=files.case_id,
        dynamic=dynamic.record if dynamic else None,
        alignments=alignments,
        uptake=tuple(uptake),
        unmeasured=tuple([striatum.why_missing, *unmeasured] if striatum.why_missing else unmeasured),
    )
    return _write(PreprocessedCase(folder=folder, properties=properties), image, label, record), True


def _inputs(files: CaseFiles, description: DatasetDescription) -> list[Path]:
    """Every file that decides the case's bytes: images, label, and the sidecars of dynamic PET."""
    sidecars = [
        sidecar_path(path)
        for path, channel in zip(files.channels, description.channels, strict=True)
        if path is not None and channel.modality == Modality.PET_DYNAMIC
    ]
    return [*files.paths, *(path for path in sidecars if path.is_file())]


def _is_measured(images: CaseImages, plan: Plan) -> bool:
    """Whether the case has a lesion whose uptake can be measured, or a reference region to find."""
    has_lesion = images.label is not None and bool((images.label.array > 0).any())
    return has_lesion or plan.dynamic_pet is not None


def _summary(plan: Plan, kept: dict[Path, Array]) -> Summary | None:
    """Makes a static image of a series, which goes to ``kept`` if maps are made of it: it is decompressed once."""
    if plan.dynamic_pet is None:
        return None
    protocol, mapped = plan.dynamic_pet.protocol, {c.source for c in plan.channels if c.recipe != "identity"}

    def summarize(series: Array, sidecar: PetSidecar, channel: Channel, path: Path) -> NDArray[np.float32]:
        if channel in mapped:
            kept[path] = series
        return static_image(series, sidecar, channel, path, protocol=protocol)

    return summarize


def _align(images: CaseImages, description: DatasetDescription) -> tuple[AlignmentRecord, ...]:
    """Moves each PET that has a grid of its own onto the first channel present; its values stay as they are."""
    fixed = next(volume for volume in images.channels if volume is not None)
    records = []
    for index, (volume, channel) in enumerate(zip(images.channels, description.channels, strict=True)):
        if volume is None or not channel.modality.is_pet or volume.geometry.matches(images.reference):
            continue
        alignment = register_rigidly(volume, fixed)
        if alignment.is_plausible:
            images.channels[index] = Volume(volume.array, moved(volume.geometry, alignment))
        records.append(
            AlignmentRecord(
                channel=channel.name,
                shift_mm=alignment.shift_mm,
                rotation_deg=alignment.rotation_deg,
                similarity_before=alignment.similarity_before,
                similarity_after=alignment.similarity_after,
                is_applied=alignment.is_plausible,
                nmi_before=alignment.nmi_before,
                nmi_after=alignment.nmi_after,
            )
        )
    return tuple(records)


def _derived(
    images: CaseImages,
    files: CaseFiles,
    plan: Plan,
    sources: list[int],
    striatum: CaseStriatum,
    kept: dict[Path, Array],
) -> tuple[list[Volume | None], DerivedMaps | None]:
    """The volume of each planned channel before resampling, and what became of the dynamic PET.

    Raises:
        PlanError: A recipe for a channel that is no dynamic PET, which a hand-edited file can hold.
    """
    volumes: list[Volume | None] = [images.channels[source] for source in sources]
    wanted = [position for position, channel in enumerate(plan.channels) if channel.recipe != "identity"]
    wanted = [position for position in wanted if volumes[position] is not None]
    images.channels = []  # the list of volumes alone keeps them now, and lets go of each when it is done
    if not wanted:
        return volumes, None
    path, summary, channel = files.channels[sources[wanted[0]]], volumes[wanted[0]], plan.channels[wanted[0]].source
    assert path is not None, "the channel is present"
    assert summary is not None, "the channel is present"
    if path not in kept:
        raise PlanError(
            f"plan of {plan.dataset_name}, channel {channel.name!r}",
            expected="recipe identity, as the channel is no dynamic PET",
            found=plan.channels[wanted[0]].recipe,
            fix="Plan the dataset again",
        )
    derived = derive_maps(
        path,
        channel,
        Series(kept.pop(path), summary.geometry),
        recipes=[plan.channels[position].recipe for position in wanted],
        plan=plan,
        images=images,
        striatum=striatum,
    )
    for position in wanted:
        volumes[position] = derived.volumes[plan.channels[position].recipe]
    return volumes, derived


def _network_input(
    images: CaseImages,
    brain: Volume,
    channels: tuple[ChannelPlan, ...],
    volumes: list[Volume | None],
    paths: list[Path | None],
) -> Array:
    """The planned channels (c, z, y, x) on the grid of ``brain``; an absent one is zero."""
    stack: Array = np.zeros((len(channels), *brain.array.shape), dtype=np.float32)
    for position, channel in enumerate(channels):
        volume, path = volumes[position], paths[position]
        if volume is None or path is None:
            continue
        volumes[position] = None  # its memory is needed for the next
        if volume.geometry.matches(images.reference):
            cropped = crop(volume, images.box)
            del volume
            values = resample(cropped, brain.geometry.spacing_mm, order=channel.interpolation).array
            normalize(values, channel.normalization, brain=brain.array, path=path)
        else:
            values = resample_to(volume, brain.geometry, order=channel.interpolation).array
            seen = field_of_view(volume.geometry, brain.geometry)
            normalize(values, channel.normalization, brain=brain.array & seen, path=path)
            values[~seen] = 0.0  # as an absent channel is: nothing was measured there
        if images.is_skull_stripped and channel.normalization.scheme == "robust_z_score":
            # What was 0 because nothing was there shall be 0, and not some negative number of deviations.
            values[~brain.array] = 0.0
        stack[position] = values
    return stack


def _source_indices(files: CaseFiles, description: DatasetDescription, plan: Plan) -> list[int]:
    """The raw channel's number of each planned channel."""
    names = [channel.name for channel in description.channels]
    for channel in plan.channels:
        if channel.source not in description.channels:
            raise PlanError(
                f"plan of {plan.dataset_name}, channel {channel.source.name!r}",
                expected=f"a channel as declared in dataset.json: {', '.join(names)}",
                found=str(channel.source),
                fix="Plan the dataset again",
            )
    indices = [names.index(channel.source.name) for channel in plan.channels]
    if all(files.channels[index] is None for index in indices):
        raise DatasetError(
            f"case {files.case_id}",
            expected=f"at least one of the planned channels {', '.join(names[index] for index in indices)}",
            found="none",
            fix="Add its images, or remove the case from cases.tsv",
        )
    return indices


def _content_hash(files: CaseFiles, provenance: Provenance, description: DatasetDescription, planned: str) -> str:
    """Of all that decides the case's bytes."""
    content = {
        "version": PREPROCESSING_VERSION,
        "planned": planned,
        "grid": description.grid,
        "channels": [None if path is None else path.name for path in files.channels],
        "inputs": provenance.inputs,
    }
    return sha256_of_text(json.dumps(content, sort_keys=True))


def _finished_case(folder: Path, case_id: str, content_hash: str) -> PreprocessedCase | None:
    try:
        case = load_preprocessed_case(folder, case_id)
    except ArtifactError:
        return None
    needed = [case.image_path, *([case.label_path] if case.properties.has_lesion_label else [])]
    if case.properties.preprocessing_hash != content_hash or not all(path.is_file() for path in needed):
        return None
    return case


def _write(case: PreprocessedCase, image: Array, label: Array | None, record: PetRecord) -> PreprocessedCase:
    save_array(image, case.image_path)
    if label is None:
        case.label_path.unlink(missing_ok=True)
    else:
        save_array(label, case.label_path)
    record_path = pet_record_path(case.folder, case.case_id)
    if record.is_empty:
        record_path.unlink(missing_ok=True)
    else:
        save_json(record, record_path)
    save_json(case.properties, properties_path(case.folder, case.case_id))
    return case
