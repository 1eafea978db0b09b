"""Every model and baseline under the same folds -> tables, paired tests, report."""

from __future__ import annotations

from typing import TYPE_CHECKING

from glioframe.artifacts.benchmark import Cost, RowOutcome, Shortfall
from glioframe.artifacts.json_file import load_json
from glioframe.core.errors import TrainingError
from glioframe.pipeline.benchmark_jobs import run_jobs
from glioframe.pipeline.benchmark_setup import Benchmark, BenchmarkRequest, open_benchmark
from glioframe.pipeline.benchmark_summary import summarize

if TYPE_CHECKING:
    from glioframe.artifacts.benchmark import BenchmarkRow
    from glioframe.core.progress import Progress
    from glioframe.core.workspace import Workspace


def run_benchmark(workspace: Workspace, request: BenchmarkRequest, *, progress: Progress) -> Benchmark:
    """Trains what is not trained yet, then writes tables, metrics and report.

    A row that the dataset or the plan cannot serve is listed with the reason; one that fails does not stop the others.

    Raises:
        SettingError: A row is asked for that the matrix does not have.
        TrainingError: No row could be done.
        GlioframeError: The dataset, the plan or the folds are not there.
    """
    benchmark = open_benchmark(workspace, request)
    if request.overwrite:
        benchmark.throw_away()
    jobs = benchmark.jobs_left() if request.train else []
    run_jobs(jobs, num_parallel=request.num_parallel, num_folds=len(benchmark.folds[0]), progress=progress)
    if request.report:
        report_benchmark(benchmark, progress=progress)
    return benchmark


def report_benchmark(benchmark: Benchmark, *, progress: Progress) -> None:
    """Writes tables, metrics and report of what is trained.

    Raises:
        TrainingError: Nothing is, or rows are of other folds.
    """
    outcomes = [_outcome(benchmark, row) for row in benchmark.request.matrix.rows]
    for outcome in outcomes:
        if outcome.status == "failed":
            progress.note(f"{outcome.row} failed: {outcome.reason}")
    if all(outcome.status != "done" for outcome in outcomes):
        raise TrainingError(
            benchmark.folder.path,
            expected="at least one row that can be trained",
            found=f"{outcomes[0].row}: {outcomes[0].reason}",
            fix="Mend the first, then run the same command again",
        )
    summarize(benchmark, outcomes, progress=progress)


def _outcome(benchmark: Benchmark, row: BenchmarkRow) -> RowOutcome:
    """How the row ended; one that was trained from weights counts whether or not they are named again."""
    folders = [benchmark.folder.row_folder(row, repetition) for repetition in range(len(benchmark.folds))]
    for folder in folders:
        if folder.shortfall_path.is_file():
            shortfall = load_json(Shortfall, folder.shortfall_path)
            return RowOutcome(row=row.name, status=shortfall.status, reason=shortfall.reason)
        if not folder.is_done(hides_channels=row.hide_channels):
            if benchmark.lacks_weights(row):
                return RowOutcome(row=row.name, status="not applicable", reason=_no_weights(row))
            return RowOutcome(row=row.name, status="not trained", reason="Run the same command again to train it.")
    costs = [load_json(Cost, folder.cost_path) for folder in folders]
    descriptions = [folder.model.description() for folder in folders]
    hashes = tuple(description.splits_hash for description in descriptions)
    if hashes != benchmark.splits_hashes:
        raise TrainingError(
            folders[0].path,
            expected=f"the folds of this benchmark, {benchmark.splits_hashes[0][:12]}",
            found=f"those of an earlier one, {hashes[0][:12]}",
            fix="Pass --overwrite to train every row again",
        )
    if len({description.pretrained for description in descriptions}) > 1:
        raise TrainingError(
            folders[0].path.parent,
            expected="repetitions that all start from the same weights",
            found="some that started from others",
            fix=f"Train the row again with --overwrite --row '{row.name}'",
        )
    return RowOutcome(
        row=row.name,
        status="done",
        splits_hashes=hashes,
        cost=Cost(
            seconds=sum(cost.seconds for cost in costs),
            peak_memory_gb=max(cost.peak_memory_gb for cost in costs),
            device=costs[0].device,
        ),
        pretrained=descriptions[0].pretrained,
    )


def _no_weights(row: BenchmarkRow) -> str:
    name = row.configuration
    return f"No pretrained weights are given for {name}. Pass --pretrained {name}=RUN_OR_FILE to train this row."
