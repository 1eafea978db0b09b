"""What a temperature learned on a few inner cases does to the probabilities of new cases.

    python tests/benchmarks/temperature.py --cohorts 300

The change of the mean negative log-likelihood against no temperature, mean over simulated cohorts whose true logits
are known; negative is better. The network multiplies them by a factor: 1 is calibrated, above 1 too certain. Compared
side by side are standard deviations of the prior on log T; infinite is the likelihood alone.
"""

import argparse
import math

import numpy as np

from glioframe.training import temperature

SPREAD_OF_LOGITS = 2.0
NEW_CASES = 300


def draw(rng: np.random.Generator, num_cases: int, factor: float) -> tuple[np.ndarray, np.ndarray]:
    logits = rng.normal(0.0, SPREAD_OF_LOGITS, num_cases)
    references = (rng.random(num_cases) < 1 / (1 + np.exp(-logits))).astype(np.int64)
    positive = 1 / (1 + np.exp(-factor * logits))
    return np.stack([1 - positive, positive], axis=1), references


def surprise(probabilities: np.ndarray, references: np.ndarray) -> float:
    return float(-np.log(np.maximum(probabilities[np.arange(len(references)), references], 1e-12)).mean())


def mean_change(*, factor: float, num_inner: int, spread: float, cohorts: int) -> float:
    rng = np.random.default_rng(0)
    changes = []
    for _ in range(cohorts):
        temperature.SPREAD_OF_LOG = spread
        learned = temperature.fit_temperature(*draw(rng, num_inner, factor))
        probabilities, references = draw(rng, NEW_CASES, factor)
        scaled = np.array([temperature.tempered(each, learned) for each in probabilities])
        changes.append(surprise(scaled, references) - surprise(probabilities, references))
    return float(np.mean(changes))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--cohorts", type=int, default=300)
    cohorts = parser.parse_args().cohorts
    spreads = (math.inf, 1.0, 0.5, 0.25)
    print("factor  inner  " + "  ".join(f"sd {spread:<5g}" for spread in spreads))
    for factor in (0.5, 1.0, 2.0, 4.0):
        for num_inner in (6, 12, 24):
            changes = [
                mean_change(factor=factor, num_inner=num_inner, spread=spread, cohorts=cohorts) for spread in spreads
            ]
            print(f"{factor:<6g}  {num_inner:<5d}  " + "  ".join(f"{change:+8.3f}" for change in changes), flush=True)


if __name__ == "__main__":
    main()
