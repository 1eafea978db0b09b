"""Simulates a cohort into the workspace."""

from __future__ import annotations

from typing import TYPE_CHECKING

from glioframe.simulation.cohort import simulate_cohort
from glioframe.simulation.dynamic_cohort import simulate_dynamic_cohort

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
        SettingError: The frame schedule cannot be read.
    """
    make = simulate_dynamic_cohort if settings.kind == "dynamic" else simulate_cohort
    return make(settings, workspace.new_dataset_folder(dataset_id, name), progress=progress)
