"""Cohorts that a benchmark cannot serve, or not wholly: one clear line each, or what is done instead."""

import csv
from dataclasses import replace

import pytest
from homes import DATASET
from test_benchmark import ROWS, results, run, table, write_matrix
from test_guards import PLAN, edit_cases, one_error_line

from builders import RECURRENCE, make_dataset
from glioframe.artifacts.cases import save_cases
from glioframe.artifacts.dataset import Target, save_dataset_description
from glioframe.artifacts.prediction import load_predictions
from glioframe.artifacts.splits import load_splits
from glioframe.cli import benchmark, plan_and_preprocess

UPTAKE = ROWS[:1]
CASES = tuple(f"case{index:03d}" for index in range(8))


@pytest.fixture
def matrix(tmp_path):
    return write_matrix(tmp_path, UPTAKE)


def planned(home, monkeypatch, **dataset) -> None:
    """A dataset of its own, planned and preprocessed."""
    make_dataset(home / "raw" / DATASET, **dataset)
    monkeypatch.setenv("GLIOFRAME_HOME", str(home))
    assert plan_and_preprocess.main(PLAN) == 0


def write_column(home, values: dict[str, str]) -> None:
    """Fills the target's column of cases.tsv with whatever text."""
    path = home / "raw" / DATASET / "cases.tsv"
    with path.open(newline="") as stream:
        lines = list(csv.DictReader(stream, delimiter="\t"))
    with path.open("w", newline="") as stream:
        writer = csv.DictWriter(stream, lines[0].keys(), delimiter="\t", lineterminator="\n")
        writer.writeheader()
        writer.writerows([{**line, RECURRENCE.name: values.get(line["case_id"], "")} for line in lines])


def test_one_class_only_is_one_line(fresh_home, matrix, capsys):
    edit_cases(fresh_home, **{case: {"targets": {RECURRENCE.name: "progression"}} for case in CASES})
    assert run(matrix) == 1
    error = one_error_line(capsys)
    assert "training cases of every class of recurrence, found none of treatment_related_change" in error


def test_a_class_that_is_not_declared_is_one_line_with_the_declared_ones(fresh_home, matrix, capsys):
    write_column(fresh_home, dict.fromkeys(CASES, "yes"))
    assert run(matrix) == 1
    error = one_error_line(capsys)
    assert "yes" in error
    assert "treatment_related_change" in error


def test_a_target_that_is_not_declared_is_one_line_with_the_declared_ones(fresh_home, matrix, capsys):
    assert benchmark.main(["1", "--target", "survival", "--matrix", str(matrix), "--device", "cpu"]) == 1
    error = one_error_line(capsys)
    assert "survival" in error
    assert RECURRENCE.name in error


def test_with_fewer_cases_than_folds_there_are_fewer_folds(tmp_path, matrix, monkeypatch):
    home = tmp_path / "home"
    planned(home, monkeypatch, num_subjects=4, num_external=0)
    folds = load_splits(home / "preprocessed" / DATASET / "splits_final.json")
    assert len(folds) == 2
    assert run(matrix) == 0
    (line,) = table(home)
    assert line["num_cases"] == "4"
    assert "4 cases, 2 positive" in (results(home) / "report.html").read_text()


def test_a_site_of_one_case_is_left_out_as_any_other_and_its_case_is_predicted(fresh_home, matrix):
    edit_cases(fresh_home, case000={"site": "Alone"})
    assert run(matrix, "--split-policy", "leave_one_site_out") == 0
    folder = results(fresh_home, "recurrence__leave_one_site_out")
    folds = load_splits(folder / "splits" / "repetition_0.json")
    assert ("case000",) in [tuple(fold.val) for fold in folds]
    assert "case000" in [row.case_id for row in load_predictions(folder / "predictions.tsv")]


def test_one_site_alone_cannot_be_left_out(fresh_home, matrix, capsys):
    edit_cases(fresh_home, **{case: {"site": "Paris"} for case in CASES})
    assert run(matrix, "--split-policy", "leave_one_site_out") == 1
    assert "found 1" in one_error_line(capsys)


def test_a_target_of_three_classes_is_compared_by_its_macro_auc_and_thresholds_do_not_apply(
    tmp_path, matrix, monkeypatch
):
    home = tmp_path / "home"
    folder = home / "raw" / DATASET
    dataset = make_dataset(folder, num_subjects=9, num_external=0)
    grade = Target(name="grade", classes=("2", "3", "4"))
    description = replace(dataset.description, targets=(grade,))
    cases = [
        replace(case, targets={"grade": grade.classes[index % 3]}) for index, case in enumerate(dataset.training_cases)
    ]
    save_dataset_description(description, folder / "dataset.json", num_training=len(cases))
    save_cases(cases, folder / "cases.tsv", description)
    monkeypatch.setenv("GLIOFRAME_HOME", str(home))
    assert plan_and_preprocess.main(PLAN) == 0
    trees = {"name": "Trees", "task": "radiomics_baseline", "configuration": "3d_cnn"}
    trees["overrides"] = ["task.classifier=random_forest"]
    ridge = {**trees, "name": "Ridge", "overrides": ["task.classifier=ridge"]}
    write_matrix(tmp_path, [*UPTAKE, trees, ridge])
    assert run(matrix) == 0
    with (results(home, "grade") / "comparisons.tsv").open(newline="") as stream:
        compared = list(csv.DictReader(stream, delimiter="\t"))
    assert {(line["model_a"], line["model_b"]) for line in compared} == {("Trees", "Ridge")}
    assert {line["target"] for line in compared} == {"grade"}
    status = {line["model"]: line["status"] for line in table(home, "grade")}
    assert status == {"Uptake": "not applicable", "Trees": "done", "Ridge": "done"}
    assert "grade, 9 cross-validated cases of 9 patients" in (results(home, "grade") / "report.html").read_text()
