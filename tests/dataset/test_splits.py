"""Folds never share a subject, and are as even as whole subjects allow."""

from __future__ import annotations

from collections import Counter

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from glioframe.artifacts.cases import Case
from glioframe.artifacts.dataset import Target
from glioframe.core.errors import DatasetError, SettingError
from glioframe.dataset.splits import make_folds

GRADE = Target(name="grade", classes=("low", "middle", "high"))
IDH = Target(name="idh", classes=("wildtype", "mutant"))


def make_case(subject: int, session: int = 0, **values) -> Case:
    targets = {"grade": values.pop("grade", None), "idh": values.pop("idh", None)}
    return Case(case_id=f"s{subject}v{session}", subject_id=f"s{subject}", targets=targets, **values)


@st.composite
def cohorts(draw, *, max_sessions: int = 4):
    cases = []
    for subject in range(draw(st.integers(5, 40))):
        split = draw(st.sampled_from(["train"] * 4 + ["external"])) if subject >= 5 else "train"
        for session in range(draw(st.integers(1, max_sessions))):
            case = make_case(
                subject,
                session,
                split=split,
                site=draw(st.sampled_from(["", "A", "B", "C"])),
                grade=draw(st.sampled_from([None, *GRADE.classes])),
                idh=draw(st.sampled_from([None, *IDH.classes])),
            )
            cases.append(case)
    return cases


@st.composite
def one_target_cohorts(draw):
    num_sessions = draw(st.integers(1, 3))
    grades = draw(st.lists(st.sampled_from([None, *GRADE.classes]), min_size=5, max_size=60))
    sites = draw(st.lists(st.sampled_from("AB"), min_size=len(grades), max_size=len(grades)))
    return [
        make_case(subject, session, grade=grade, site=site)
        for subject, (grade, site) in enumerate(zip(grades, sites, strict=True))
        for session in range(num_sessions)
    ], num_sessions


def counts_per_fold(cases, folds, value_of):
    by_id = {case.case_id: case for case in cases}
    return [Counter(value_of(by_id[case_id]) for case_id in fold.val) for fold in folds]


@settings(deadline=None)
@given(cohorts(), st.integers(2, 5), st.integers(0, 3))
def test_every_training_case_is_validated_once_and_no_subject_is_on_both_sides(cases, num_folds, seed):
    folds = make_folds(cases, (GRADE, IDH), num_folds=num_folds, seed=seed)
    training_ids = {case.case_id for case in cases if case.split == "train"}
    assert len(folds) == num_folds
    assert sorted(case_id for fold in folds for case_id in fold.val) == sorted(training_ids)
    subject_of = {case.case_id: case.subject_id for case in cases}
    for fold in folds:
        assert fold.val
        assert set(fold.train) == training_ids - set(fold.val)
        assert not {subject_of[case_id] for case_id in fold.train} & {subject_of[case_id] for case_id in fold.val}


@settings(deadline=None)
@given(cohorts(), st.randoms(use_true_random=False))
def test_folds_do_not_depend_on_the_order_of_the_table(cases, random):
    folds = make_folds(cases, (GRADE, IDH), num_folds=5)
    shuffled = list(cases)
    random.shuffle(shuffled)
    assert make_folds(shuffled, (GRADE, IDH), num_folds=5) == folds


@settings(deadline=None)
@given(one_target_cohorts(), st.integers(2, 5))
def test_sizes_and_classes_are_even_where_every_subject_has_as_many_cases(cohort, num_folds):
    cases, num_sessions = cohort
    folds = make_folds(cases, (GRADE,), num_folds=num_folds)
    sizes = [len(fold.val) for fold in folds]
    assert max(sizes) - min(sizes) <= num_sessions
    total = Counter(case.targets["grade"] for case in cases)
    for counts in counts_per_fold(cases, folds, lambda case: case.targets["grade"]):
        for grade in (None, *GRADE.classes):
            assert abs(counts[grade] - total[grade] / num_folds) < num_sessions + 1e-9


@settings(deadline=None)
@given(cohorts(max_sessions=1))
def test_each_of_two_targets_is_nearly_even_when_stratified_jointly(cases):
    folds = make_folds(cases, (GRADE, IDH), num_folds=5)
    for target in (GRADE, IDH):
        per_fold = counts_per_fold(cases, folds, lambda case, name=target.name: case.targets[name])
        for value in (None, *target.classes):
            numbers = [counts[value] for counts in per_fold]
            assert max(numbers) - min(numbers) <= 3
    sizes = [len(fold.val) for fold in folds]
    assert max(sizes) - min(sizes) <= 1


def test_sites_are_spread_evenly_without_unbalancing_the_classes():
    cases = [
        make_case(subject, grade=GRADE.classes[subject % 2], site="AAAB"[subject % 4 if subject % 8 < 4 else 0])
        for subject in range(80)
    ]
    folds = make_folds(cases, (GRADE,), num_folds=5)
    assert [counts["B"] for counts in counts_per_fold(cases, folds, lambda case: case.site)] == [2] * 5
    assert [counts["low"] for counts in counts_per_fold(cases, folds, lambda case: case.targets["grade"])] == [8] * 5


def test_large_subjects_are_weighed_against_several_small_ones():
    cases = [make_case(0, session, grade="low") for session in range(4)]
    cases += [make_case(subject, grade="low") for subject in range(1, 9)]
    folds = make_folds(cases, (GRADE,), num_folds=3)
    assert sorted(len(fold.val) for fold in folds) == [4, 4, 4]


def test_a_class_rarer_than_the_folds_is_spread_over_as_many_folds_as_it_has_subjects():
    cases = [make_case(subject, grade="high" if subject < 2 else "low") for subject in range(20)]
    per_fold = counts_per_fold(cases, make_folds(cases, (GRADE,), num_folds=5), lambda case: case.targets["grade"])
    assert sorted(counts["high"] for counts in per_fold) == [0, 0, 0, 1, 1]


def test_another_seed_gives_other_folds():
    cases = [make_case(subject, grade="low") for subject in range(20)]
    assert make_folds(cases, (GRADE,), num_folds=5, seed=1) != make_folds(cases, (GRADE,), num_folds=5, seed=2)


def test_folds_need_no_target():
    folds = make_folds([make_case(subject) for subject in range(7)], (), num_folds=3)
    assert sorted(len(fold.val) for fold in folds) == [2, 2, 3]


def test_fewer_subjects_than_folds_are_refused_with_the_way_out():
    cases = [make_case(subject, session) for subject in range(3) for session in range(4)]
    with pytest.raises(DatasetError, match=r"at least 5 subjects.*found 3.*fewer folds"):
        make_folds(cases, (), num_folds=5)


def test_one_fold_is_refused():
    with pytest.raises(SettingError, match="2 folds or more"):
        make_folds([make_case(subject) for subject in range(3)], (), num_folds=1)


def test_a_subject_in_both_splits_is_refused():
    cases = [make_case(subject) for subject in range(5)] + [make_case(3, 1, split="external")]
    with pytest.raises(DatasetError, match="s3 in both train and external"):
        make_folds(cases, (), num_folds=2)
