"""Where memory runs out, training goes down a ladder, tells, and ends; and a resumed one stays on its rung."""

import math
from dataclasses import replace

import pytest
import torch

from glioframe.artifacts.case import load_preprocessed_case
from glioframe.artifacts.network_sizes import RESIDUAL_ENCODER_SIZES, VISION_TRANSFORMER_SIZES
from glioframe.artifacts.plan import Configuration, TrainingPlan
from glioframe.core.errors import TrainingError
from glioframe.tasks.recurrence_classifier.settings import Settings
from glioframe.tasks.recurrence_classifier.task import RecurrenceClassifier
from glioframe.training.gradient_task import GradientTask
from glioframe.training.members import member_runs
from glioframe.training.memory_fallback import as_trained, fallback_reasons, next_smaller
from glioframe.training.trained_network import trained_network
from training_builders import log, make_run, members, weights

TASK = RecurrenceClassifier()


class OnSmallDevice(GradientTask[Settings]):
    """Learns as the classifier does, on a device that holds so many voxels of activations, for each member in turn."""

    settings_type, description = Settings, ""
    requirements, sampling = RecurrenceClassifier.requirements, RecurrenceClassifier.sampling
    build_network, validation_step = RecurrenceClassifier.build_network, RecurrenceClassifier.validation_step
    prediction_step = RecurrenceClassifier.prediction_step

    def __init__(self, *most_voxels: float, interrupted_at: int = 0) -> None:
        self.most_voxels, self.interrupted_at, self.steps = most_voxels, interrupted_at, 0

    def training_step(self, run, network, batch):
        again = 0.5 if run.configuration.training.checkpointing else 1.0
        if again * batch.image_BCZYX[:, 0].numel() > self.most_voxels[run.member]:
            raise torch.OutOfMemoryError("CUDA out of memory. Tried to allocate 2.00 GiB.")
        self.steps += 1
        if self.steps == self.interrupted_at:
            raise KeyboardInterrupt
        return TASK.training_step(run, network, batch)


def configuration(network, *, edge_vox=192, batch_size=4) -> Configuration:
    return Configuration(
        name="3d_cnn",
        data_identifier="test",
        spacing_mm=(1.0, 1.0, 1.0),
        patch_size_vox=(edge_vox, edge_vox + 32, edge_vox),
        batch_size=batch_size,
        network=network,
        training=TrainingPlan(epochs=1, iterations_per_epoch=1),
    )


@pytest.mark.parametrize(
    "network", [RESIDUAL_ENCODER_SIZES["L"], VISION_TRANSFORMER_SIZES["S"]], ids=["3d_cnn", "3d_vit"]
)
def test_every_rung_is_legal_and_needs_less_than_the_one_above(network):
    rung, seen = configuration(network), []
    while (smaller := next_smaller(rung)) is not None:
        smaller.configuration.check()
        assert smaller.configuration.spacing_mm == rung.spacing_mm
        seen.append(smaller.reason.partition(" ")[0])
        rung = smaller.configuration
    assert seen[:3] == ["training.checkpointing", "batch_size", "batch_size"]
    assert set(seen[3:]) == {"patch_size_vox"}
    assert rung.batch_size == 1
    assert math.prod(rung.patch_size_vox) < 0.2 * math.prod(configuration(network).patch_size_vox)


def test_a_training_that_fits_stays_as_planned(tmp_path):
    run = make_run(tmp_path, epochs=1)
    OnSmallDevice(math.inf).fit(run)
    assert as_trained(run) is run
    assert fallback_reasons(run) == ()


@pytest.mark.parametrize(
    ("most_voxels", "reasons"),
    [
        (512, ("training.checkpointing is on",)),
        (256, ("training.checkpointing is on", "batch_size is 1")),
        (120, ("training.checkpointing is on", "batch_size is 1", "patch_size_vox is 6 x 6 x 6")),
    ],
)
def test_memory_that_runs_out_ends_in_a_trained_fold_that_predicts(tmp_path, most_voxels, reasons):
    run = make_run(tmp_path, epochs=2, inner_fraction=0.25)
    task = OnSmallDevice(most_voxels)
    task.fit(run)
    ended = as_trained(run)
    assert fallback_reasons(run) == reasons
    assert ended.configuration != run.configuration
    assert [record.epoch for record in log(run)] == [1, 2]
    trained_network(task, ended)
    case = load_preprocessed_case(run.preprocessed_folder, run.val_cases[0].case_id)
    assert sum(task.predict(ended, case).probabilities) == pytest.approx(1)


def test_a_resumed_training_stays_on_its_rung_and_equals_an_uninterrupted_one(tmp_path):
    whole = make_run(tmp_path / "whole", epochs=3)
    OnSmallDevice(256).fit(whole)
    stopped = make_run(tmp_path / "stopped", epochs=3)
    with pytest.raises(KeyboardInterrupt):
        OnSmallDevice(256, interrupted_at=4).fit(stopped)
    roomier = OnSmallDevice(math.inf)
    roomier.fit(replace(stopped, resume=True))
    assert weights(stopped) == weights(whole)
    assert log(stopped) == log(whole)


def test_each_member_goes_down_from_where_the_first_ended_and_predicts_with_what_it_was_trained_with(tmp_path):
    run = make_run(tmp_path, epochs=2, inner_fraction=0.25, num_members=3)
    task = OnSmallDevice(256, 120, math.inf)
    task.fit(run)
    assert [fallback_reasons(each) for each in members(run)] == [
        ("training.checkpointing is on", "batch_size is 1"),
        ("patch_size_vox is 6 x 6 x 6",),
        (),
    ]
    assert [each.configuration.patch_size_vox[0] for each in member_runs(run)] == [8, 6, 8]
    assert [each.configuration.batch_size for each in member_runs(run)] == [1, 1, 1]
    case = load_preprocessed_case(run.preprocessed_folder, run.val_cases[0].case_id)
    assert sum(task.predict(run, case).probabilities) == pytest.approx(1)
    assert task.predict(run, case) == task.predict(as_trained(run), case)


def test_a_training_started_anew_tries_the_plan_again(tmp_path):
    run = make_run(tmp_path, epochs=1)
    OnSmallDevice(512).fit(run)
    assert fallback_reasons(run)
    OnSmallDevice(math.inf).fit(run)
    assert fallback_reasons(run) == ()
    planned = make_run(tmp_path / "other", epochs=1)
    TASK.fit(planned)
    assert weights(run) == weights(planned)


def test_below_the_last_rung_the_error_tells_what_to_lower(tmp_path):
    with pytest.raises(TrainingError, match=r"found CUDA out of memory\. Lower plan\.batch_size.*--gpu-memory"):
        OnSmallDevice(1).fit(make_run(tmp_path, epochs=1))
