"""The radiomics baseline as a task: from preprocessed cases to explained predictions."""

import json
from dataclasses import FrozenInstanceError, replace

import numpy as np
import pytest

from glioframe.artifacts.case import load_preprocessed_case
from glioframe.artifacts.json_file import parse, save_json
from glioframe.core.errors import ArtifactError, PredictionError, TaskError
from glioframe.evaluation.discrimination import auc
from glioframe.task_api.registry import load_task
from glioframe.tasks.radiomics_baseline import case_features, stored_model
from glioframe.tasks.radiomics_baseline.covariates import covariate_features
from glioframe.tasks.radiomics_baseline.explanation import explain
from glioframe.tasks.radiomics_baseline.run_table import feature_table
from glioframe.tasks.radiomics_baseline.settings import Settings
from glioframe.tasks.radiomics_baseline.stored_model import load_model
from glioframe.tasks.radiomics_baseline.table import read_features
from glioframe.tasks.radiomics_baseline.task import RadiomicsBaseline
from training_builders import make_case, make_run, moved

TASK = RadiomicsBaseline()
ALONE = {"num_workers": 1}


def radiomics_run(folder, *, settings=None, **kind):
    return make_run(folder, settings=settings or Settings(**ALONE), **kind)


def predict(run, case):
    return TASK.predict(run, load_preprocessed_case(run.preprocessed_folder, case.case_id)).probabilities


def forget():
    """As a new process would."""
    stored_model._fitted_again.cache_clear()


@pytest.fixture(scope="module")
def trained(tmp_path_factory):
    run = radiomics_run(tmp_path_factory.mktemp("radiomics"), num_cases=12, num_val=6, missing_every=6)
    TASK.fit(run)
    return run


def test_it_is_found_by_name_with_frozen_settings():
    task = load_task("radiomics_baseline")
    assert isinstance(task, RadiomicsBaseline)
    assert task.requirements().lesion_label
    with pytest.raises(FrozenInstanceError):
        task.settings_type().bin_count = 3


@pytest.mark.parametrize("wrong", [{"classifier": "xgboost"}, {"bin_widths": {"tbr": 0}}, {"min_icc": 2}, {"bins": 3}])
def test_settings_refuse_what_they_do_not_know(wrong):
    with pytest.raises(ArtifactError):
        parse(Settings, wrong, where="--set")


def test_held_out_cases_are_told_apart_when_uptake_differs_even_without_mri(trained):
    for case in trained.val_cases:
        positive = predict(trained, case)[1]
        assert (positive >= TASK.operating_point(trained)) == (case.targets["recurrence"] == "progression")


def test_a_stored_model_predicts_the_same_in_a_new_process_and_without_the_training_cases(trained):
    expected = [predict(trained, case) for case in trained.val_cases]
    forget()
    alone = replace(trained, train_cases=(), val_cases=())
    assert [predict(alone, case) for case in trained.val_cases] == expected


def test_a_trained_fold_holds_its_settings_in_words_and_no_case_names(trained):
    stored = json.loads((trained.folder / "radiomics.json").read_text())
    assert stored["extraction"]["channels"]["fdopa"]["bin_width"] == 0.1
    assert stored["extraction"]["channels"]["t1c"]["bin_count"] == 32
    assert stored["extraction"]["library"].startswith("pyradiomics")
    with np.load(trained.folder / "radiomics.npz", allow_pickle=False) as arrays:
        assert not [name for name in arrays if arrays[name].dtype.kind == "U" and "case000" in arrays[name].tolist()]


def test_damaged_rows_and_another_library_are_refused(trained, tmp_path):
    copy = replace(trained, folder=tmp_path / "copy")
    copy.folder.mkdir()
    for name in ("radiomics.json", "radiomics.npz"):
        (copy.folder / name).write_bytes((trained.folder / name).read_bytes())
    description = stored_model.load_description(copy.folder)
    save_json(replace(description, parameters=description.parameters | {"C": 100.0}), copy.folder / "radiomics.json")
    with pytest.raises(PredictionError, match="scikit-learn"):
        load_model(copy.folder)
    (copy.folder / "radiomics.npz").write_bytes(b"")
    save_json(description, copy.folder / "radiomics.json")
    with pytest.raises(PredictionError, match="training rows"):
        load_model(copy.folder)


def test_a_finished_fold_is_not_trained_again_when_resumed(trained):
    before = (trained.folder / "radiomics.json").stat().st_mtime_ns
    TASK.fit(replace(trained, resume=True))
    assert (trained.folder / "radiomics.json").stat().st_mtime_ns == before


def test_features_are_extracted_once_and_again_only_when_something_changed(tmp_path):
    run = radiomics_run(tmp_path, num_cases=4, num_val=0)
    ids = [case.case_id for case in run.train_cases]
    first = case_features.extract_cases(run, ids)
    cached = run.cache_folder / "radiomics"
    assert len(list(cached.iterdir())) == 4
    hidden = tmp_path / "hidden.b2nd"
    array = run.preprocessed_folder / "case000.b2nd"
    array.rename(hidden)
    assert str(case_features.extract_cases(run, ids)) == str(first)
    hidden.rename(array)
    wider = replace(run, settings=Settings(bin_widths={"suv_bw": 0.5}, **ALONE))
    changed = case_features.extract_cases(wider, ids)
    assert changed[0]["fdopa_glcm_JointEntropy"] != first[0]["fdopa_glcm_JointEntropy"]
    make_case(run.preprocessed_folder, "case000", uptake=9.0, seed=0)
    assert case_features.extract_cases(run, ids)[0]["fdopa_firstorder_Mean"] > first[0]["fdopa_firstorder_Mean"] + 1
    assert len(list(cached.iterdir())) == 9


def test_a_channel_that_is_hidden_from_the_prediction_is_missing_in_its_features(trained):
    cases = [load_preprocessed_case(trained.preprocessed_folder, case.case_id) for case in trained.val_cases]
    case = next(case for case in cases if all(case.properties.channels_present))
    mri_only = replace(case, properties=replace(case.properties, channels_present=(True, False)))
    (whole,), (part,) = (case_features.extract_cases(trained, [case.case_id], seen=[each]) for each in (case, mri_only))
    assert not any(name.startswith("fdopa_firstorder") for name in part)
    assert part["t1c_firstorder_Mean"] == whole["t1c_firstorder_Mean"]
    assert TASK.predict(trained, mri_only) != TASK.predict(trained, case)


def test_worker_processes_extract_the_same(tmp_path):
    one, two = (radiomics_run(tmp_path / str(number), num_cases=8, num_val=0) for number in (1, 2))
    ids = [case.case_id for case in one.train_cases]
    two = replace(two, settings=Settings(num_workers=2))
    assert str(case_features.extract_cases(one, ids)) == str(case_features.extract_cases(two, ids))


def test_noise_labels_are_not_predicted(tmp_path):
    run = radiomics_run(tmp_path, num_cases=24, num_val=0, uptakes=(2.0, 2.0))
    areas = []
    for draw in range(3):
        classes = np.random.default_rng(draw).permutation(np.arange(24) % 2)
        cases = [
            replace(case, targets={"recurrence": run.target.classes[its_class]})
            for case, its_class in zip(run.train_cases, classes, strict=True)
        ]
        held_out = np.zeros(24)
        for fold in range(3):
            train = [case for index, case in enumerate(cases) if index % 3 != fold]
            fold_run = moved(run, f"draw_{draw}_{fold}", train_cases=train)
            TASK.fit(fold_run)
            held_out[fold::3] = [predict(fold_run, case)[1] for case in cases[fold::3]]
        areas.append(auc(classes, held_out))
    # The mean of three AUCs of 12 against 12 cases scatters by 0.07.
    assert 0.3 <= np.mean(areas) <= 0.7


def test_shap_values_add_up_to_the_score_of_each_case(trained):
    model = load_model(trained.folder)
    table = feature_table(trained, [case.case_id for case in trained.val_cases], names=model.training.names)
    explanation = explain(model, table, "ridge")
    scores, training = (model.model.scorer.scores(each)[:, 1] for each in (table, model.training))
    assert explanation.contributions.sum(axis=1) == pytest.approx(scores - training.mean(), abs=1e-6)


@pytest.mark.parametrize("classifier", ["ridge", "svm", "gradient_boosting"])
def test_the_report_shows_what_counted(tmp_path, classifier):
    source = ALONE
    if classifier == "svm":  # is explained by asking it ten times for each feature, so that few of them do
        source = {"features": write_table(tmp_path / "t.csv", {f"case{i:03d}": i % 2 + i / 20 for i in range(14)})}
    run = radiomics_run(tmp_path, num_cases=12, settings=Settings(classifier=classifier, **source))
    TASK.fit(run)
    (section,) = TASK.report([run])
    assert classifier in section.text
    assert [png.startswith(b"\x89PNG") for png, _ in section.figures_png] == [True, True]


def test_stable_features_are_kept_and_others_left_out(tmp_path):
    run = radiomics_run(tmp_path, num_cases=10, settings=Settings(min_icc=0.9, **ALONE))
    TASK.fit(run)
    kept = set(load_model(run.folder).training.names)
    every = set(feature_table(run, ["case000"]).names)
    assert "fdopa_uptake_suv_max" in kept
    assert kept < every
    assert "lesion_shape_VoxelVolume" not in kept  # a voxel more or less of a small lesion is half of its volume


def write_table(path, rows: dict[str, object]) -> str:
    lines = ["case_id,diagnostics_Version,intensity,empty", *(f"{name},v3,{value},1" for name, value in rows.items())]
    path.write_text("\n".join(lines) + "\n")
    return str(path)


def test_a_given_table_takes_the_place_of_extraction(tmp_path):
    rng = np.random.default_rng(0)
    names = [f"case{index:03d}" for index in range(20)]
    path = write_table(tmp_path / "t.csv", {name: index % 2 + 0.1 * rng.random() for index, name in enumerate(names)})
    run = radiomics_run(tmp_path, num_cases=16, num_val=4, uptakes=(2.0, 2.0), settings=Settings(features=path))
    TASK.fit(run)
    called = [predict(run, case)[1] >= TASK.operating_point(run) for case in run.val_cases]
    assert called == [case.targets["recurrence"] == "progression" for case in run.val_cases]
    assert load_model(run.folder).training.names == ("intensity", "empty")
    assert not run.cache_folder.exists()


@pytest.mark.parametrize(
    ("text", "named"),
    [
        ("id,a\ncase000,1\n", "a column case_id"),
        ("case_id,a\ncase000,1\ncase000,2\n", "more than one for case000"),
        ("case_id,a\ncase000,high\n", "'high'"),
        ("case_id,a\ncase000,1\n", "none for case001"),
    ],
)
def test_a_faulty_table_is_one_clear_line(tmp_path, text, named):
    (tmp_path / "t.csv").write_text(text)
    with pytest.raises(TaskError, match=named):
        TASK.fit(radiomics_run(tmp_path, settings=Settings(features=str(tmp_path / "t.csv"))))
    with pytest.raises(TaskError, match="no file"):
        TASK.fit(radiomics_run(tmp_path, settings=Settings(features=str(tmp_path / "absent.csv"))))


def test_empty_cells_are_missing_values(tmp_path):
    (tmp_path / "t.tsv").write_text("case_id\ta\tb\ncase000\t\t2\ncase001\tinf\tnan\n")
    found = read_features(tmp_path / "t.tsv")
    assert np.isnan(found["case000"]["a"])
    assert np.isnan(found["case001"]["a"])
    assert found["case000"]["b"] == 2


def test_covariates_are_numbers_or_declared_categories(tmp_path):
    case = replace(radiomics_run(tmp_path).train_cases[0], weight_kg=71.5, covariates={"age": "54", "sex": "F"})
    settings = Settings(covariates=("age", "sex", "weight_kg"), categories={"sex": ("M", "F")})
    assert covariate_features(case, settings) == {
        "clinical_age": 54.0,
        "clinical_sex=F": 1.0,
        "clinical_weight_kg": 71.5,
    }
    unknown = covariate_features(replace(case, covariates={"age": "", "sex": ""}), settings)
    assert np.isnan([unknown["clinical_age"], unknown["clinical_sex=F"]]).all()
    assert covariate_features(None, settings).keys() == unknown.keys()
    for covariates, named in (({"age": "old", "sex": "F"}, "a number"), ({"age": "1", "sex": "x"}, "one of M, F")):
        with pytest.raises(TaskError, match=named):
            covariate_features(replace(case, covariates=covariates), settings)
    with pytest.raises(TaskError, match="a column sex"):
        covariate_features(replace(case, covariates={"age": "1"}), settings)


def test_a_covariate_that_tells_the_classes_apart_is_used_in_new_cases_too(tmp_path):
    run = radiomics_run(tmp_path, num_cases=16, num_val=4, uptakes=(2.0, 2.0))
    positive = run.target.classes[1]

    def aged(case):
        return replace(case, covariates={"age": "70" if case.targets["recurrence"] == positive else "30"})

    path = write_table(tmp_path / "t.csv", {f"case{index:03d}": (index * 7) % 5 for index in range(20)})
    run = replace(
        run,
        settings=Settings(features=path, covariates=("age",)),
        train_cases=[aged(case) for case in run.train_cases],
        val_cases=(),
        other_cases=[aged(case) for case in run.val_cases],
    )
    TASK.fit(run)
    called = [predict(run, case)[1] >= TASK.operating_point(run) for case in run.other_cases]
    assert called == [case.targets["recurrence"] == positive for case in run.other_cases]


def test_a_case_without_a_lesion_is_one_clear_line(trained):
    case = make_case(trained.preprocessed_folder, "blank", uptake=2.0, seed=1, lesion=False)
    with pytest.raises(PredictionError, match="lesion label"):
        TASK.predict(trained, case)


def test_a_site_with_one_case_and_a_case_of_an_unknown_site_are_predicted(tmp_path):
    run = radiomics_run(tmp_path, num_cases=13, num_val=2, settings=Settings(harmonize="combat", **ALONE))
    sites = ["A", "A", "B", "B"] * 3 + ["lone"]
    train = [replace(case, site=site) for case, site in zip(run.train_cases, sites, strict=True)]
    val = [replace(case, site="new") for case in run.val_cases]
    run = replace(run, train_cases=train, val_cases=val)
    TASK.fit(run)
    for case in run.val_cases:
        assert sum(predict(run, case)) == pytest.approx(1)
