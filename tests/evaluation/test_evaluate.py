"""From rows of predictions to metrics.json."""

import json
from dataclasses import fields, replace

import numpy as np
import pytest
from sklearn.metrics import (
    average_precision_score,
    balanced_accuracy_score,
    brier_score_loss,
    precision_score,
    recall_score,
    roc_auc_score,
)

from glioframe.artifacts.evaluation import NOT_MEASURED, Metrics, load_evaluation, save_evaluation
from glioframe.artifacts.prediction import PredictionRow
from glioframe.core.errors import PredictionError
from glioframe.evaluation.evaluate import evaluate

UNBOUNDED = ("brier_scaled", "calibration_intercept", "calibration_slope")
FORMULAS = {
    "auc": "DeLong over patients, on the logit scale",
    **dict.fromkeys(("sensitivity", "specificity", "precision"), "Wilson score"),
    **dict.fromkeys(("calibration_intercept", "calibration_slope"), "Wald, logistic recalibration"),
}


def make_rows(num_cases=40, *, seed=0, strength=1.0, target="recurrence"):
    rng = np.random.default_rng(seed)
    rows = []
    for index in range(num_cases):
        reference = index % 2
        score = rng.standard_normal() + strength * (2 * reference - 1)
        row = PredictionRow(
            case_id=f"case{index:03d}",
            subject_id=f"sub{index:03d}",
            site="AB"[(index // 2) % 2],
            fold=index % 5,
            split="train",
            target=target,
            reference=reference,
            probability=float(1 / (1 + np.exp(-score))),
            std=0.05,
            model="recurrence_classifier/3d_cnn",
            operating_point=0.4 + 0.05 * (index % 5),
        )
        rows.append(row)
    return rows


def test_metrics_agree_with_scikit_learn():
    rows = make_rows()
    metrics = evaluate(rows, num_resamples=100).primary.metrics
    reference = np.array([row.reference for row in rows])
    probability = np.array([row.probability for row in rows])
    calls = np.array([row.probability >= row.operating_point for row in rows])
    assert metrics.auc.value == pytest.approx(roc_auc_score(reference, probability))
    assert metrics.auprc.value == pytest.approx(average_precision_score(reference, probability))
    assert metrics.balanced_accuracy.value == pytest.approx(balanced_accuracy_score(reference, calls))
    assert metrics.precision.value == pytest.approx(precision_score(reference, calls))
    assert metrics.sensitivity.value == pytest.approx(recall_score(reference, calls))
    assert metrics.specificity.value == pytest.approx(recall_score(1 - reference, ~calls))
    assert metrics.brier.value == pytest.approx(brier_score_loss(reference, probability))


def test_every_metric_of_both_classes_lies_inside_its_interval_and_counts_its_cases():
    metrics = evaluate(make_rows(), num_resamples=500).primary.metrics
    for field in fields(Metrics):
        metric = getattr(metrics, field.name)
        low, high = metric.ci95
        assert low <= metric.value <= high, field.name
        if field.name not in UNBOUNDED:
            assert 0 <= low <= high <= 1, field.name
        assert metric.interval == FORMULAS.get(field.name, "BCa bootstrap of patients")
    assert (metrics.auc.n, metrics.sensitivity.n, metrics.specificity.n) == (40, 20, 20)


def test_groups_come_as_all_sites_then_external_then_each_site():
    rows = make_rows()
    external = [
        replace(row, case_id=f"x{row.case_id}", subject_id=f"x{row.subject_id}", split="external", fold=None)
        for row in rows
    ]
    groups = evaluate([*external, *rows], num_resamples=50).groups
    order = [(group.split, group.site, group.num_cases) for group in groups]
    assert order == [
        ("train", "", 40),
        ("external", "", 40),
        ("train", "A", 20),
        ("train", "B", 20),
        ("external", "A", 20),
        ("external", "B", 20),
    ]


def test_a_single_site_is_not_listed_twice_and_an_unknown_site_is_in_the_whole_only():
    one_site = [replace(row, site="A") for row in make_rows(12)]
    assert len(evaluate(one_site, num_resamples=50).groups) == 1
    some_unknown = [replace(row, site="" if row.site == "B" else "A") for row in make_rows(12)]
    groups = evaluate(some_unknown, num_resamples=50).groups
    assert [(group.site, group.num_cases) for group in groups] == [("", 12), ("A", 6)]


def test_a_case_is_called_positive_from_its_own_operating_point_on():
    rows = [replace(row, probability=0.5, operating_point=0.5 if row.reference else 0.500001) for row in make_rows(10)]
    metrics = evaluate(rows, num_resamples=50).primary.metrics
    assert metrics.sensitivity.value == metrics.specificity.value == 1.0


def test_a_perfect_model_of_few_patients_is_not_certain():
    rows = [replace(row, probability=0.8 if row.reference else 0.2) for row in make_rows(16)]
    metrics = evaluate(rows, num_resamples=200).primary.metrics
    assert metrics.auc.value == metrics.sensitivity.value == metrics.balanced_accuracy.value == 1.0
    assert metrics.sensitivity.interval == "Wilson score"
    assert metrics.sensitivity.ci95 == pytest.approx((8 / (8 + 1.959964**2), 1.0))
    for name in ("auc", "auprc", "balanced_accuracy", "precision", "specificity"):
        low, high = getattr(metrics, name).ci95
        assert 0.5 < low < 0.85, name
        assert high == 1.0


def test_a_wide_interval_is_said_to_be_wide():
    group = evaluate(make_rows(8, strength=0.3, seed=3)).primary
    low, high = group.metrics.auc.ci95
    assert group.remarks[0] == (
        f"The 95 % interval of the AUC, {low:.2f} to {high:.2f}, is wide: "
        "8 patients cannot tell a useful model from chance."
    )
    assert "With 4 positive cases, a single one moves the sensitivity by 0.25." in group.remarks


def test_a_narrow_interval_above_chance_needs_no_remark():
    assert evaluate(make_rows(200), num_resamples=200).primary.remarks == ()


def test_noise_of_many_patients_is_said_not_to_beat_chance():
    (remark,) = evaluate(make_rows(400, strength=0.0), num_resamples=200).primary.remarks
    assert remark.endswith("contains 0.5: the model is not shown to beat chance.")


def test_a_model_worse_than_chance_is_reported_as_such():
    rows = [replace(row, probability=1 - row.probability) for row in make_rows(60)]
    assert "worse than chance" in evaluate(rows, num_resamples=200).primary.remarks[0]


def test_one_class_alone_leaves_the_comparing_metrics_empty():
    rows = [row for row in make_rows(16) if row.reference == 0]
    group = evaluate(rows, num_resamples=50).primary
    assert group.metrics.auc.value is None
    assert group.metrics.auc.ci95 is None
    assert group.metrics.sensitivity.value is None
    assert group.metrics.specificity.value is not None
    assert group.metrics.brier.value is not None
    assert group.remarks == ("All 8 cases are negative: metrics that compare the two classes are undefined.",)


def test_cases_without_a_reference_are_left_out_and_counted():
    rows = make_rows(40)
    rows[0] = replace(rows[0], reference=None)
    group = evaluate(rows, num_resamples=50).primary
    assert group.num_cases == 39
    assert "1 case without a known reference is left out." in group.remarks
    nothing = evaluate([replace(row, reference=None) for row in rows]).primary
    assert nothing.num_cases == 0
    assert nothing.metrics.brier.value is None
    assert nothing.remarks == ("No case has a known reference: nothing can be computed.",)


def test_cases_of_one_patient_widen_the_intervals():
    rows = make_rows(120, strength=0.8)
    # Three alike cases per patient: 40 patients know less than 120.
    alike = [replace(row, subject_id=f"sub{index // 3}") for index, row in enumerate(np.repeat(rows[:40], 3).tolist())]
    alike = [replace(row, case_id=f"case{index}") for index, row in enumerate(alike)]
    apart = [replace(row, subject_id=row.case_id) for row in alike]
    grouped, single = (evaluate(part).primary for part in (alike, apart))
    assert grouped.metrics.auc.value == single.metrics.auc.value
    widths = [group.metrics.auc.ci95[1] - group.metrics.auc.ci95[0] for group in (grouped, single)]
    assert widths[0] > 1.4 * widths[1]
    assert "120 cases of 40 patients: intervals count patients, not cases." in grouped.remarks


def test_several_classes_are_measured_one_against_the_rest_with_a_macro_average():
    rng = np.random.default_rng(0)
    rows = []
    for index, probabilities in enumerate(rng.dirichlet((1, 1, 1), size=60)):
        template = make_rows(1)[0]
        for number, name in enumerate(("oligo", "astro", "gbm")):
            row = replace(
                template,
                case_id=f"case{index}",
                subject_id=f"sub{index}",
                target=f"type={name}",
                reference=int(index % 3 == number),
                probability=float(probabilities[number]),
            )
            rows.append(row)
    evaluation = evaluate(rows, num_resamples=50)
    groups = evaluation.groups
    assert [group.target for group in groups] == ["type=oligo", "type=astro", "type=gbm"]
    mean = np.mean([group.metrics.auc.value for group in groups])
    (macro,) = evaluation.macro_aucs
    assert macro.auc.value == pytest.approx(mean)
    low, high = macro.auc.ci95
    assert low < mean < high
    for group in groups:
        assert group.remarks[-1] == (
            f"Macro average of the AUC over the 3 classes of type, each against the rest: {mean:.2f} "
            f"(95 % interval {low:.2f} to {high:.2f})."
        )


def test_two_classes_written_as_several_have_the_macro_average_and_interval_of_one():
    rows = make_rows(40, strength=0.6)
    turned = [replace(row, target="type=b") for row in rows]
    turned += [
        replace(row, target="type=a", reference=1 - row.reference, probability=1 - row.probability) for row in rows
    ]
    (macro,) = evaluate(turned, num_resamples=50).macro_aucs
    single = evaluate(rows, num_resamples=50).primary.metrics.auc
    assert macro.auc.value == pytest.approx(single.value)
    assert macro.auc.ci95 == pytest.approx(single.ci95, abs=0.003)  # variances divide by n - 1 and by class sizes - 1


def test_a_class_without_cases_leaves_no_macro_average():
    rows = [replace(row, target=f"type={name}", reference=0) for row in make_rows(12) for name in "ab"]
    (macro,) = evaluate(rows, num_resamples=20).macro_aucs
    assert macro.auc.value is None


def test_few_patients_in_a_class_have_newcombes_interval():
    rows = [row for index, row in enumerate(make_rows(60)) if row.reference == 0 or index < 8]
    assert evaluate(rows, num_resamples=50).primary.metrics.auc.interval == "Newcombe score"


def test_patients_with_several_cases_have_bootstrap_intervals_of_their_calls():
    rows = [replace(row, subject_id=row.case_id[:-1]) for row in make_rows(40)]
    metrics = evaluate(rows, num_resamples=200).primary.metrics
    assert metrics.sensitivity.interval.endswith("bootstrap of patients")
    assert metrics.calibration_slope.interval.endswith("sandwich variance over patients")


def test_classes_that_do_not_overlap_have_no_slope_and_the_reader_is_told():
    rows = [replace(row, probability=0.8 + 0.001 * k if row.reference else 0.2) for k, row in enumerate(make_rows(40))]
    group = evaluate(rows, num_resamples=50).primary
    assert group.metrics.calibration_slope.value is None
    assert "no slope is finite" in group.metrics.calibration_slope.interval
    assert any("parts the two classes without error" in remark for remark in group.remarks)


def test_the_difference_that_the_cases_can_show_is_the_textbook_one():
    rows = make_rows(40, strength=0.5)
    group = evaluate(rows, num_resamples=50).primary
    low, high = group.metrics.auc.ci95
    # Back from the logit interval to the standard error.
    value = group.metrics.auc.value
    logit_width = np.log(high / (1 - high)) - np.log(low / (1 - low))
    standard_error = logit_width / (2 * 1.959964) * value * (1 - value)
    expected = (1.959964 + 0.841621) * standard_error  # a correlation of 0.5: sqrt(2 x 0.5) = 1
    assert any(f"differ by about {expected:.2f}, not by less" in remark for remark in group.remarks)


def test_models_and_targets_are_measured_apart():
    rows = make_rows(20)
    other = [replace(row, model="radiomics") for row in rows]
    groups = evaluate([*rows, *other], num_resamples=50).groups
    assert {group.model for group in groups} == {"recurrence_classifier/3d_cnn", "radiomics"}
    assert all(group.num_cases == 20 for group in groups if not group.site)


def test_the_same_rows_give_the_same_metrics_in_any_order():
    rows = make_rows(30)
    assert evaluate(rows, num_resamples=100) == evaluate(rows, num_resamples=100)
    assert evaluate(rows[::-1], num_resamples=100).groups == evaluate(rows, num_resamples=100).groups


def test_a_case_predicted_twice_is_refused():
    rows = make_rows(4)
    with pytest.raises(PredictionError, match=r"one row per case.*case000"):
        evaluate([*rows, rows[0]])


def test_no_rows_are_refused():
    with pytest.raises(PredictionError, match="at least one row"):
        evaluate([])


def test_an_earlier_file_without_the_newer_metrics_is_read(tmp_path):
    path = tmp_path / "metrics.json"
    save_evaluation(evaluate(make_rows(), num_resamples=20), path)
    content = json.loads(path.read_text())
    for part in (content, *(group["metrics"] for group in content["groups"])):
        for name in UNBOUNDED:
            del part[name]
    del content["macro_aucs"]
    path.write_text(json.dumps(content))
    assert load_evaluation(path).primary.metrics.calibration_slope == NOT_MEASURED


def test_metrics_json_holds_what_was_measured(tmp_path):
    evaluation = evaluate(make_rows(), num_resamples=50, seed=3)
    save_evaluation(evaluation, tmp_path / "metrics.json")
    assert load_evaluation(tmp_path / "metrics.json") == evaluation
    assert evaluation.provenance.seed == 3
