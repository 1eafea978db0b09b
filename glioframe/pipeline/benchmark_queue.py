"""The rows of a benchmark as jobs on a Slurm cluster."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Literal

from glioframe.pipeline.benchmark_setup import open_benchmark
from glioframe.pipeline.jobs import Job

if TYPE_CHECKING:
    from glioframe.core.workspace import Workspace
    from glioframe.pipeline.benchmark_setup import Benchmark, BenchmarkRequest
    from glioframe.pipeline.launch_slurm import SubmittedJob
    from glioframe.pipeline.launcher_settings import LauncherSettings

_COMMAND = "glioframe.cli.benchmark"
_LOGS = "jobs"


def queue_benchmark(
    workspace: Workspace,
    request: BenchmarkRequest,
    settings: LauncherSettings,
    *,
    matrix_name: str,
    cluster: Literal["slurm", "local"] = "slurm",
) -> list[SubmittedJob]:
    """Queues each row that is not trained, and the report behind all of them, whether they end well or not.

    Args:
        workspace: On a file system that all machines share.
        request: What to compare.
        settings: What a job gets.
        matrix_name: Of the shipped matrix, or the path of one's own.
        cluster: Slurm, or submitit's stand-in on this machine, which runs no report.

    Raises:
        SettingError: There is no Slurm here.
        GlioframeError: The dataset, the plan or the folds are not there.
    """
    from glioframe.pipeline.launch_slurm import submit_jobs

    benchmark = open_benchmark(workspace, request)
    if request.overwrite:
        benchmark.throw_away()
    names = dict.fromkeys(job.name for job in benchmark.jobs_left())
    rows = [_job(benchmark, matrix_name, name, "--row", name, "--no-report") for name in names]
    report = _job(benchmark, matrix_name, "report", "--no-training") if request.report and cluster == "slurm" else None
    return submit_jobs(rows, report, benchmark.folder.path / _LOGS, settings, cluster=cluster, after="afterany")


def _job(benchmark: Benchmark, matrix_name: str, name: str, *more: str) -> Job:
    request = benchmark.request
    matrix = str(Path(matrix_name).resolve()) if matrix_name.endswith(".json") else matrix_name
    arguments = [benchmark.dataset.folder.name, "--target", benchmark.target, "--matrix", matrix]
    arguments += ["--split-policy", request.split_policy, "--repetitions", str(request.num_repetitions)]
    arguments += ["--num-resamples", str(request.num_resamples), *(["--quick"] if request.quick else [])]
    for configuration, path in request.pretrained.items():
        arguments += ["--pretrained", f"{configuration}={path.absolute()}"]
    return Job(name=name, module=_COMMAND, arguments=(*arguments, *more), device=request.device)
