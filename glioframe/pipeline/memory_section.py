"""The memory that a training took, beside what was predicted."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from glioframe.artifacts.training_log import load_training_log
from glioframe.task_api.task import ReportSection
from glioframe.training.engine import LOG
from glioframe.training.members import member_runs
from glioframe.training.memory_fallback import fallback_reasons

if TYPE_CHECKING:
    from collections.abc import Sequence

    from glioframe.artifacts.plan import Configuration
    from glioframe.task_api.run import Run


def memory_section(configuration: Configuration, runs: Sequence[Run[Any]]) -> list[ReportSection]:
    """One section; none for a task that keeps no log of epochs."""
    members = [each for run in runs for each in member_runs(run)]
    epochs = [record for each in members for record in load_training_log(each.folder / LOG)]
    if not epochs:
        return []
    precisions = " and ".join(sorted({record.precision for record in epochs if record.precision}))
    text = (
        f"Predicted for a training step: {configuration.predicted_peak_memory_gb:.2f} GB. Observed at most: "
        f"{max(record.peak_memory_mb for record in epochs) / 1000:.2f} GB{precisions and f', in {precisions}'}. On a "
        "GPU that is what its allocator handed out; on a CPU it is the whole process, with Python, the libraries and "
        "the cases in memory."
    )
    frozen = min(record.frozen_share for record in epochs)
    if frozen > 0:
        text += f" The prediction is for training every weight; {frozen:.0%} of them were frozen, which takes less."
    fallen = [f"{each.name}: {', '.join(reasons)}" for each in members if (reasons := fallback_reasons(each))]
    if fallen:
        text += f" Memory ran out all the same, and training went on with less than planned: {'; '.join(fallen)}."
    return [ReportSection(title="Memory", text=text)]
