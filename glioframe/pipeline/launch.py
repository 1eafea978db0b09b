"""Trains the folds as jobs of their own instead of one after another, here or on a cluster."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

from glioframe.core.errors import TrainingError
from glioframe.pipeline.jobs import fold_job, report_job, tail
from glioframe.pipeline.launch_local import EndedJob, run_jobs
from glioframe.pipeline.load_training import load_training
from glioframe.pipeline.train import prepare_model_folder, report_if_complete

if TYPE_CHECKING:
    from pathlib import Path

    from glioframe.core.progress import Progress
    from glioframe.core.workspace import Workspace
    from glioframe.pipeline.jobs import Job
    from glioframe.pipeline.launch_slurm import SubmittedJob
    from glioframe.pipeline.launcher_settings import LauncherSettings
    from glioframe.pipeline.model_folder import ModelFolder
    from glioframe.pipeline.training import Training, TrainingRequest

LauncherName = Literal["local", "slurm"]
_LOGS = "jobs"


@dataclass(frozen=True, kw_only=True, slots=True)
class Launched:
    """What was started.

    Attributes:
        model: Where the folds are.
        queued: Jobs that have not ended; empty where they were waited for.
    """

    model: ModelFolder
    queued: tuple[SubmittedJob, ...] = ()


def launch(
    workspace: Workspace,
    request: TrainingRequest,
    launcher: LauncherName,
    settings: LauncherSettings,
    *,
    progress: Progress,
) -> Launched:
    """Trains the folds asked for as jobs; once every fold is there, it is evaluated and reported.

    ``local`` waits for all; ``slurm`` queues them, and the report as a job that depends on them, and returns.

    Raises:
        TrainingError: The model folder holds another run, there is nothing to resume, or folds failed.
        SettingError: There is no such launcher here.
        KeyboardInterrupt: Somebody asked to stop; local jobs have saved.
    """
    training = load_training(workspace, request)
    numbers = range(len(training.folds)) if request.folds is None else request.folds
    prepare_model_folder(training, numbers)
    jobs = _jobs(training, numbers, settings)
    logs = training.model.path / _LOGS
    if launcher == "local":
        _refuse_failures(run_jobs(jobs, logs, at_once=settings.jobs_at_once, progress=progress), len(jobs), logs)
        if request.report:
            report_if_complete(training, progress=progress)
        return Launched(model=training.model)
    from glioframe.pipeline.launch_slurm import submit_jobs

    last = report_job(request) if request.report and request.folds is None else None
    return Launched(model=training.model, queued=tuple(submit_jobs(jobs, last, logs, settings)))


def _jobs(training: Training, numbers: range | tuple[int, ...], settings: LauncherSettings) -> list[Job]:
    """Of the folds that are not trained; each gets its folder, so that a job is always one that goes on."""
    done = training.model.trained_folds() if training.request.resume else []
    left = [number for number in numbers if number not in done]
    for number in left:
        training.model.fold_folder(number).mkdir(parents=True, exist_ok=True)
    return [fold_job(training.request, number, processes=settings.processes_per_job) for number in left]


def _refuse_failures(ended: list[EndedJob], num_jobs: int, logs: Path) -> None:
    failed = sorted((job for job in ended if job.exit_code), key=lambda job: job.name)
    if failed:
        first = failed[0]
        others = f" (failed too: {', '.join(job.name for job in failed[1:])})" if failed[1:] else ""
        raise TrainingError(
            first.log if len(failed) == 1 else logs,
            expected="every fold to be trained",
            found=f"{first.name} ended with exit code {first.exit_code}: {tail(first.log).rstrip('.')}{others}",
            fix=f"Read the log, mend it and run the same command with --c; the other {num_jobs - len(failed)} are kept",
        )
