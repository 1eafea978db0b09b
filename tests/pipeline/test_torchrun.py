"""The training command under torchrun: several processes, one result, one voice."""

import os
import subprocess
import sys
from pathlib import Path

from homes import DATASET, MODEL, SHORT, TRAIN

ROOT = Path(__file__).resolve().parents[2]


def torchrun(*arguments: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "torch.distributed.run", "--standalone", "--nproc-per-node=2"]
    return subprocess.run(
        [*command, "-m", "glioframe.cli.train", *arguments, "--device", "cpu"],
        env={**os.environ, "PYTHONPATH": os.pathsep.join([str(ROOT), *sys.path[1:]])},
        capture_output=True,
        text=True,
        check=False,
        timeout=240,
    )


def test_two_processes_train_and_report_all_folds_as_one_command_does(fresh_home, trained_home):
    done = torchrun(*TRAIN, "all", *SHORT, "--progress", "json")
    assert done.returncode == 0, done.stderr
    assert done.stdout.count("Report:") == 1
    assert done.stderr.count('"step": "folds", "done": 0') == 1
    models = [home / "results" / DATASET / MODEL for home in (fresh_home, trained_home)]
    names = [sorted(str(path.relative_to(model)) for path in model.rglob("*") if path.is_file()) for model in models]
    assert names[0] == names[1]


def test_a_users_error_is_told_once(fresh_home):
    done = torchrun("9", *TRAIN[1:], "0")
    assert done.returncode != 0
    assert done.stderr.count("glioframe_train: ") == 1
    assert "one dataset folder for '9'" in done.stderr
