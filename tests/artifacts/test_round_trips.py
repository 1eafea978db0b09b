"""What is saved is what is loaded, for every artifact."""

import json
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from glioframe.artifacts.cases import Case, load_cases, save_cases
from glioframe.artifacts.dataset import (
    Channel,
    DatasetDescription,
    Target,
    load_dataset_description,
    save_dataset_description,
)
from glioframe.artifacts.evaluation import (
    Evaluation,
    EvaluationGroup,
    Metric,
    Metrics,
    load_evaluation,
    save_evaluation,
)
from glioframe.artifacts.json_file import load_json, save_json
from glioframe.artifacts.network_plan import ResidualEncoderPlan
from glioframe.artifacts.plan import (
    ChannelPlan,
    Configuration,
    FieldOfView,
    Normalization,
    Plan,
    TrainingPlan,
    plan_hash,
    preprocessing_hash,
)
from glioframe.artifacts.prediction import PredictionRow, load_predictions, save_predictions
from glioframe.artifacts.splits import Fold, load_splits, save_splits, splits_hash
from glioframe.core.errors import ArtifactError, DatasetError, PlanError, PredictionError
from glioframe.core.modality import Modality, Tracer, Unit

T1C = Channel(name="t1c", modality=Modality.T1C)
PET = Channel(name="fdopa", modality=Modality.PET_STATIC, tracer=Tracer.FDOPA, unit=Unit.TBR)
GRADE = Target(name="grade", classes=("2", "3", "4"))
DESCRIPTION = DatasetDescription(name="Dataset001_X", channels=(T1C, PET), targets=(GRADE,), grid="per_channel")


def make_plan() -> Plan:
    network = ResidualEncoderPlan(
        features_per_stage=(8, 16),
        blocks_per_stage=(1, 1),
        kernel_sizes=((3, 3, 3), (3, 3, 3)),
        strides=((1, 1, 1), (2, 2, 2)),
    )
    configuration = Configuration(
        name="3d_cnn",
        data_identifier="glioframePlans_2mm",
        spacing_mm=(2.0, 2.0, 2.0),
        patch_size_vox=(32, 32, 32),
        batch_size=2,
        network=network,
        training=TrainingPlan(epochs=10, iterations_per_epoch=5),
    )
    return Plan(
        dataset_name="Dataset001_X",
        channels=(ChannelPlan(source=T1C, normalization=Normalization(scheme="robust_z_score")),),
        field_of_view=FieldOfView(kind="whole_brain", extent_mm=(64.0, 64.0, 64.0)),
        gpu_memory_gb=8.0,
        configurations={"3d_cnn": configuration},
        reasons={"spacing_mm": "the median"},
    )


def test_dataset_description_survives_and_keeps_what_nnunet_needs(tmp_path):
    path = tmp_path / "dataset.json"
    save_dataset_description(DESCRIPTION, path, num_training=3)
    assert load_dataset_description(path, name="Dataset001_X") == DESCRIPTION
    content = json.loads(path.read_text())
    assert content["channel_names"] == {"0": "t1c", "1": "fdopa"}
    assert content["labels"] == {"background": 0, "lesion": 1}
    assert content["numTraining"] == 3
    assert content["file_ending"] == ".nii.gz"


text = st.text(
    st.characters(exclude_categories=["Cs", "Cc"], exclude_characters='\t\r\n"\x85\u2028\u2029'), max_size=8
).map(str.strip)


@given(st.lists(st.tuples(text, text, st.sampled_from([None, "2", "4"]), st.none() | st.floats(1, 300)), min_size=1))
def test_cases_survive(tmp_path_factory, rows):
    path = tmp_path_factory.mktemp("cases") / "cases.tsv"
    cases = [
        Case(
            case_id=f"case{index}",
            subject_id=f"sub{index // 2}",
            site=site,
            weight_kg=None if weight is None else float(f"{weight:.10g}"),
            targets={"grade": grade},
            covariates={"note": note},
        )
        for index, (site, note, grade, weight) in enumerate(rows)
    ]
    save_cases(cases, path, DESCRIPTION)
    assert load_cases(path, DESCRIPTION) == cases


def test_plan_survives(tmp_path):
    save_json(make_plan(), tmp_path / "plans.json")
    assert load_json(Plan, tmp_path / "plans.json") == make_plan()


def test_all_faults_of_a_plan_are_named_at_once(tmp_path):
    path = tmp_path / "plans.json"
    save_json(make_plan(), path)
    content = json.loads(path.read_text())
    content["configurations"]["3d_cnn"]["patch_size_vox"][2] = 3.7
    content["configurations"]["3d_cnn"]["training"]["epochs"] = 0
    content["colour"] = "blue"
    del content["gpu_memory_gb"]
    path.write_text(json.dumps(content))
    with pytest.raises(ArtifactError) as caught:
        load_json(Plan, path)
    message = str(caught.value)
    for part in ("configurations.3d_cnn.patch_size_vox.2 = 3.7", "training.epochs = 0", "colour", "gpu_memory_gb"):
        assert part in message
    assert "\n" not in message


def test_preprocessing_hash_ignores_training_and_heeds_spacing():
    plan = make_plan()
    configuration = plan.configurations["3d_cnn"]
    longer = replace(configuration, training=replace(configuration.training, epochs=99))
    coarser = replace(configuration, spacing_mm=(3.0, 3.0, 3.0))
    assert preprocessing_hash(plan, configuration) == preprocessing_hash(plan, longer)
    assert preprocessing_hash(plan, configuration) != preprocessing_hash(plan, coarser)
    assert plan_hash(plan) != plan_hash(replace(plan, configurations={"3d_cnn": longer}))


@pytest.mark.parametrize(
    ("patch_size_vox", "expected"), [((32, 32, 33), "multiples"), ((2, 2, 2), "more than one voxel")]
)
def test_a_patch_that_the_network_cannot_take_is_refused(patch_size_vox, expected):
    plan = make_plan()
    changed = replace(plan.configurations["3d_cnn"], patch_size_vox=patch_size_vox)
    with pytest.raises(PlanError, match=expected):
        replace(plan, configurations={"3d_cnn": changed}).configuration("3d_cnn")


def test_predictions_survive(tmp_path):
    rows = [
        PredictionRow(
            case_id=f"case{index}",
            subject_id="sub",
            site="",
            fold=index or None,
            split="train",
            target="recurrence",
            reference=(None, 0, 1)[index],
            probability=index / 7,
            std=0.125,
            model="m",
            operating_point=0.25,
        )
        for index in range(3)
    ]
    path = tmp_path / "predictions.tsv"
    save_predictions(rows, path)
    loaded = load_predictions(path)
    assert [replace(row, probability=0.0) for row in loaded] == [replace(row, probability=0.0) for row in rows]
    assert [row.probability for row in loaded] == pytest.approx([row.probability for row in rows], abs=1e-9)


@pytest.mark.parametrize(
    ("column", "value", "fault"),
    [("probability", "1.2", "probability"), ("reference", "yes", "reference"), ("split", "test", "split")],
)
def test_a_malformed_prediction_names_its_line(tmp_path, column, value, fault):
    cells = {
        "case_id": "a", "subject_id": "a", "site": "", "fold": "0", "split": "train", "target": "t",
        "reference": "1", "probability": "0.5", "std": "0", "model": "m",
    } | {column: value}  # fmt: skip
    path = tmp_path / "predictions.tsv"
    path.write_text("\t".join(cells) + "\n" + "\t".join(cells.values()) + "\n")
    with pytest.raises(PredictionError, match=rf"predictions.tsv:2: expected {fault}"):
        load_predictions(path)


def test_splits_survive_in_nnunets_form(tmp_path):
    folds = [Fold(train=("a", "b"), val=("c",)), Fold(train=("c",), val=("a", "b"))]
    path = tmp_path / "splits_final.json"
    save_splits(folds, path)
    assert json.loads(path.read_text())[0] == {"train": ["a", "b"], "val": ["c"]}
    assert load_splits(path) == folds
    assert splits_hash(folds) != splits_hash(folds[::-1])


def test_a_case_in_both_parts_of_a_fold_is_refused(tmp_path):
    path = tmp_path / "splits_final.json"
    path.write_text(json.dumps([{"train": ["a", "b"], "val": ["b"]}]))
    with pytest.raises(ArtifactError, match="found b"):
        load_splits(path)


def test_metrics_stand_at_the_top_of_their_file(tmp_path):
    metric = Metric(value=0.75, ci95=(0.5, 0.9), n=8, interval="BCa bootstrap of patients")
    undefined = Metric(value=None, ci95=None, n=0, interval="none")
    names = ("auc", "auprc", "balanced_accuracy", "precision", "sensitivity", "specificity", "brier")
    metrics = Metrics(**dict.fromkeys(names, metric), ece=undefined)
    group = EvaluationGroup(
        model="m", target="t", split="train", site="", num_cases=8, num_subjects=8, num_positive=4, metrics=metrics
    )
    evaluation = Evaluation(groups=(group,))
    save_evaluation(evaluation, tmp_path / "metrics.json")
    content = json.loads((tmp_path / "metrics.json").read_text())
    assert content["auc"] == {"value": 0.75, "ci95": [0.5, 0.9], "n": 8, "interval": "BCa bootstrap of patients"}
    assert load_evaluation(tmp_path / "metrics.json") == evaluation


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"channels": (T1C, T1C)}, "unique channel names"),
        ({"channels": (replace(PET, unit=None),)}, "a tracer and a unit"),
        ({"channels": (replace(T1C, unit=Unit.SUV_BW),)}, "no physical scale"),
        ({"labels": {"background": 0, "lesion": 2}}, "consecutive"),
        ({"targets": (replace(GRADE, classes=("4",)),)}, "two or more different classes"),
        ({"targets": (replace(GRADE, name="my grade"),)}, "a column name"),
    ],
)
def test_a_description_that_contradicts_itself_is_refused(tmp_path, change, message):
    path = tmp_path / "dataset.json"
    save_dataset_description(replace(DESCRIPTION, **change), path, num_training=1)
    with pytest.raises(DatasetError, match=message):
        load_dataset_description(path)
