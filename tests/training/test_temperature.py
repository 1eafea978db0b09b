"""A temperature makes probabilities as certain as they deserve, and changes nothing else."""

import numpy as np
import pytest

from glioframe.evaluation.discrimination import auc
from glioframe.training.temperature import fit_temperature, tempered


def draw(rng, num_cases: int, *, overconfidence: float):
    """Cases whose true logits are known, and a network that multiplies them."""
    logits = rng.normal(0.0, 1.5, num_cases)
    references = (rng.random(num_cases) < 1 / (1 + np.exp(-logits))).astype(int)
    positive = 1 / (1 + np.exp(-overconfidence * logits))
    return np.stack([1 - positive, positive], axis=1), references


def surprise(probabilities, references) -> float:
    return float(-np.log(probabilities[np.arange(len(references)), references]).mean())


@pytest.mark.parametrize("overconfidence", [0.5, 1.0, 3.0])
def test_many_cases_reveal_the_factor_of_the_network(overconfidence):
    probabilities, references = draw(np.random.default_rng(0), 4000, overconfidence=overconfidence)
    assert fit_temperature(probabilities, references) == pytest.approx(overconfidence, rel=0.1)


def test_an_overconfident_network_is_better_calibrated_on_cases_that_it_was_not_learned_on():
    rng = np.random.default_rng(1)
    gains = []
    for _ in range(20):
        temperature = fit_temperature(*draw(rng, 20, overconfidence=4.0))
        probabilities, references = draw(rng, 500, overconfidence=4.0)
        calmer = np.array([tempered(each, temperature) for each in probabilities])
        gains.append(surprise(probabilities, references) - surprise(calmer, references))
    assert np.mean(gains) > 0.2


def test_the_order_of_cases_and_so_the_auc_stays():
    probabilities, references = draw(np.random.default_rng(2), 200, overconfidence=1.0)
    for temperature in (0.3, 1.0, 2.5):
        scaled = np.array([tempered(each, temperature) for each in probabilities])
        assert scaled.sum(1) == pytest.approx(np.ones(200))
        assert auc(references == 1, scaled[:, 1]) == auc(references == 1, probabilities[:, 1])


def test_a_few_cases_that_are_all_told_apart_do_not_make_every_case_certain():
    probabilities = np.array([[0.8, 0.2], [0.3, 0.7], [0.9, 0.1], [0.4, 0.6]])
    temperature = fit_temperature(probabilities, np.array([0, 1, 0, 1]))
    assert 0.4 < temperature < 1
    assert max(tempered((0.2, 0.8), temperature)) < 0.98


def test_a_network_that_errs_is_made_less_certain_and_one_hot_probabilities_are_no_obstacle():
    probabilities = np.array([[1.0, 0.0], [0.0, 1.0], [1.0, 0.0]])
    assert fit_temperature(probabilities, np.array([0, 1, 1])) > 2


def test_without_cases_nothing_is_learned():
    assert fit_temperature(np.empty((0, 2)), np.empty(0, dtype=np.int64)) == 1.0
    assert tempered((0.25, 0.75), 1.0) == (0.25, 0.75)


def test_three_classes_follow_the_formula():
    assert tempered((0.5, 0.3, 0.2), 0.5) == pytest.approx(np.array([25, 9, 4]) / 38)
