"""Raw dataset -> fingerprint: one look at every training case, none at an external one."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

from glioframe.artifacts.fingerprint import (
    CaseFingerprint,
    ChannelFingerprint,
    Fingerprint,
    IntensityStatistics,
    ScheduleFingerprint,
)
from glioframe.artifacts.pet_sidecar import load_pet_sidecar, sidecar_path
from glioframe.core.files import sha256_of_file
from glioframe.core.modality import Modality
from glioframe.core.provenance import Provenance
from glioframe.core.seeds import derive_seed
from glioframe.imaging.brain import Mask, bounding_box
from glioframe.imaging.case_images import CaseImages, read_case
from glioframe.imaging.parallel import for_each_case
from glioframe.imaging.resample import resample_label_to
from glioframe.imaging.volume import Volume
from glioframe.pet.dynamic_scan import static_image

if TYPE_CHECKING:
    from collections.abc import Sequence

    from glioframe.artifacts.dataset import DatasetDescription
    from glioframe.artifacts.protocol import Protocol
    from glioframe.artifacts.raw_dataset import CaseFiles, RawDataset
    from glioframe.core.progress import Progress

Sample = NDArray[np.float32]
Schedule = tuple[tuple[float, ...], tuple[float, ...]]

# Voxels drawn per case, channel and region. 20 000 place a percentile to about 0.1 of a percentage point, and a
# thousand cases of four channels fit into 1 GB.
MOST_VOXELS_SAMPLED = 20_000
_SEED = 0
_ALL_NEIGHBORS = np.ones((3, 3, 3), dtype=bool)


@dataclass(frozen=True, kw_only=True)
class _Findings:
    """What one case adds: its entry, and per channel a sample of its intensities; empty where it has none.

    Of a dynamic channel it adds the starts and durations of the frames, too.
    """

    case: CaseFingerprint
    brain: list[Sample]
    lesion: list[Sample]
    schedules: list[Schedule | None]


def extract_fingerprint(
    dataset: RawDataset, *, protocol: Protocol | None = None, num_workers: int = 2, progress: Progress
) -> Fingerprint:
    """Looks at the training cases in parallel; the result does not depend on their order or on the workers.

    Args:
        dataset: Its external cases are not opened.
        protocol: Over which minutes a dynamic PET is averaged; None for a dataset without.
        num_workers: Processes.
        progress: Where to show how far it is.

    Raises:
        ImageError: An image cannot be read.
        DatasetError: A case has no image at all, or a dynamic PET and no protocol or sidecar that fits it, or a
            worker was killed.
        SettingError: ``num_workers`` is less than one.
    """
    cases = sorted(dataset.training_cases, key=lambda case: case.case_id)
    findings = _examine_all(dataset, [case.case_id for case in cases], protocol, num_workers, progress)
    entries = tuple(finding.case for finding in findings)
    relative_sizes = [np.prod(entry.brain_shape_vox) / np.prod(entry.shape_vox) for entry in entries]
    return Fingerprint(
        dataset_name=dataset.description.name,
        num_subjects=len({case.subject_id for case in cases}),
        cases=entries,
        channels=_channels(dataset.description, findings),
        spacings=tuple(entry.spacing_mm for entry in entries),
        shapes_after_crop=tuple(entry.brain_shape_vox for entry in entries),
        median_relative_size_after_cropping=float(np.median(relative_sizes)),
        class_counts={
            target.name: _counts([case.targets.get(target.name) or "" for case in cases])
            for target in dataset.description.targets
        },
        site_counts=_counts([case.site for case in cases]),
        provenance=Provenance(
            command="glioframe_plan_and_preprocess",
            seed=_SEED,
            inputs={name: sha256_of_file(dataset.folder / name) for name in ("dataset.json", "cases.tsv")},
        ),
    )


def _examine_all(
    dataset: RawDataset, case_ids: Sequence[str], protocol: Protocol | None, num_workers: int, progress: Progress
) -> list[_Findings]:
    files = [dataset.files(case_id) for case_id in case_ids]
    work = partial(_examine, description=dataset.description, protocol=protocol)
    return for_each_case(work, files, num_workers=num_workers, progress=progress, step="fingerprint")


def _examine(files: CaseFiles, description: DatasetDescription, protocol: Protocol | None) -> _Findings:
    summarize = None if protocol is None else partial(static_image, protocol=protocol)
    images = read_case(files, description, summarize=summarize)
    lesion = None if images.label is None else Volume(images.label.array > 0, images.reference)
    return _Findings(
        case=_case_entry(files, images, lesion),
        brain=_samples(files.case_id, "brain", images, images.brain),
        lesion=_samples(files.case_id, "lesion", images, lesion),
        schedules=_schedules(files, description),
    )


def _schedules(files: CaseFiles, description: DatasetDescription) -> list[Schedule | None]:
    """For each declared channel, the starts and durations of its frames; None where it has none."""
    schedules: list[Schedule | None] = []
    for path, channel in zip(files.channels, description.channels, strict=True):
        is_dynamic = path is not None and channel.modality == Modality.PET_DYNAMIC
        sidecar = load_pet_sidecar(sidecar_path(path)) if path is not None and is_dynamic else None
        schedules.append(None if sidecar is None else (sidecar.frame_start_s, sidecar.frame_duration_s))
    return schedules


def _case_entry(files: CaseFiles, images: CaseImages, lesion: Volume | None) -> CaseFingerprint:
    spacing = images.reference.spacing_mm
    entry: dict[str, Any] = {
        "case_id": files.case_id,
        "spacing_mm": spacing,
        "shape_vox": images.reference.shape_vox,
        "brain_box_vox": images.box,
        "channels_present": files.channels_present,
    }
    if lesion is None:
        return CaseFingerprint(**entry)
    extent_mm, num_lesions = _lesion_extent(lesion.array, spacing)
    voxel_ml = float(np.prod(spacing)) / 1000.0
    return CaseFingerprint(
        **entry,
        lesion_volume_ml=float(lesion.array.sum()) * voxel_ml,
        lesion_extent_mm=extent_mm,
        num_lesions=num_lesions,
    )


def _lesion_extent(lesion: Mask, spacing_mm: tuple[float, float, float]) -> tuple[tuple[float, float, float], int]:
    """Edges (z, y, x) of the box around all lesions in mm, and how many there are."""
    box = bounding_box(lesion)
    if box is None:
        return (0.0, 0.0, 0.0), 0
    z, y, x = ((last - first) * spacing for (first, last), spacing in zip(box, spacing_mm, strict=True))
    _, num_lesions = ndimage.label(lesion[tuple(slice(first, last) for first, last in box)], _ALL_NEIGHBORS)
    return (z, y, x), int(num_lesions)


def _samples(case_id: str, region: str, images: CaseImages, mask: Volume | None) -> list[Sample]:
    """For each declared channel, up to :data:`MOST_VOXELS_SAMPLED` intensities inside of ``mask``."""
    samples = []
    for index, volume in enumerate(images.channels):
        if volume is None or mask is None:
            samples.append(np.empty(0, dtype=np.float32))
            continue
        values = volume.array[resample_label_to(mask, volume.geometry).array]
        if len(values) > MOST_VOXELS_SAMPLED:
            generator = np.random.default_rng(derive_seed(_SEED, case_id, region, index))
            values = values[generator.integers(len(values), size=MOST_VOXELS_SAMPLED)]
        samples.append(values)
    return samples


def _channels(description: DatasetDescription, findings: Sequence[_Findings]) -> tuple[ChannelFingerprint, ...]:
    return tuple(
        ChannelFingerprint(
            channel=channel,
            num_present=sum(finding.case.channels_present[index] for finding in findings),
            brain=_statistics([finding.brain[index] for finding in findings]),
            lesion=_statistics([finding.lesion[index] for finding in findings]),
            schedules=_counted_schedules([finding.schedules[index] for finding in findings]),
        )
        for index, channel in enumerate(description.channels)
    )


def _counted_schedules(schedules: Sequence[Schedule | None]) -> tuple[ScheduleFingerprint, ...]:
    counts = Counter(schedule for schedule in schedules if schedule is not None)
    return tuple(
        ScheduleFingerprint(frame_start_s=starts, frame_duration_s=durations, num_cases=number)
        for (starts, durations), number in sorted(counts.items(), key=lambda item: (-item[1], item[0]))
    )


def _statistics(samples: Sequence[Sample]) -> IntensityStatistics | None:
    values = np.concatenate(samples).astype(np.float64) if samples else np.empty(0)
    if not len(values):
        return None
    low, median, high = np.percentile(values, [0.5, 50.0, 99.5])
    return IntensityStatistics(
        mean=float(values.mean()),
        median=float(median),
        std=float(values.std()),
        min=float(values.min()),
        max=float(values.max()),
        percentile_00_5=float(low),
        percentile_99_5=float(high),
    )


def _counts(values: Sequence[str]) -> dict[str, int]:
    return dict(sorted(Counter(values).items()))
