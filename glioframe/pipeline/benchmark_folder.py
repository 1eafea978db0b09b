"""``results/Dataset001_Name/benchmark/<target>/``: where a benchmark keeps everything."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from glioframe.pipeline.model_folder import ModelFolder

if TYPE_CHECKING:
    from pathlib import Path

    from glioframe.artifacts.benchmark import BenchmarkRow
    from glioframe.core.workspace import Workspace


@dataclass(frozen=True, slots=True)
class BenchmarkFolder:
    """Paths of one benchmark.

    Attributes:
        path: The folder.
    """

    path: Path

    @classmethod
    def of(cls, workspace: Workspace, dataset_name: str, *, target: str, variant: str) -> BenchmarkFolder:
        """The folder for a target; a variant (a smoke run, another split policy) has one of its own."""
        name = f"{target}__{variant}" if variant else target
        return cls(workspace.results / dataset_name / "benchmark" / name)

    @property
    def table_path(self) -> Path:
        """One line per row of the matrix."""
        return self.path / "table.tsv"

    @property
    def comparisons_path(self) -> Path:
        """One line per pair of models."""
        return self.path / "comparisons.tsv"

    @property
    def metrics_path(self) -> Path:
        """Every metric of every model."""
        return self.path / "metrics.json"

    @property
    def predictions_path(self) -> Path:
        """Every model's prediction of every case, repetitions averaged."""
        return self.path / "predictions.tsv"

    @property
    def channel_subsets_path(self) -> Path:
        """Predictions of the validation cases with channels hidden."""
        return self.path / "channel_subsets.tsv"

    @property
    def report_path(self) -> Path:
        """The page."""
        return self.path / "report.html"

    @property
    def checklist_path(self) -> Path:
        """The draft of the reporting checklists."""
        return self.path / "checklist.md"

    def splits_path(self, repetition: int) -> Path:
        """The folds of one repetition."""
        return self.path / "splits" / f"repetition_{repetition}.json"

    def row_folder(self, row: BenchmarkRow, repetition: int) -> RowFolder:
        """Where one repetition of a row is trained."""
        return RowFolder(self.path / "rows" / row.folder_name / f"repetition_{repetition}")


@dataclass(frozen=True, slots=True)
class RowFolder:
    """A model folder, and what the benchmark adds to it.

    Attributes:
        path: The folder.
    """

    path: Path

    @property
    def model(self) -> ModelFolder:
        """The model trained in it."""
        return ModelFolder(self.path)

    @property
    def predictions_path(self) -> Path:
        """Of the cross-validation and of external cases."""
        return self.model.crossval_folder / "predictions.tsv"

    @property
    def channel_subsets_path(self) -> Path:
        """Of the validation cases with channels hidden."""
        return self.path / "channel_subsets.tsv"

    @property
    def cost_path(self) -> Path:
        """What it took."""
        return self.path / "cost.json"

    @property
    def shortfall_path(self) -> Path:
        """Why it is not done; absent where it is, or was never tried."""
        return self.path / "shortfall.json"

    def is_done(self, *, hides_channels: bool) -> bool:
        """Whether all that a training writes is there. What another plan or other folds made is refused later."""
        wanted = [self.predictions_path, self.cost_path]
        return all(path.is_file() for path in (*wanted, *([self.channel_subsets_path] if hides_channels else [])))

    @property
    def log_path(self) -> Path:
        """What the process said."""
        return self.path / "log.txt"

    def num_trained_folds(self) -> int:
        """Folds that are trained and validated."""
        return len(self.model.trained_folds())
