"""The networks of a fold: one, or several that differ in their random numbers alone, whose mean predicts."""

from __future__ import annotations

import shutil
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from glioframe.training.memory_fallback import as_trained

if TYPE_CHECKING:
    from pathlib import Path

    from glioframe.task_api.run import Run


def member_run(run: Run[Any], member: int) -> Run[Any]:
    """The run of one network of the fold: the first has the fold's own folder, every other one a folder in it."""
    return replace(run, folder=run.folder / f"member_{member}", member=member) if member else run


def member_runs(run: Run[Any]) -> list[Run[Any]]:
    """Of every network of the fold, each with the configuration that it was trained with."""
    fold = as_trained(run)
    return [as_trained(member_run(fold, member)) for member in range(fold.configuration.training.num_members)]


def remove_members(folder: Path) -> None:
    """Deletes the networks after the first, which an earlier training left in the folder of a fold."""
    for path in folder.glob("member_*"):
        shutil.rmtree(path)
