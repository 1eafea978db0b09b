"""The same work for each of many cases, in processes of their own: on this machine, or on a Dask cluster."""

from __future__ import annotations

import contextlib
from concurrent.futures.process import BrokenProcessPool
from contextvars import ContextVar
from typing import TYPE_CHECKING, Any, TypeVar

from joblib import Parallel, delayed, parallel_config
from joblib.externals.loky import get_reusable_executor

from glioframe.core.errors import DatasetError, SettingError

if TYPE_CHECKING:
    from collections.abc import Callable, Generator, Iterator, Sequence

    from glioframe.core.progress import Progress

T = TypeVar("T")
CaseT = TypeVar("CaseT")
ResultT = TypeVar("ResultT")
_client: ContextVar[Any] = ContextVar("client", default=None)
_SECONDS_TO_ANSWER = 10


@contextlib.contextmanager
def cases_on_cluster(scheduler: str) -> Iterator[None]:
    """Within it, :func:`for_each_case` sends its cases to the workers of a Dask cluster.

    Args:
        scheduler: Its address, ``tcp://HOST:8786``. Its workers see the same files under the same absolute paths.

    Raises:
        SettingError: Dask is not installed, or nobody answers there.
    """
    where = f"--scheduler {scheduler}"
    try:
        from distributed import Client
    except ImportError:
        raise SettingError(
            where, expected="Dask to be installed", found="no distributed", fix="pip install 'glioframe[dask]'"
        ) from None
    try:
        client = Client(scheduler, timeout=_SECONDS_TO_ANSWER)
    except (OSError, ValueError) as error:
        raise SettingError(
            where,
            expected="the address of a running Dask scheduler",
            found=str(error).partition(" after")[0].rstrip("."),
            fix="Start one with dask scheduler, and workers with dask worker",
        ) from error
    token = _client.set(client)
    try:
        yield
    finally:
        _client.reset(token)
        client.close()


@contextlib.contextmanager
def workers_end() -> Iterator[None]:
    """Ends, after it, the worker processes that :func:`for_each_case` keeps ready for its next call.

    A process that multiprocessing started waits for its own processes before it ends, and idle workers stay for five
    minutes.
    """
    try:
        yield
    finally:
        get_reusable_executor(reuse=True).shutdown(wait=True)


def for_each_case(
    work: Callable[[CaseT], ResultT], cases: Sequence[CaseT], *, num_workers: int, progress: Progress, step: str
) -> list[ResultT]:
    """What ``work`` returns for each case, in their order; an error in one case ends the others.

    Args:
        work: A function, or a partial of one, that a process can be sent.
        cases: What it is called with, one at a time.
        num_workers: Processes, one thread each; with one, all is done in this process. A cluster uses what it has.
        progress: Where to show how far it is.
        step: What is done, as shown there.

    Raises:
        SettingError: ``num_workers`` is less than one.
        DatasetError: A worker was killed, or the cluster is gone.
    """
    if num_workers < 1:
        raise SettingError(
            "num_workers (-np)", expected="at least one worker", found=str(num_workers), fix="Pass -np 1 or more"
        )
    client = _client.get()
    numbered = _on_cluster(client, work, cases) if client else _here(work, cases, num_workers)
    done = dict(progress.track(_told_of_killed_workers(numbered, step), step=step, total=len(cases)))
    return [done[number] for number in range(len(cases))]


def _here(work: Callable[[CaseT], ResultT], cases: Sequence[CaseT], num_workers: int) -> Generator[tuple[int, ResultT]]:
    # loky starts fresh processes instead of forking: a fork of a process with running threads may hang.
    with parallel_config(backend="loky", inner_max_num_threads=1):
        workers = Parallel(n_jobs=max(1, min(num_workers, len(cases))), return_as="generator_unordered")
        yield from workers(delayed(_numbered)(work, number, case) for number, case in enumerate(cases))


def _on_cluster(
    client: Any,  # noqa: ANN401 - Dask is an extra
    work: Callable[[CaseT], ResultT],
    cases: Sequence[CaseT],
) -> Generator[tuple[int, ResultT]]:
    from distributed import CancelledError, KilledWorker, as_completed

    futures = [client.submit(_numbered, work, number, case, pure=False) for number, case in enumerate(cases)]
    try:
        for future in as_completed(futures):
            yield future.result()
    except KilledWorker as error:
        raise BrokenProcessPool(str(error)) from error
    except CancelledError as error:
        raise DatasetError(
            client.scheduler.address if client.scheduler else "--scheduler",
            expected="the Dask scheduler to stay",
            found="a lost connection",
            fix="Start it and its workers again, then run the same command; cases that are preprocessed are kept",
        ) from error
    finally:
        if client.status == "running":
            client.cancel(futures)


def _told_of_killed_workers(numbered: Generator[T], step: str) -> Generator[T]:
    try:
        yield from numbered
    except BrokenProcessPool as error:
        raise DatasetError(
            step,
            expected="every worker process to finish",
            found=f"one that was killed, most likely for want of memory ({str(error).splitlines()[0].rstrip('.')})",
            fix="Run the same command again with fewer workers (-np 1); cases that are preprocessed are kept",
        ) from error


def _numbered(work: Callable[[CaseT], ResultT], number: int, case: CaseT) -> tuple[int, ResultT]:
    return number, work(case)
