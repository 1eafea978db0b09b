"""Who is drawn, and who is held out."""

from collections import Counter

import pytest

from glioframe.artifacts.cases import Case
from glioframe.training.inner_split import split_inner
from glioframe.training.sampling import class_balanced_weights, draw_epoch

CASES = [f"case{index}" for index in range(10)]


def make_cases(num_subjects: int, *, visits: int = 1) -> list[Case]:
    return [
        Case(case_id=f"s{subject}v{visit}", subject_id=f"s{subject}")
        for subject in range(num_subjects)
        for visit in range(visits)
    ]


def test_every_case_is_drawn_equally_often_when_weights_are_equal():
    batches = draw_epoch(CASES, [1.0] * 10, num_batches=15, batch_size=2, seed=0)
    assert Counter(case for batch in batches for case in batch) == dict.fromkeys(CASES, 3)
    assert {len(batch) for batch in batches} == {2}


@pytest.mark.parametrize("seed", range(20))
def test_counts_follow_the_weights_give_or_take_one(seed):
    weights = [1.0, 2.0, 3.0, 0.5, 1.5, 1.0, 1.0, 2.0, 4.0, 1.0]
    counts = Counter(
        case for batch in draw_epoch(CASES, weights, num_batches=7, batch_size=3, seed=seed) for case in batch
    )
    for case, weight in zip(CASES, weights, strict=True):
        assert abs(counts[case] - 21 * weight / sum(weights)) < 1


def test_balanced_weights_draw_the_rare_class_as_often_as_the_frequent_one():
    classes = {case: int(index >= 8) for index, case in enumerate(CASES)}
    weights = class_balanced_weights(CASES, classes)
    drawn = [case for batch in draw_epoch(CASES, weights, num_batches=10, batch_size=4, seed=1) for case in batch]
    assert Counter(classes[case] for case in drawn) == {0: 20, 1: 20}


def test_short_epochs_reach_every_case_over_time():
    drawn = {
        case
        for seed in range(60)
        for batch in draw_epoch(CASES, [1.0] * 10, num_batches=1, batch_size=2, seed=seed)
        for case in batch
    }
    assert drawn == set(CASES)


def test_epochs_repeat_with_their_seed_and_differ_between_seeds():
    draws = [draw_epoch(CASES, [1.0] * 10, num_batches=5, batch_size=2, seed=seed) for seed in (4, 4, 5)]
    assert draws[0] == draws[1]
    assert draws[0] != draws[2]


def test_inner_cases_are_a_stratified_share_of_the_subjects():
    cases = make_cases(30)
    classes = {case.case_id: int(index < 10) for index, case in enumerate(cases)}
    split = split_inner(cases, classes, fraction=0.2, seed=0)
    assert Counter(classes[case_id] for case_id in split.inner) == {0: 4, 1: 2}
    assert sorted(split.fit + split.inner) == sorted(case.case_id for case in cases)


def test_all_visits_of_a_subject_stay_together():
    cases = make_cases(12, visits=3)
    split = split_inner(cases, {case.case_id: index % 2 for index, case in enumerate(cases)}, fraction=0.3, seed=0)
    assert split.inner
    subjects = [{case_id.split("v")[0] for case_id in part} for part in split]
    assert not subjects[0] & subjects[1]


def test_a_class_of_two_subjects_is_kept_for_fitting():
    cases = make_cases(10)
    classes = {case.case_id: int(index < 2) for index, case in enumerate(cases)}
    split = split_inner(cases, classes, fraction=0.5, seed=0)
    assert {case_id for case_id in classes if classes[case_id] == 1} <= set(split.fit)


def test_fraction_zero_holds_out_nobody():
    cases = make_cases(10)
    assert split_inner(cases, {}, fraction=0.0, seed=0).inner == ()


def test_the_split_depends_on_the_seed_and_not_on_the_order_of_cases():
    cases = make_cases(20)
    classes = {case.case_id: index % 2 for index, case in enumerate(cases)}
    first = split_inner(cases, classes, fraction=0.2, seed=1)
    assert split_inner(cases[::-1], classes, fraction=0.2, seed=1) == first
    assert split_inner(cases, classes, fraction=0.2, seed=2) != first


def test_without_a_target_cases_are_held_out_too():
    assert len(split_inner(make_cases(10), {}, fraction=0.2, seed=0).inner) == 2
