"""``preprocessed/Dataset001_Name``: where planning leaves its artifacts."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from glioframe.artifacts.fingerprint import Fingerprint
from glioframe.artifacts.json_file import load_json
from glioframe.artifacts.plan import Plan
from glioframe.artifacts.splits import Fold, load_splits
from glioframe.core.errors import WorkspaceError

if TYPE_CHECKING:
    from pathlib import Path

    from glioframe.artifacts.plan import Configuration
    from glioframe.core.workspace import Workspace


@dataclass(frozen=True, slots=True)
class PreprocessedFolder:
    """Paths and loaders of one dataset's planning artifacts.

    Attributes:
        path: ``preprocessed/Dataset001_Name``.
    """

    path: Path

    @classmethod
    def of(cls, workspace: Workspace, dataset_name: str) -> PreprocessedFolder:
        """The folder of a dataset; need not exist yet."""
        return cls(workspace.preprocessed / dataset_name)

    @property
    def preflight_path(self) -> Path:
        """Where ``glioframe_check_dataset`` writes."""
        return self.path / "preflight.json"

    @property
    def fingerprint_path(self) -> Path:
        """Where the fingerprint is."""
        return self.path / "dataset_fingerprint.json"

    @property
    def plan_path(self) -> Path:
        """Where the plan is."""
        return self.path / "plans.json"

    @property
    def splits_path(self) -> Path:
        """Where the folds are."""
        return self.path / "splits_final.json"

    def cases_folder(self, configuration: Configuration) -> Path:
        """Where the preprocessed cases of a configuration are."""
        return self.path / configuration.data_identifier

    def fingerprint(self) -> Fingerprint:
        """Reads the fingerprint."""
        return load_json(Fingerprint, self.fingerprint_path)

    def plan(self) -> Plan:
        """Reads the plan."""
        return load_json(Plan, self.plan_path)

    def folds(self) -> list[Fold]:
        """Reads the folds."""
        self._check_planned()
        return load_splits(self.splits_path)

    def _check_planned(self) -> None:
        if not self.plan_path.is_file():
            raise WorkspaceError(
                self.plan_path,
                expected="a planned and preprocessed dataset",
                found="no plan",
                fix="Run glioframe_plan_and_preprocess first",
            )
