"""A real Slurm, of one node or more: jobs in order, preemption, and the report at the end."""

import shutil
import subprocess
import time

import pytest
from homes import DATASET, MODEL, SHORT, TRAIN
from test_benchmark import ROWS, results, table, write_matrix
from test_launch import LONG, all_weights, from_this_checkout  # noqa: F401 - a fixture that works by being here

from glioframe.cli import benchmark, train

pytestmark = [
    pytest.mark.slow,
    pytest.mark.timeout(1500),
    pytest.mark.skipif(shutil.which("sinfo") is None, reason="needs Slurm (apt-get install slurm-wlm munge)"),
]
JOBS = ["--launcher", "slurm", "--launcher-preset", "slurm_cpu", "--set", "launcher.cpus_per_job=1"]
SMALL = ["--set", "launcher.memory_gb=2", "--set", "launcher.time_limit_min=10"]


def queue() -> list[str]:
    shown = subprocess.run(["squeue", "-h", "-r", "-o", "%i %T"], capture_output=True, text=True, check=True)
    return shown.stdout.splitlines()


@pytest.fixture(autouse=True)
def running_slurm():
    if subprocess.run(["sinfo", "-h"], capture_output=True, check=False).returncode:
        pytest.skip("Slurm is installed, but its controller does not answer")


def ids_from(output: str) -> dict[str, str]:
    queued = [line.partition(" job ") for line in output.splitlines() if " job " in line]
    return {name.strip(): facts.split()[0] for name, _, facts in queued}


def wait_for(ids) -> None:
    for _ in range(1200):
        if not any(line.split()[0] in ids for line in queue()):
            return
        time.sleep(1)
    pytest.fail(f"still in the queue: {queue()}")


def test_preempted_folds_queue_again_and_the_report_comes_last(fresh_home, tmp_path, monkeypatch, capsys):
    whole = tmp_path / "whole"
    shutil.copytree(fresh_home, whole)
    assert train.main([*TRAIN, "all", "--device", "cpu", *LONG, *JOBS, *SMALL]) == 0
    ids = ids_from(capsys.readouterr().out)
    folds = [name for name in ids if name.startswith("fold_")]
    assert set(ids) == {*folds, "report"}
    model = fresh_home / "results" / DATASET / MODEL
    while not (model / "fold_0" / "training_log.jsonl").is_file():
        time.sleep(0.2)
    subprocess.run(["scancel", "--signal=USR2", ids["fold_0"]], check=True)
    wait_for(set(ids.values()))
    assert "Requeued job" in (model / "jobs" / f"{ids['fold_0']}_0_log.out").read_text()
    assert (model / "crossval" / "report.html").is_file()

    monkeypatch.setenv("GLIOFRAME_HOME", str(whole))
    assert train.main([*TRAIN, "all", "--device", "cpu", *LONG]) == 0
    assert all_weights(fresh_home) == all_weights(whole)


def test_after_a_fold_that_fails_the_others_end_and_nothing_waits_for_ever(home, capsys):
    model = home / "results" / DATASET / MODEL
    for fold in (0, 1):
        (model / f"fold_{fold}" / "operating_point.json").unlink()
        shutil.rmtree(model / f"fold_{fold}" / "validation")
    shutil.rmtree(model / "crossval")
    (model / "fold_0" / "checkpoint_latest.safetensors").write_bytes(b"damaged")
    assert train.main([*TRAIN, "all", "--c", "--device", "cpu", *SHORT, *JOBS, *SMALL]) == 0
    ids = ids_from(capsys.readouterr().out)
    wait_for(set(ids.values()))
    assert (model / "fold_1" / "validation" / "predictions.tsv").is_file()
    assert "found only damaged ones" in (model / "jobs" / f"{ids['fold_0']}_0_log.out").read_text()
    assert not (model / "crossval").exists()


def test_rows_of_a_benchmark_run_as_jobs_and_its_report_comes_last(fresh_home, tmp_path, capsys):
    matrix = write_matrix(tmp_path, ROWS)
    preset = tmp_path / "small.json"
    preset.write_text('{"cpus_per_job": 1, "memory_gb": 2, "time_limit_min": 10}')
    options = ["--matrix", str(matrix), "--device", "cpu", "--num-resamples", "50"]
    assert benchmark.main(["1", *options, "--launcher", "slurm", "--launcher-preset", str(preset)]) == 0
    ids = ids_from(capsys.readouterr().out)
    assert set(ids) == {*(row["name"] for row in ROWS), "report"}
    wait_for(set(ids.values()))
    status = {line["model"]: line["status"] for line in table(fresh_home)}
    assert status == {"Uptake": "done", "Late slope": "not applicable", "CNN": "done"}
    assert (results(fresh_home) / "report.html").is_file()
