"""A fold of several networks: they differ in their random numbers alone, and their mean predicts."""

import shutil
import signal
from dataclasses import replace

import numpy as np
import pytest

from glioframe.artifacts.case import load_preprocessed_case
from glioframe.artifacts.training_log import keep_epochs
from glioframe.core.errors import PredictionError
from glioframe.evaluation.operating_point import choose_operating_point
from glioframe.tasks.recurrence_classifier.settings import Settings
from glioframe.tasks.recurrence_classifier.task import RecurrenceClassifier
from glioframe.training.gradient_task import GradientTask
from glioframe.training.operating_point import load_operating_point
from glioframe.training.temperature import fit_temperature, tempered
from glioframe.training.trained_network import trained_network
from training_builders import log, make_run, members, moved, weights

TASK = RecurrenceClassifier()
STEPS = 4
"""Of one member: two epochs of two steps."""
PAIR = {"num_members": 2, "inner_fraction": 0.25}


class Watches(GradientTask[Settings]):
    """Learns as the classifier does, notes the cases that each member fits and watches, and may send a signal."""

    settings_type, description = Settings, ""
    requirements, sampling = RecurrenceClassifier.requirements, RecurrenceClassifier.sampling
    build_network, prediction_step = RecurrenceClassifier.build_network, RecurrenceClassifier.prediction_step
    calibrates = RecurrenceClassifier.calibrates

    def __init__(self, *, signal_at: int = 0) -> None:
        self.signal_at, self.steps = signal_at, 0
        self.fitted: dict[int, set[str]] = {}
        self.watched: dict[int, set[str]] = {}

    def training_step(self, run, network, batch):
        self.steps += 1
        if self.steps == self.signal_at:
            signal.raise_signal(signal.SIGTERM)
        self.fitted.setdefault(run.member, set()).update(batch.case_ids)
        return TASK.training_step(run, network, batch)

    def validation_step(self, run, network, batch):
        self.watched.setdefault(run.member, set()).update(batch.case_ids)
        return TASK.validation_step(run, network, batch)


@pytest.fixture(scope="module")
def task() -> Watches:
    return Watches()


@pytest.fixture(scope="module")
def trained(task, tmp_path_factory):
    """A fold of three networks."""
    run = make_run(tmp_path_factory.mktemp("trained"), num_cases=12, num_members=3, inner_fraction=0.4)
    task.fit(run)
    return run


@pytest.fixture(scope="module")
def pair(tmp_path_factory):
    """A fold of two networks, to be looked at only."""
    run = make_run(tmp_path_factory.mktemp("pair"), **PAIR)
    TASK.fit(run)
    return run


@pytest.fixture
def own(pair, tmp_path):
    """The same, as if trained in ``tmp_path``."""
    shutil.copytree(pair.folder, tmp_path / "results" / "fold_0")
    return make_run(tmp_path, **PAIR)


def single(run, member: int):
    """The same training of one network alone, in a folder of its own."""
    alone = replace(run.configuration.training, num_members=1)
    configuration = replace(run.configuration, training=alone)
    return moved(run, f"single_{member}", member=member, configuration=configuration)


def predict(run, case_id: str, **settings):
    run = replace(run, settings=Settings(**settings))
    return TASK.predict(run, load_preprocessed_case(run.preprocessed_folder, case_id))


def test_the_fold_predicts_the_mean_of_what_single_trainings_of_its_members_predict(trained):
    singles = [single(trained, member) for member in range(3)]
    for run in singles:
        TASK.fit(run)
    for case in trained.val_cases:
        apart = [predict(run, case.case_id, temperature=False).probabilities for run in singles]
        together = predict(trained, case.case_id, temperature=False).probabilities
        assert together == pytest.approx(np.mean(apart, axis=0), abs=1e-12)
    assert [weights(run) for run in singles] == [weights(run) for run in members(trained)]
    assert [log(run) for run in singles] == [log(run) for run in members(trained)]


def test_members_differ(trained):
    assert len({weights(run) for run in members(trained)}) == 3
    assert len({log(run)[0].train_loss for run in members(trained)}) == 3


def test_the_spread_is_over_members_and_views(trained):
    case_id = trained.val_cases[0].case_id
    assert len(set(predict(trained, case_id).member_probabilities)) == 6
    assert len(set(predict(trained, case_id, tta=False).member_probabilities)) == 3


def test_the_report_draws_the_curves_of_every_member(trained):
    curves, _ = TASK.report([trained])
    ((png, caption),) = curves.figures_png
    other = moved(trained, "other")
    shutil.copytree(trained.folder, other.folder)
    keep_epochs(other.folder / "member_2" / "training_log.jsonl", last_epoch=1)
    assert TASK.report([other])[0].figures_png[0][0] != png
    assert "3 networks" in caption


def test_no_member_fits_an_inner_case(trained, task):
    (inner,) = {frozenset(cases) for cases in task.watched.values()}
    assert len(task.watched) == len(task.fitted) == 3
    assert inner
    assert not inner & set().union(*task.fitted.values())


def test_the_operating_point_and_the_temperature_are_those_of_the_mean(trained, task):
    inner = sorted(task.watched[0])
    means = []
    for case_id in inner:
        case = load_preprocessed_case(trained.preprocessed_folder, case_id)
        each = [TASK.prediction_step(run, trained_network(TASK, run), case).probabilities for run in members(trained)]
        means.append(np.mean(each, axis=0))
    references = np.array([trained.class_indices()[case_id] for case_id in inner])
    temperature = fit_temperature(np.array(means), references)
    positive = np.array([tempered(tuple(mean), temperature)[-1] for mean in means])
    point = load_operating_point(trained.folder)
    assert point.temperature == pytest.approx(temperature, rel=1e-6)
    assert point.probability == pytest.approx(choose_operating_point(references, positive), rel=1e-6)
    assert not list(trained.folder.glob("member_*/operating_point.json"))


@pytest.mark.parametrize("step", [STEPS - 1, STEPS, STEPS + 1, 2 * STEPS])
def test_a_training_stopped_in_any_member_and_resumed_equals_one_that_was_not(pair, tmp_path, step):
    stopped = make_run(tmp_path, **PAIR)
    with pytest.raises(KeyboardInterrupt):
        Watches(signal_at=step).fit(stopped)
    assert not (stopped.folder / "operating_point.json").exists()
    TASK.fit(replace(stopped, resume=True))
    for one, two in zip(members(pair), members(stopped), strict=True):
        assert weights(one) == weights(two)
        assert log(one) == log(two)
    assert load_operating_point(stopped.folder) == load_operating_point(pair.folder)


def test_a_finished_fold_is_not_trained_again_when_resumed(own):
    before = {path: path.stat().st_mtime_ns for path in own.folder.rglob("*")}
    TASK.fit(replace(own, resume=True))
    assert {path: path.stat().st_mtime_ns for path in own.folder.rglob("*")} == before


def test_starting_anew_with_fewer_members_clears_the_others(own, tmp_path):
    assert list(own.folder.glob("member_*"))
    TASK.fit(make_run(tmp_path))
    assert not list(own.folder.glob("member_*"))


def test_a_fold_that_lacks_a_member_does_not_predict(own):
    (own.folder / "member_1" / "checkpoint_final.safetensors").unlink()
    with pytest.raises(PredictionError, match=r"member_1.*Train the fold first"):
        predict(own, own.val_cases[0].case_id)
