"""Simulates a cohort into the workspace."""

from __future__ import annotations

from typing import TYPE_CHECKING

from glioframe.simulation.cohort import simulate_cohort

if TYPE_CHECKING:
    from glioframe.artifacts.raw_dataset import RawDataset
    from glioframe.core.progress import Progress
    from glioframe.core.workspace import Workspace
    from glioframe.simulation.settings import CohortSettings


def simulate(
    settings: CohortSettings, *, dataset_id: int, name: str, workspace: Workspace, progress: Progress
) -> RawDataset:
    """Makes ``raw/Dataset<id>_<name>``.

    Raises:
        WorkspaceError: The id is taken, or the name cannot be a folder name.
    """
    return simulate_cohort(settings, workspace.new_dataset_folder(dataset_id, name), progress=progress)
