"""``results/Dataset001_Name/<task>__<plans>__<configuration>``: a model, its folds, and what it was made from."""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, ClassVar, Literal

from glioframe.artifacts.dataset import DatasetDescription, load_dataset_description
from glioframe.artifacts.json_file import STRICT, load_json, read_json
from glioframe.artifacts.plan import Plan
from glioframe.artifacts.splits import Fold, load_splits
from glioframe.core.errors import PredictionError
from glioframe.core.provenance import Provenance

if TYPE_CHECKING:
    from pathlib import Path

    from glioframe.core.workspace import Workspace


@dataclass(frozen=True, kw_only=True, slots=True)
class ModelDescription:
    """``model.json``: which task was trained how. Equal files mean that folds belong together.

    Attributes:
        schema_version: Of this file.
        task: Name of the plugin.
        configuration: Name of the configuration in ``plans.json`` beside it.
        target: What it predicts; empty for none.
        settings: The task's settings.
        splits_hash: SHA-256 of the folds.
        plan_hash: SHA-256 of the effective plan.
        pretrained: SHA-256 of what the encoders started from; empty for a random start.
        provenance: Where the file comes from.
    """

    __pydantic_config__: ClassVar[dict[str, Any]] = STRICT
    schema_version: Literal[1] = 1
    task: str
    configuration: str
    target: str
    settings: dict[str, Any]
    splits_hash: str
    plan_hash: str
    pretrained: str = ""
    provenance: Provenance = field(default_factory=Provenance)


@dataclass(frozen=True, slots=True)
class ModelFolder:
    """Paths and loaders of one model.

    Attributes:
        path: The folder.
    """

    path: Path

    @classmethod
    def of(
        cls, workspace: Workspace, description: DatasetDescription, plan: Plan, *, task: str, names: tuple[str, str]
    ) -> ModelFolder:
        """The folder for (configuration, target) ``names``; the target is part of it where there are several."""
        configuration, target = names
        parts = [task, plan.plans_name, configuration]
        if len(description.targets) > 1 and target:
            parts.append(target)
        return cls(workspace.results / description.name / "__".join(parts))

    @property
    def plan_path(self) -> Path:
        """The effective plan: refined by the task and overridden by the user."""
        return self.path / "plans.json"

    @property
    def model_path(self) -> Path:
        """The description of the model."""
        return self.path / "model.json"

    @property
    def dataset_path(self) -> Path:
        """A copy of the raw dataset's description."""
        return self.path / "dataset.json"

    @property
    def fingerprint_path(self) -> Path:
        """A copy of the dataset's fingerprint."""
        return self.path / "dataset_fingerprint.json"

    @property
    def splits_path(self) -> Path:
        """A copy of the folds."""
        return self.path / "splits_final.json"

    @property
    def image_hashes_path(self) -> Path:
        """Case id by SHA-256 of each training image."""
        return self.path / "training_images.json"

    @property
    def environment_path(self) -> Path:
        """Versions and machine."""
        return self.path / "environment.json"

    @property
    def crossval_folder(self) -> Path:
        """The cross-validated predictions, metrics and report."""
        return self.path / "crossval"

    def fold_folder(self, fold: int) -> Path:
        """The folder of one fold."""
        return self.path / f"fold_{fold}"

    def validation_path(self, fold: int) -> Path:
        """The fold's predictions of its validation cases."""
        return self.fold_folder(fold) / "validation" / "predictions.tsv"

    def trained_folds(self) -> list[int]:
        """The folds that were trained to the end and validated."""
        folders = self.path.glob("fold_*") if self.path.is_dir() else []
        numbers = sorted(int(folder.name[5:]) for folder in folders if folder.name[5:].isdigit())
        return [number for number in numbers if self.validation_path(number).is_file()]

    def plan(self) -> Plan:
        """Reads the effective plan."""
        return load_json(Plan, self.plan_path)

    def description(self) -> ModelDescription:
        """Reads the model's description.

        Raises:
            PredictionError: The folder holds no model.
        """
        if not self.model_path.is_file():
            raise PredictionError(
                self.path, expected="a trained model", found="no model.json", fix="Train it with glioframe_train"
            )
        return load_json(ModelDescription, self.model_path)

    def dataset(self) -> DatasetDescription:
        """Reads the copy of the dataset's description."""
        return load_dataset_description(self.dataset_path, name=self.plan().dataset_name)

    def folds(self) -> list[Fold]:
        """Reads the copy of the folds."""
        return load_splits(self.splits_path)

    def training_images(self) -> dict[str, str]:
        """Reads the case id by SHA-256 of each training image."""
        return load_json(dict[str, str], self.image_hashes_path)

    def environment(self) -> dict[str, str]:
        """Reads versions and machine."""
        return {str(key): str(value) for key, value in read_json(self.environment_path).items()}


def settings_as_json(settings: object) -> dict[str, Any]:
    """A task's settings as parsed JSON."""
    from glioframe.artifacts.json_file import to_json

    content = json.loads(to_json(settings))
    return dict(content)
