"""The baselines through the commands that a user types."""

import csv

import numpy as np
import pytest
from homes import DATASET

from glioframe.artifacts.evaluation import load_evaluation
from glioframe.cli import predict, train

TINY = ["--device", "cpu"]


@pytest.mark.parametrize(
    ("task", "settings", "least_auc"),
    [
        ("threshold_baseline", [], 0.9),
        # A thousand features find anything in six training cases, so that no AUC is asked for here.
        ("radiomics_baseline", ["--set", "task.num_workers=1", "--set", "task.harmonize=combat"], 0.0),
    ],
)
def test_a_baseline_is_trained_reported_and_predicts_new_cases_as_it_did_external_ones(
    fresh_home, tmp_path, task, settings, least_auc
):
    assert train.main(["1", task, "3d_cnn", "all", *TINY, *settings]) == 0
    (model,) = fresh_home.glob(f"results/{DATASET}/{task}__*")
    evaluation = load_evaluation(model / "crossval" / "metrics.json")
    assert evaluation.primary.metrics.auc.value >= least_auc
    raw = fresh_home / "raw" / DATASET
    arguments = ["-d", "1", "-t", task, "-c", "3d_cnn", "-i", str(raw / "imagesTr"), "-o", str(tmp_path / "out")]
    arguments += ["--labels", str(raw / "labelsTr"), "--cases", str(raw / "cases.tsv"), *TINY]
    assert predict.main(arguments) == 0

    def probabilities(path):
        with path.open() as stream:
            return {row["case_id"]: float(row["probability"]) for row in csv.DictReader(stream, delimiter="\t")}

    validated, predicted = (
        probabilities(folder / "predictions.tsv") for folder in (model / "crossval", tmp_path / "out")
    )
    assert validated.keys() == predicted.keys()
    assert np.allclose([validated[case] for case in validated], [predicted[case] for case in validated], atol=1e-6)
