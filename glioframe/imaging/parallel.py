"""The same work for each of many cases, in processes of their own."""

from __future__ import annotations

from concurrent.futures.process import BrokenProcessPool
from typing import TYPE_CHECKING, TypeVar

from joblib import Parallel, delayed, parallel_config

from glioframe.core.errors import DatasetError, SettingError

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from glioframe.core.progress import Progress

CaseT = TypeVar("CaseT")
ResultT = TypeVar("ResultT")


def for_each_case(
    work: Callable[[CaseT], ResultT], cases: Sequence[CaseT], *, num_workers: int, progress: Progress, step: str
) -> list[ResultT]:
    """What ``work`` returns for each case, in their order; an error in one case ends the others.

    Args:
        work: A function, or a partial of one, that a process can be sent.
        cases: What it is called with, one at a time.
        num_workers: Processes, one thread each; with one, all is done in this process.
        progress: Where to show how far it is.
        step: What is done, as shown there.

    Raises:
        SettingError: ``num_workers`` is less than one.
        DatasetError: A worker was killed.
    """
    if num_workers < 1:
        raise SettingError(
            "num_workers (-np)", expected="at least one worker", found=str(num_workers), fix="Pass -np 1 or more"
        )
    # loky starts fresh processes instead of forking: a fork of a process with running threads may hang.
    with parallel_config(backend="loky", inner_max_num_threads=1):
        workers = Parallel(n_jobs=max(1, min(num_workers, len(cases))), return_as="generator_unordered")
        numbered = workers(delayed(_numbered)(work, number, case) for number, case in enumerate(cases))
        try:
            done = dict(progress.track(numbered, step=step, total=len(cases)))
        except BrokenProcessPool as error:
            raise DatasetError(
                step,
                expected="every worker process to finish",
                found=f"one that was killed, most likely for want of memory ({str(error).splitlines()[0].rstrip('.')})",
                fix="Run the same command again with fewer workers (-np 1); cases that are preprocessed are kept",
            ) from error
    return [done[number] for number in range(len(cases))]


def _numbered(work: Callable[[CaseT], ResultT], number: int, case: CaseT) -> tuple[int, ResultT]:
    return number, work(case)
