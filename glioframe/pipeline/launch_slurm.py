"""Jobs on a Slurm cluster, by submitit: they survive preemption and time limits, because they save and queue again."""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import time
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal

import submitit

from glioframe.core.errors import SettingError

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from glioframe.pipeline.jobs import Job
    from glioframe.pipeline.launcher_settings import LauncherSettings

_NAME = "glioframe"
_PATIENCE_S = 30.0
_SECONDS_BETWEEN_LOOKS = 0.2


@dataclass(frozen=True, kw_only=True, slots=True)
class SubmittedJob:
    """A job in the queue.

    Attributes:
        name: Of the job.
        job_id: Slurm's number.
        log: Where it says all that it says.
    """

    name: str
    job_id: str
    log: Path


class RequeuedCommand:
    """What a job does: run a command that saves when it is told to stop, and goes on when it is started again.

    Args:
        command: Its words.
        patience_s: A scheduler's signal reaches the command too, maybe first. So long to wait for one's own.
    """

    def __init__(self, command: Sequence[str], *, patience_s: float = _PATIENCE_S) -> None:
        self._command = tuple(command)
        self._patience_s = patience_s
        self._process_id = 0

    def __call__(self) -> None:
        """Runs the command.

        Raises:
            CalledProcessError: It failed.
        """
        # Outside of training, the command would die of a warning that is meant for this process.
        process = subprocess.Popen(self._command, preexec_fn=_ignore_warnings)  # noqa: PLW1509, S603 - no threads here
        self._process_id = process.pid
        while process.poll() is None:
            time.sleep(_SECONDS_BETWEEN_LOOKS)
        if process.returncode:
            time.sleep(self._patience_s)
            raise subprocess.CalledProcessError(process.returncode, self._command)

    def checkpoint(self) -> submitit.helpers.DelayedSubmission:
        """Called by submitit before the job ends too early: lets the command save, and says how to go on."""
        try:
            os.kill(self._process_id, signal.SIGTERM)
            # It came in the midst of waiting for the same process, which must not wait twice.
            os.waitid(os.P_PID, self._process_id, os.WEXITED | os.WNOWAIT)
        except (ProcessLookupError, ChildProcessError):
            pass  # it has ended already
        return submitit.helpers.DelayedSubmission(RequeuedCommand(self._command, patience_s=self._patience_s))


def submit_jobs(
    folds: Sequence[Job],
    last: Job | None,
    folder: Path,
    settings: LauncherSettings,
    *,
    cluster: Literal["slurm", "local"] = "slurm",
    after: Literal["afterok", "afterany"] = "afterok",
) -> list[SubmittedJob]:
    """Queues ``folds`` and, to run when all of them are done, ``last``; does not wait.

    Args:
        folds: Jobs that do not know of each other.
        last: What needs them all.
        folder: For logs and submitit's files; on a file system that all machines share.
        settings: What a job gets.
        after: Whether ``last`` never runs if one fails (``afterok``), or runs all the same.
        cluster: Slurm, or submitit's stand-in on this machine, which knows no order: without ``last``.

    Raises:
        SettingError: There is no Slurm here.
    """
    if cluster == "slurm" and shutil.which("sbatch") is None:
        raise SettingError(
            "--launcher slurm",
            expected="Slurm's sbatch on this machine",
            found="no such command",
            fix="Run it on a login node of the cluster, or use --launcher local",
        )
    submitted = _submit(folds, folder, settings, cluster) if folds else []
    if last is not None:
        needed = sorted({job.job_id.partition("_")[0] for job in submitted})
        order = {"slurm_dependency": f"{after}:" + ":".join(needed)} if needed else {}
        submitted += _submit([last], folder, settings, cluster, **order)
    return submitted


def _submit(
    jobs: Sequence[Job], folder: Path, settings: LauncherSettings, cluster: str, **more: str
) -> list[SubmittedJob]:
    executor = submitit.AutoExecutor(
        folder=folder,
        cluster=cluster,
        slurm_max_num_timeout=settings.max_timeouts,
        local_max_num_timeout=settings.max_timeouts,
    )
    executor.update_parameters(**_parameters(settings), name=_NAME, **more)
    queued = executor.submit_array([RequeuedCommand(job.command()) for job in jobs])
    return [
        SubmittedJob(name=job.name, job_id=entry.job_id, log=entry.paths.stdout)
        for job, entry in zip(jobs, queued, strict=True)
    ]


def _parameters(settings: LauncherSettings) -> dict[str, Any]:
    sbatch = {"requeue": True, "kill-on-invalid-dep": "yes", **settings.sbatch}
    optional = {
        "gpus_per_node": settings.gpus_per_job,
        "slurm_partition": settings.partition,
        "slurm_account": settings.account,
        "slurm_setup": list(settings.setup),
        "slurm_array_parallelism": settings.jobs_at_once,
    }
    return {
        "timeout_min": settings.time_limit_min,
        "cpus_per_task": settings.cpus_per_job,
        "mem_gb": settings.memory_gb,
        "stderr_to_stdout": True,
        "slurm_signal_delay_s": settings.warning_s,
        "slurm_additional_parameters": sbatch,
        **{name: value for name, value in optional.items() if value},
    }


def _ignore_warnings() -> None:
    """What is ignored stays so in the program that the process becomes; training listens to them nevertheless."""
    for number in (signal.SIGUSR1, signal.SIGUSR2):
        signal.signal(number, signal.SIG_IGN)
