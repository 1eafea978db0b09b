"""A training that is killed at any moment and resumed ends with the weights of one that was not."""

import os
import random
import signal
import subprocess
import sys
import time
from dataclasses import replace
from pathlib import Path

import pytest
import torch

from glioframe.artifacts.training_log import load_training_log
from glioframe.tasks.recurrence_classifier.task import RecurrenceClassifier
from training_builders import make_run, moved

ROOT = Path(__file__).resolve().parents[2]
EPOCHS = 30
TRAIN = """
import sys
from dataclasses import replace
from pathlib import Path
import torch
from glioframe.tasks.recurrence_classifier.task import RecurrenceClassifier
from training_builders import make_run, moved
torch.set_num_threads(int(sys.argv[4]))
run = moved(make_run(Path(sys.argv[1]), epochs=int(sys.argv[3])), sys.argv[2], resume=True)
run.folder.mkdir(parents=True, exist_ok=True)
print("ready", flush=True)
RecurrenceClassifier().fit(run)
"""


def start_training(folder: Path, name: str) -> subprocess.Popen:
    return subprocess.Popen(
        [sys.executable, "-c", TRAIN, str(folder), name, str(EPOCHS), str(torch.get_num_threads())],
        env={**os.environ, "PYTHONPATH": str(ROOT / "tests")},
        stdout=subprocess.PIPE,
    )


@pytest.mark.parametrize("kills", [2, pytest.param(10, marks=pytest.mark.slow)])
def test_kill_minus_nine_at_random_moments_changes_no_bit(tmp_path, kills):
    uninterrupted = make_run(tmp_path, epochs=EPOCHS)
    RecurrenceClassifier().fit(uninterrupted)
    log = load_training_log(uninterrupted.folder / "training_log.jsonl")
    duration_s = sum(record.seconds for record in log)

    rng = random.Random(3)
    killed = moved(uninterrupted, "killed")
    for _ in range(kills):
        training = start_training(tmp_path, "killed")
        assert training.stdout.readline() == b"ready\n"
        time.sleep(rng.uniform(0, 1.2 * duration_s / kills))
        training.send_signal(signal.SIGKILL)
        training.wait()
        training.stdout.close()
    RecurrenceClassifier().fit(replace(killed, resume=True))

    final = "checkpoint_final.safetensors"
    assert (killed.folder / final).read_bytes() == (uninterrupted.folder / final).read_bytes()
    resumed = load_training_log(killed.folder / "training_log.jsonl")
    assert [(r.epoch, r.train_loss, r.inner_loss) for r in resumed] == [
        (r.epoch, r.train_loss, r.inner_loss) for r in log
    ]
    assert not [path for path in killed.folder.iterdir() if path.name.endswith(".partial")]
