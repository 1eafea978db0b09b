"""A preprocessed case: ``CASE.b2nd`` (c, z, y, x), ``CASE_seg.b2nd`` (z, y, x) and ``CASE.json``.

``CASE.json`` is written last: a case without it does not exist.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, ClassVar, Literal

from glioframe.artifacts.fingerprint import Box
from glioframe.artifacts.json_file import STRICT, load_json
from glioframe.core.errors import ArtifactError
from glioframe.core.geometry import Affine, Geometry, Shape, Spacing
from glioframe.core.provenance import Provenance


@dataclass(frozen=True, kw_only=True, slots=True)
class CaseProperties:
    """What ``CASE.json`` holds.

    Attributes:
        schema_version: Of this file.
        case_id: The case.
        shape_vox: Shape (z, y, x) of the arrays.
        spacing_mm: Spacing (z, y, x) of the arrays.
        affine: Of the arrays: voxel (x, y, z, 1) to RAS+ mm.
        original_shape_vox: Of the reference channel after reorientation to RAS+, before cropping.
        original_affine: Of the same.
        brain_box_vox: The crop, on that original grid.
        channels_present: One flag per planned channel; an absent one is stored as zeros.
        has_lesion_label: Whether ``CASE_seg.b2nd`` exists.
        lesion_center_vox: Center of mass (z, y, x) of the lesion in array voxels; None without one.
        planned_hash: Of the plan's part in it: :func:`glioframe.artifacts.plan.preprocessing_hash`.
        preprocessing_hash: Of the plan's preprocessing and of the input files: equal hash, equal bytes.
        provenance: Input hashes.
    """

    __pydantic_config__: ClassVar[dict[str, Any]] = STRICT
    schema_version: Literal[1] = 1
    case_id: str
    shape_vox: Shape
    spacing_mm: Spacing
    affine: Affine
    original_shape_vox: Shape
    original_affine: Affine
    brain_box_vox: Box
    channels_present: tuple[bool, ...]
    has_lesion_label: bool
    lesion_center_vox: tuple[float, float, float] | None
    planned_hash: str
    preprocessing_hash: str
    provenance: Provenance = field(default_factory=Provenance)

    @property
    def geometry(self) -> Geometry:
        """The grid of the arrays."""
        return Geometry(shape_vox=self.shape_vox, affine=self.affine)


@dataclass(frozen=True, kw_only=True, slots=True)
class PreprocessedCase:
    """A preprocessed case on disk; the arrays are read by :mod:`glioframe.imaging.array_store`.

    Attributes:
        folder: ``preprocessed/Dataset001_Name/<data_identifier>``.
        properties: The content of ``CASE.json``.
    """

    folder: Path
    properties: CaseProperties

    @property
    def case_id(self) -> str:
        """The case."""
        return self.properties.case_id

    @property
    def image_path(self) -> Path:
        """Float32 (c, z, y, x)."""
        return self.folder / f"{self.case_id}.b2nd"

    @property
    def label_path(self) -> Path:
        """Int8 (z, y, x); exists where ``properties.has_lesion_label``."""
        return self.folder / f"{self.case_id}_seg.b2nd"


def properties_path(folder: Path, case_id: str) -> Path:
    """The file whose presence says that the case is complete."""
    return folder / f"{case_id}.json"


def load_preprocessed_case(folder: Path, case_id: str) -> PreprocessedCase:
    """Opens a preprocessed case without reading its arrays.

    Raises:
        ArtifactError: The case is absent or incomplete.
    """
    path = properties_path(folder, case_id)
    if not path.is_file():
        raise ArtifactError(
            path,
            expected=f"the preprocessed case {case_id}",
            found="no file",
            fix="Run glioframe_plan_and_preprocess",
        )
    return PreprocessedCase(folder=folder, properties=load_json(CaseProperties, path))
