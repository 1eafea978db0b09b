"""Several processes train as one: same losses, same weights, one writer, and they end together."""

import os
import signal
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file

from glioframe.core.errors import TrainingError
from glioframe.tasks.recurrence_classifier.settings import Settings
from glioframe.tasks.recurrence_classifier.task import RecurrenceClassifier
from glioframe.training.fold_data import BatchRequest
from glioframe.training.interruption import watched_signals
from glioframe.training.ranks import Ranks
from training_builders import log, make_run, members, moved

ROOT = Path(__file__).resolve().parents[2]
PROGRAM = Path(__file__).parent / "train_in_ranks.py"
TASK = RecurrenceClassifier()
# An epoch is one step, so that the log tells of every step. SGD, because Adam blows the rounding errors up that are all
# the gradient of a bias before a normalization.
PLAN = {"batch_size": 5, "epochs": 10, "iterations_per_epoch": 1, "optimizer": "sgd", "learning_rate": 1e-2} | {
    "inner_fraction": 0.25,
    "num_members": 2,
}
SETTINGS = Settings(class_weighting="loss")


def torchrun(folder: Path, name: str, act: str = "", *, processes: int = 2) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "torch.distributed.run", f"--nproc-per-node={processes}", "--standalone"]
    return subprocess.run(
        [*command, str(PROGRAM), str(folder), name, act],
        env={**os.environ, "PYTHONPATH": os.pathsep.join([str(ROOT), str(ROOT / "tests")])},
        capture_output=True,
        text=True,
        check=False,
        timeout=240,
    )


def without_dropout(run):
    """Dropout draws other numbers in other processes."""
    network = replace(run.configuration.network, dropout=0.0)
    return replace(run, configuration=replace(run.configuration, network=network))


def with_training(run, **changes):
    training = replace(run.configuration.training, **changes)
    return replace(run, configuration=replace(run.configuration, training=training))


@pytest.fixture(scope="module")
def alone(tmp_path_factory):
    """A training in one process, of shares that cannot be equal and of cases without MRI."""
    folder = tmp_path_factory.mktemp("ranks")
    run = without_dropout(make_run(folder, settings=SETTINGS, num_cases=12, missing_every=3, **PLAN))
    TASK.fit(run)
    return folder, run


@pytest.fixture(scope="module")
def together(alone):
    folder, run = alone
    done = torchrun(folder, "together")
    assert done.returncode == 0, done.stderr
    return moved(run, "together")


def final_weights(run):
    return load_file(run.folder / "checkpoint_final.safetensors")


def assert_same_training(run, other, *, tolerance=1e-5):
    for alone, together in zip(members(run), members(other), strict=True):
        for one, two in zip(log(alone), log(together), strict=True):
            assert two.train_loss == pytest.approx(one.train_loss, rel=tolerance)
            assert two.inner_loss == pytest.approx(one.inner_loss, rel=tolerance)
            assert two.train_metrics == pytest.approx(one.train_metrics)
        for name, weight in final_weights(alone).items():
            assert torch.allclose(weight, final_weights(together)[name], rtol=1e-3, atol=1e-5), name
    assert TASK.operating_point(other) == pytest.approx(TASK.operating_point(run), rel=1e-3)


def test_two_processes_of_unequal_shares_train_as_one_does(alone, together):
    assert_same_training(alone[1], together)


@pytest.mark.slow
def test_two_processes_whose_networks_are_compiled_train_as_one_does(alone):
    folder, run = alone
    done = torchrun(folder, "compiled")
    assert done.returncode == 0, done.stderr
    assert_same_training(run, with_training(moved(run, "compiled"), compile=True))


def test_all_processes_end_with_the_same_weights_averages_and_statistics(together):
    digests = {(together.folder.parent / f"rank_{rank}.txt").read_text() for rank in range(2)}
    assert len(digests) == 1


def test_only_the_first_process_writes(alone, together):
    def names(run):
        return sorted(str(path.relative_to(run.folder)) for path in run.folder.rglob("*"))

    assert names(together) == names(alone[1])
    assert [record.epoch for record in log(together)] == list(range(1, 11))


@pytest.mark.parametrize(("signaled", "together"), [(0, True), (1, False)])
def test_a_signal_to_one_process_stops_all_and_any_number_of_them_goes_on(alone, signaled, together):
    folder, run = alone
    name = f"stopped_{signaled}"
    done = torchrun(folder, name, f"signal {signaled}")
    assert done.returncode != 0
    stopped = moved(run, name, resume=True)
    assert not (stopped.folder / "operating_point.json").exists()
    assert sorted(done.stdout.split()) == ["0:KeyboardInterrupt", "1:PeerFailedError"]
    if together:
        assert torchrun(folder, name).returncode == 0
    else:
        TASK.fit(stopped)
    assert_same_training(run, stopped)


@pytest.mark.parametrize(
    ("act", "first", "second"),
    [
        ("error 1", "PeerFailedError", "RuntimeError"),
        pytest.param("error 0", "RuntimeError", "PeerFailedError", marks=pytest.mark.slow),
        ("memory 1", "TrainingError", "PeerFailedError"),
        pytest.param("nan 1", "PeerFailedError", "TrainingError", marks=pytest.mark.slow),
        ("kill 1", "PeerFailedError", ""),
    ],
)
def test_what_fails_in_one_process_ends_all_and_is_told_once(alone, act, first, second):
    folder, _ = alone
    name = act.replace(" ", "_")
    done = torchrun(folder, name, act)
    assert done.returncode != 0
    told = dict(line.split(":") for line in done.stdout.splitlines())
    assert told.get("0", "") == first
    assert told.get("1", "") == second


def test_more_processes_than_cases_of_a_batch_are_refused(tmp_path):
    Ranks(1, 4).refuse_small_batch(4, where=tmp_path)
    with pytest.raises(TrainingError, match=r"batches of 4 for 5 processes\. Start at most 4"):
        Ranks(1, 5).refuse_small_batch(4, where=tmp_path)


@pytest.mark.parametrize(("cases", "size"), [(4, 2), (5, 2), (7, 3), (3, 3), (6, 1)])
def test_shares_are_the_whole_batch_and_differ_by_one_case_at_most(cases, size):
    request = BatchRequest(1, 2, tuple(map(str, range(cases))))
    shares = [request.share(Ranks(rank, size)) for rank in range(size)]
    assert [case for share in shares for case in share.case_ids] == list(request.case_ids)
    assert [place for share in shares for place in share.places] == list(range(cases))
    counts = [len(share.case_ids) for share in shares]
    assert max(counts) - min(counts) <= 1


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGUSR1, signal.SIGUSR2])
def test_schedulers_may_send_a_signal_twice(number):
    asked = []

    def train() -> None:
        with watched_signals() as interruption:
            for _ in range(2):
                signal.raise_signal(number)
                asked.append(interruption.requested)

    with pytest.raises(KeyboardInterrupt):
        train()
    assert asked == [True, True]


def test_a_second_ctrl_c_interrupts_at_once():
    received = []

    def train() -> None:
        with watched_signals():
            for _ in range(3):
                signal.raise_signal(signal.SIGINT)
                received.append("Ctrl-C")

    with pytest.raises(KeyboardInterrupt):
        train()
    assert received == ["Ctrl-C"]
