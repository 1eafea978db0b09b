"""The tabular model: what it learns, what it must not learn, and what it does when there is too little."""

import os
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from scipy.special import expit
from sklearn.feature_selection import SelectKBest
from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import StratifiedKFold, cross_val_predict

from glioframe.core.errors import TaskError
from glioframe.evaluation.discrimination import auc
from glioframe.tasks.radiomics_baseline.calibration import fit_calibration
from glioframe.tasks.radiomics_baseline.classifiers import parameter_grid
from glioframe.tasks.radiomics_baseline.explanation import explain
from glioframe.tasks.radiomics_baseline.filters import Strongest, Uncorrelated, UsableFeatures, intraclass_correlation
from glioframe.tasks.radiomics_baseline.model import fit_model, grouped_folds, nested_cross_validation
from glioframe.tasks.radiomics_baseline.settings import Settings
from glioframe.tasks.radiomics_baseline.stored_model import TrainedModel
from glioframe.tasks.radiomics_baseline.table import FeatureTable
from ucsf import MISSING, ucsf_table

CLASSIFIERS = ("ridge", "elastic_net", "svm", "random_forest", "gradient_boosting")


def table_of(values: np.ndarray, *, subjects=None, sites=None) -> FeatureTable:
    count = len(values)
    return FeatureTable(
        case_ids=tuple(f"case{row}" for row in range(count)),
        subjects=tuple(subjects or (f"sub{row}" for row in range(count))),
        sites=tuple(sites or [""] * count),
        names=tuple(f"f{column}" for column in range(values.shape[1])),
        values=values.astype(np.float64),
    )


def planted(*, num_cases: int, seed: int, num_features: int = 12, strength: float = 2.0):
    """Two classes that the first two features tell apart, on scales of their own."""
    rng = np.random.default_rng(seed)
    classes = np.arange(num_cases) % 2
    values = rng.standard_normal((num_cases, num_features))
    values[:, :2] += strength * classes[:, None]
    return table_of(values * np.logspace(-3, 3, num_features) + 5), classes


@pytest.mark.parametrize("classifier", CLASSIFIERS)
def test_every_classifier_finds_a_planted_difference_in_new_rows(classifier):
    table, classes = planted(num_cases=60, seed=1)
    new, new_classes = planted(num_cases=100, seed=2)
    model = fit_model(table, classes, Settings(classifier=classifier), seed=0)
    probabilities = model.probabilities(new)
    assert probabilities.sum(axis=1) == pytest.approx(np.ones(100))
    # The best possible AUC of two unit normals, 2 apart in two features, is 0.977.
    assert auc(new_classes, probabilities[:, 1]) > 0.9
    called = probabilities[:, 1] >= model.operating_point
    assert np.mean(called == new_classes) > 0.8


@pytest.mark.parametrize("classifier", ["ridge", "gradient_boosting"])
def test_equal_seeds_give_equal_models(classifier):
    table, classes = planted(num_cases=24, seed=3)
    one, other = (fit_model(table, classes, Settings(classifier=classifier), seed=7) for _ in range(2))
    assert np.array_equal(one.probabilities(table), other.probabilities(table))
    assert (one.operating_point, one.calibration) == (other.operating_point, other.calibration)


def test_three_classes_get_three_probabilities():
    rng = np.random.default_rng(4)
    classes = np.arange(90) % 3
    values = rng.standard_normal((90, 6))
    values[:, 0] += 3 * classes
    for classifier in ("ridge", "svm"):
        model = fit_model(table_of(values[:60]), classes[:60], Settings(classifier=classifier), seed=0)
        probabilities = model.probabilities(table_of(values[60:]))
        assert probabilities.sum(axis=1) == pytest.approx(np.ones(30))
        assert np.mean(probabilities.argmax(axis=1) == classes[60:]) > 0.8
        assert model.operating_point == 0.5


def noise(seed: int, *, num_cases: int = 60, num_features: int = 120):
    rng = np.random.default_rng([17, seed])
    return rng.standard_normal((num_cases, num_features)), rng.permutation(np.arange(num_cases) % 2)


def leaky_auc(values: np.ndarray, classes: np.ndarray) -> float:
    """The mistake: features are selected on all rows, and only the classifier is cross-validated."""
    selected = SelectKBest(k=10).fit_transform(values, classes)
    folds = StratifiedKFold(5, shuffle=True, random_state=0)
    held_out = cross_val_predict(LogisticRegression(), selected, classes, cv=folds, method="predict_proba")
    return auc(classes, held_out[:, 1])


def test_noise_predicts_nothing_here_and_much_where_features_were_selected_on_all_rows():
    draws = [noise(seed) for seed in range(10)]
    honest = []
    for values, classes in draws:
        held_out = nested_cross_validation(table_of(values), classes, Settings(), num_folds=2, seed=0)
        honest.append(auc(classes, held_out[:, 1]))
    assert 0.42 <= np.mean(honest) <= 0.58
    assert np.mean([leaky_auc(values, classes) for values, classes in draws]) > 0.75


def test_rows_of_one_subject_are_never_on_two_sides():
    values, classes = noise(1, num_cases=40, num_features=20)
    twice, both = np.repeat(values, 2, axis=0), np.repeat(classes, 2)
    subjects = [f"sub{row // 2}" for row in range(80)]
    for train, test in grouped_folds(both, subjects, num_folds=5, seed=0):
        assert not {subjects[row] for row in train} & {subjects[row] for row in test}
    # Twins across the folds would be recognized at once.
    held_out = nested_cross_validation(table_of(twice, subjects=subjects), both, Settings(), num_folds=4)
    assert auc(both, held_out[:, 1]) < 0.75


def test_harmonization_inside_the_folds_lets_the_target_through_and_the_site_not():
    rng = np.random.default_rng(5)
    classes = np.arange(120) % 2
    sites = ["A" if (row // 2) % 2 else "B" for row in range(120)]
    values = rng.standard_normal((120, 8)) + 1.2 * classes[:, None] * (np.arange(8) < 2)
    values += 6.0 * (np.array(sites) == "A")[:, None] * rng.uniform(-1, 1, 8)
    plain, harmonized = (
        nested_cross_validation(table_of(values, sites=sites), classes, Settings(harmonize=choice), num_folds=3)
        for choice in ("none", "combat")
    )
    assert auc(classes, harmonized[:, 1]) > 0.8
    assert auc(classes, harmonized[:, 1]) >= auc(classes, plain[:, 1]) - 0.02
    site = np.array([site == "A" for site in sites], dtype=np.int64)
    told = nested_cross_validation(table_of(values, sites=sites), site, Settings(harmonize="combat"), num_folds=3)
    assert auc(site, told[:, 1]) <= 0.6


def test_constant_missing_and_infinite_columns_do_no_harm():
    table, classes = planted(num_cases=60, seed=6)
    values = np.column_stack([table.values, np.full(60, 3.3), np.full(60, np.nan), np.zeros(60)])
    values[::7, 1] = np.nan
    spoiled = replace(table, names=(*table.names, "constant", "missing", "zero"), values=values)
    held_out = nested_cross_validation(spoiled, classes, Settings(), num_folds=3)
    assert np.isfinite(held_out).all()
    assert auc(classes, held_out[:, 1]) > 0.85


def test_without_a_single_usable_feature_every_case_gets_the_same_probability():
    model = fit_model(table_of(np.full((20, 3), np.nan)), np.arange(20) % 2, Settings(), seed=0)
    probabilities = model.probabilities(table_of(np.random.default_rng(0).standard_normal((5, 3))))
    assert probabilities == pytest.approx(np.full((5, 2), 0.5), abs=0.05)


def test_a_class_of_one_subject_leaves_nothing_to_tune_on_and_says_so_by_the_neutral_point():
    table, _ = planted(num_cases=12, seed=8)
    rare = np.zeros(12, dtype=np.int64)
    rare[0] = 1
    model = fit_model(table, rare, Settings(), seed=0)
    assert model.parameters == parameter_grid("ridge")[0]
    assert (model.operating_point, model.calibration.slope) == (0.5, 1.0)
    assert np.isnan(model.inner_auc)
    with pytest.raises(TaskError, match="a class with one"):
        nested_cross_validation(table, rare, Settings())


def test_one_class_is_refused():
    table, _ = planted(num_cases=12, seed=8)
    with pytest.raises(TaskError, match="every class"):
        fit_model(table, np.zeros(12, dtype=np.int64), Settings(), seed=0)


def test_calibration_recovers_the_planted_relation_and_never_turns_the_ranking():
    rng = np.random.default_rng(9)
    scores = rng.standard_normal(20_000) * 2
    classes = (rng.random(20_000) < expit(0.5 * scores - 1)).astype(np.int64)
    two_columns = np.stack([np.zeros_like(scores), scores], axis=1)
    calibration = fit_calibration(two_columns, classes)
    assert calibration.slope == pytest.approx(0.5, abs=0.03)
    assert calibration.offsets[1] == pytest.approx(-1, abs=0.06)
    turned = fit_calibration(two_columns, 1 - classes)
    assert turned.slope > 0


def test_filters_keep_the_first_of_a_pair_and_the_strongest():
    rng = np.random.default_rng(10)
    first = rng.standard_normal(50)
    values = np.column_stack([first, -2 * first + 1e-3 * rng.standard_normal(50), rng.standard_normal(50)])
    assert Uncorrelated(0.95).fit(values).kept_.tolist() == [0, 2]
    assert Strongest(1).fit(values, (first > 0).astype(int)).transform(values).shape == (50, 1)
    mostly_missing = values.copy()
    mostly_missing[:30, 2] = np.nan
    assert UsableFeatures().fit(mostly_missing).kept_.tolist() == [0, 1]


def test_the_intraclass_correlation_is_the_published_one():
    # Shrout and Fleiss 1979, table 2: six targets, four judges, ICC(2,1) = .29.
    ratings = np.array([[9, 2, 5, 8], [6, 1, 3, 2], [8, 4, 6, 8], [7, 1, 2, 6], [10, 5, 6, 9], [6, 2, 4, 7]], float)
    assert intraclass_correlation(ratings) == pytest.approx(0.29, abs=0.005)
    assert intraclass_correlation(np.repeat(ratings[:, :1], 3, axis=1)) == pytest.approx(1.0)


@pytest.mark.skipif(MISSING, reason="GLIOFRAME_REAL_DATA is not set")
def test_idh_is_predicted_in_a_part_of_the_ucsf_cohort():
    table, classes = ucsf_table(Path(os.environ["GLIOFRAME_REAL_DATA"]), "idh", every=3)
    held_out = nested_cross_validation(table, classes, Settings(), num_folds=3)
    assert auc(classes, held_out[:, 1]) >= 0.8


@pytest.mark.slow
@pytest.mark.skipif(MISSING, reason="GLIOFRAME_REAL_DATA is not set")
@pytest.mark.parametrize(("target", "low", "high"), [("idh", 0.90, 1), ("grade4", 0.92, 1), ("mgmt", 0.4, 0.6)])
def test_the_whole_ucsf_cohort(target, low, high):
    table, classes = ucsf_table(Path(os.environ["GLIOFRAME_REAL_DATA"]), target)
    held_out = nested_cross_validation(table, classes, Settings())
    assert low <= auc(classes, held_out[:, 1]) <= high


@pytest.mark.parametrize("classifier", CLASSIFIERS)
@pytest.mark.parametrize("num_classes", [2, 3])
def test_an_explanation_names_the_feature_that_marks_the_last_class(classifier, num_classes):
    rng = np.random.default_rng(4)
    classes = np.arange(60) % num_classes
    values = rng.standard_normal((60, 5))
    values[:, 3] += 4 * (classes == num_classes - 1)
    table = table_of(values)
    model = fit_model(table, classes, Settings(classifier=classifier), seed=0)
    explanation = explain(TrainedModel(model=model, training=table), table, classifier)
    assert explanation.contributions.shape == (60, len(explanation.names))
    strength = dict(zip(explanation.names, np.abs(explanation.contributions).mean(axis=0), strict=True))
    assert max(strength, key=strength.get) == "f3"
    of_f3 = explanation.contributions[:, explanation.names.index("f3")]
    assert of_f3[classes == num_classes - 1].mean() > of_f3[classes != num_classes - 1].mean()
