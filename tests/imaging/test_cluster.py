"""Cases on a Dask cluster: the same results, errors and progress as in processes of this machine."""

import logging
import os
import socket
import subprocess
import sys
import threading
from functools import partial

import pytest

from glioframe.core.errors import DatasetError, ImageError, SettingError
from glioframe.core.progress import SilentProgress
from glioframe.imaging.parallel import cases_on_cluster, for_each_case

dask = pytest.importorskip("dask", reason="needs Dask (pip install 'glioframe[dask]')")
distributed = pytest.importorskip("distributed", reason="needs Dask (pip install 'glioframe[dask]')")

pytestmark = pytest.mark.filterwarnings("ignore::ResourceWarning", "ignore::DeprecationWarning")


def local_cluster(n_workers: int):
    return distributed.LocalCluster(
        n_workers=n_workers, threads_per_worker=1, dashboard_address=":0", silence_logs=logging.CRITICAL
    )


@pytest.fixture(scope="module")
def scheduler():
    with local_cluster(2) as cluster:
        yield cluster.scheduler_address


def run(work, cases, progress=None):
    return for_each_case(work, cases, num_workers=1, progress=progress or SilentProgress(), step="square")


def square(number: int) -> tuple[int, int]:
    return number**2, os.getpid()


def refuse(number: int) -> int:
    if number == 3:
        raise ImageError("case 3", expected="an image", found="none", fix="Add it")
    return number


def die(number: int) -> int:
    os._exit(1)


class Counts(SilentProgress):
    """Counts what it is shown."""

    def __init__(self) -> None:
        self.seen = 0

    def track(self, items, *, step, total):
        for item in items:
            self.seen += 1
            yield item


def test_results_come_in_order_from_the_workers_and_are_counted(scheduler):
    progress = Counts()
    with cases_on_cluster(scheduler):
        found = run(square, list(range(20)), progress)
    assert [value for value, _ in found] == [number**2 for number in range(20)]
    assert os.getpid() not in {process for _, process in found}
    assert progress.seen == 20
    assert {process for _, process in run(square, [1, 2])} == {os.getpid()}


def test_an_error_of_a_case_arrives_as_it_is(scheduler):
    with cases_on_cluster(scheduler), pytest.raises(ImageError, match="case 3: expected an image"):
        run(refuse, list(range(5)))


def test_a_killed_worker_is_one_clear_error():
    with (
        dask.config.set({"distributed.scheduler.allowed-failures": 0}),
        local_cluster(1) as cluster,
        cases_on_cluster(cluster.scheduler_address),
        pytest.raises(DatasetError, match="worker process"),
    ):
        run(die, [1])


def test_a_scheduler_that_goes_away_is_one_clear_error():
    with pytest.raises(DatasetError, match="the Dask scheduler to stay, found a lost connection"):
        work_while_it_goes_away()


def work_while_it_goes_away() -> None:
    command = [sys.executable, "-m", "dask"]
    where = ["--host", "127.0.0.1", "--no-dashboard"]
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    scheduler = subprocess.Popen([*command, "scheduler", "--port", str(port), *where], stderr=subprocess.DEVNULL)
    try:
        with cases_on_cluster(f"tcp://127.0.0.1:{port}"):
            run(partial(pow, 2), [1, 2], EndsIt(scheduler))
    finally:
        scheduler.kill()
        scheduler.wait()


class EndsIt(SilentProgress):
    """Ends the scheduler, which has no workers, once the cases are under way."""

    def __init__(self, scheduler: subprocess.Popen) -> None:
        self.scheduler = scheduler

    def track(self, items, *, step, total):
        threading.Timer(1, self.scheduler.kill).start()
        yield from items


@pytest.mark.parametrize("address", ["tcp://127.0.0.1:9", "nowhere"])
def test_an_address_where_nobody_answers_is_one_clear_error(address, monkeypatch):
    monkeypatch.setattr("glioframe.imaging.parallel._SECONDS_TO_ANSWER", 1)
    with pytest.raises(SettingError, match="running Dask scheduler"), cases_on_cluster(address):
        pytest.fail("joined")


def test_partial_functions_travel_too(scheduler):
    with cases_on_cluster(scheduler):
        assert run(partial(pow, 2), [1, 2, 3]) == [2, 4, 8]
