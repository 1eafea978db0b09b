"""Models compared on the same cases."""

from dataclasses import replace

import numpy as np
import pytest
from sklearn.metrics import roc_auc_score

from glioframe.artifacts.comparison import Comparison
from glioframe.artifacts.json_file import load_json, save_json
from glioframe.artifacts.prediction import PredictionRow
from glioframe.core.errors import PredictionError
from glioframe.evaluation.compare import compare, plain_conclusion

MODELS = {"TBRmax": 0.4, "network": 0.5, "oracle": 6.0, "noise": 0.0}


def make_rows(models=MODELS, *, num_cases=60, seed=0, split="train"):
    rng = np.random.default_rng(seed)
    rows = []
    for model, strength in models.items():
        for index in range(num_cases):
            reference = index % 2
            score = rng.standard_normal() + strength * (2 * reference - 1)
            row = PredictionRow(
                case_id=f"{split}{index:03d}",
                subject_id=f"{split}sub{index:03d}",
                site="",
                fold=index % 5 if split == "train" else None,
                split=split,
                target="recurrence",
                reference=reference,
                probability=float(1 / (1 + np.exp(-score))),
                std=0.0,
                model=model,
            )
            rows.append(row)
    return rows


def make_class_rows(model, *, seed, strength, num_cases=45):
    rng = np.random.default_rng(seed)
    rows = []
    for index in range(num_cases):
        score = rng.standard_normal(3) + strength * np.eye(3)[index % 3]
        probabilities = np.exp(score) / np.exp(score).sum()
        template = make_rows({model: 0.0}, num_cases=1)[0]
        for number, name in enumerate("abc"):
            row = replace(
                template,
                case_id=f"case{index}",
                subject_id=f"sub{index}",
                target=f"type={name}",
                reference=int(index % 3 == number),
                probability=float(probabilities[number]),
            )
            rows.append(row)
    return rows


def auc_of(rows, model):
    own = [row for row in rows if row.model == model]
    return roc_auc_score([row.reference for row in own], [row.probability for row in own])


def test_every_model_meets_the_reference_and_then_every_other():
    found = compare(make_rows(), "TBRmax")
    against = [(each.model_a, each.model_b) for each in found if each.family == "reference"]
    assert against == [("network", "TBRmax"), ("oracle", "TBRmax"), ("noise", "TBRmax")]
    assert sum(each.family == "all_pairs" for each in found) == 6
    assert [each.family for each in found[:3]] == ["reference"] * 3


def test_a_comparison_holds_the_aucs_their_difference_and_consistent_tests():
    rows = make_rows()
    for each in compare(rows, "TBRmax"):
        assert each.auc_a == pytest.approx(auc_of(rows, each.model_a))
        assert each.auc_b == pytest.approx(auc_of(rows, each.model_b))
        assert each.difference == pytest.approx(each.auc_a - each.auc_b)
        low, high = each.ci95
        assert low <= each.difference <= high
        assert (each.p_delong < 0.05) == (not low <= 0 <= high)
        assert each.p_permutation <= each.p_holm <= 1
        assert (each.num_cases, each.num_patients) == (60, 60)


def test_the_oracle_is_shown_better_and_models_alike_are_not():
    found = {(each.model_a, each.model_b): each for each in compare(make_rows(), "TBRmax")[:3]}
    assert found["oracle", "TBRmax"].verdict == "a_better"
    assert found["network", "TBRmax"].verdict == "not_shown"
    turned = compare(make_rows(), "oracle")[:3]
    assert {each.verdict for each in turned} == {"b_better"}


def test_the_family_pays_for_its_own_questions_only():
    found = compare(make_rows(), "TBRmax")
    p_holm = {each.family: each.p_holm for each in found if {each.model_a, each.model_b} == {"oracle", "TBRmax"}}
    p = {each.family: each.p_permutation for each in found if {each.model_a, each.model_b} == {"oracle", "TBRmax"}}
    assert p["reference"] == p["all_pairs"]
    assert p_holm["reference"] < p_holm["all_pairs"]


def test_the_order_of_rows_and_a_second_run_change_nothing():
    rows = make_rows()
    shuffled = sorted(rows, key=lambda row: (list(MODELS).index(row.model), row.case_id[::-1]))
    assert compare(rows, "TBRmax") == compare(rows, "TBRmax") == compare(shuffled, "TBRmax")


def test_several_classes_are_compared_by_their_macro_average():
    rows = [*make_class_rows("good", seed=1, strength=3.0), *make_class_rows("poor", seed=2, strength=0.2)]
    (found,) = compare(rows)
    expected = np.mean([auc_of([row for row in rows if row.target == f"type={name}"], "good") for name in "abc"])
    assert found.auc_a == pytest.approx(expected)
    assert (found.target, found.num_cases, found.verdict) == ("type", 45, "a_better")


def test_the_variance_of_a_macro_average_is_right_on_average():
    differences, errors = [], []
    for seed in range(300):
        rows = [
            *make_class_rows("one", seed=seed, strength=1.0),
            *make_class_rows("two", seed=seed + 999, strength=1.0),
        ]
        (found,) = compare(rows, num_permutations=1)
        differences.append(found.difference)
        errors.append((found.ci95[1] - found.ci95[0]) / 2 / 1.959964)
    # The spread of 300 differences is known to about 4 %.
    assert np.sqrt(np.mean(np.square(errors))) == pytest.approx(np.std(differences), rel=0.16)


def test_repeating_each_patients_case_changes_no_test():
    rows = make_rows({"TBRmax": 0.4, "network": 0.8}, num_cases=40)
    thrice = [replace(row, case_id=f"{row.case_id}-{index}") for row in rows for index in range(3)]
    (once,), (found,) = compare(rows), compare(thrice)
    assert found.num_cases == 120
    assert found.num_patients == 40
    assert found.ci95 == pytest.approx(once.ci95)
    assert found.p_permutation == once.p_permutation


def test_splits_are_compared_apart_and_one_class_alone_is_left_out():
    rows = [*make_rows(num_cases=30), *make_rows(num_cases=20, split="external")]
    assert {each.split for each in compare(rows)} == {"train", "external"}
    one_class = [row for row in rows if row.split == "train" or row.reference == 1]
    assert {each.split for each in compare(one_class)} == {"train"}


def test_cases_without_a_reference_do_not_count():
    rows = [replace(row, reference=None) if row.case_id == "train000" else row for row in make_rows()]
    assert {each.num_cases for each in compare(rows)} == {59}


def test_one_patient_in_a_class_leaves_the_permutation_test_alone():
    rows = [row for row in make_rows(num_cases=10) if row.reference == 0 or row.case_id == "train001"]
    for each in compare(rows):
        assert each.ci95 is None
        assert each.p_delong is None
        assert 0 < each.p_permutation <= 1


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"fold": 3}, r"case train000 with fold 0.*for TBRmax, fold 3.*for network"),
        ({"split": "external"}, r"case train000"),
        ({"reference": 1}, r"case train000.*reference 0.*reference 1"),
        ({"subject_id": "other"}, r"patient other"),
        ({"case_id": "elsewhere"}, r"case elsewhere with no such row for TBRmax"),
    ],
)
def test_models_that_saw_different_cases_or_folds_are_refused(change, message):
    rows = [
        replace(row, **change) if (row.model, row.case_id) == ("network", "train000") else row for row in make_rows()
    ]
    with pytest.raises(PredictionError, match=message) as caught:
        compare(rows, "TBRmax")
    assert "\n" not in str(caught.value)


def test_an_unknown_reference_is_refused():
    with pytest.raises(PredictionError, match=r"one of TBRmax, network, oracle, noise, found 'TBRmean'"):
        compare(make_rows(), "TBRmean")


def test_comparisons_are_written_and_read(tmp_path):
    found = compare(make_rows(), "TBRmax")[0]
    save_json(found, tmp_path / "comparison.json")
    assert load_json(Comparison, tmp_path / "comparison.json") == found


def test_the_conclusion_says_plainly_that_nothing_is_shown():
    rows = make_rows({"TBRmax": 0.4, "network": 0.5})
    words = plain_conclusion(compare(rows, "TBRmax"))
    assert words.startswith("recurrence, 60 cross-validated cases of 60 patients: no model is shown better than TBRmax")
    assert "with 80 % power" in words


def test_the_conclusion_names_the_better_model_and_the_size_of_the_gain():
    found = compare(make_rows(), "TBRmax")
    words = plain_conclusion(found)
    (best,) = (each for each in found if each.family == "reference" and each.model_a == "oracle")
    low, high = best.ci95
    assert f"oracle is shown better than TBRmax (AUC higher by {best.difference:.2f}, " in words
    assert f"95 % interval {low:.2f} to {high:.2f}" in words
    assert "no model" not in words


def test_a_reference_that_beats_a_model_is_said_to():
    words = plain_conclusion(compare(make_rows({"noise": 0.0, "oracle": 6.0}), "oracle"))
    assert "no model is shown better than oracle" in words
    assert "oracle is shown better than noise (AUC higher by" in words


def test_without_comparisons_there_is_a_sentence_too():
    assert plain_conclusion(compare(make_rows({"TBRmax": 0.4}))).startswith("No comparison")
