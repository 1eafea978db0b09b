"""What the framework hands a task for one fold."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Generic, TypeVar

from glioframe.artifacts.cases import Case
from glioframe.artifacts.dataset import DatasetDescription, Target
from glioframe.artifacts.plan import Configuration, Plan
from glioframe.artifacts.pretrained import PretrainedEncoder
from glioframe.core.errors import TaskError
from glioframe.core.progress import Progress, SilentProgress

SettingsT = TypeVar("SettingsT")


@dataclass(frozen=True, kw_only=True)
class Run(Generic[SettingsT]):
    """One fold of one task on one dataset.

    Attributes:
        folder: ``.../fold_k``: the only folder that the task may write to. Of a fold's networks, each but the first has
            its own, ``.../fold_k/member_m``.
        dataset: The raw dataset's description.
        plan: The plan, as refined by the task and by ``--set``.
        configuration: The one trained here.
        settings: The task's settings.
        target: What is predicted; None for a task without a target.
        fold: Number of the fold.
        member: Number of the network, of those that the fold trains.
        train_cases: To learn from; with a target, only those whose target is known.
        val_cases: To watch nothing but the framework's own validation with; a task must not read their targets.
        other_cases: Further cases to predict, external or new ones, for their covariates; without targets.
        preprocessed_folder: Where the preprocessed cases are.
        device: ``cpu``, ``cuda``, ``cuda:1``, ``mps``.
        resume: Whether to go on from the latest checkpoint.
        pretrained: Weights that the encoder starts from; None to start at random. Given to tasks that accept them.
        progress: Where to show how far the work is.
    """

    folder: Path
    dataset: DatasetDescription
    plan: Plan
    configuration: Configuration
    settings: SettingsT
    target: Target | None
    fold: int
    train_cases: Sequence[Case]
    val_cases: Sequence[Case]
    preprocessed_folder: Path
    member: int = 0
    other_cases: Sequence[Case] = ()
    device: str = "cpu"
    resume: bool = False
    pretrained: PretrainedEncoder | None = None
    progress: Progress = field(default_factory=SilentProgress)

    @property
    def name(self) -> str:
        """What it is called in notes and figures: ``fold 0``; of several networks in a fold, the member too."""
        of_several = self.configuration.training.num_members > 1
        return f"fold {self.fold}, member {self.member}" if of_several else f"fold {self.fold}"

    @property
    def cache_folder(self) -> Path:
        """Where a task may keep what it computed from one preprocessed case alone, for other folds and runs.

        Files are named by a hash of all that decides their content, and may be deleted at any time.
        """
        return self.preprocessed_folder / "cache"

    @property
    def required_target(self) -> Target:
        """The target, for a task that cannot do without.

        Raises:
            TaskError: The run has none.
        """
        if self.target is None:
            raise TaskError(
                self.folder,
                expected="a target to predict",
                found="none",
                fix="Pass --target with a declared name",
            )
        return self.target

    def class_indices(self) -> Mapping[str, int]:
        """Class index of every training case by case id."""
        target = self.required_target
        known = {case.case_id: case.targets.get(target.name) for case in self.train_cases}
        return {case_id: target.class_index(value) for case_id, value in known.items() if value is not None}

    def find_case(self, case_id: str) -> Case | None:
        """The row of a case, for its site and its covariates; None for a case that came without a table."""
        every = (*self.train_cases, *self.val_cases, *self.other_cases)
        return next((case for case in every if case.case_id == case_id), None)
