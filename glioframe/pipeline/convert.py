"""Folders of other makes -> raw dataset."""

from __future__ import annotations

from typing import TYPE_CHECKING

from glioframe.dataset import convert_bids as bids
from glioframe.dataset import convert_brats as brats
from glioframe.dataset import convert_dicom as dicom

if TYPE_CHECKING:
    from glioframe.artifacts.raw_dataset import RawDataset
    from glioframe.core.progress import Progress
    from glioframe.core.workspace import Workspace
    from glioframe.dataset.convert_brats import BratsSource
    from glioframe.dataset.dynamic_source import PetSource


def convert_brats(
    workspace: Workspace, source: BratsSource, *, dataset_id: int, name: str, progress: Progress
) -> RawDataset:
    """Makes ``Dataset<id>_<name>`` from BraTS-style folders.

    Raises:
        WorkspaceError: The id is taken, or the name cannot be a folder name.
        GlioframeError: See :func:`glioframe.dataset.convert_brats.convert_brats`.
    """
    return brats.convert_brats(source, workspace.new_dataset_folder(dataset_id, name), progress=progress)


def convert_bids(
    workspace: Workspace, source: PetSource, *, dataset_id: int, name: str, progress: Progress
) -> RawDataset:
    """Makes ``Dataset<id>_<name>`` from a BIDS dataset with PET.

    Raises:
        WorkspaceError: The id is taken, or the name cannot be a folder name.
        GlioframeError: See :func:`glioframe.dataset.convert_bids.convert_bids`.
    """
    return bids.convert_bids(source, workspace.new_dataset_folder(dataset_id, name), progress=progress)


def convert_dicom(
    workspace: Workspace, source: PetSource, *, dataset_id: int, name: str, progress: Progress
) -> RawDataset:
    """Makes ``Dataset<id>_<name>`` from DICOM files.

    Raises:
        WorkspaceError: The id is taken, or the name cannot be a folder name.
        GlioframeError: See :func:`glioframe.dataset.convert_dicom.convert_dicom`.
    """
    return dicom.convert_dicom(source, workspace.new_dataset_folder(dataset_id, name), progress=progress)
