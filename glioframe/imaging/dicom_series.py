"""DICOM series: found by their headers (pydicom), their pixels decoded slice by slice (SimpleITK, which brings GDCM).

GDCM knows every compression and applies each slice's own rescale slope, which PET scanners change from slice to slice.
"""

from __future__ import annotations

from collections import defaultdict
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
import pydicom
import SimpleITK as sitk  # noqa: N813 - its usual name
from nibabel.orientations import apply_orientation, inv_ornt_aff, io_orientation
from pydicom.errors import InvalidDicomError

from glioframe.core.errors import ImageError
from glioframe.core.geometry import Geometry
from glioframe.imaging.series import Series
from glioframe.imaging.volume import affine_from_array

if TYPE_CHECKING:
    from pathlib import Path

    from numpy.typing import NDArray

_POSITION_MM = 0.01  # slices closer than this lie at one place
_LARGEST_GAP_ERROR = 0.1  # of the slice distance; bed positions are rounded by a few percent
_LPS_TO_RAS = np.diag([-1.0, -1.0, 1.0, 1.0])
_GEOMETRY_TAGS = ("ImagePositionPatient", "ImageOrientationPatient", "PixelSpacing", "Rows", "Columns")


@dataclass(frozen=True, kw_only=True)
class DicomSlice:
    """One file."""

    path: Path
    header: Any


@dataclass(frozen=True, kw_only=True)
class DicomSeries:
    """The slices of one series instance UID."""

    slices: tuple[DicomSlice, ...]

    @property
    def header(self) -> Any:  # noqa: ANN401 - pydicom is typed in part
        """Of the first file by name."""
        return self.slices[0].header

    @property
    def folder(self) -> Path:
        """Where the first file lies; names the series in messages."""
        return self.slices[0].path.parent

    @property
    def patient_id(self) -> str:
        """The patient."""
        return str(self.header.get("PatientID", "")).strip()

    @property
    def modality(self) -> str:
        """``PT``, ``MR``, ``CT`` and so on."""
        return str(self.header.get("Modality", ""))

    @property
    def description(self) -> str:
        """The series description."""
        return str(self.header.get("SeriesDescription", ""))


def find_dicom_series(folder: Path) -> list[DicomSeries]:
    """All series of images below a folder, by patient, study and series; other files are passed over."""
    groups: dict[tuple[str, str, str], list[DicomSlice]] = defaultdict(list)
    for path in sorted(item for item in folder.rglob("*") if item.is_file()):
        try:
            header = pydicom.dcmread(path, stop_before_pixels=True)
        except (InvalidDicomError, EOFError):
            continue
        if "Rows" in header:
            key = tuple(str(header.get(name, "")) for name in ("PatientID", "StudyInstanceUID", "SeriesInstanceUID"))
            groups[key[0], key[1], key[2]].append(DicomSlice(path=path, header=header))
    return [DicomSeries(slices=tuple(slices)) for _, slices in sorted(groups.items())]


def frames_of(series: DicomSeries) -> list[list[DicomSlice]]:
    """The slices by frame, in order of time, each from the lowest position to the highest along the slice normal.

    Raises:
        ImageError: A header lacks its place, or positions hold different numbers of slices.
    """
    for item in series.slices:
        missing = [name for name in _GEOMETRY_TAGS if name not in item.header]
        if missing:
            raise ImageError(
                item.path,
                expected=f"the tag {missing[0]} in a single-frame image",
                found="none",
                fix="Export the series again as classic (not enhanced) DICOM images",
            )
    normal = _normal(series.header)
    by_position: dict[int, list[DicomSlice]] = defaultdict(list)
    for item in series.slices:
        position = float(np.dot(np.array(item.header.ImagePositionPatient, dtype=float), normal))
        by_position[round(position / _POSITION_MM)].append(item)
    counts = {len(items) for items in by_position.values()}
    if len(counts) > 1:
        raise ImageError(
            series.folder,
            expected="the same number of images at each slice position",
            found=f"from {min(counts)} to {max(counts)}",
            fix="Export the series again, whole: some of its images are missing or doubled",
        )
    stacks = [sorted(items, key=_time_key) for _, items in sorted(by_position.items())]
    return [list(frame) for frame in zip(*stacks, strict=True)]


def read_frames(frames: list[list[DicomSlice]], *, where: Path) -> Series:
    """The series of :func:`frames_of`, rescaled, axes RAS+.

    Raises:
        ImageError: Slices are not evenly spaced, or a file cannot be decoded.
    """
    stored = np.stack([np.stack([_pixels(item) for item in frame]) for frame in frames])
    affine = _affine(frames[0], where)
    orientation = io_orientation(affine)
    turned = apply_orientation(stored.T, orientation).T
    affine = affine @ inv_ornt_aff(orientation, stored.shape[:0:-1])
    _, z, y, x = turned.shape
    geometry = Geometry(shape_vox=(z, y, x), affine=affine_from_array(affine))
    return Series(np.ascontiguousarray(turned, dtype=np.float32), geometry)


def _time_key(item: DicomSlice) -> tuple[str, str, float]:
    header = item.header
    reference = header.get("FrameReferenceTime")
    return (
        str(header.get("AcquisitionDate", "")),
        str(header.get("AcquisitionTime", "")).ljust(13, "0"),
        float(reference) if reference is not None else 0.0,
    )


def _normal(header: Any) -> NDArray[np.float64]:  # noqa: ANN401 - pydicom is typed in part
    cosines = np.array(header.ImageOrientationPatient, dtype=float)
    return np.asarray(np.cross(cosines[:3], cosines[3:]), dtype=np.float64)


def _affine(frame: list[DicomSlice], where: Path) -> NDArray[np.float64]:
    header = frame[0].header
    cosines = np.array(header.ImageOrientationPatient, dtype=float)
    row_mm, column_mm = (float(value) for value in header.PixelSpacing)
    positions = np.array([item.header.ImagePositionPatient for item in frame], dtype=float)
    step = _normal(header) * float(header.get("SliceThickness") or 1.0)
    if len(frame) > 1:
        steps = np.diff(positions, axis=0)
        step = steps.mean(axis=0)
        uneven = float(np.linalg.norm(steps - np.median(steps, axis=0), axis=1).max() / np.linalg.norm(step))
        if uneven > _LARGEST_GAP_ERROR:
            raise ImageError(
                where,
                expected="evenly spaced slices",
                found=f"distances that differ by {uneven:.0%}",
                fix="Export the series again, whole: a slice is missing or the gantry was tilted",
            )
    affine = np.eye(4)
    affine[:3, 0], affine[:3, 1] = cosines[:3] * column_mm, cosines[3:] * row_mm
    affine[:3, 2], affine[:3, 3] = step, positions[0]
    return np.asarray(_LPS_TO_RAS @ affine, dtype=np.float64)


def _pixels(item: DicomSlice) -> NDArray[np.float32]:
    try:
        image = sitk.ReadImage(str(item.path), sitk.sitkFloat32)
    except RuntimeError:
        raise ImageError(
            item.path, expected="a DICOM image that GDCM decodes", found="an unreadable one", fix="Export it again"
        ) from None
    return np.asarray(sitk.GetArrayFromImage(image)[0], dtype=np.float32)
