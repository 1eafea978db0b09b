"""Nested cross-validation on the UCSF-PDGM radiomics table: 501 patients, 100 features of T1c, three targets.

    GLIOFRAME_REAL_DATA=... python tests/benchmarks/ucsf_radiomics.py --classifiers ridge random_forest

IDH and grade are real signals; MGMT is a natural negative control, as nobody reads it off T1c reliably.
"""

import argparse
import os
import sys
import time
from pathlib import Path
from typing import get_args

import numpy as np

sys.path.insert(0, str(Path(__file__).parents[1]))

from glioframe.evaluation.bootstrap import PatientBootstrap
from glioframe.evaluation.discrimination import auc, weighted_auc
from glioframe.tasks.radiomics_baseline.model import nested_cross_validation
from glioframe.tasks.radiomics_baseline.settings import Classifier, Settings
from ucsf import ucsf_table


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--classifiers", nargs="+", choices=get_args(Classifier), default=["ridge"])
    parser.add_argument("--targets", nargs="+", choices=("idh", "grade4", "mgmt"), default=["idh", "grade4", "mgmt"])
    parser.add_argument("--seed", type=int, default=0)
    arguments = parser.parse_args()
    for target in arguments.targets:
        table, classes = ucsf_table(Path(os.environ["GLIOFRAME_REAL_DATA"]), target)
        for classifier in arguments.classifiers:
            start = time.perf_counter()
            settings = Settings(classifier=classifier)
            probability = nested_cross_validation(table, classes, settings, seed=arguments.seed)[:, 1]
            bootstrap = PatientBootstrap(table.subjects)
            interval = bootstrap.interval(lambda weights: weighted_auc(classes, probability, weights))  # noqa: B023
            verdict = "" if interval is None or interval.low > 1 / 2 else "; no evidence that it beats chance"
            limits = "" if interval is None else f" ({interval.low:.3f} to {interval.high:.3f})"
            print(
                f"{target:7s} {classifier:18s} {int(np.sum(classes)):4d} of {len(classes)} positive: "
                f"AUC {auc(classes, probability):.3f}{limits}{verdict} [{time.perf_counter() - start:.0f} s]",
                flush=True,
            )


if __name__ == "__main__":
    main()
