"""Every model and baseline under the same folds -> tables, paired tests, report."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Literal

from glioframe.artifacts.benchmark import BenchmarkMatrix, Cost, RowOutcome
from glioframe.artifacts.json_file import load_json
from glioframe.artifacts.raw_dataset import load_raw_dataset
from glioframe.artifacts.splits import save_splits, splits_hash
from glioframe.core.errors import PlanError, TaskError, TrainingError
from glioframe.core.seeds import derive_seed
from glioframe.dataset.splits import make_folds, make_site_folds
from glioframe.pipeline.benchmark_folder import BenchmarkFolder
from glioframe.pipeline.benchmark_job import RowJob
from glioframe.pipeline.benchmark_jobs import Shortfall, run_jobs
from glioframe.pipeline.benchmark_summary import summarize
from glioframe.pipeline.preprocessed_folder import PreprocessedFolder
from glioframe.pipeline.training import TrainingRequest, load_training

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
                overwrite=request.overwrite,
                splits_path=self.folder.splits_path(repetition),
                model_path=folder.path,
                model_name=row.name,
            ),
            hide_channels=row.hide_channels,
        )


def run_benchmark(workspace: Workspace, request: BenchmarkRequest, *, progress: Progress) -> Benchmark:
    """Trains what is not trained yet, then writes tables, metrics and report.

    A row that the dataset or the plan cannot serve is listed with the reason; one that fails does not stop the others.

    Raises:
        TrainingError: No row could be done.
        GlioframeError: The dataset, the plan or the folds are not there.
    """
    request.matrix.check()
    benchmark = _open(workspace, request)
    unfit = _unfit_rows(benchmark)
    jobs = [
        (row, benchmark.job(row, repetition))
        for row in request.matrix.rows
        if row.name not in unfit
        for repetition in range(request.num_repetitions)
    ]
    left = [(row, job) for row, job in jobs if request.overwrite or not _is_done(job)]
    if len(left) < len(jobs):
        progress.note(f"{len(jobs) - len(left)} of {len(jobs)} trainings were done before.")
    fallen = run_jobs(
        [job for _, job in left],
        num_parallel=request.num_parallel,
        num_folds=len(benchmark.folds[0]),
        progress=progress,
    )
    short = {name: Shortfall("not applicable", reason) for name, reason in unfit.items()}
    short |= {left[number][0].name: shortfall for number, shortfall in fallen.items()}
    outcomes = [_outcome(benchmark, row, short.get(row.name)) for row in request.matrix.rows]
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
    return benchmark


def _open(workspace: Workspace, request: BenchmarkRequest) -> Benchmark:
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


def _unfit_rows(benchmark: Benchmark) -> dict[str, str]:
    """Why a row cannot be trained on this dataset with this plan, by its name."""
    unfit = {}
    for row in benchmark.request.matrix.rows:
        try:
            load_training(benchmark.workspace, benchmark.job(row, 0).request)
        except (TaskError, PlanError) as error:
            unfit[row.name] = str(error)
    return unfit


def _is_done(job: RowJob) -> bool:
    """Whether all that the job writes is there. Weights of another plan, folds or settings are refused later."""
    wanted = [job.folder.predictions_path, job.folder.cost_path]
    if job.hide_channels:
        wanted.append(job.folder.channel_subsets_path)
    return all(path.is_file() for path in wanted)


def _outcome(benchmark: Benchmark, row: BenchmarkRow, shortfall: Shortfall | None) -> RowOutcome:
    if shortfall:
        return RowOutcome(row=row.name, status=shortfall.status, reason=shortfall.reason)
    folders = [benchmark.folder.row_folder(row, repetition) for repetition in range(len(benchmark.folds))]
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
