"""What must never go unnoticed between two commands."""

import json
import shutil
from dataclasses import replace

import pytest
import torch
from homes import DATASET, MODEL, SHORT, TRAIN
from safetensors.torch import save_file

from builders import RECURRENCE
from glioframe.artifacts.case import load_preprocessed_case
from glioframe.artifacts.cases import load_cases, save_cases
from glioframe.artifacts.dataset import load_dataset_description
from glioframe.artifacts.evaluation import load_evaluation
from glioframe.artifacts.json_file import load_json, save_json
from glioframe.artifacts.plan import Plan, plan_hash
from glioframe.artifacts.prediction import load_predictions
from glioframe.artifacts.splits import load_splits, save_splits
from glioframe.cli import evaluate, plan_and_preprocess, train
from glioframe.core.provenance import Provenance
from glioframe.core.workspace import Workspace
from glioframe.pipeline.load_training import load_training
from glioframe.pipeline.training import TrainingRequest

PLAN = ["-d", "1", "-np", "1", "--gpu-memory", "8"]


def edit_cases(home, **changes):
    """Changes fields of cases: ``edit_cases(home, case000={"subject_id": "x"})``."""
    folder = home / "raw" / DATASET
    description = load_dataset_description(folder / "dataset.json")
    cases = load_cases(folder / "cases.tsv", description)
    cases = [replace(case, **changes.get(case.case_id, {})) for case in cases]
    save_cases(cases, folder / "cases.tsv", description)


def fold_of(home, case_id):
    folds = load_splits(home / "preprocessed" / DATASET / "splits_final.json")
    return next(index for index, fold in enumerate(folds) if case_id in fold.val)


def other_fold(home, case_id):
    """A fold that learns from the case."""
    return 1 if fold_of(home, case_id) == 0 else 0


def one_error_line(capsys) -> str:
    error = capsys.readouterr().err
    assert error.count("\n") == 1
    return error


def two_cases_of_different_folds(home):
    first = "case000"
    return first, next(f"case{i:03d}" for i in range(1, 8) if fold_of(home, f"case{i:03d}") != fold_of(home, first))


def test_a_subject_found_in_two_folds_stops_training_and_redraws_the_folds(fresh_home, capsys):
    first, second = two_cases_of_different_folds(fresh_home)
    edit_cases(fresh_home, **{first: {"subject_id": "same"}, second: {"subject_id": "same"}})
    assert train.main([*TRAIN, "0", "--device", "cpu", *SHORT]) == 1
    assert "no subject in both train and val, found same" in one_error_line(capsys)
    assert plan_and_preprocess.main(PLAN) == 0
    assert fold_of(fresh_home, first) == fold_of(fresh_home, second)


def test_a_case_moved_to_external_is_noticed_before_training(fresh_home, capsys):
    edit_cases(fresh_home, case000={"split": "external"})
    assert train.main([*TRAIN, "0", "--device", "cpu", *SHORT]) == 1
    assert "case000" in one_error_line(capsys)


def test_leaking_folds_of_the_users_own_are_refused(fresh_home, capsys):
    path = fresh_home / "raw" / DATASET / "splits_final.json"
    folds = load_splits(fresh_home / "preprocessed" / DATASET / "splits_final.json")
    save_splits([folds[0], *folds[:-1]], path)
    assert plan_and_preprocess.main(PLAN) == 1
    assert "val of exactly one fold" in one_error_line(capsys)


def test_a_task_never_sees_the_targets_of_validation_cases(fresh_home):
    request = TrainingRequest(dataset="1", task="recurrence_classifier", configuration="3d_cnn")
    training = load_training(Workspace.from_environment({"GLIOFRAME_HOME": str(fresh_home)}), request)
    run = training.run(0, progress=None)
    assert all(case.targets == {} for case in run.val_cases)
    assert all(case.targets for case in run.train_cases)


def test_a_spacing_edited_after_preprocessing_is_noticed(fresh_home, capsys):
    path = fresh_home / "preprocessed" / DATASET / "plans.json"
    plan = load_json(Plan, path)
    coarser = replace(plan.configurations["3d_cnn"], spacing_mm=(5.0, 5.0, 5.0))
    save_json(replace(plan, configurations={"3d_cnn": coarser}), path)
    assert train.main([*TRAIN, "0", "--device", "cpu", *SHORT]) == 1
    assert "--keep-plan" in one_error_line(capsys)
    assert plan_and_preprocess.main([*PLAN, "--keep-plan"]) == 0
    assert train.main([*TRAIN, "0", "--device", "cpu", *SHORT]) == 0


def test_where_a_plan_comes_from_does_not_make_it_another_plan(fresh_home):
    plan = load_json(Plan, fresh_home / "preprocessed" / DATASET / "plans.json")
    assert plan_hash(replace(plan, provenance=Provenance(command="x"), reasons={})) == plan_hash(plan)
    assert plan_hash(replace(plan, num_folds=plan.num_folds + 1)) != plan_hash(plan)


def test_a_refused_overwrite_deletes_nothing(home, capsys):
    files = sorted((home / "results" / DATASET / MODEL).rglob("*"))
    assert train.main([*TRAIN, "0", "--overwrite", "--device", "cpu", *SHORT, "--set", "training.seed=9"]) == 1
    assert "plan_hash" in one_error_line(capsys)
    assert sorted((home / "results" / DATASET / MODEL).rglob("*")) == files


def contents(folder):
    return {path: path.read_bytes() for path in sorted(folder.rglob("*")) if path.is_file()}


REFUSED_BY_TASK = [
    (["--set", "task.tuning=linear"], "expected pretrained weights"),
    (["--set", "task.tuning=lora", "--pretrained", "weights.safetensors"], "expected a vision transformer"),
    (["--set", "training.select=best", "--set", "training.inner_fraction=0"], "Raise training.inner_fraction"),
    (["--pretrained", "weights.safetensors"], "of another shape"),
]


@pytest.fixture
def foreign_weights(tmp_path, monkeypatch):
    """A file of weights that fit no network of the plan."""
    save_file({"encoder.stem.convs.0.conv.weight": torch.zeros(1, 1, 1, 1, 1)}, tmp_path / "weights.safetensors")
    monkeypatch.chdir(tmp_path)


@pytest.mark.parametrize(("arguments", "named"), REFUSED_BY_TASK)
@pytest.mark.usefixtures("foreign_weights")
def test_an_overwrite_that_the_task_refuses_loses_nothing(home, capsys, arguments, named):
    results = home / "results"
    before = contents(results)
    assert train.main([*TRAIN, "all", "--overwrite", "--device", "cpu", *SHORT, *arguments]) == 1
    assert named in one_error_line(capsys)
    assert contents(results) == before


@pytest.mark.parametrize(("arguments", "named"), REFUSED_BY_TASK)
@pytest.mark.usefixtures("foreign_weights")
def test_a_training_that_the_task_refuses_leaves_nothing_behind(fresh_home, capsys, arguments, named):
    assert train.main([*TRAIN, "0", "--device", "cpu", *SHORT, *arguments]) == 1
    assert named in one_error_line(capsys)
    assert not (fresh_home / "results").exists()


@pytest.mark.parametrize(
    ("task", "setting"),
    [
        ("threshold_baseline", "task.quantity=nothing"),
        ("radiomics_baseline", "task.features=absent.csv"),
        ("radiomics_baseline", 'task.covariates=["absent"]'),
    ],
)
def test_baselines_refuse_before_anything_is_written(fresh_home, capsys, task, setting):
    assert train.main(["1", task, "3d_cnn", "0", "--device", "cpu", "--set", setting]) == 1
    one_error_line(capsys)
    assert not (fresh_home / "results").exists()


def test_a_fold_that_fails_before_it_has_written_anything_can_be_trained_again_as_if_for_the_first_time(
    fresh_home, capsys
):
    plan = load_json(Plan, fresh_home / "preprocessed" / DATASET / "plans.json")
    cases = fresh_home / "preprocessed" / DATASET / plan.configuration("3d_cnn").data_identifier
    image = load_preprocessed_case(cases, "case000").image_path
    image.rename(image.with_suffix(".away"))
    arguments = ["1", "threshold_baseline", "3d_cnn", str(other_fold(fresh_home, "case000")), "--device", "cpu"]
    assert train.main(arguments) == 1
    assert image.name in one_error_line(capsys)
    assert not list(fresh_home.glob("results/**/fold_*"))
    image.with_suffix(".away").rename(image)
    assert train.main(arguments) == 0


def test_overwriting_all_replaces_folds_that_are_no_longer_planned(home):
    plan_path = home / "preprocessed" / DATASET / "plans.json"
    save_json(replace(load_json(Plan, plan_path), num_folds=2), plan_path)
    assert plan_and_preprocess.main([*PLAN, "--keep-plan"]) == 0
    assert train.main([*TRAIN, "all", "--overwrite", "--device", "cpu", *SHORT]) == 0
    assert sorted(path.name for path in (home / "results" / DATASET / MODEL).glob("fold_*")) == ["fold_0", "fold_1"]


def test_resume_and_overwrite_exclude_each_other(home, capsys):
    with pytest.raises(SystemExit, match="2"):
        train.main([*TRAIN, "all", "--c", "--overwrite"])
    assert "not allowed with" in capsys.readouterr().err
    assert (home / "results" / DATASET / MODEL / "fold_0").is_dir()


def test_a_changed_label_is_not_resumed_over(home, capsys):
    value = RECURRENCE.classes[1]
    edit_cases(home, case000={"targets": {"recurrence": value}})
    assert train.main([*TRAIN, "all", "--c", "--device", "cpu", *SHORT]) == 1
    assert "expected" in one_error_line(capsys)


def test_an_external_case_without_a_label_does_not_cost_the_report(fresh_home, capsys):
    (fresh_home / "raw" / DATASET / "labelsTr" / "case008.nii.gz").unlink()
    assert plan_and_preprocess.main(PLAN) == 0
    assert train.main([*TRAIN, "all", "--device", "cpu", "--progress", "json", *SHORT]) == 0
    rows = load_predictions(fresh_home / "results" / DATASET / MODEL / "crossval" / "predictions.tsv")
    plan = load_json(Plan, fresh_home / "preprocessed" / DATASET / "plans.json")
    unseen = {"case009"} if plan.field_of_view.kind == "lesion_centered" else {"case008", "case009"}
    assert {row.case_id for row in rows if row.split == "external"} == unseen
    assert ("case008" in capsys.readouterr().err) == ("case008" not in unseen)


def test_a_stray_folder_among_the_images_is_no_obstacle(fresh_home):
    (fresh_home / "raw" / DATASET / "imagesTr" / ".ipynb_checkpoints").mkdir()
    assert plan_and_preprocess.main(PLAN) == 0


class TestReferences:
    """``glioframe_evaluate -r``."""

    @pytest.fixture
    def run(self, home, tmp_path):
        predictions = home / "results" / DATASET / MODEL / "crossval" / "predictions.tsv"

        def _run(table: str) -> int:
            (tmp_path / "references.tsv").write_text(table)
            arguments = ["-i", str(predictions), "-o", str(tmp_path / "out"), "-d", "1"]
            return evaluate.main([*arguments, "-r", str(tmp_path / "references.tsv")])

        return _run

    def test_a_table_of_case_and_target_is_enough(self, run, tmp_path):
        assert run("case_id\trecurrence\ncase000\tprogression\ncase001\t\n") == 0
        evaluation = load_evaluation(tmp_path / "out" / "metrics.json")
        assert evaluation.primary.num_cases == 7
        assert any("references.tsv" in name for name in evaluation.provenance.inputs)

    @pytest.mark.parametrize(
        ("table", "named"),
        [
            ("case_id\trecurrence\nCASE000\tprogression\n", "rows of the predicted cases"),
            ("case_id\trecurrence\ncase000\tgrowth\n", "growth"),
            ("case\trecurrence\ncase000\tprogression\n", "case_id"),
            ("case_id\tgrade\ncase000\t4\n", "recurrence"),
            ("case_id\trecurrence\ncase000\t\ncase000\t\n", "as in line 2"),
        ],
    )
    def test_a_table_that_does_not_fit_is_one_clear_line(self, run, capsys, table, named):
        assert run(table) == 1
        assert named in one_error_line(capsys)


def test_hashes_of_training_images_are_kept_with_the_model(home):
    hashes = json.loads((home / "results" / DATASET / MODEL / "training_images.json").read_text())
    assert set(hashes.values()) == {f"case{index:03d}" for index in range(8)}
    shutil.rmtree(home / "raw")
