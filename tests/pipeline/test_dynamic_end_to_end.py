"""A tiny dynamic dataset from its 4D images to its report."""

import json

import pytest

from dynamic_builders import make_dynamic_dataset
from glioframe.artifacts.json_file import load_json
from glioframe.artifacts.pet_record import HOTTEST, STRIATUM, load_pet_record
from glioframe.artifacts.plan import Plan
from glioframe.cli import plan_and_preprocess, train
from glioframe.core.files import sha256_of_file
from glioframe.pet.protocol import find_protocol

NAMES = ["t1c", "fdopa_static_tbr", "fdopa_time_to_peak_min", "fdopa_late_slope_per_h", "fdopa_k2_per_min", "fdopa_vt"]


@pytest.fixture
def home(tmp_path, monkeypatch):
    for name in ("RAW", "PREPROCESSED", "RESULTS"):
        monkeypatch.delenv(f"GLIOFRAME_{name}", raising=False)
    monkeypatch.setenv("GLIOFRAME_HOME", str(tmp_path))
    return tmp_path


def test_a_dynamic_dataset_is_planned_preprocessed_trained_and_reported(home):
    make_dynamic_dataset(home / "raw" / "Dataset001_Test", num_subjects=10, protocol="")
    arguments = ["-d", "1", "-np", "1"]
    assert plan_and_preprocess.main(arguments) == 1
    assert plan_and_preprocess.main([*arguments, "--protocol", "fdopa_girard_20min"]) == 0
    folder = home / "preprocessed" / "Dataset001_Test"
    plan = load_json(Plan, folder / "plans.json")
    assert [channel.name for channel in plan.channels] == NAMES
    assert all(plan.reasons[f"channels.{name}"] for name in NAMES)
    assert plan.dynamic_pet.protocol == find_protocol("fdopa_girard_20min")
    assert not plan.rigid_alignment
    fingerprint = json.loads((folder / "dataset_fingerprint.json").read_text())
    assert fingerprint["channels"][1]["schedules"][0]["num_cases"] == 10
    assert 0.5 < fingerprint["channels"][1]["brain"]["median"] < 2.0
    record = load_pet_record(folder / plan.configuration("3d_cnn").data_identifier, "case001")
    assert set(record.dynamic.curves) == {"brain", "reference", "lesion", HOTTEST, STRIATUM}
    short = ["--set", "training.epochs=1", "--set", "training.iterations_per_epoch=1"]
    assert train.main(["1", "recurrence_classifier", "3d_cnn", "all", "--device", "cpu", *short]) == 0
    # Sidecars of one protocol may be equal; a case is known by its images alone.
    images = {sha256_of_file(path) for path in home.glob("raw/*/imagesTr/*.nii.gz")}
    (hashes,) = home.glob("results/*/*/training_images.json")
    assert set(json.loads(hashes.read_text())) == images
    (report,) = home.glob("results/*/*/crossval/report.html")
    page = report.read_text()
    assert "Time-activity curves of fdopa" in page
    assert "fdopa: time to peak, min" in page
    assert "channels.fdopa_vt" in page
