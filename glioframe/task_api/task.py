"""The contract of a task plugin: what glioframe asks of it, in the order in which it asks.

A plugin is a final class that implements :class:`Task` and is registered under the entry-point group
``glioframe.tasks``. It owns the science of one task. The folds, the leakage guard, the seed, the device,
checkpoint folders and the evaluation belong to the framework.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import ClassVar, Generic, TypeVar

from glioframe.artifacts.case import PreprocessedCase
from glioframe.artifacts.fingerprint import Fingerprint
from glioframe.artifacts.plan import Plan
from glioframe.core.modality import Modality
from glioframe.task_api.run import Run

SettingsT = TypeVar("SettingsT")


@dataclass(frozen=True, kw_only=True, slots=True)
class Requirements:
    """What a task needs of a dataset; checked before hours are spent.

    Attributes:
        target: Whether it predicts a case-level target.
        lesion_label: Whether every training case needs a lesion label.
        any_modality_of: At least one channel must have one of these modalities; empty for any.
    """

    target: bool = False
    lesion_label: bool = False
    any_modality_of: tuple[Modality, ...] = ()


@dataclass(frozen=True, kw_only=True, slots=True)
class CasePrediction:
    """What a task says of one case.

    Attributes:
        probabilities: One per class of the target, in its order; they sum to 1.
        member_probabilities: The same from each view (mirrored or not) of each ensemble member, for the spread.
    """

    probabilities: tuple[float, ...]
    member_probabilities: tuple[tuple[float, ...], ...] = ()


@dataclass(frozen=True, kw_only=True, slots=True)
class ReportSection:
    """A section that a task adds to the report.

    Attributes:
        title: The heading.
        text: A paragraph of plain text.
        figures_png: Pictures with their captions.
    """

    title: str
    text: str
    figures_png: tuple[tuple[bytes, str], ...] = field(default_factory=tuple)


class Task(ABC, Generic[SettingsT]):
    """A task plugin. Subclasses are final, have no constructor, and take their variants from settings."""

    settings_type: ClassVar[type]
    """A frozen dataclass with a default for every field."""
    description: ClassVar[str]
    """One line for ``glioframe_list_tasks``."""
    accepts_pretrained: ClassVar[bool] = False
    """Whether :meth:`fit` starts from ``run.pretrained``, so that ``--pretrained`` makes sense."""

    @abstractmethod
    def requirements(self) -> Requirements:
        """What the task needs; must not touch any data."""

    def refine_plan(self, plan: Plan, fingerprint: Fingerprint) -> Plan:
        """Changes the plan for this task, with a reason in ``plan.reasons``; by default not at all."""
        return plan

    def check(self, run: Run[SettingsT]) -> None:
        """Refuses what :meth:`fit` would refuse at its start; by default nothing.

        Called before an earlier training is deleted and before anything is written, so it must not take long.
        """

    @abstractmethod
    def fit(self, run: Run[SettingsT]) -> None:
        """Trains one fold from ``run.train_cases`` only, resuming if asked; writes under ``run.folder`` only."""

    @abstractmethod
    def predict(self, run: Run[SettingsT], case: PreprocessedCase) -> CasePrediction:
        """Predicts one case with what :meth:`fit` left in ``run.folder``."""

    @abstractmethod
    def operating_point(self, run: Run[SettingsT]) -> float:
        """The probability of the positive class from which on to call a case positive, fixed by :meth:`fit`."""

    def report(self, runs: Sequence[Run[SettingsT]]) -> Sequence[ReportSection]:
        """What the task adds to the report of its cross-validation; by default nothing."""
        return ()
