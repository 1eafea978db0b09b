"""The recurrence classifier learns what is there, and nothing where nothing is."""

from dataclasses import FrozenInstanceError, fields, replace

import numpy as np
import pytest
import torch
from torch.overrides import TorchFunctionMode

from glioframe.artifacts.case import load_preprocessed_case
from glioframe.artifacts.dataset import Target
from glioframe.artifacts.json_file import parse
from glioframe.core.errors import ArtifactError
from glioframe.evaluation.discrimination import auc
from glioframe.task_api.registry import load_task
from glioframe.tasks.recurrence_classifier.settings import Settings
from glioframe.tasks.recurrence_classifier.task import RecurrenceClassifier
from training_builders import make_run, moved

TASK = RecurrenceClassifier()
BRIEF = {"epochs": 8, "iterations_per_epoch": 6, "batch_size": 4, "ema_decay": 0.9}


@pytest.fixture(scope="module")
def trained(tmp_path_factory):
    """A trained fold, to be looked at only."""
    run = make_run(tmp_path_factory.mktemp("trained"))
    TASK.fit(run)
    return run


def predict(run, case, **changes):
    return TASK.predict(replace(run, **changes), load_preprocessed_case(run.preprocessed_folder, case.case_id))


def held_out_auc(run, *, num_folds: int) -> float:
    """The AUC of held-out probabilities of all training cases of ``run``, with every class in every fold."""
    by_class = sorted(run.train_cases, key=lambda case: case.targets[run.target.name])
    references, probabilities = [], []
    for fold in range(num_folds):
        val = by_class[fold::num_folds]
        train = [case for case in run.train_cases if case not in val]
        fold_run = moved(run, f"{run.folder.name}_{fold}", fold=fold, train_cases=train, val_cases=val)
        TASK.fit(fold_run)
        references += [run.target.class_index(case.targets[run.target.name]) for case in val]
        probabilities += [predict(fold_run, case).probabilities[-1] for case in val]
    return auc(np.array(references), np.array(probabilities))


def test_it_is_found_by_name_with_frozen_settings_that_all_have_defaults():
    task = load_task("recurrence_classifier")
    assert isinstance(task, RecurrenceClassifier)
    settings = task.settings_type()
    with pytest.raises(FrozenInstanceError):
        settings.tta = False
    assert {field.name for field in fields(settings)} == {
        "class_weighting",
        "label_smoothing",
        "center_jitter_mm",
        "tta",
        "pooling",
        "temperature",
        "tuning",
        "sawtooth_share",
        "lora_rank",
        "lora_alpha",
    }


@pytest.mark.parametrize("wrong", [{"class_weighing": "loss"}, {"class_weighting": "both"}, {"label_smoothing": 0.9}])
def test_settings_refuse_what_they_do_not_know(wrong):
    with pytest.raises(ArtifactError):
        parse(Settings, wrong, where="--set")


def test_it_needs_a_target_and_nothing_else():
    needed = TASK.requirements()
    assert needed.target
    assert not needed.lesion_label


def test_held_out_cases_are_told_apart_when_uptake_differs(tmp_path):
    run = make_run(tmp_path, num_cases=20, num_val=0, missing_every=5, **BRIEF)
    assert held_out_auc(run, num_folds=2) >= 0.95


def relabeled(run, *, draw: int):
    """Classes drawn by lot: whatever the images show, the labels do not know it."""
    classes = np.random.default_rng(draw).permutation(np.arange(len(run.train_cases)) % 2)
    cases = [
        replace(case, targets={run.target.name: run.target.classes[index]})
        for case, index in zip(run.train_cases, classes, strict=True)
    ]
    return moved(run, f"draw_{draw}", train_cases=cases)


def test_noise_is_learned_by_heart_but_not_predicted_in_held_out_cases(tmp_path):
    by_heart = {"epochs": 5, "iterations_per_epoch": 16, "batch_size": 8, "inner_fraction": 0.0}
    by_heart |= {"augmentation": 0.0, "channel_dropout": 0.0}
    settings = Settings(center_jitter_mm=0.0, label_smoothing=0.0, tta=False)
    same_lesions = make_run(
        tmp_path, num_cases=24, num_val=0, uptakes=(2.0, 2.0), settings=settings, **BRIEF | by_heart
    )
    draws = [relabeled(same_lesions, draw=draw) for draw in range(4)]
    # The training is long enough that a single leaking fold would show: known cases are told apart.
    TASK.fit(draws[0])
    known = [predict(draws[0], case).probabilities[-1] for case in draws[0].train_cases]
    assert auc(np.array(list(draws[0].class_indices().values())), np.array(known)) > 0.9
    # By chance, one AUC of 12 against 12 cases scatters by 0.12 about 0.5, the mean of four by 0.06.
    assert 0.35 <= np.mean([held_out_auc(draw, num_folds=2) for draw in draws]) <= 0.65


def test_the_operating_point_separates_what_the_network_separates(tmp_path):
    run = make_run(tmp_path, num_cases=20, num_val=6, **BRIEF)
    TASK.fit(run)
    called = [predict(run, case).probabilities[-1] >= TASK.operating_point(run) for case in run.val_cases]
    assert called == [case.targets["recurrence"] == "progression" for case in run.val_cases]


def test_three_classes_get_three_probabilities_that_point_to_the_right_one(tmp_path):
    target = Target(name="grade", classes=("two", "three", "four"))
    longer = BRIEF | {"epochs": 20}
    run = make_run(tmp_path, num_cases=24, num_val=9, target=target, uptakes=(1.0, 4.0, 20.0), **longer)
    TASK.fit(run)
    predictions = [predict(run, case).probabilities for case in run.val_cases]
    assert [sum(prediction) for prediction in predictions] == pytest.approx([1.0] * 9)
    called = [target.classes[int(np.argmax(prediction))] for prediction in predictions]
    correct = [name == case.targets["grade"] for name, case in zip(called, run.val_cases, strict=True)]
    assert sum(correct) >= 7
    assert TASK.operating_point(run) == 0.5


def test_weighting_by_draws_or_by_loss_gives_a_rare_class_its_say(tmp_path):
    run = make_run(tmp_path, num_cases=30, num_val=6, uptakes=(2.0, 2.0), **BRIEF)
    rare = [case for index, case in enumerate(run.train_cases) if index % 2 == 0 or index < 8]
    mean_probability = {}
    for weighting in ("none", "sampling", "loss"):
        fold = moved(run, weighting, train_cases=rare, settings=Settings(class_weighting=weighting))
        TASK.fit(fold)
        mean_probability[weighting] = np.mean([predict(fold, case).probabilities[-1] for case in fold.val_cases])
    # Nothing tells the classes apart, so that the probability follows how often the rare one (4 of 19) counts.
    assert mean_probability["none"] < 0.4
    assert mean_probability["sampling"] > mean_probability["none"] + 0.03
    assert mean_probability["loss"] > mean_probability["none"] + 0.03


def test_mirroring_adds_a_member_and_the_prediction_is_their_mean(trained):
    both = predict(trained, trained.val_cases[0], settings=Settings(temperature=False))
    single = predict(trained, trained.val_cases[0], settings=Settings(tta=False, temperature=False))
    assert len(both.member_probabilities) == 2
    assert single.member_probabilities == (single.probabilities,)
    assert both.member_probabilities[0] == pytest.approx(single.probabilities, abs=1e-6)
    assert both.probabilities == pytest.approx(np.mean(both.member_probabilities, axis=0))


def test_prediction_needs_no_training_cases(trained):
    expected = predict(trained, trained.val_cases[0])
    assert predict(trained, trained.val_cases[0], train_cases=(), val_cases=()) == expected


def test_a_whole_brain_needs_no_lesion(tmp_path):
    run = make_run(tmp_path, kind="whole_brain")
    TASK.fit(run)
    assert sum(predict(run, run.val_cases[0]).probabilities) == pytest.approx(1.0)


def test_the_report_draws_the_learning_curves_of_all_folds(trained, tmp_path):
    other = replace(make_run(tmp_path), fold=1)
    TASK.fit(other)
    (both, _), (one, _) = TASK.report([trained, other]), TASK.report([trained])
    ((png, caption),) = both.figures_png
    assert png.startswith(b"\x89PNG")
    assert png != one.figures_png[0][0]
    assert caption


class DoubleOnTheCpuOnly(TorchFunctionMode):
    """Refuses float64 as Apple's GPUs do: of what was not brought to the CPU."""

    def __init__(self) -> None:
        super().__init__()
        self.on_the_cpu: list[torch.Tensor] = []

    def __torch_function__(self, func, types, args=(), kwargs=None):
        if func is torch.Tensor.double and not any(args[0] is tensor for tensor in self.on_the_cpu):
            raise TypeError("the MPS framework doesn't support float64")
        result = func(*args, **(kwargs or {}))
        if func is torch.Tensor.cpu:
            self.on_the_cpu.append(result)
        return result


def test_a_device_without_float64_predicts(trained):
    expected = predict(trained, trained.val_cases[0])
    with DoubleOnTheCpuOnly():
        assert predict(trained, trained.val_cases[0]) == expected
