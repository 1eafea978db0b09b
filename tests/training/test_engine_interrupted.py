"""Signals and a full device end a training in order: nothing finished is lost."""

import signal
from collections.abc import Callable
from dataclasses import replace

import pytest
import torch

from glioframe.core.errors import TrainingError
from glioframe.tasks.recurrence_classifier.settings import Settings
from glioframe.tasks.recurrence_classifier.task import RecurrenceClassifier
from glioframe.training.gradient_task import GradientTask
from training_builders import log, make_run, moved, weights

TASK = RecurrenceClassifier()
DEPENDS_ON_MACHINE = ("seconds", "loader_wait_share", "peak_memory_mb")


def test_a_signal_ends_training_in_order_and_resuming_is_exact(tmp_path):
    class SignalsInStep(GradientTask[Settings]):
        """Sends itself a signal in the third step, in the middle of an epoch."""

        settings_type, description = Settings, ""
        requirements, sampling = RecurrenceClassifier.requirements, RecurrenceClassifier.sampling
        build_network, validation_step = RecurrenceClassifier.build_network, RecurrenceClassifier.validation_step
        prediction_step = RecurrenceClassifier.prediction_step
        steps = 0

        def training_step(self, run, network, batch):
            type(self).steps += 1
            if self.steps == 3:
                signal.raise_signal(signal.SIGTERM)
            return TASK.training_step(run, network, batch)

    whole = make_run(tmp_path, iterations_per_epoch=4)
    stopped = moved(whole, "stopped")
    TASK.fit(whole)
    before = signal.getsignal(signal.SIGTERM)
    with pytest.raises(KeyboardInterrupt):
        SignalsInStep().fit(stopped)
    assert signal.getsignal(signal.SIGTERM) is before
    assert SignalsInStep.steps == 3
    TASK.fit(replace(stopped, resume=True))
    assert weights(stopped) == weights(whole)
    assert log(stopped) == log(whole)


class ActsOut(GradientTask[Settings]):
    """Learns as its parent does, and calls ``act`` in the second of two steps or in the final evaluation."""

    settings_type, description = Settings, ""
    requirements, sampling = RecurrenceClassifier.requirements, RecurrenceClassifier.sampling
    build_network, validation_step = RecurrenceClassifier.build_network, RecurrenceClassifier.validation_step
    calibrates = RecurrenceClassifier.calibrates

    def __init__(self, act: Callable[[], None], *, when: str) -> None:
        self.act, self.when, self.steps = act, when, 0

    def training_step(self, run, network, batch):
        self.steps += 1
        if self.when == "last step" and self.steps == 2:
            self.act()
        return TASK.training_step(run, network, batch)

    def prediction_step(self, run, network, case):
        if self.when == "final evaluation":
            self.act()
            self.when = ""
        return TASK.prediction_step(run, network, case)


@pytest.mark.parametrize("when", ["last step", "final evaluation"])
@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_signal_too_late_to_save_a_step_still_keeps_the_next_fold_from_being_trained(tmp_path, when, number):
    whole = make_run(tmp_path, epochs=1, inner_fraction=0.25)
    stopped = moved(whole, "stopped")
    TASK.fit(whole)
    with pytest.raises(KeyboardInterrupt):
        ActsOut(lambda: signal.raise_signal(number), when=when).fit(stopped)
    TASK.fit(replace(stopped, resume=True))
    assert weights(stopped) == weights(whole)
    assert log(stopped) == log(whole)
    assert TASK.operating_point(stopped) == TASK.operating_point(whole)


@pytest.mark.parametrize("when", ["last step", "final evaluation"])
def test_a_device_that_runs_out_of_memory_after_a_checkpoint_tells_what_to_lower(tmp_path, when):
    def run_out() -> None:
        raise torch.OutOfMemoryError("CUDA out of memory. Tried to allocate 2.00 GiB. GPU 0 has 1.00 GiB free.")

    run = make_run(tmp_path, epochs=2, iterations_per_epoch=1, inner_fraction=0.25)
    with pytest.raises(TrainingError, match=r"found CUDA out of memory\. Lower plan\.batch_size, now 2.*--gpu-memory"):
        ActsOut(run_out, when=when).fit(run)
