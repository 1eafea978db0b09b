"""Runs the rows of a benchmark side by side, each in a process of its own, under one progress display."""

from __future__ import annotations

import multiprocessing
import os
import time
from dataclasses import replace
from typing import TYPE_CHECKING

from glioframe.artifacts.benchmark import Shortfall
from glioframe.artifacts.json_file import save_json
from glioframe.pipeline.benchmark_job import run_job
from glioframe.training.interruption import watched_signals

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from multiprocessing.context import SpawnProcess

    from glioframe.core.progress import Progress
    from glioframe.pipeline.benchmark_job import RowJob
    from glioframe.training.interruption import Interruption

_SECONDS_BETWEEN_LOOKS = 0.5
_STEP = "folds of all rows"


def run_jobs(jobs: Sequence[RowJob], *, num_parallel: int, num_folds: int, progress: Progress) -> None:
    """Runs every job to its end; one that fails does not stop the others, and keeps why in its folder.

    Args:
        jobs: Rows and repetitions that are not done yet.
        num_parallel: How many at a time; they share the cores.
        num_folds: Of each job.
        progress: Shows the folds of all jobs as one count.

    Raises:
        KeyboardInterrupt: SIGINT or SIGTERM came; every job saved its last step.
    """
    if not jobs:
        return
    num_threads = max(1, (os.cpu_count() or 1) // num_parallel)
    waiting = [replace(job, num_threads=num_threads) for job in jobs]
    with watched_signals() as interruption:
        finished = _finished_folds(waiting, num_parallel, interruption)
        for _ in progress.track(finished, step=_STEP, total=num_folds * len(jobs)):
            pass
        interruption.obey()


def _finished_folds(jobs: Sequence[RowJob], num_parallel: int, interruption: Interruption) -> Iterator[int]:
    """Starts jobs as others end, and yields once for each fold that gets finished."""
    # A fork of a process with running threads may hang.
    context = multiprocessing.get_context("spawn")
    waiting = list(jobs)
    running: list[tuple[SpawnProcess, RowJob]] = []
    shown = 0
    try:
        while waiting or running:
            while waiting and len(running) < num_parallel and not interruption.requested:
                job = waiting.pop(0)
                process = context.Process(target=run_job, args=(job,), name=job.name)
                process.start()
                running.append((process, job))
            time.sleep(_SECONDS_BETWEEN_LOOKS)
            for process, job in list(running):
                if not process.is_alive():
                    running.remove((process, job))
                    if not interruption.requested:
                        _note_death(process, job)
            trained = sum(job.folder.num_trained_folds() for job in jobs)
            for _ in range(shown, trained):
                yield 1
            shown = max(shown, trained)
            if interruption.requested:
                return
    finally:
        _end([process for process, _ in running])


def _note_death(process: SpawnProcess, job: RowJob) -> None:
    """Keeps why a process ended that could not tell itself."""
    code = process.exitcode or 0
    if code == 0 or job.folder.shortfall_path.is_file():
        return
    reason = f"ended with exit code {code}; {job.folder.log_path} has its last words."
    if code < 0:
        reason = f"killed by signal {-code}, most likely for want of memory. Run fewer rows at a time (--jobs)."
    save_json(Shortfall(status="failed", reason=reason), job.folder.shortfall_path)


def _end(processes: Sequence[SpawnProcess]) -> None:
    """Asks for a checkpoint and waits for it."""
    for process in processes:
        process.terminate()
    for process in processes:
        process.join()
