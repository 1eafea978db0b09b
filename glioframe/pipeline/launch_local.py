"""Jobs on this machine: a few at a time, each in a process of its own with a log of its own."""

from __future__ import annotations

import contextlib
import subprocess
import time
from collections import deque
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, BinaryIO, Self

import torch

from glioframe.pipeline.jobs import tail
from glioframe.training.interruption import watched_signals

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from pathlib import Path

    from glioframe.core.progress import Progress
    from glioframe.pipeline.jobs import Job
    from glioframe.training.interruption import Interruption

_SECONDS_BETWEEN_LOOKS = 0.2


@dataclass(frozen=True, kw_only=True, slots=True)
class EndedJob:
    """A job that has ended.

    Attributes:
        name: Of the job.
        log: All that it said.
        exit_code: 0 when it did what it should.
    """

    name: str
    log: Path
    exit_code: int


def run_jobs(jobs: Sequence[Job], folder: Path, *, at_once: int, progress: Progress) -> list[EndedJob]:
    """Runs ``jobs``, ``at_once`` at a time, and waits for all; one that fails does not stop the others.

    Args:
        jobs: To run.
        folder: For their logs.
        at_once: How many run at the same time; 0 for one on each GPU, or one where there is none.
        progress: Where to show how many have ended.

    Returns:
        All of them, in the order of their ends.

    Raises:
        KeyboardInterrupt: Somebody asked to stop. Every running job was told, and has saved.
    """
    folder.mkdir(parents=True, exist_ok=True)
    at_once = at_once or max(1, _num_gpus())
    with watched_signals() as interruption, _Pool(folder) as pool:
        ended = []
        for job in progress.track(_ends(pool, jobs, at_once, interruption), step="folds", total=len(jobs)):
            ended.append(job)
            if job.exit_code:
                progress.note(f"{job.name} failed: {tail(job.log)}")
    return ended


def _ends(pool: _Pool, jobs: Sequence[Job], at_once: int, interruption: Interruption) -> Iterator[EndedJob]:
    waiting = deque(jobs)
    while waiting or pool.running:
        while waiting and len(pool.running) < at_once:
            pool.start(waiting.popleft())
        interruption.obey()
        yield from pool.ended()
        time.sleep(_SECONDS_BETWEEN_LOOKS)


class _Pool:
    """The processes that run; on leaving it, those that still do are told to stop, and waited for."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._gpus = _GpuRota()
        self.running: dict[Job, tuple[subprocess.Popen[bytes], BinaryIO]] = {}

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        for process, _log in self.running.values():
            process.terminate()
        for process, log in self.running.values():
            process.wait()
            log.close()

    def start(self, job: Job) -> None:
        job = self._gpus.placed(job)
        log = self._log_of(job).open("wb")
        # A session of its own: Ctrl-C reaches this process alone, which tells each job once.
        process = subprocess.Popen(  # noqa: S603 - our own command
            job.command(), stdin=subprocess.DEVNULL, stdout=log, stderr=subprocess.STDOUT, start_new_session=True
        )
        self.running[job] = process, log

    def ended(self) -> list[EndedJob]:
        found = []
        for job, (process, log) in list(self.running.items()):
            if process.poll() is not None:
                log.close()
                del self.running[job]
                self._gpus.release(job)
                found.append(EndedJob(name=job.name, log=self._log_of(job), exit_code=process.returncode))
        return found

    def _log_of(self, job: Job) -> Path:
        return self._folder / f"{job.name}.log"


def _num_gpus() -> int:
    return torch.cuda.device_count() if torch.cuda.is_available() else 0


class _GpuRota:
    """Gives each job the GPU that the fewest others have."""

    def __init__(self) -> None:
        self._jobs_on = [0] * _num_gpus()

    def placed(self, job: Job) -> Job:
        if len(self._jobs_on) < 2 or job.processes > 1 or job.device not in ("auto", "cuda"):  # noqa: PLR2004 - no choice
            return job
        number = self._jobs_on.index(min(self._jobs_on))
        self._jobs_on[number] += 1
        return replace(job, device=f"cuda:{number}")

    def release(self, job: Job) -> None:
        with contextlib.suppress(ValueError, IndexError):
            self._jobs_on[int(job.device.removeprefix("cuda:"))] -= 1
