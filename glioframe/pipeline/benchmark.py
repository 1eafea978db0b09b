"""Every model and baseline under the same folds -> tables, paired tests, report."""

from __future__ import annotations

import shutil
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Literal

from glioframe.artifacts.benchmark import BenchmarkMatrix, Cost, RowOutcome, Shortfall
from glioframe.artifacts.json_file import load_json
from glioframe.artifacts.raw_dataset import load_raw_dataset
from glioframe.artifacts.splits import save_splits, splits_hash
from glioframe.core.errors import SettingError, TrainingError
from glioframe.core.seeds import derive_seed
from glioframe.dataset.splits import make_folds, make_site_folds
from glioframe.pipeline.benchmark_folder import BenchmarkFolder
from glioframe.pipeline.benchmark_job import RowJob
from glioframe.pipeline.benchmark_jobs import run_jobs
from glioframe.pipeline.benchmark_summary import summarize
from glioframe.pipeline.preprocessed_folder import PreprocessedFolder
from glioframe.pipeline.training import TrainingRequest

if TYPE_CHECKING:
    from collections.abc import Sequence

    from glioframe.artifacts.benchmark import BenchmarkRow
    from glioframe.artifacts.raw_dataset import RawDataset
    from glioframe.artifacts.splits import Fold
    from glioframe.core.progress import Progress
    from glioframe.core.workspace import Workspace

SplitPolicy = Literal["planned", "leave_one_site_out"]
QUICK = "quick"


@dataclass(frozen=True, kw_only=True)
class BenchmarkRequest:
    """What to compare.

    Attributes:
        dataset: Id or folder name.
        target: Column to predict; None where only one is declared.
        matrix: The rows.
        quick: Train just long enough to see that every row works.
        split_policy: ``planned`` folds, or each site left out in turn.
        num_repetitions: Of the cross-validation, each with other folds; predictions are averaged.
        device: ``cpu``, ``cuda``, ...
        num_parallel: Rows trained at a time.
        overwrite: Throw an earlier benchmark of this kind away.
        rows: Names of the rows to train; empty for all of the matrix.
        train: Train what is not trained yet.
        report: Compare and report what is trained.
        num_resamples: Of the bootstrap.
    """

    dataset: str
    target: str | None = None
    matrix: BenchmarkMatrix
    quick: bool = False
    split_policy: SplitPolicy = "planned"
    num_repetitions: int = 1
    device: str = "cpu"
    num_parallel: int = 1
    overwrite: bool = False
    rows: tuple[str, ...] = ()
    train: bool = True
    report: bool = True
    num_resamples: int = 2000

    @property
    def variant(self) -> str:
        """What keeps this kind of benchmark apart from others of the same target; empty for the usual one."""
        parts = [QUICK] if self.quick else []
        if self.split_policy != "planned":
            parts.append(self.split_policy)
        if self.num_repetitions > 1:
            parts.append(f"{self.num_repetitions}_repetitions")
        return "__".join(parts)


@dataclass(frozen=True, kw_only=True)
class Benchmark:
    """A request with its dataset, folds and folder.

    Attributes:
        request: As asked for.
        workspace: Where everything is.
        dataset: The raw dataset.
        target: Name of what is predicted.
        folder: Where results go.
        folds: Of each repetition.
    """

    request: BenchmarkRequest
    workspace: Workspace
    dataset: RawDataset
    target: str
    folder: BenchmarkFolder
    folds: tuple[tuple[Fold, ...], ...]
    splits_hashes: tuple[str, ...] = field(default_factory=tuple)

    def job(self, row: BenchmarkRow, repetition: int) -> RowJob:
        """One repetition of one row."""
        request, folder = self.request, self.folder.row_folder(row, repetition)
        return RowJob(
            name=row.name,
            workspace=self.workspace,
            folder=folder,
            request=TrainingRequest(
                dataset=self.dataset.folder.name,
                task=row.task,
                configuration=row.configuration,
                target=self.target,
                overrides=(*row.overrides, *(row.quick_overrides if request.quick else ())),
                device=request.device,
                splits_path=self.folder.splits_path(repetition),
                model_path=folder.path,
                model_name=row.name,
            ),
            hide_channels=row.hide_channels,
        )

    def jobs_left(self) -> list[RowJob]:
        """What is asked for and not trained yet."""
        jobs = [self.job(row, repetition) for row in self._rows for repetition in range(len(self.folds))]
        return [job for job in jobs if not job.folder.is_done(hides_channels=job.hide_channels)]

    def throw_away(self) -> None:
        """Removes what is trained of the rows that are asked for."""
        for row in self._rows:
            for repetition in range(len(self.folds)):
                shutil.rmtree(self.folder.row_folder(row, repetition).path, ignore_errors=True)

    @property
    def _rows(self) -> list[BenchmarkRow]:
        wanted = self.request.rows
        return [row for row in self.request.matrix.rows if not wanted or row.name in wanted]


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


def open_benchmark(workspace: Workspace, request: BenchmarkRequest) -> Benchmark:
    """The benchmark with its folds drawn and written; nothing is trained.

    Raises:
        SettingError: A row is asked for that the matrix does not have.
        GlioframeError: The dataset, the plan or the folds are not there.
    """
    request.matrix.check()
    unknown = sorted(set(request.rows) - {row.name for row in request.matrix.rows})
    if unknown:
        raise SettingError(
            "--row",
            expected=f"one of {', '.join(row.name for row in request.matrix.rows)}",
            found=", ".join(unknown),
            fix="Choose a row of the matrix",
        )
    name = workspace.dataset_name(request.dataset)
    dataset = load_raw_dataset(workspace.raw / name)
    target = dataset.description.target(request.target).name
    folder = BenchmarkFolder.of(workspace, name, target=target, variant=request.variant)
    folds = _draw_folds(dataset, PreprocessedFolder.of(workspace, name), request)
    for repetition, own in enumerate(folds):
        save_splits(own, folder.splits_path(repetition))
    return Benchmark(
        request=request,
        workspace=workspace,
        dataset=dataset,
        target=target,
        folder=folder,
        folds=tuple(tuple(own) for own in folds),
        splits_hashes=tuple(splits_hash(own) for own in folds),
    )


def _draw_folds(
    dataset: RawDataset, preprocessed: PreprocessedFolder, request: BenchmarkRequest
) -> Sequence[list[Fold]]:
    """The planned folds first, then others of the same kind; sites can be left out in one way only."""
    planned = preprocessed.folds()
    if request.split_policy == "leave_one_site_out":
        return [make_site_folds(dataset.training_cases)]
    targets = dataset.description.targets
    further = [
        make_folds(
            dataset.training_cases, targets, num_folds=len(planned), seed=derive_seed(0, "repetition", repetition)
        )
        for repetition in range(1, request.num_repetitions)
    ]
    return [planned, *further]


def _outcome(benchmark: Benchmark, row: BenchmarkRow) -> RowOutcome:
    folders = [benchmark.folder.row_folder(row, repetition) for repetition in range(len(benchmark.folds))]
    for folder in folders:
        if folder.shortfall_path.is_file():
            shortfall = load_json(Shortfall, folder.shortfall_path)
            return RowOutcome(row=row.name, status=shortfall.status, reason=shortfall.reason)
        if not folder.is_done(hides_channels=row.hide_channels):
            return RowOutcome(row=row.name, status="not trained", reason="Run the same command again to train it.")
    costs = [load_json(Cost, folder.cost_path) for folder in folders]
    hashes = tuple(folder.model.description().splits_hash for folder in folders)
    if hashes != benchmark.splits_hashes:
        raise TrainingError(
            folders[0].path,
            expected=f"the folds of this benchmark, {benchmark.splits_hashes[0][:12]}",
            found=f"those of an earlier one, {hashes[0][:12]}",
            fix="Pass --overwrite to train every row again",
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
    )
