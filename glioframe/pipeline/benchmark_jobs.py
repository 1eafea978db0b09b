"""Runs the rows of a benchmark side by side, each in a process of its own, under one progress display."""

from __future__ import annotations

import multiprocessing
import os
import time
from dataclasses import replace
from typing import TYPE_CHECKING

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


def run_jobs(jobs: Sequence[RowJob], *, num_parallel: int, num_folds: int, progress: Progress) -> dict[int, str]:
    """Runs every job to its end; one that fails does not stop the others.

    Args:
        jobs: Rows and repetitions that are not done yet.
        num_parallel: How many at a time; they share the cores.
        num_folds: Of each job.
        progress: Shows the folds of all jobs as one count.

    Returns:
        The reason of each job that failed, by its number.

    Raises:
        KeyboardInterrupt: SIGINT or SIGTERM came; every job saved its last step.
    """
    failures: dict[int, str] = {}
    if not jobs:
        return failures
    num_threads = max(1, (os.cpu_count() or 1) // num_parallel)
    waiting = [(number, replace(job, num_threads=num_threads)) for number, job in enumerate(jobs)]
    with watched_signals() as interruption:
        finished = _finished_folds(waiting, num_parallel, failures, interruption)
        for _ in progress.track(finished, step=_STEP, total=num_folds * len(jobs)):
            pass
        interruption.obey()
    return failures


def _finished_folds(
    jobs: list[tuple[int, RowJob]], num_parallel: int, failures: dict[int, str], interruption: Interruption
) -> Iterator[int]:
    """Starts jobs as others end, and yields once for each fold that gets finished."""
    # A fork of a process with running threads may hang.
    context = multiprocessing.get_context("spawn")
    waiting = list(jobs)
    running: dict[int, tuple[SpawnProcess, RowJob]] = {}
    shown = 0
    try:
        while waiting or running:
            while waiting and len(running) < num_parallel and not interruption.requested:
                number, job = waiting.pop(0)
                process = context.Process(target=run_job, args=(job,), name=job.name)
                process.start()
                running[number] = (process, job)
            time.sleep(_SECONDS_BETWEEN_LOOKS)
            for number, (process, job) in list(running.items()):
                if not process.is_alive():
                    del running[number]
                    _note_failure(number, process, job, failures)
            trained = sum(job.folder.num_trained_folds() for _, job in jobs)
            for _ in range(shown, trained):
                yield 1
            shown = max(shown, trained)
            if interruption.requested:
                return
    finally:
        _end([process for process, _ in running.values()])


def _note_failure(number: int, process: SpawnProcess, job: RowJob, failures: dict[int, str]) -> None:
    if process.exitcode == 0:
        return
    if job.folder.error_path.is_file():
        failures[number] = job.folder.error_path.read_text(encoding="utf-8").strip()
    elif (process.exitcode or 0) < 0:
        failures[number] = (
            f"killed by signal {-(process.exitcode or 0)}, most likely for want of memory. Run fewer rows at a time, "
            "or plan for less memory."
        )
    else:
        failures[number] = f"ended with exit code {process.exitcode}; {job.folder.log_path} has its last words."


def _end(processes: Sequence[SpawnProcess]) -> None:
    """Asks for a checkpoint and waits for it."""
    for process in processes:
        process.terminate()
    for process in processes:
        process.join()
