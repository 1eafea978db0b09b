"""The rows of a benchmark as jobs of a cluster, on submitit's stand-in for one."""

from pathlib import Path

import pytest
from homes import DATASET
from test_benchmark import ROWS, results, run, table, write_matrix
from test_launch import from_this_checkout, wait_until  # noqa: F401 - a fixture that works by being here

from glioframe.artifacts.benchmark import load_matrix
from glioframe.cli.benchmark import build_parser
from glioframe.core.workspace import Workspace
from glioframe.pipeline.benchmark_queue import queue_benchmark
from glioframe.pipeline.benchmark_setup import BenchmarkRequest, open_benchmark
from glioframe.pipeline.launcher_settings import LauncherSettings


def request_of(matrix: Path, **changes) -> BenchmarkRequest:
    return BenchmarkRequest(dataset="1", matrix=load_matrix(str(matrix)), num_resamples=50, **changes)


# submitit lets go of the process that plays the cluster while it still runs.
@pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning")
def test_rows_trained_in_jobs_are_those_that_one_process_trains(fresh_home, tmp_path):
    matrix = write_matrix(tmp_path, ROWS[:1])
    workspace = Workspace.from_environment()
    request = request_of(matrix)
    jobs = queue_benchmark(workspace, request, LauncherSettings(), matrix_name=str(matrix), cluster="local")
    assert [job.name for job in jobs] == ["Uptake"]
    row = open_benchmark(workspace, request).folder.row_folder(request.matrix.rows[0], 0)
    wait_until(row.cost_path.is_file, what="the row trained")
    assert not (results(fresh_home) / "table.tsv").exists()
    in_job = row.predictions_path.read_bytes()

    assert run(matrix, "--no-training") == 0
    assert table(fresh_home)[0]["status"] == "done"
    assert run(matrix, "--overwrite") == 0
    assert row.predictions_path.read_bytes() == in_job


def test_the_command_of_a_rows_job_asks_for_the_same_benchmark(fresh_home, tmp_path, monkeypatch):
    from glioframe.pipeline.benchmark_queue import _job

    monkeypatch.chdir(tmp_path)
    pretrained = {**ROWS[2], "name": "CNN pretrained", "pretrained": True}
    matrix = write_matrix(tmp_path, [*ROWS, pretrained])
    request = request_of(matrix, quick=True, num_repetitions=3, pretrained={"3d_cnn": Path("run")})
    opened = open_benchmark(Workspace.from_environment(), request)
    job = _job(opened, "mine.json", "CNN", "--row", "CNN", "--no-report")
    words = job.command()
    asked = build_parser().parse_args(words[words.index("glioframe.cli.benchmark") + 1 :])
    assert (asked.dataset, asked.target, asked.matrix) == (DATASET, "recurrence", str(matrix))
    assert (asked.quick, asked.repetitions, asked.num_resamples, asked.split_policy) == (True, 3, 50, "planned")
    assert (asked.rows, asked.no_report, asked.no_training) == (["CNN"], True, False)
    assert asked.pretrained == [("3d_cnn", tmp_path / "run")]
    assert asked.device == "cpu"
