"""From a raw dataset to a report, as a user types it."""

import json
import shutil
from dataclasses import replace
from pathlib import Path

import pytest
from homes import DATASET, MODEL, SHORT, TRAIN

from builders import RECURRENCE
from glioframe.artifacts.evaluation import load_evaluation
from glioframe.artifacts.json_file import load_json, save_json
from glioframe.artifacts.plan import Plan
from glioframe.artifacts.prediction import load_predictions
from glioframe.artifacts.raw_dataset import load_raw_dataset
from glioframe.artifacts.splits import load_splits
from glioframe.cli import evaluate, info, list_tasks, plan_and_preprocess, predict, train


def test_planning_writes_every_artifact(planned_home):
    folder = planned_home / "preprocessed" / DATASET
    plan = load_json(Plan, folder / "plans.json")
    configuration = plan.configuration("3d_cnn")
    cases = folder / configuration.data_identifier
    assert (folder / "dataset_fingerprint.json").is_file()
    assert (folder / "preflight.json").is_file()
    assert len(load_splits(folder / "splits_final.json")) == plan.num_folds
    assert len(list(cases.glob("case???.json"))) == 10
    assert configuration.predicted_peak_memory_gb > 0
    assert plan.reasons


def test_each_training_case_is_predicted_once_by_a_model_that_never_saw_it(trained_home):
    folds = load_splits(trained_home / "preprocessed" / DATASET / "splits_final.json")
    rows = load_predictions(trained_home / "results" / DATASET / MODEL / "crossval" / "predictions.tsv")
    held_out = [row for row in rows if row.split == "train"]
    assert sorted(row.case_id for row in held_out) == [f"case{index:03d}" for index in range(8)]
    for row in held_out:
        assert row.case_id not in folds[row.fold].train


def test_external_cases_are_predicted_by_the_ensemble(trained_home):
    rows = load_predictions(trained_home / "results" / DATASET / MODEL / "crossval" / "predictions.tsv")
    external = [row for row in rows if row.split == "external"]
    assert [row.case_id for row in external] == ["case008", "case009"]
    assert all(row.fold is None and row.site == "C" for row in external)


def test_references_are_those_of_the_table(trained_home):
    dataset = load_raw_dataset(trained_home / "raw" / DATASET)
    values = {case.case_id: RECURRENCE.class_index(case.targets["recurrence"]) for case in dataset.cases}
    rows = load_predictions(trained_home / "results" / DATASET / MODEL / "crossval" / "predictions.tsv")
    assert {row.case_id: row.reference for row in rows} == values


def test_the_model_folder_tells_what_it_was_made_from(trained_home):
    folder = trained_home / "results" / DATASET / MODEL
    assert load_json(Plan, folder / "plans.json").configuration("3d_cnn").training.epochs == 2
    assert "torch" in json.loads((folder / "environment.json").read_text())
    for name in ("dataset.json", "dataset_fingerprint.json", "model.json", "crossval/metrics.json"):
        assert (folder / name).is_file()
    for name in ("training_log.jsonl", "progress.png", "checkpoint_final.safetensors"):
        assert (folder / "fold_0" / name).is_file(), name


def test_the_report_stands_alone(trained_home):
    page = (trained_home / "results" / DATASET / MODEL / "crossval" / "report.html").read_text()
    assert "case000" in page
    assert "data:image/" in page


def test_training_again_asks_whether_to_resume_or_overwrite(home, capsys):
    assert train.main([*TRAIN, "0", "--device", "cpu", *SHORT]) == 1
    error = capsys.readouterr().err
    assert "--c" in error
    assert "--overwrite" in error
    assert error.count("\n") == 1


def test_resuming_a_finished_run_changes_nothing(home):
    path = home / "results" / DATASET / MODEL / "crossval" / "predictions.tsv"
    before = path.read_bytes()
    assert train.main([*TRAIN, "all", "--c", "--device", "cpu", *SHORT]) == 0
    assert path.read_bytes() == before


def test_overwriting_trains_the_same_model_again(home):
    weights = home / "results" / DATASET / MODEL / "fold_0" / "checkpoint_final.safetensors"
    before = weights.read_bytes()
    weights.unlink()
    assert train.main([*TRAIN, "0", "--overwrite", "--device", "cpu", *SHORT]) == 0
    assert weights.read_bytes() == before


def test_folds_of_different_settings_do_not_mix(home, capsys):
    shutil.rmtree(home / "results" / DATASET / MODEL / "fold_1")
    assert train.main([*TRAIN, "1", "--device", "cpu", *SHORT, "--set", "training.seed=5"]) == 1
    assert "plan_hash" in capsys.readouterr().err


def test_nothing_to_resume_is_an_error(fresh_home, capsys):
    assert train.main([*TRAIN, "0", "--c", "--device", "cpu"]) == 1
    assert "a run to resume" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("arguments", "named"),
    [
        (["9", "recurrence_classifier", "3d_cnn", "0"], DATASET),
        (["1", "recurrence", "3d_cnn", "0"], "recurrence_classifier"),
        (["1", "recurrence_classifier", "3d_fullres", "0"], "3d_cnn"),
        (["1", "recurrence_classifier", "3d_cnn", "7"], "a fold of 0 to"),
        (["1", "recurrence_classifier", "3d_cnn", "0", "--target", "idh"], "targets: recurrence"),
        (["1", "recurrence_classifier", "3d_cnn", "0", "--set", "training.epoch=1"], "epochs"),
        (["1", "recurrence_classifier", "3d_cnn", "0", "--set", "training.num_members=0"], "training.num_members"),
        (["1", "recurrence_classifier", "3d_cnn", "0", "--device", "cuda:7"], "--device auto"),
    ],
)
def test_a_wrong_request_is_one_line_that_helps(fresh_home, capsys, arguments, named):
    assert train.main(arguments) == 1
    error = capsys.readouterr().err
    assert named in error
    assert error.count("\n") == 1


def predict_again(home: Path, out: Path, *extra: str) -> int:
    raw = home / "raw" / DATASET
    arguments = ["-i", str(raw / "imagesTr"), "-o", str(out), "-d", "1", "-t", "recurrence_classifier"]
    return predict.main([*arguments, "--labels", str(raw / "labelsTr"), "--device", "cpu", *extra])


def test_training_cases_given_as_new_ones_are_predicted_by_the_fold_that_held_them_out(home, tmp_path):
    assert predict_again(home, tmp_path / "out", "--cases", str(home / "raw" / DATASET / "cases.tsv")) == 0
    rows = {row.case_id: row for row in load_predictions(tmp_path / "out" / "predictions.tsv")}
    known = load_predictions(home / "results" / DATASET / MODEL / "crossval" / "predictions.tsv")
    assert len(rows) == len(known) == 10
    for row in known:
        assert (rows[row.case_id].split, rows[row.case_id].fold) == (row.split, row.fold)
        assert rows[row.case_id].probability == pytest.approx(row.probability, abs=1e-6)
    assert (tmp_path / "out" / "report.html").is_file()


def test_a_training_case_is_known_again_under_another_name(home, tmp_path):
    images = tmp_path / "images"
    images.mkdir()
    shutil.copy(home / "raw" / DATASET / "imagesTr" / "case000_0001.nii.gz", images / "new_0001.nii.gz")
    shutil.copy(home / "raw" / DATASET / "labelsTr" / "case000.nii.gz", images / "new.nii.gz")
    arguments = ["-i", str(images), "-o", str(tmp_path / "out"), "-d", "1", "-t", "recurrence_classifier"]
    assert predict.main([*arguments, "--labels", str(images), "--device", "cpu"]) == 0
    (row,) = load_predictions(tmp_path / "out" / "predictions.tsv")
    folds = load_splits(home / "preprocessed" / DATASET / "splits_final.json")
    assert row.split == "train"
    assert "case000" in folds[row.fold].val


def test_a_training_case_is_refused_without_the_fold_that_held_it_out(home, tmp_path, capsys):
    assert predict_again(home, tmp_path / "out", "-f", "0") == 1
    assert "held it out" in capsys.readouterr().err


def test_each_channel_may_be_missing_at_prediction(home, tmp_path):
    raw = home / "raw" / DATASET
    for channel in (0, 1):
        images = tmp_path / f"images{channel}"
        images.mkdir()
        shutil.copy(raw / "imagesTr" / f"case008_000{channel}.nii.gz", images)
        arguments = ["-i", str(images), "-o", str(tmp_path / f"out{channel}"), "-d", "1", "-t", "recurrence_classifier"]
        assert predict.main([*arguments, "--labels", str(raw / "labelsTr"), "--device", "cpu"]) == 0
        (row,) = load_predictions(tmp_path / f"out{channel}" / "predictions.tsv")
        assert row.case_id == "case008"
        assert row.split == "external"
        assert row.reference is None


def test_evaluating_two_folds_pools_them(home, tmp_path):
    folder = home / "results" / DATASET / MODEL
    paths = [str(folder / f"fold_{fold}" / "validation" / "predictions.tsv") for fold in (0, 1)]
    assert evaluate.main(["-i", *paths, "-o", str(tmp_path / "out"), "-d", "1"]) == 0
    evaluation = load_evaluation(tmp_path / "out" / "metrics.json")
    assert evaluation.primary.num_cases == sum(len(load_predictions(Path(path))) for path in paths)


def test_the_same_file_twice_is_refused(home, tmp_path, capsys):
    path = str(home / "results" / DATASET / MODEL / "crossval" / "predictions.tsv")
    assert evaluate.main(["-i", path, path, "-o", str(tmp_path)]) == 1
    assert "once" in capsys.readouterr().err


def test_planning_again_keeps_folds_and_cases(home):
    folder = home / "preprocessed" / DATASET
    times = {path: path.stat().st_mtime_ns for path in folder.rglob("*.b2nd")}
    splits = (folder / "splits_final.json").read_bytes()
    assert plan_and_preprocess.main(["-d", "1", "-np", "1", "--gpu-memory", "8"]) == 0
    assert {path: path.stat().st_mtime_ns for path in folder.rglob("*.b2nd")} == times
    assert (folder / "splits_final.json").read_bytes() == splits


def test_a_plan_edited_by_hand_is_kept_on_request_and_saved_otherwise(fresh_home):
    path = fresh_home / "preprocessed" / DATASET / "plans.json"
    plan = load_json(Plan, path)
    edited = replace(plan, configurations={"3d_cnn": replace(plan.configurations["3d_cnn"], batch_size=3)})
    save_json(edited, path)
    assert plan_and_preprocess.main(["-d", "1", "-np", "1", "--keep-plan"]) == 0
    assert load_json(Plan, path) == edited
    assert plan_and_preprocess.main(["-d", "1", "-np", "1", "--gpu-memory", "8"]) == 0
    assert load_json(Plan, path.with_name("plans.previous.json")) == edited


def test_a_faulty_dataset_is_not_planned(fresh_home, capsys):
    (fresh_home / "raw" / DATASET / "labelsTr" / "case000.nii.gz").write_bytes(b"not an image")
    assert plan_and_preprocess.main(["-d", "1", "-np", "1"]) == 1
    error = capsys.readouterr().err
    assert "case000.nii.gz" in error
    assert "glioframe_check_dataset" in error


def test_tasks_and_machine_are_listed_as_json(capsys):
    assert list_tasks.main(["--json"]) == 0
    assert "recurrence_classifier" in {task["name"] for task in json.loads(capsys.readouterr().out)}
    assert info.main(["--json"]) == 0
    assert "recurrence_classifier" in json.loads(capsys.readouterr().out)["tasks"]
