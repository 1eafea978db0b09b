"""Folds, held-out shares, batches and the length of training, from the size of the cohort."""

import pytest
from planning_fingerprints import SUV, T1C, make_fingerprint

from glioframe.core.errors import PlanError
from glioframe.planning.budget import load_budget
from glioframe.planning.cohort import choose_inner_fraction, choose_num_folds, training_fold_size
from glioframe.planning.residual_encoder import ResidualEncoderFamily
from glioframe.planning.training import choose_batch_size, choose_training

CPU, GPU = load_budget("cpu"), load_budget("24gb")


def family(budget):
    return ResidualEncoderFamily(budget=budget, num_subjects=120)


def make_cohort(num_subjects: int, **class_counts: int):
    return make_fingerprint(num_subjects=num_subjects, class_counts={"target": class_counts})


@pytest.mark.parametrize(
    ("counts", "num_folds"),
    [({"a": 60, "b": 60}, 5), ({"a": 20, "b": 5}, 5), ({"a": 20, "b": 3}, 3), ({"a": 9, "b": 1}, 2)],
)
def test_every_fold_gets_some_of_the_smallest_class(counts, num_folds):
    chosen = choose_num_folds(make_cohort(sum(counts.values()), **counts))
    assert chosen.value == num_folds
    assert "target=b" in chosen.reason or num_folds == 5


def test_cases_of_unknown_class_do_not_count():
    fingerprint = make_fingerprint(num_subjects=50, class_counts={"target": {"a": 20, "b": 4, "": 26}})
    assert choose_num_folds(fingerprint).value == 4


def test_a_target_that_hardly_anyone_has_does_not_cost_the_others_their_folds():
    counts = {"recurrence": {"no": 30, "yes": 30}, "idh": {"wildtype": 2, "mutant": 2, "": 56}}
    assert choose_num_folds(make_fingerprint(num_subjects=60, class_counts=counts)).value == 5


def test_without_targets_subjects_are_counted():
    assert choose_num_folds(make_fingerprint(num_subjects=3, class_counts={})).value == 3


def test_a_single_subject_cannot_be_cross_validated():
    with pytest.raises(PlanError, match="at least 2 training subjects"):
        choose_num_folds(make_fingerprint(num_subjects=1, class_counts={}))


def test_the_operating_point_is_set_on_held_out_cases_only_where_there_are_enough():
    enough, few = make_cohort(60, a=30, b=30), make_cohort(24, a=12, b=12)
    assert choose_inner_fraction(enough, 5).value == 0.2
    assert choose_inner_fraction(few, 5).value == 0.0
    # 25 cases in the class: 20 in a training fold, 4 held out.
    assert choose_inner_fraction(make_cohort(50, a=25, b=25), 5).value == 0.2
    assert choose_inner_fraction(make_cohort(50, a=26, b=24), 5).value == 0.0
    assert "operating point stays 0.5" in choose_inner_fraction(few, 5).reason


@pytest.mark.parametrize(("num_training", "size"), [(2, 2), (8, 2), (16, 4), (23, 5), (32, 8), (500, 8)])
def test_a_batch_is_at_most_a_quarter_of_the_fold_and_at_least_two(num_training, size):
    assert choose_batch_size(num_training, GPU).value == size


def test_the_cpu_budget_takes_smaller_batches():
    assert choose_batch_size(500, CPU).value == CPU.max_batch_size == 4


@pytest.mark.parametrize("budget", [CPU, GPU], ids=["cpu", "gpu"])
def test_larger_cohorts_train_longer_within_the_bounds_of_the_budget(budget):
    lengths = []
    for num_subjects in (8, 24, 60, 120, 400, 2000):
        fingerprint = make_fingerprint(num_subjects=num_subjects)
        batch = choose_batch_size(training_fold_size(num_subjects, 5), budget).value
        training, _ = choose_training(fingerprint, budget, family(budget), num_folds=5, batch_size=batch)
        lengths.append(training.epochs * training.iterations_per_epoch)
        assert training.warmup_epochs < training.epochs
        assert training.epochs >= 9
    assert all(budget.min_iterations * 0.9 <= length <= budget.max_iterations for length in lengths)
    assert lengths[-1] > lengths[0]


def test_averaged_weights_forget_the_start_of_training():
    for num_subjects in (8, 24, 120, 2000):
        for budget in (CPU, GPU):
            training, _ = choose_training(
                make_fingerprint(num_subjects=num_subjects), budget, family(budget), num_folds=5, batch_size=4
            )
            remembered = training.ema_decay ** (training.epochs * training.iterations_per_epoch)
            assert remembered < 1e-3


def test_channels_are_hidden_as_often_as_they_are_missing():
    def hidden(**options):
        training, _ = choose_training(make_fingerprint(**options), GPU, family(GPU), num_folds=5, batch_size=4)
        return training.channel_dropout

    assert hidden(channels=(T1C,)) == 0.0
    assert hidden(channels=(T1C, SUV)) == 0.1
    assert hidden(channels=(T1C, SUV), missing_share=0.25) == 0.25
    assert hidden(channels=(T1C, SUV), missing_share=0.8) == 0.3
