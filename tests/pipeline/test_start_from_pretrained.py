"""``--pretrained``: each fold starts from weights that have not learned from the cases that it is judged by."""

import json
from dataclasses import replace
from pathlib import Path

import pytest
from homes import DATASET, MODEL, SHORT, TRAIN

from glioframe.artifacts.case import load_preprocessed_case
from glioframe.artifacts.json_file import load_json, save_json
from glioframe.artifacts.plan import Plan
from glioframe.artifacts.pretrained import PretrainedRecord, load_pretrained_record, save_pretrained_record
from glioframe.artifacts.splits import load_splits, save_splits
from glioframe.cli import train
from glioframe.core.errors import TaskError, TrainingError
from glioframe.core.files import sha256_of_file
from glioframe.core.workspace import Workspace
from glioframe.pipeline.load_training import load_training
from glioframe.pipeline.training import TrainingRequest
from glioframe.task_api.registry import load_task

FINAL = "checkpoint_final.safetensors"
OTHER_RESULTS = "GLIOFRAME_RESULTS"
REQUEST = TrainingRequest(dataset="1", task="recurrence_classifier", configuration="3d_cnn")


@pytest.fixture
def earlier(home, tmp_path, monkeypatch) -> Path:
    """The model folder of an earlier run; what is trained now goes elsewhere."""
    monkeypatch.setenv(OTHER_RESULTS, str(tmp_path / "later"))
    return home / "results" / DATASET / MODEL


def training_from(path: Path, *folds: int):
    request = replace(REQUEST, pretrained=path, folds=folds or None)
    return load_training(Workspace.from_environment(), request)


def hash_of_image(case_id: str, *, home: Path) -> str:
    plan = load_json(Plan, home / "preprocessed" / DATASET / "plans.json")
    folder = home / "preprocessed" / DATASET / plan.configuration("3d_cnn").data_identifier
    inputs = load_preprocessed_case(folder, case_id).properties.provenance.inputs
    return next(digest for name, digest in inputs.items() if name.startswith("images"))


def edit_json(path: Path, **changes) -> None:
    path.write_text(json.dumps(json.loads(path.read_text()) | changes))


def let_know(folder: Path, *digests: str) -> None:
    """As if what the fold started from had learned the labels of these images."""
    record = PretrainedRecord(
        source="x", sha256="0", loaded=(), initialized=(), skipped=(), labelled_images=tuple(digests)
    )
    save_pretrained_record(record, folder)


def test_each_fold_starts_from_the_encoder_of_the_same_fold(earlier):
    encoders = training_from(earlier).pretrained.by_fold
    assert len(encoders) == len(load_splits(earlier / "splits_final.json")) > 1
    for fold, encoder in encoders.items():
        assert encoder.sha256 == sha256_of_file(earlier / f"fold_{fold}" / "checkpoint_final.safetensors")


def test_no_fold_starts_from_a_label_of_a_case_that_it_is_judged_by(earlier, home):
    training = training_from(earlier)
    for fold, encoder in training.pretrained.by_fold.items():
        held_out = {hash_of_image(case_id, home=home) for case_id in training.folds[fold].val}
        learned = {hash_of_image(case_id, home=home) for case_id in training.folds[fold].train}
        assert not held_out & set(encoder.labelled_images)
        assert learned <= set(encoder.labelled_images)


def test_the_command_trains_records_and_resumes_only_with_the_same_weights(earlier, tmp_path, capsys):
    arguments = [*TRAIN, "0", "--device", "cpu", *SHORT, "--set", "task.tuning=linear"]
    assert train.main([*arguments, "--pretrained", str(earlier)]) == 0
    folder = tmp_path / "later" / DATASET / MODEL / "fold_0"
    record = load_pretrained_record(folder)
    assert record.sha256 == sha256_of_file(earlier / "fold_0" / "checkpoint_final.safetensors")
    assert "head.weight" in record.skipped
    assert train.main([*arguments, "--pretrained", str(earlier), "--c"]) == 0
    capsys.readouterr()
    for other in (["--pretrained", str(earlier / "fold_0")], []):
        assert train.main([*arguments, *other, "--c"]) == 1
        assert "a run that differs in pretrained" in capsys.readouterr().err


@pytest.mark.parametrize("named", ["fold_1", "fold_1/checkpoint_final.safetensors"])
def test_another_folds_encoder_leaks_and_is_refused(earlier, named):
    with pytest.raises(TrainingError, match="fold 0: expected weights that have learned no label of a case") as error:
        training_from(earlier / named, 0)
    leaked = load_splits(earlier / "splits_final.json")[0].val[0]
    assert leaked in str(error.value)


@pytest.mark.parametrize("named", ["member_1", "member_1/checkpoint_final.safetensors"])
def test_a_further_network_of_a_fold_has_learned_what_the_fold_has(earlier, named):
    member = earlier / "fold_1" / "member_1"
    member.mkdir()
    (member / FINAL).write_bytes((earlier / "fold_1" / FINAL).read_bytes())
    with pytest.raises(TrainingError, match="fold 0: expected weights that have learned no label of a case"):
        training_from(earlier / "fold_1" / named, 0)
    first = training_from(earlier / "fold_1", 1).pretrained
    other = training_from(earlier / "fold_1" / named, 1).pretrained
    assert other.by_fold[1].path == member / FINAL
    assert other.by_fold[1].labelled_images == first.by_fold[1].labelled_images
    assert other.source != first.source


def test_a_named_fold_is_taken_where_it_does_not_leak(earlier):
    (encoder,) = training_from(earlier / "fold_1", 1).pretrained.by_fold.values()
    assert encoder.path == earlier / "fold_1" / "checkpoint_final.safetensors"


def test_without_labels_nothing_leaks(earlier):
    edit_json(earlier / "model.json", target="")
    (encoder,) = training_from(earlier / "fold_1", 0).pretrained.by_fold.values()
    assert encoder.labelled_images == ()


def test_what_the_earlier_run_itself_started_from_counts_too(earlier, home):
    held_out = load_splits(earlier / "splits_final.json")[0].val[0]
    let_know(earlier / "fold_0", hash_of_image(held_out, home=home))
    with pytest.raises(TrainingError, match=held_out):
        training_from(earlier, 0)


def test_external_cases_must_stay_unknown(earlier, home):
    let_know(earlier / "fold_0", hash_of_image("case008", home=home))
    with pytest.raises(TrainingError, match="case008"):
        training_from(earlier, 0)


def test_a_run_with_other_folds_is_refused(earlier):
    folds = load_splits(earlier / "splits_final.json")
    save_splits(folds[::-1], earlier / "splits_final.json")
    with pytest.raises(TrainingError, match="expected a run with the same folds"):
        training_from(earlier)


def test_a_fold_that_was_not_trained_is_refused(earlier):
    (earlier / "fold_0" / "validation" / "predictions.tsv").unlink()
    with pytest.raises(TrainingError, match="expected fold 0, trained to the end, found trained: 1"):
        training_from(earlier, 0)


def test_a_model_does_not_start_from_the_folder_that_it_is_written_to(home):
    with pytest.raises(TrainingError, match="expected another model than the one to be trained"):
        training_from(home / "results" / DATASET / MODEL)


def test_another_network_is_refused_although_its_shapes_fit(earlier):
    plan = load_json(Plan, earlier / "plans.json")
    configuration = plan.configuration("3d_cnn")
    strides = (*configuration.network.strides[:-1], (1, 1, 1))
    other = replace(configuration, network=replace(configuration.network, strides=strides))
    save_json(replace(plan, configurations={"3d_cnn": other}), earlier / "plans.json")
    with pytest.raises(TrainingError, match="expected the network to be trained"):
        training_from(earlier)


def test_channels_in_another_order_are_refused(earlier):
    plan = load_json(Plan, earlier / "plans.json")
    save_json(replace(plan, channels=plan.channels[::-1]), earlier / "plans.json")
    with pytest.raises(TrainingError, match=r"expected the channels t1c, .*, in this order"):
        training_from(earlier)


@pytest.mark.parametrize(("name", "found"), [("absent", "found nothing"), ("", "found a folder without model.json")])
def test_what_holds_no_weights_is_refused(earlier, tmp_path, name, found):
    with pytest.raises(TrainingError, match=found):
        training_from(tmp_path / name)


def test_a_file_of_weights_is_taken_for_every_fold(earlier, tmp_path):
    path = tmp_path / "weights.safetensors"
    path.write_bytes((earlier / "fold_0" / "checkpoint_final.safetensors").read_bytes())
    encoders = training_from(path).pretrained
    assert {encoder.path for encoder in encoders.by_fold.values()} == {path}
    assert encoders.source == sha256_of_file(path)


def test_a_task_that_starts_from_no_weights_says_so(earlier, monkeypatch):
    monkeypatch.setattr(type(load_task("recurrence_classifier")), "accepts_pretrained", False)
    with pytest.raises(TaskError, match="expected a task that starts from pretrained weights"):
        training_from(earlier)
