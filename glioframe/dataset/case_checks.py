"""Reads the images of one case, each once, and runs every check that needs voxels."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from glioframe.artifacts.cases import Case
from glioframe.core.errors import ImageError
from glioframe.core.modality import Modality
from glioframe.dataset.alignment_checks import check_alignment
from glioframe.dataset.duplicate_checks import Thumbnail, make_thumbnail
from glioframe.dataset.dynamic_checks import check_dynamic
from glioframe.dataset.findings import from_fault, from_system_error
from glioframe.dataset.geometry_checks import check_overlap, check_shared_grid, reference_grid
from glioframe.dataset.intensity_checks import (
    check_different_channels,
    check_finite,
    check_quantity,
    check_varied,
)
from glioframe.dataset.label_checks import check_label_in_brain, check_label_values
from glioframe.imaging.brain import brain_mask
from glioframe.imaging.series import read_series
from glioframe.imaging.volume import Volume, read_volume

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence
    from pathlib import Path

    from numpy.typing import NDArray

    from glioframe.artifacts.dataset import Channel, DatasetDescription
    from glioframe.artifacts.preflight import Finding
    from glioframe.artifacts.raw_dataset import CaseFiles
    from glioframe.core.geometry import Geometry


@dataclass(frozen=True, kw_only=True)
class CaseReport:
    """What one case's images told.

    Attributes:
        case_id: The case.
        num_files: Files that were opened.
        findings: What is wrong with them.
        thumbnails: A coarse view of each channel, by name, for comparing the cases.
    """

    case_id: str
    num_files: int
    findings: tuple[Finding, ...]
    thumbnails: dict[str, Thumbnail]


def check_case(files: CaseFiles, description: DatasetDescription, case: Case | None = None) -> CaseReport:
    """Checks one case, whose row is ``case``; whatever its files hold, this gives findings and raises nothing."""
    case = case or Case(case_id=files.case_id, subject_id=files.case_id)
    findings: list[Finding] = []
    channels: dict[Path, Channel] = {}
    volumes: dict[Path, Volume] = {}
    for channel, path in zip(description.channels, files.channels, strict=True):
        if path and channel.modality is Modality.PET_DYNAMIC:
            volume = _read_dynamic(path, channel, description, case, findings)
        else:
            volume = _read(files.case_id, path, findings) if path else None
        if path and volume:
            channels[path] = channel
            if channel.modality is not Modality.PET_DYNAMIC:
                findings += check_finite(files.case_id, path, volume.array)
            volumes[path] = _without_bad_voxels(volume)
            findings += check_varied(files.case_id, path, volumes[path].array)
    findings += check_different_channels(files.case_id, {path: volume.array for path, volume in volumes.items()})
    label = _read(files.case_id, files.label, findings) if files.label else None
    labels = {files.label: label} if files.label and label else {}
    findings += _check_grids(files.case_id, description, volumes, labels)
    brains = _Brains(list(volumes.values()))
    for path, volume in labels.items():
        findings += check_label_values(files.case_id, path, volume.array, description)
        findings += check_label_in_brain(files.case_id, path, volume.array, brains.on(volume.geometry))
    for path, volume in volumes.items():
        if channels[path].modality.is_pet:
            brain = brains.on(volume.geometry)
            findings += check_quantity(files.case_id, path, volume.array, channel=channels[path], brain=brain)
    if not any(finding.severity == "error" for finding in findings):  # a mended case may fit
        findings += _check_alignment(files.case_id, channels, volumes, brains)
    return CaseReport(
        case_id=files.case_id,
        num_files=len(files.paths),
        findings=tuple(findings),
        thumbnails={channels[path].name: make_thumbnail(volume.array) for path, volume in volumes.items()},
    )


class _Brains:
    """The brain on each grid of a case, computed when first asked for."""

    def __init__(self, volumes: Sequence[Volume]) -> None:
        self._volumes = volumes
        self._known: list[tuple[Geometry, NDArray[np.bool_]]] = []

    def on(self, grid: Geometry) -> NDArray[np.bool_]:
        """The brain (z, y, x) as the images on ``grid`` show it; empty where there are none."""
        for known_grid, brain in self._known:
            if known_grid.matches(grid):
                return brain
        volumes = [volume for volume in self._volumes if volume.geometry.matches(grid)]
        brain = brain_mask(volumes) if volumes else np.zeros(grid.shape_vox, dtype=np.bool_)
        self._known.append((grid, brain))
        return brain


def _read(case_id: str, path: Path, findings: list[Finding]) -> Volume | None:
    """Also for labels: as float32 they keep the values that a conversion to integers would refuse."""
    try:
        return read_volume(path)
    except ImageError as fault:
        findings.append(from_fault("readable_image", fault, case_id=case_id))
    except OSError as fault:
        findings.append(from_system_error("readable_image", path, fault, case_id=case_id))
    return None


def _read_dynamic(
    path: Path, channel: Channel, description: DatasetDescription, case: Case, findings: list[Finding]
) -> Volume | None:
    """Checks all frames and gives their mean, which the checks of volumes go on with."""
    try:
        series = read_series(path)
    except ImageError as fault:
        findings.append(from_fault("readable_image", fault, case_id=case.case_id))
        return None
    except OSError as fault:
        findings.append(from_system_error("readable_image", path, fault, case_id=case.case_id))
        return None
    findings += check_finite(case.case_id, path, series.array)
    findings += check_dynamic(path, series, channel=channel, description=description, case=case)
    frames = np.nan_to_num(series.array, nan=0.0, posinf=0.0, neginf=0.0)
    return Volume(frames.mean(axis=0), series.geometry)


def _check_alignment(
    case_id: str, channels: Mapping[Path, Channel], volumes: Mapping[Path, Volume], brains: _Brains
) -> Iterator[Finding]:
    """Each PET against the first MRI, where the case has both."""
    mri_path = next((path for path, channel in channels.items() if channel.modality.is_weighted_mri), None)
    if mri_path is None:
        return
    mri = volumes[mri_path]
    for path, channel in channels.items():
        if channel.modality.is_pet:
            brain = brains.on(mri.geometry)
            yield from check_alignment(case_id, path, volumes[path], mri_path=mri_path, mri=mri, brain=brain)


def _without_bad_voxels(volume: Volume) -> Volume:
    """NaN and infinity, once reported, become 0, so that the other checks can go on."""
    if np.isfinite(volume.array).all():
        return volume
    return Volume(np.nan_to_num(volume.array, nan=0.0, posinf=0.0, neginf=0.0), volume.geometry)


def _check_grids(
    case_id: str, description: DatasetDescription, volumes: Mapping[Path, Volume], labels: Mapping[Path, Volume]
) -> Iterator[Finding]:
    if not volumes:
        return
    grids = {path: volume.geometry for path, volume in (*volumes.items(), *labels.items())}
    if description.grid == "shared":
        yield from check_shared_grid(case_id, grids, reference_grid(grids))
    else:
        yield from check_overlap(case_id, grids, next(iter(volumes)))
