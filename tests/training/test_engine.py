"""The engine's promises: it learns, repeats itself, resumes bit by bit, and stays inside its folder."""

import json
import shutil
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from glioframe.artifacts.case import load_preprocessed_case, properties_path
from glioframe.core.errors import PredictionError, TrainingError
from glioframe.core.progress import SilentProgress
from glioframe.imaging.array_store import load_array, save_array
from glioframe.task_api.run import Run
from glioframe.tasks.recurrence_classifier.settings import Settings
from glioframe.tasks.recurrence_classifier.task import RecurrenceClassifier
from glioframe.training.engine import train_fold
from glioframe.training.gradient_task import GradientTask, StepResult
from training_builders import log, make_case, make_run, moved, weights

TASK = RecurrenceClassifier()


@pytest.fixture(scope="module")
def trained(tmp_path_factory) -> Run[Any]:
    """A trained fold, to be looked at only."""
    run = make_run(tmp_path_factory.mktemp("trained"))
    TASK.fit(run)
    return run


@pytest.fixture
def own(trained, tmp_path) -> Run[Any]:
    """The same, as if trained in ``tmp_path``."""
    shutil.copytree(trained.folder, tmp_path / "results" / "fold_0")
    return make_run(tmp_path)


class StopsAfterEpoch(SilentProgress):
    """Raises when an epoch is done, as a user's Ctrl-C between epochs would."""

    def __init__(self, epochs: int) -> None:
        self._epochs = epochs

    def track(self, items: Any, *, step: str, total: int) -> Iterator[Any]:
        for done, item in enumerate(items):
            if done == self._epochs:
                raise KeyboardInterrupt
            yield item


def predict(run, case) -> tuple[float, ...]:
    return TASK.predict(run, load_preprocessed_case(run.preprocessed_folder, case.case_id)).probabilities


def interrupt(run, *, after_epochs: int) -> None:
    with pytest.raises(KeyboardInterrupt):
        TASK.fit(replace(run, progress=StopsAfterEpoch(after_epochs)))


def test_the_same_seed_gives_the_same_weights_log_and_operating_point(trained, tmp_path):
    again, other = make_run(tmp_path), make_run(tmp_path / "other", seed=1)
    for run in (again, other):
        TASK.fit(run)
    assert weights(trained) == weights(again) != weights(other)
    assert log(trained) == log(again)
    assert TASK.operating_point(trained) == TASK.operating_point(again)


def test_folds_start_from_different_weights(trained, tmp_path):
    other = replace(make_run(tmp_path), fold=1)
    TASK.fit(other)
    assert weights(trained) != weights(other)


def test_four_epochs_equal_two_and_resumed_two_bit_by_bit(tmp_path):
    whole = make_run(tmp_path, epochs=4)
    halves = moved(whole, "halves")
    TASK.fit(whole)
    interrupt(halves, after_epochs=2)
    assert not (halves.folder / "checkpoint_final.safetensors").exists()
    TASK.fit(replace(halves, resume=True))
    assert weights(halves) == weights(whole)
    assert log(halves) == log(whole)
    assert TASK.operating_point(halves) == TASK.operating_point(whole)


@pytest.mark.parametrize("changes", [{"optimizer": "sgd"}, {"ema_decay": 0.0}, {"select": "best"}, {"amp": True}])
def test_resuming_is_exact_with_every_setting(tmp_path, changes):
    whole = make_run(tmp_path, epochs=3, **changes)
    parts = moved(whole, "parts")
    TASK.fit(whole)
    interrupt(parts, after_epochs=1)
    TASK.fit(replace(parts, resume=True))
    assert weights(parts) == weights(whole)


def test_the_number_of_loader_threads_changes_nothing(tmp_path):
    run = make_run(tmp_path)
    other = moved(run, "many")
    train_fold(TASK, run, loader_threads=1)
    train_fold(TASK, other, loader_threads=4)
    assert weights(run) == weights(other)


def test_the_order_of_the_training_cases_changes_nothing(trained, tmp_path):
    run = make_run(tmp_path)
    TASK.fit(replace(run, train_cases=run.train_cases[::-1]))
    assert weights(run) == weights(trained)


def test_the_random_state_of_the_caller_is_left_alone(tmp_path):
    run = make_run(tmp_path)
    torch.manual_seed(1)
    expected = torch.rand(3)
    torch.manual_seed(1)
    TASK.fit(run)
    predict(run, run.val_cases[0])
    assert torch.equal(torch.rand(3), expected)
    assert not torch.are_deterministic_algorithms_enabled()


def test_two_steps_on_one_repeated_batch_lower_the_loss(tmp_path):
    run = make_run(
        tmp_path,
        num_cases=2,
        batch_size=2,
        inner_fraction=0.0,
        augmentation=0.0,
        channel_dropout=0.0,
        epochs=3,
        iterations_per_epoch=1,
        settings=Settings(center_jitter_mm=0.0),
    )
    TASK.fit(run)
    losses = [record.train_loss for record in log(run)]
    assert losses[2] < losses[0]


def test_nothing_is_written_outside_the_folder(tmp_path):
    run = make_run(tmp_path)

    def outside() -> dict[Path, bytes]:
        files = (path for path in tmp_path.rglob("*") if path.is_file() and run.folder not in path.parents)
        return {path: path.read_bytes() for path in files}

    before = outside()
    TASK.fit(run)
    predict(run, run.val_cases[0])
    assert outside() == before


def test_the_folder_holds_what_it_should_and_no_leftovers(trained):
    assert sorted(path.name for path in trained.folder.iterdir()) == [
        "checkpoint_best.safetensors",
        "checkpoint_final.safetensors",
        "checkpoint_latest.safetensors",
        "operating_point.json",
        "progress.png",
        "training_log.jsonl",
    ]


def test_the_targets_and_images_of_validation_cases_have_no_influence(trained, tmp_path):
    run = make_run(tmp_path)
    for case in run.val_cases:
        path = load_preprocessed_case(run.preprocessed_folder, case.case_id).image_path
        save_array(load_array(path) * 0, path)
    TASK.fit(replace(run, val_cases=[replace(case, targets={"recurrence": None}) for case in run.val_cases]))
    assert weights(run) == weights(trained)
    assert (run.folder / "operating_point.json").read_bytes() == (trained.folder / "operating_point.json").read_bytes()


def test_the_loss_is_watched_on_cases_that_are_not_fitted(tmp_path):
    run = make_run(tmp_path, inner_fraction=0.25)
    seen: set[str] = set()
    watched: set[str] = set()

    class Records(GradientTask[Settings]):
        """Notes which cases are fitted."""

        settings_type, description = Settings, ""
        requirements, sampling = RecurrenceClassifier.requirements, RecurrenceClassifier.sampling
        build_network, prediction_step = RecurrenceClassifier.build_network, RecurrenceClassifier.prediction_step

        def training_step(self, run, network, batch) -> StepResult:
            seen.update(batch.case_ids)
            return TASK.training_step(run, network, batch)

        def validation_step(self, run, network, batch):
            watched.update(batch.case_ids)
            return TASK.validation_step(run, network, batch)

    Records().fit(replace(run, configuration=replace(run.configuration, batch_size=4)))
    assert len(watched) == 2
    assert not watched & seen
    assert not {case.case_id for case in run.val_cases} & (seen | watched)


def test_without_inner_cases_the_operating_point_is_neutral(tmp_path):
    run = make_run(tmp_path, inner_fraction=0.0)
    TASK.fit(run)
    assert TASK.operating_point(run) == 0.5
    assert all(record.inner_loss is None and record.inner_auc is None for record in log(run))


def test_selecting_the_best_without_inner_cases_is_refused(tmp_path):
    with pytest.raises(TrainingError, match="Raise training"):
        TASK.fit(make_run(tmp_path, inner_fraction=0.0, select="best"))


def test_selecting_the_best_predicts_with_the_weights_of_the_lowest_inner_loss(tmp_path):
    run = make_run(tmp_path, epochs=4, select="best", learning_rate=0.05)
    TASK.fit(run)
    assert weights(run) == (run.folder / "checkpoint_best.safetensors").read_bytes()


def test_a_finished_fold_is_not_trained_again_when_resumed(own):
    before = (own.folder / "checkpoint_final.safetensors").stat().st_mtime_ns
    TASK.fit(replace(own, resume=True))
    assert (own.folder / "checkpoint_final.safetensors").stat().st_mtime_ns == before


@pytest.mark.parametrize("lost", [["checkpoint_final.safetensors", "operating_point.json"], ["operating_point.json"]])
def test_a_fold_killed_between_its_last_epoch_and_its_end_is_finished(trained, own, lost):
    for name in lost:
        (own.folder / name).unlink()
    TASK.fit(replace(own, resume=True))
    assert weights(own) == weights(trained)
    assert (own.folder / "operating_point.json").read_bytes() == (trained.folder / "operating_point.json").read_bytes()


def test_a_temperature_of_an_earlier_end_does_not_count_twice(trained, own):
    (own.folder / "checkpoint_final.safetensors").unlink()
    TASK.fit(replace(own, resume=True))
    assert (own.folder / "operating_point.json").read_bytes() == (trained.folder / "operating_point.json").read_bytes()


def test_starting_anew_clears_what_an_earlier_training_left(tmp_path):
    run = make_run(tmp_path)
    TASK.fit(make_run(tmp_path, epochs=3))
    (run.folder / "validation").mkdir()
    TASK.fit(run)
    assert [record.epoch for record in log(run)] == [1, 2]
    assert (run.folder / "validation").is_dir()


def test_resuming_what_was_never_begun_is_refused(tmp_path):
    with pytest.raises(TrainingError, match="expected a training to go on with, found no folder"):
        TASK.fit(replace(make_run(tmp_path), resume=True))


@pytest.mark.parametrize("finished", [True, False])
def test_resuming_with_other_settings_is_refused(own, finished):
    run = own
    if not finished:
        interrupt(run, after_epochs=1)
    with pytest.raises(TrainingError, match="same plan, settings and cases"):
        TASK.fit(replace(run, resume=True, settings=Settings(label_smoothing=0.2)))


def test_a_loss_that_is_not_finite_names_epoch_step_and_cases(tmp_path):
    run = make_run(tmp_path, augmentation=0.0, inner_fraction=0.0)
    for case in run.train_cases:
        path = load_preprocessed_case(run.preprocessed_folder, case.case_id).image_path
        save_array(load_array(path) * np.float32("nan"), path)
    with pytest.raises(
        TrainingError, match=r"expected a finite loss, found nan in epoch 1, step 1, cases case00\d, case00\d"
    ):
        TASK.fit(run)


def test_cases_without_the_lesion_that_the_plan_needs_are_all_named(trained, tmp_path):
    run = make_run(tmp_path)
    for number in (1, 4):
        make_case(run.preprocessed_folder, f"case{number:03d}", uptake=1.5, seed=number, lesion=False)
    with pytest.raises(TrainingError, match="found none for case001, case004"):
        TASK.fit(run)
    make_case(run.preprocessed_folder, "new", uptake=1.5, seed=9, lesion=False)
    with pytest.raises(PredictionError, match="Add a lesion label"):
        TASK.predict(trained, load_preprocessed_case(run.preprocessed_folder, "new"))


def test_one_class_alone_is_refused(tmp_path):
    run = make_run(tmp_path)
    with pytest.raises(TrainingError, match="at least two classes of recurrence, found only progression"):
        TASK.fit(
            replace(run, train_cases=[case for case in run.train_cases if case.targets["recurrence"] == "progression"])
        )


def test_the_log_is_one_json_object_per_epoch(trained):
    lines = [json.loads(line) for line in (trained.folder / "training_log.jsonl").read_text().splitlines()]
    assert [line["epoch"] for line in lines] == [1, 2]
    assert all(0 <= line["loader_wait_share"] <= 1 and line["seconds"] > 0 for line in lines)
    assert {"train_loss", "inner_loss", "inner_auc", "learning_rate", "peak_memory_mb"} <= set(lines[0])
    assert 0 <= lines[0]["train_metrics"]["accuracy"] <= 1
    assert [line["precision"] for line in lines] == ["float32", "float32"]  # as the plan says: amp is off


def test_predictions_do_not_depend_on_the_order_of_cases(trained):
    cases = [*trained.val_cases, *trained.train_cases[:2]]
    forward = [predict(trained, case) for case in cases]
    backward = [predict(trained, case) for case in cases[::-1]]
    assert forward == backward[::-1]


def test_a_network_trained_again_is_read_again(own, tmp_path):
    before = predict(own, own.val_cases[0])
    TASK.fit(make_run(tmp_path, epochs=5))
    assert predict(own, own.val_cases[0]) != before


def test_predicting_with_an_untrained_fold_is_refused(tmp_path):
    run = make_run(tmp_path)
    with pytest.raises(PredictionError, match="Train the fold first"):
        predict(run, run.val_cases[0])


def test_missing_preprocessed_cases_are_refused_before_training(tmp_path):
    run = make_run(tmp_path)
    properties_path(run.preprocessed_folder, "case003").unlink()
    with pytest.raises(Exception, match="expected the preprocessed case case003"):
        TASK.fit(run)
    assert not run.folder.exists()
