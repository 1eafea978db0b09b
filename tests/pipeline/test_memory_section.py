"""The report says what memory was predicted and observed, in which precision, and whether the two compare."""

from dataclasses import replace

import pytest

from glioframe.artifacts.training_log import load_training_log, save_training_log
from glioframe.pipeline.memory_section import memory_section
from glioframe.tasks.recurrence_classifier.task import RecurrenceClassifier
from training_builders import make_run


@pytest.fixture(scope="module")
def run(tmp_path_factory):
    made = make_run(tmp_path_factory.mktemp("memory"), epochs=2, iterations_per_epoch=1, inner_fraction=0.0)
    RecurrenceClassifier().fit(made)
    return made


def text_of(run, *epochs) -> str:
    """The section, with a log whose epochs are changed so."""
    path = run.folder / "training_log.jsonl"
    trained = load_training_log(path)
    save_training_log([replace(record, **changes) for record, changes in zip(trained, epochs, strict=True)], path)
    (section,) = memory_section(replace(run.configuration, predicted_peak_memory_gb=1.25), [run])
    save_training_log(trained, path)
    return section.text


def test_the_precision_stands_beside_the_memory(run):
    text = text_of(run, {"peak_memory_mb": 1500.0}, {"peak_memory_mb": 2000.0})
    assert "Predicted for a training step: 1.25 GB. Observed at most: 2.00 GB, in float32." in text
    assert "frozen" not in text


def test_a_log_from_before_precision_was_recorded_has_a_section_too(run):
    text = text_of(run, {"precision": None, "peak_memory_mb": 10.0}, {"precision": None, "peak_memory_mb": 20.0})
    assert "Observed at most: 0.02 GB. On" in text


def test_a_prediction_for_every_weight_does_not_pass_for_one_of_a_frozen_encoder(run):
    assert "every weight; 95% of them were frozen" in text_of(run, {"frozen_share": 0.95}, {"frozen_share": 0.95})


def test_where_the_encoder_thaws_the_prediction_holds(run):
    assert "frozen" not in text_of(run, {"frozen_share": 0.95}, {"frozen_share": 0.0})
