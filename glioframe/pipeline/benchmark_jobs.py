"""Runs the rows of a benchmark side by side, each in a process of its own, under one progress display."""

from __future__ import annotations

import multiprocessing
import os
import time
from dataclasses import replace
from typing import TYPE_CHECKING, NamedTuple

from glioframe.pipeline.benchmark_job import UNFIT, run_job
from glioframe.training.interruption import watched_signals

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from multiprocessing.context import SpawnProcess

    from glioframe.artifacts.benchmark import Status
    from glioframe.core.progress import Progress
    from glioframe.pipeline.benchmark_job import RowJob
    from glioframe.training.interruption import Interruption

_SECONDS_BETWEEN_LOOKS = 0.5
_STEP = "folds of all rows"


class Shortfall(NamedTuple):
    """Why a job is not done."""

    status: Status
    reason: str


def run_jobs(jobs: Sequence[RowJob], *, num_parallel: int, num_folds: int, progress: Progress) -> dict[int, Shortfall]:
    """Runs every job to its end; one that fails does not stop the others.

    Args:
        jobs: Rows and repetitions that are not done yet.
        num_parallel: How many at a time; they share the cores.
        num_folds: Of each job.
        progress: Shows the folds of all jobs as one count.

    Returns:
        Why a job is not done, by its number; nothing for those that are.

    Raises:
        KeyboardInterrupt: SIGINT or SIGTERM came; every job saved its last step.
    """
    shortfalls: dict[int, Shortfall] = {}
    if not jobs:
        return shortfalls
    num_threads = max(1, (os.cpu_count() or 1) // num_parallel)
    waiting = [(number, replace(job, num_threads=num_threads)) for number, job in enumerate(jobs)]
    with watched_signals() as interruption:
        finished = _finished_folds(waiting, num_parallel, shortfalls, interruption)
        for _ in progress.track(finished, step=_STEP, total=num_folds * len(jobs)):
            pass
        interruption.obey()
    return shortfalls


def _finished_folds(
    jobs: list[tuple[int, RowJob]], num_parallel: int, shortfalls: dict[int, Shortfall], interruption: Interruption
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
                    _note_shortfall(number, process, job, shortfalls)
            trained = sum(job.folder.num_trained_folds() for _, job in jobs)
            for _ in range(shown, trained):
                yield 1
            shown = max(shown, trained)
            if interruption.requested:
                return
    finally:
        _end([process for process, _ in running.values()])


def _note_shortfall(number: int, process: SpawnProcess, job: RowJob, shortfalls: dict[int, Shortfall]) -> None:
    code = process.exitcode or 0
    if code == 0:
        return
    if code < 0:
        reason = f"killed by signal {-code}, most likely for want of memory. Run fewer rows at a time (--jobs)."
    elif job.folder.error_path.is_file():
        reason = job.folder.error_path.read_text(encoding="utf-8").strip()
    else:
        reason = f"ended with exit code {code}; {job.folder.log_path} has its last words."
    shortfalls[number] = Shortfall("not applicable" if code == UNFIT else "failed", reason)


def _end(processes: Sequence[SpawnProcess]) -> None:
    """Asks for a checkpoint and waits for it."""
    for process in processes:
        process.terminate()
    for process in processes:
        process.join()
