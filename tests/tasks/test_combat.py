"""ComBat takes the sites out, and nothing that it was not fitted to."""

import numpy as np
import pytest
from sklearn.ensemble import RandomForestClassifier
from sklearn.linear_model import LogisticRegression

from glioframe.evaluation.discrimination import auc
from glioframe.tasks.radiomics_baseline.combat import fit_combat

NUM_FEATURES = 30


def cohort(*, num_cases: int, seed: int):
    """Features of two sites, one shifted and stretched by an amount of its own for each feature; a target in five."""
    rng = np.random.default_rng(seed)
    sites = np.where(np.arange(num_cases) % 2, "north", "south")
    target = (np.arange(num_cases) // 2) % 2
    values = rng.standard_normal((num_cases, NUM_FEATURES)) * 3 + 50
    values[:, :5] += 3.0 * target[:, None]
    effects = np.random.default_rng(99)
    shift, scale = effects.normal(4, 2, NUM_FEATURES), effects.uniform(1.3, 2.5, NUM_FEATURES)
    is_north = sites == "north"
    values[is_north] = (values[is_north] - 50) * scale + 50 + shift
    return values, sites.tolist(), target


@pytest.mark.parametrize(
    "classifier", [LogisticRegression(max_iter=5000), RandomForestClassifier(n_estimators=200, random_state=0)]
)
def test_the_site_cannot_be_told_in_held_out_rows_and_the_target_can(classifier):
    values, sites, target = cohort(num_cases=400, seed=1)
    train, test = np.arange(200), np.arange(200, 400)
    combat = fit_combat(values[train], [sites[row] for row in train])
    harmonized = combat.harmonized(values, sites)
    is_north = np.array(sites) == "north"

    def held_out_auc(features, labels):
        scaled = (features - features[train].mean(axis=0)) / features[train].std(axis=0)
        fitted = classifier.fit(scaled[train], labels[train])
        return auc(labels[test], fitted.predict_proba(scaled[test])[:, 1])

    assert held_out_auc(values, is_north) > 0.95
    assert held_out_auc(harmonized, is_north) <= 0.6
    assert held_out_auc(harmonized, target) >= held_out_auc(values, target) - 0.02


def test_planted_effects_are_found_and_undone():
    values, sites, _ = cohort(num_cases=20_000, seed=2)
    harmonized = fit_combat(values, sites).harmonized(values, sites)
    is_north = np.array(sites) == "north"
    assert harmonized[is_north].mean(axis=0) == pytest.approx(harmonized[~is_north].mean(axis=0), abs=0.05)
    assert harmonized[is_north].std(axis=0) == pytest.approx(harmonized[~is_north].std(axis=0), rel=0.02)


def test_small_sites_are_drawn_to_what_the_features_have_in_common():
    rng = np.random.default_rng(3)
    large, small = rng.standard_normal((500, 200)), rng.standard_normal((4, 200)) + 2.0
    combat = fit_combat(np.concatenate([large, small]), ["large"] * 500 + ["small"] * 4)
    shifts = combat.effects["small"].shift
    raw = (small.mean(axis=0) - combat.mean) / combat.deviation
    assert shifts.mean() == pytest.approx(raw.mean(), abs=0.05)
    assert shifts.std() < 0.6 * raw.std()


def test_a_site_that_was_not_fitted_stays_as_it_is():
    values, sites, _ = cohort(num_cases=100, seed=4)
    combat = fit_combat(values, sites)
    new = values[:10] + 7
    assert np.array_equal(combat.harmonized(new, ["elsewhere"] * 10), new)
    assert np.array_equal(combat.harmonized(new, [""] * 10), new)


@pytest.mark.parametrize("num_lone", [1, 2])
def test_a_site_of_one_or_two_cases_stays_as_it_is_and_does_not_disturb_the_others(num_lone):
    values, sites, _ = cohort(num_cases=100, seed=5)
    lone = np.full((num_lone, NUM_FEATURES), 1e6)
    combat = fit_combat(np.concatenate([values, lone]), [*sites, *["lone"] * num_lone])
    assert np.array_equal(combat.harmonized(lone, ["lone"] * num_lone), lone)
    assert np.array_equal(combat.harmonized(values, sites), fit_combat(values, sites).harmonized(values, sites))


@pytest.mark.parametrize("sites", [["a"] * 20, [""] * 20, [f"s{index}" for index in range(20)]])
def test_without_two_sites_nothing_changes(sites):
    values = np.random.default_rng(6).standard_normal((20, 5))
    assert np.array_equal(fit_combat(values, sites).harmonized(values, sites), values)


def test_constant_and_missing_features_stay_what_they_are_and_say_nothing_of_the_others():
    values, sites, _ = cohort(num_cases=100, seed=7)
    expected = fit_combat(values, sites).harmonized(values, sites)
    extra = np.column_stack([values, np.full(100, 0.1), np.full(100, np.nan)])
    extra[3, 0] = np.nan
    found = fit_combat(extra, sites).harmonized(extra, sites)
    assert np.array_equal(found[:, NUM_FEATURES], extra[:, NUM_FEATURES])
    assert np.isnan(found[:, NUM_FEATURES + 1]).all()
    assert np.argwhere(np.isnan(found[:, :NUM_FEATURES])).tolist() == [[3, 0]]
    assert found[4:, 1:NUM_FEATURES] == pytest.approx(expected[4:, 1:], rel=1e-3)


def test_a_feature_that_one_site_never_has_is_left_to_the_others():
    values, sites, _ = cohort(num_cases=100, seed=8)
    is_north = np.array(sites) == "north"
    values[is_north, 0] = np.nan
    found = fit_combat(values, sites).harmonized(values, sites)
    assert np.isfinite(found[~is_north]).all()
    assert np.isfinite(found[:, 1:]).all()


def test_age_is_not_harmonized_and_does_not_disturb_the_features():
    values, sites, _ = cohort(num_cases=100, seed=10)
    ages = np.where(np.array(sites) == "north", 70.0, 40.0)
    aged = np.column_stack([values, ages])
    found = fit_combat(aged, sites, untouched=np.arange(NUM_FEATURES + 1) == NUM_FEATURES).harmonized(aged, sites)
    assert found[:, -1] == pytest.approx(ages)
    assert found[:, :-1] == pytest.approx(fit_combat(values, sites).harmonized(values, sites))


def test_a_site_without_any_spread_does_not_divide_by_zero():
    values, sites, _ = cohort(num_cases=40, seed=9)
    values[np.array(sites) == "north", :3] = 5.0
    assert np.isfinite(fit_combat(values, sites).harmonized(values, sites)).all()
