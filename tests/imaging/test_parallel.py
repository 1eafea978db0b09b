"""Work on many cases at once, and what is said when a worker is killed."""

from __future__ import annotations

import multiprocessing
import os
import signal
import time

import pytest

from builders import make_dataset
from glioframe.core.errors import DatasetError, SettingError
from glioframe.core.progress import SilentProgress
from glioframe.dataset.preflight import check_dataset
from glioframe.fingerprint.extract import extract_fingerprint
from glioframe.imaging.parallel import for_each_case, workers_end


def slow_square(number: int) -> int:
    time.sleep(0.05 * (4 - number))  # the first takes longest
    return number**2


def die_of_memory(_: int) -> None:
    os.kill(os.getpid(), signal.SIGKILL)


@pytest.mark.parametrize("num_workers", [1, 2])
def test_results_come_in_the_order_of_the_cases_whichever_is_done_first(num_workers):
    found = for_each_case(slow_square, range(4), num_workers=num_workers, progress=SilentProgress(), step="square")
    assert found == [0, 1, 4, 9]


def test_workers_that_are_kept_for_the_next_call_can_be_ended():
    """Or else a process that multiprocessing started waits minutes for them before it ends."""
    for_each_case(slow_square, range(4), num_workers=2, progress=SilentProgress(), step="square")
    assert multiprocessing.active_children()
    with workers_end():
        for_each_case(slow_square, range(4), num_workers=2, progress=SilentProgress(), step="square")
    assert not multiprocessing.active_children()


def test_no_cases_need_no_work():
    assert for_each_case(slow_square, [], num_workers=2, progress=SilentProgress(), step="square") == []


@pytest.mark.parametrize("num_workers", [0, -1])
def test_fewer_workers_than_one_are_refused(tmp_path, num_workers):
    dataset = make_dataset(tmp_path / "raw" / "Dataset001_Test", num_subjects=2)
    for work in (
        lambda: for_each_case(abs, [1], num_workers=num_workers, progress=SilentProgress(), step="abs"),
        lambda: check_dataset(dataset.folder, num_workers=num_workers, progress=SilentProgress()),
        lambda: extract_fingerprint(dataset, num_workers=num_workers, progress=SilentProgress()),
    ):
        with pytest.raises(SettingError, match=rf"-np.*at least one worker, found {num_workers}"):
            work()


def test_a_killed_worker_is_a_users_error():
    with pytest.raises(DatasetError, match=r"squares: .*for want of memory.*fewer workers \(-np 1\)"):
        for_each_case(die_of_memory, range(4), num_workers=2, progress=SilentProgress(), step="squares")
