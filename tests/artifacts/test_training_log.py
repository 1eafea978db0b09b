"""The training log survives kills and resumes."""

import json
from dataclasses import replace

import pytest

from glioframe.artifacts.training_log import EpochRecord, append_epoch, keep_epochs, load_training_log
from glioframe.core.errors import ArtifactError

RECORD = EpochRecord(
    epoch=1,
    train_loss=0.1 + 0.2,
    inner_loss=None,
    inner_auc=0.5,
    inner_balanced_accuracy=None,
    learning_rate=1e-3,
    seconds=1.0,
    loader_wait_share=0.0,
    peak_memory_mb=100.0,
    train_metrics={"accuracy": 0.5},
)


def test_records_come_back_exactly(tmp_path):
    path = tmp_path / "training_log.jsonl"
    records = [replace(RECORD, epoch=epoch) for epoch in (1, 2, 3)]
    for record in records:
        append_epoch(record, path)
    assert load_training_log(path) == records
    keep_epochs(path, last_epoch=2)
    assert load_training_log(path) == records[:2]


def test_a_line_that_a_kill_left_half_written_is_dropped(tmp_path):
    path = tmp_path / "training_log.jsonl"
    append_epoch(RECORD, path)
    whole = path.read_text()
    path.write_text(whole + whole[:20])
    assert load_training_log(path) == [RECORD]


def test_no_file_is_an_empty_log(tmp_path):
    assert load_training_log(tmp_path / "training_log.jsonl") == []


@pytest.mark.parametrize("line", ["{", '{"epoch": 1}'])
def test_a_malformed_line_is_named(tmp_path, line):
    path = tmp_path / "training_log.jsonl"
    path.write_text(line + "\n")
    with pytest.raises(ArtifactError, match=r"training_log\.jsonl:1"):
        load_training_log(path)


def test_a_line_from_before_precision_was_recorded_is_still_read(tmp_path):
    path = tmp_path / "training_log.jsonl"
    append_epoch(RECORD, path)
    line = json.loads(path.read_text())
    del line["precision"], line["frozen_share"]
    path.write_text(json.dumps(line) + "\n")
    (record,) = load_training_log(path)
    assert record.precision is None
    assert record == RECORD
