"""The plan and the dataset as lines of tables."""

from dataclasses import replace

from report_example import make_fingerprint, make_plan

from glioframe.core.provenance import Provenance
from glioframe.reporting.summary import configuration_lines, dataset_summary, provenance_lines, reason_lines


def test_each_reason_stands_beside_the_value_it_defends():
    reasons = {
        "3d_cnn.spacing_mm": "a",
        "3d_cnn.network.strides": "b",
        "3d_cnn.network.features_per_stage": "c",
        "channels.fdopa": "d",
        "3d_cnn.training.amp": "e",
        "3d_cnn.batch_size": "f",
        "field_of_view": "g",
        "no_such_value": "h",
    }
    plan = replace(make_plan(), reasons=reasons)
    assert reason_lines(plan, plan.configuration("3d_cnn")) == [
        ("3d_cnn.spacing_mm", "4 x 4 x 4", "a"),
        ("3d_cnn.network.strides", "1 x 1 x 1; 2 x 2 x 2; 2 x 2 x 2", "b"),
        ("3d_cnn.network.features_per_stage", "16, 32, 64", "c"),
        ("channels.fdopa", "fixed_scale 5, spline order 3", "d"),
        ("3d_cnn.training.amp", "true", "e"),
        ("3d_cnn.batch_size", "4", "f"),
        ("field_of_view", "kind: lesion_centered, extent_mm: 96 x 96 x 96", "g"),
        ("no_such_value", "", "h"),
    ]


def test_the_configuration_is_told_in_units():
    plan = make_plan()
    lines = dict(configuration_lines(plan.configuration("3d_cnn"), plan))
    assert lines["Spacing (z, y, x)"] == "4 x 4 x 4 mm"
    assert lines["Field of view"] == "lesion centered, 96 x 96 x 96 mm (z, y, x)"
    assert lines["Predicted peak memory"] == "0.83 GB in training, 0.27 GB in prediction, of 8 GB"


def test_the_dataset_is_told_with_counts_units_and_ranges():
    summary = dataset_summary(make_fingerprint())
    facts = dict(summary.facts)
    assert facts["Training cases"] == "24 of 24 patients"
    assert facts["Brain box (z, y, x)"] == "128 x 176 x 144 mm"
    assert [(line.name, line.unit, line.present) for line in summary.channels] == [
        ("t1c", "-", "20 of 24"),
        ("fdopa", "SUV", "24 of 24"),
    ]
    assert summary.channels[1].lesion == "2.6 (0.1 to 3.3)"


def test_the_origin_names_version_command_seed_and_inputs():
    origin = Provenance(glioframe_version="1.2.3", command="glioframe_train", seed=4, inputs={"a.tsv": "ff" * 32})
    assert provenance_lines([("Metrics", origin)]) == [
        ("Metrics", "glioframe 1.2.3, glioframe_train, seed 4"),
        ("Metrics, from a.tsv", f"SHA-256 {'ff' * 32}"),
    ]


def test_reasons_of_other_configurations_are_left_out():
    plan = make_plan()
    cnn = plan.configuration("3d_cnn")
    both = {"3d_cnn": cnn, "3d_vit": replace(cnn, name="3d_vit", batch_size=8)}
    reasons = {"num_folds": "a", "3d_cnn.batch_size": "b", "3d_vit.batch_size": "c"}
    plan = replace(plan, configurations=both, reasons=reasons)
    assert reason_lines(plan, cnn) == [("num_folds", "5", "a"), ("3d_cnn.batch_size", "4", "b")]
    assert reason_lines(plan, both["3d_vit"]) == [("num_folds", "5", "a"), ("3d_vit.batch_size", "8", "c")]
