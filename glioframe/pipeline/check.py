"""Raw dataset -> ``preflight.json``."""

from __future__ import annotations

from typing import TYPE_CHECKING

from glioframe.artifacts.json_file import save_json
from glioframe.dataset.preflight import check_dataset

if TYPE_CHECKING:
    from glioframe.artifacts.preflight import Preflight
    from glioframe.core.progress import Progress
    from glioframe.core.workspace import Workspace


def check(workspace: Workspace, dataset: str, *, num_workers: int, progress: Progress) -> Preflight:
    """Checks a raw dataset, given by id or name, and saves what was found beside its preprocessed cases.

    Raises:
        WorkspaceError: No such dataset.
    """
    name = workspace.dataset_name(dataset)
    preflight = check_dataset(workspace.raw / name, num_workers=num_workers, progress=progress)
    save_json(preflight, workspace.preprocessed / name / "preflight.json")
    return preflight
