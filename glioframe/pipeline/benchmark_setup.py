"""A benchmark as asked for, with its dataset, its folds and its folder."""

from __future__ import annotations

import shutil
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Literal

from glioframe.artifacts.raw_dataset import load_raw_dataset
from glioframe.artifacts.splits import save_splits, splits_hash
from glioframe.core.errors import SettingError
from glioframe.core.seeds import derive_seed
from glioframe.dataset.splits import make_folds, make_site_folds
from glioframe.pipeline.benchmark_folder import BenchmarkFolder
from glioframe.pipeline.benchmark_job import RowJob
from glioframe.pipeline.preprocessed_folder import PreprocessedFolder
from glioframe.pipeline.training import TrainingRequest

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from pathlib import Path

    from glioframe.artifacts.benchmark import BenchmarkMatrix, BenchmarkRow
    from glioframe.artifacts.raw_dataset import RawDataset
    from glioframe.artifacts.splits import Fold
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
        pretrained: Weights that pretrained rows start from, by configuration.
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
    pretrained: Mapping[str, Path] = field(default_factory=dict)

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
                pretrained=request.pretrained[row.configuration] if row.pretrained else None,
                splits_path=self.folder.splits_path(repetition),
                model_path=folder.path,
                model_name=row.name,
            ),
            hide_channels=row.hide_channels,
        )

    def jobs_left(self) -> list[RowJob]:
        """What is asked for, applies, and is not trained yet."""
        rows = [row for row in self._rows if not self.lacks_weights(row)]
        jobs = [self.job(row, repetition) for row in rows for repetition in range(len(self.folds))]
        return [job for job in jobs if not job.folder.is_done(hides_channels=job.hide_channels)]

    def lacks_weights(self, row: BenchmarkRow) -> bool:
        """Whether the row starts from pretrained weights, and none are given for its configuration."""
        return row.pretrained and row.configuration not in self.request.pretrained

    def throw_away(self) -> None:
        """Removes what is trained of the rows that are asked for and can be trained again.

        Raises:
            SettingError: A row is to start from weights that lie in what would be removed.
        """
        rows = [row for row in self._rows if not self.lacks_weights(row)]
        folders = [self.folder.row_folder(row, number).path for row in rows for number in range(len(self.folds))]
        for configuration, path in self.request.pretrained.items():
            if any(path.resolve().is_relative_to(folder.resolve()) for folder in folders):
                raise SettingError(
                    f"--overwrite --pretrained {configuration}={path}",
                    expected="weights that lie outside of what is thrown away",
                    found="those of a row of this benchmark",
                    fix="Copy that row's folder elsewhere, or name with --row what is to be trained again",
                )
        for folder in folders:
            shutil.rmtree(folder, ignore_errors=True)

    @property
    def _rows(self) -> list[BenchmarkRow]:
        wanted = self.request.rows
        return [row for row in self.request.matrix.rows if not wanted or row.name in wanted]


def open_benchmark(workspace: Workspace, request: BenchmarkRequest) -> Benchmark:
    """The benchmark with its folds drawn and written; nothing is trained.

    Raises:
        SettingError: A row is asked for that the matrix does not have.
        GlioframeError: The dataset, the plan or the folds are not there.
    """
    request.matrix.check()
    _refuse_unused_weights(request)
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


def _refuse_unused_weights(request: BenchmarkRequest) -> None:
    used = {row.configuration for row in request.matrix.rows if row.pretrained}
    unused = sorted(set(request.pretrained) - used)
    if unused:
        raise SettingError(
            f"--pretrained {unused[0]}=...",
            expected=f"a configuration of a pretrained row: {', '.join(sorted(used)) or 'the matrix has no such row'}",
            found=unused[0],
            fix='Choose one of these, or add a row with "pretrained": true to your own matrix',
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
