"""A training as asked for, and the same with everything that it names loaded and checked."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any

from glioframe.artifacts.case import load_preprocessed_case
from glioframe.task_api.run import Run
from glioframe.training.memory_fallback import as_trained

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from pathlib import Path

    from glioframe.artifacts.cases import Case
    from glioframe.artifacts.dataset import Target
    from glioframe.artifacts.plan import Configuration, Plan
    from glioframe.artifacts.pretrained import PretrainedEncoder
    from glioframe.artifacts.raw_dataset import RawDataset
    from glioframe.artifacts.splits import Fold
    from glioframe.core.progress import Progress
    from glioframe.pipeline.model_folder import ModelFolder
    from glioframe.pipeline.preprocessed_folder import PreprocessedFolder
    from glioframe.task_api.task import Task


@dataclass(frozen=True, kw_only=True, slots=True)
class TrainingRequest:
    """What to train.

    Attributes:
        dataset: Id or folder name.
        task: Name of the plugin.
        configuration: Name of the configuration in the plan.
        folds: Numbers of the folds; None for all.
        target: Column to predict; None where only one is declared.
        overrides: ``section.key=value``.
        device: ``cpu``, ``cuda``, ...
        resume: Go on where an interrupted run stopped.
        overwrite: Throw an earlier run away.
        pretrained: Model folder, fold folder or file of weights that the encoder starts from; None to start at random.
        report: Evaluate and report once every fold is trained.
        splits_path: Folds to use instead of the planned ones; None for these.
        model_path: Folder of the model; None for the one that task, plan and configuration name.
        model_name: Of the model in tables; empty for ``task/configuration``.
    """

    dataset: str
    task: str
    configuration: str
    folds: tuple[int, ...] | None = None
    target: str | None = None
    overrides: Sequence[str] = field(default_factory=tuple)
    device: str = "cpu"
    resume: bool = False
    overwrite: bool = False
    pretrained: Path | None = None
    report: bool = True
    splits_path: Path | None = None
    model_path: Path | None = None
    model_name: str = ""


@dataclass(frozen=True, kw_only=True, slots=True)
class PretrainedEncoders:
    """What the folds of one training start from.

    Attributes:
        source: SHA-256 that tells one source from another; empty for none.
        by_fold: The weights of each fold that is asked for.
    """

    source: str = ""
    by_fold: Mapping[int, PretrainedEncoder] = field(default_factory=dict)


@dataclass(frozen=True, kw_only=True)
class Training:
    """A request with everything that it names loaded and checked."""

    request: TrainingRequest
    dataset: RawDataset
    task: Task[Any]
    settings: Any
    target: Target | None
    plan: Plan
    configuration: Configuration
    folds: list[Fold]
    model: ModelFolder
    preprocessed: PreprocessedFolder
    pretrained: PretrainedEncoders = field(default_factory=PretrainedEncoders)

    @property
    def model_name(self) -> str:
        """The name of the model in tables: ``recurrence_classifier/3d_cnn``, unless the request gives another."""
        return self.request.model_name or f"{self.request.task}/{self.configuration.name}"

    def run(self, fold: int, *, progress: Progress) -> Run[Any]:
        """What the task gets for one fold; of one that ran out of memory, with what it ended on."""
        by_id = {case.case_id: case for case in self.dataset.training_cases}
        split = self.folds[fold]
        planned: Run[Any] = Run(
            folder=self.model.fold_folder(fold),
            dataset=self.dataset.description,
            plan=self.plan,
            configuration=self.configuration,
            settings=self.settings,
            target=self.target,
            fold=fold,
            train_cases=self.training_cases(fold),
            val_cases=[replace(by_id[case_id], targets={}) for case_id in split.val],
            other_cases=[replace(case, targets={}) for case in self.dataset.external_cases],
            preprocessed_folder=self.preprocessed.cases_folder(self.configuration),
            device=self.request.device,
            resume=self.request.resume and self.model.fold_folder(fold).is_dir(),
            pretrained=self.pretrained.by_fold.get(fold),
            progress=progress,
        )
        return as_trained(planned)

    def training_cases(self, fold: int) -> list[Case]:
        """The cases that a fold learns from: those whose target is known, if there is one."""
        cases = [case for case in self.dataset.training_cases if case.case_id in set(self.folds[fold].train)]
        if self.target is None:
            return cases
        return [case for case in cases if case.targets.get(self.target.name) is not None]

    def image_hashes(self) -> dict[str, str]:
        """Case id by SHA-256 of each training image, by which a model knows its training cases again."""
        return _image_hashes(self.dataset.training_cases, self.preprocessed.cases_folder(self.configuration))

    def external_image_hashes(self) -> dict[str, str]:
        """Case id by SHA-256 of each image of the external cases."""
        return _image_hashes(self.dataset.external_cases, self.preprocessed.cases_folder(self.configuration))


def _image_hashes(cases: Sequence[Case], folder: Path) -> dict[str, str]:
    """Without sidecars: two scans by one protocol may have equal ones."""
    return {
        digest: case.case_id
        for case in cases
        for name, digest in load_preprocessed_case(folder, case.case_id).properties.provenance.inputs.items()
        if name.startswith("images") and not name.endswith(".json")
    }
