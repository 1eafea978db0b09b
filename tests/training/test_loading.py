"""Patches come from disk or memory, in order, whatever threads do."""

import signal
import threading
import time

import numpy as np
import pytest
import torch

from glioframe.artifacts.plan import FieldOfView
from glioframe.inference.patch import load_case_patch
from glioframe.training.loading import PatchStore, collate, prefetched
from training_builders import make_case

BRAIN = FieldOfView(kind="whole_brain", extent_mm=(16.0, 16.0, 16.0))


@pytest.fixture
def cases(tmp_path):
    present = {"full": (True, True), "pet_only": (False, True)}
    return {
        name: make_case(tmp_path, name, uptake=2.0, seed=index, channels_present=flags)
        for index, (name, flags) in enumerate(present.items())
    }


def make_store(cases, **options) -> PatchStore:
    return PatchStore(cases, field_of_view=BRAIN, patch_size_vox=(6, 6, 6), **options)


def test_a_patch_is_the_same_first_from_disk_and_then_from_memory(cases):
    expected = load_case_patch(cases["full"], BRAIN, (6, 6, 6))
    for store in (make_store(cases), make_store(cases, cache_bytes=0)):
        assert np.array_equal(store.patch("full"), expected)
        assert np.array_equal(store.patch("full"), expected)


def test_a_kept_patch_is_not_read_again(cases):
    store = make_store(cases)
    first = store.patch("full").copy()
    cases["full"].image_path.unlink()
    assert np.array_equal(store.patch("full"), first)


def test_a_full_cache_does_not_grow(cases):
    one_patch = 2 * 6**3 * 4
    store = make_store(cases, cache_bytes=one_patch)
    store.patch("full")
    store.patch("pet_only")
    for name in cases:
        cases[name].image_path.unlink()
    store.patch("full")
    with pytest.raises(Exception, match="expected a stored array"):
        store.patch("pet_only")


def test_a_shift_moves_the_window(cases):
    store = make_store(cases, jitter_vox=(1, 2, 3))
    wide = load_case_patch(cases["full"], BRAIN, (6, 6, 6), margin_vox=(1, 2, 3))
    assert np.array_equal(store.patch("full", shift_vox=(-1, 2, 0)), wide[:, 0:6, 4:10, 3:9])


def test_a_batch_says_what_is_there_and_zeroes_what_is_not(cases):
    batch = collate(make_store(cases), ["pet_only", "full"], classes={"full": 1, "pet_only": 0})
    assert batch.presence_BC.tolist() == [[False, True], [True, True]]
    assert batch.target_B.tolist() == [0, 1]
    assert batch.case_ids == ("pet_only", "full")
    assert not batch.image_BCZYX[0, 0].any()
    assert batch.image_BCZYX.dtype == torch.float32


def test_a_task_without_target_gets_none(cases):
    assert collate(make_store(cases), ["full"], classes={}).target_B is None


@pytest.mark.parametrize("threads", [1, 3])
def test_results_come_in_the_order_of_the_requests(threads):
    def load(number: int) -> int:
        time.sleep(0.002 * (number % 3))
        return number**2

    assert list(prefetched(load, range(20), threads=threads)) == [number**2 for number in range(20)]


def test_no_more_than_the_bound_is_loaded_ahead():
    started = []
    results = prefetched(lambda number: started.append(number) or number, range(100), threads=2, ahead=3)
    assert next(results) == 0
    time.sleep(0.05)
    assert len(started) <= 4
    results.close()
    assert len(started) <= 4


def test_an_error_in_a_thread_reaches_the_loop():
    def load(number: int) -> float:
        return 1 / (number - 2)

    results = prefetched(load, range(5), threads=2)
    assert next(results) == -0.5
    with pytest.raises(ZeroDivisionError):
        list(results)


def test_no_thread_is_left_behind():
    before = threading.active_count()
    results = prefetched(lambda number: number, range(100), threads=4)
    next(results)
    results.close()
    assert threading.active_count() == before


def test_the_loader_ends_whatever_happens_beside_torchs_threads():
    """Many short epochs: some end early, some fail in a thread, some are interrupted; none waits for ever."""

    def load(number: int) -> torch.Tensor:
        if number % 97 == 96:
            raise OSError("a damaged file")
        return torch.randn(4, 16, 16, 16) @ torch.randn(16, 16)  # as heavy operations of torch's own threads

    before = threading.active_count()
    endings = {"done": 0, "failed": 0, "stopped": 0, "interrupted": 0}
    for epoch in range(120):
        results = prefetched(load, range(epoch, epoch + 12), threads=1 + epoch % 4, ahead=epoch % 5)
        try:
            for step, result in enumerate(results):
                assert result.shape == (4, 16, 16, 16)
                if epoch % 7 == 3 and step == 4:
                    endings["stopped"] += 1
                    break
                if epoch % 11 == 5 and step == 6:
                    signal.raise_signal(signal.SIGINT)
            else:
                endings["done"] += 1
        except OSError:
            endings["failed"] += 1
        except KeyboardInterrupt:
            endings["interrupted"] += 1
        finally:
            results.close()
    assert sum(endings.values()) == 120
    assert min(endings.values()) > 0
    assert threading.active_count() == before
