"""The images of one case, with the one grid that they refer to."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import numpy as np

from glioframe.artifacts.pet_sidecar import load_pet_sidecar, sidecar_path
from glioframe.core.errors import DatasetError, ImageError
from glioframe.core.modality import Modality
from glioframe.imaging.brain import Mask, brain_box, brain_mask, is_skull_stripped
from glioframe.imaging.resample import resample_label_to
from glioframe.imaging.series import read_series
from glioframe.imaging.volume import Volume, affine_from_array, read_label, read_volume

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path
    from typing import Any

    from numpy.typing import NDArray

    from glioframe.artifacts.dataset import Channel, DatasetDescription
    from glioframe.artifacts.fingerprint import Box
    from glioframe.artifacts.pet_sidecar import PetSidecar
    from glioframe.artifacts.raw_dataset import CaseFiles
    from glioframe.core.geometry import Geometry

    Summary = Callable[[NDArray[Any], PetSidecar, Channel, Path], NDArray[np.float32]]
    """A series (t, z, y, x), its sidecar, its channel and its file -> one volume (z, y, x) that stands for it."""


@dataclass(kw_only=True)
class CaseImages:
    """What was read of a case. Not frozen: whoever is done with a channel may drop it, to free its memory.

    Attributes:
        channels: One volume per declared channel, of a dynamic one its summary; None where the case lacks it. On the
            reference grid, unless the dataset's grid is ``per_channel``.
        label: Lesion labels on the reference grid; None without.
        brain: The brain (z, y, x) on the reference grid.
        is_skull_stripped: Whether all channels are exactly zero outside of the brain.
        box: Where brain and lesion are, with a margin.
        lesion_center_mm: RAS+ center of mass of the lesion; None without one.
    """

    channels: list[Volume | None]
    label: Volume | None
    brain: Volume
    is_skull_stripped: bool
    box: Box
    lesion_center_mm: tuple[float, float, float] | None

    @property
    def reference(self) -> Geometry:
        """The grid of the first channel present."""
        return self.brain.geometry


def read_case(files: CaseFiles, description: DatasetDescription, *, summarize: Summary | None = None) -> CaseImages:
    """Reads all images of a case and finds its brain.

    Args:
        files: The case's files.
        description: What they hold.
        summarize: Makes one volume of a dynamic PET; needed where the dataset has one.

    Raises:
        DatasetError: A dynamic PET without its sidecar, or without ``summarize``, i.e. without a protocol.
        ImageError: A file is unreadable, holds values that are not finite, or lies on another grid where the dataset
            declares one for all channels.
    """
    channels = [
        None
        if path is None
        else _read_dynamic(path, channel, summarize)
        if channel.modality == Modality.PET_DYNAMIC
        else _read_finite(path)
        for path, channel in zip(files.channels, description.channels, strict=True)
    ]
    present = [volume for volume in channels if volume is not None]
    reference = present[0].geometry
    if description.grid == "shared":
        for path, volume in zip(files.channels, channels, strict=True):
            if path is not None and volume is not None:
                _check_grid(volume.geometry, reference, path)
    on_reference = [volume for volume in present if volume.geometry.matches(reference)]
    label, center_mm = _read_lesion(files.label, reference, description)
    brain = brain_mask(on_reference)
    lesion = None if label is None else label.array > 0
    return CaseImages(
        channels=channels,
        label=label,
        brain=Volume(brain, reference),
        is_skull_stripped=is_skull_stripped(on_reference),
        box=brain_box(brain, lesion, reference.spacing_mm),
        lesion_center_mm=center_mm,
    )


def crop(volume: Volume, box: Box) -> Volume:
    """The part of a volume inside of ``box``, as a copy that lets go of the rest."""
    (z0, z1), (y0, y1), (x0, x1) = box
    affine = np.array(volume.geometry.affine)
    affine[:3, 3] = volume.geometry.world_mm((z0, y0, x0))
    geometry = replace(volume.geometry, shape_vox=(z1 - z0, y1 - y0, x1 - x0), affine=affine_from_array(affine))
    return Volume(volume.array[z0:z1, y0:y1, x0:x1].copy(), geometry)


def voxel_index(geometry: Geometry, world_mm: tuple[float, float, float]) -> tuple[float, float, float]:
    """The (fractional) voxel index (z, y, x) of a RAS+ position in mm."""
    affine = np.array(geometry.affine)
    x, y, z = np.linalg.solve(affine[:3, :3], np.array(world_mm) - affine[:3, 3])
    return (float(z), float(y), float(x))


def _read_dynamic(path: Path, channel: Channel, summarize: Summary | None) -> Volume:
    if summarize is None:
        raise DatasetError(
            path,
            expected="a protocol, which says over which minutes a dynamic PET is averaged",
            found="none",
            fix='Set "protocol" in dataset.json, or pass --protocol',
        )
    series = read_series(path)
    summary = summarize(series.array, load_pet_sidecar(sidecar_path(path)), channel, path)
    return _finite(Volume(summary, series.geometry), path)


def _read_finite(path: Path) -> Volume:
    return _finite(read_volume(path), path)


def _finite(volume: Volume, path: Path) -> Volume:
    # The sum is finite only if all values are (or overflow float32, which no image in use does): a tenth of the time.
    if not np.isfinite(volume.array.sum()):
        count = int((~np.isfinite(volume.array)).sum())
        raise ImageError(
            path,
            expected="finite values",
            found=f"{count} voxels that are NaN or infinite",
            fix="Replace them, e.g. by 0 outside of the body",
        )
    return volume


def _check_grid(geometry: Geometry, reference: Geometry, path: Path) -> None:
    if not geometry.matches(reference):
        raise ImageError(
            path,
            expected=f"the grid of the case's first channel, shape {reference.shape_vox} (z, y, x)",
            found=f"shape {geometry.shape_vox}, corners up to {geometry.largest_corner_shift_mm(reference):.3g} mm off",
            fix='Resample it, or set "grid": "per_channel" in dataset.json if the channels share the world space',
        )


def _read_lesion(
    path: Path | None, reference: Geometry, description: DatasetDescription
) -> tuple[Volume | None, tuple[float, float, float] | None]:
    if path is None:
        return None, None
    label = read_label(path)
    if description.grid == "shared":
        _check_grid(label.geometry, reference, path)
    unknown = sorted(set(np.unique(label.array[label.array != 0]).tolist()) - set(description.labels.values()))
    if unknown:
        raise ImageError(
            path,
            expected=f"the label values {sorted(description.labels.values())} of dataset.json",
            found=str(unknown),
            fix="Renumber the label, or declare the values",
        )
    center_mm = _center_of_mass_mm(label.array > 0, label.geometry)
    return resample_label_to(label, reference), center_mm


def _center_of_mass_mm(mask: Mask, geometry: Geometry) -> tuple[float, float, float] | None:
    """From the label as drawn: resampling can lose a small lesion."""
    indices = np.nonzero(mask)
    if not len(indices[0]):
        return None
    z, y, x = (float(index.mean()) for index in indices)
    return geometry.world_mm((z, y, x))
