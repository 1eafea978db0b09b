"""Ensemble prediction of new cases with the folds of a trained model."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any

from glioframe.artifacts.cases import Case, Split, load_cases
from glioframe.artifacts.evaluation import save_evaluation
from glioframe.artifacts.json_file import load_json, parse
from glioframe.artifacts.prediction import PredictionRow, save_predictions
from glioframe.artifacts.raw_dataset import CaseFiles, find_case_files
from glioframe.core.errors import PredictionError
from glioframe.core.files import sha256_of_file
from glioframe.core.provenance import Provenance
from glioframe.evaluation.evaluate import evaluate
from glioframe.inference.ensemble import ensemble
from glioframe.pipeline.model_folder import ModelDescription, ModelFolder
from glioframe.pipeline.notices import notices_for
from glioframe.pipeline.predictions import prediction_rows
from glioframe.pipeline.wording import some
from glioframe.preprocessing.case import preprocess_case
from glioframe.reporting.report import ReportContent, write_report
from glioframe.task_api.registry import load_task
from glioframe.task_api.run import Run
from glioframe.training.memory_fallback import as_trained

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from glioframe.artifacts.case import PreprocessedCase
    from glioframe.artifacts.dataset import DatasetDescription, Target
    from glioframe.artifacts.plan import Plan
    from glioframe.artifacts.splits import Fold
    from glioframe.core.progress import Progress
    from glioframe.core.workspace import Workspace
    from glioframe.task_api.task import Task

COMMAND = "glioframe_predict"
_EXTERNAL: Split = "external"
_TRAIN: Split = "train"


@dataclass(frozen=True, kw_only=True, slots=True)
class PredictionRequest:
    """What to predict.

    Attributes:
        images: Folder of images named as in a raw dataset, ``CASE_0000.nii.gz``.
        output: Folder for predictions.tsv, metrics.json and report.html.
        model: The model folder.
        labels: Folder of lesion labels, ``CASE.nii.gz``; needed for a lesion-centered field of view.
        cases: A cases.tsv with subject, site and reference; None treats each case as its own subject.
        folds: Folds to average; empty for every trained one.
        device: ``cpu``, ``cuda``, ...
    """

    images: Path
    output: Path
    model: ModelFolder
    labels: Path | None = None
    cases: Path | None = None
    folds: Sequence[int] = field(default_factory=tuple)
    device: str = "cpu"


@dataclass(frozen=True, kw_only=True)
class _Ensemble:
    task: Task[Any]
    runs: list[Run[Any]]
    target: Target
    name: str
    folds: list[Fold]
    training_images: dict[str, str]

    def predict(self, case: Case, preprocessed: PreprocessedCase) -> list[PredictionRow]:
        """The mean of all folds for a new case; the fold that held it out for a case of the training."""
        trained_as = self._training_case(preprocessed)
        if trained_as is None:
            runs, fold, split = self.runs, None, _EXTERNAL
        else:
            fold = next(index for index, folds in enumerate(self.folds) if trained_as in folds.val)
            runs, split = [run for run in self.runs if run.fold == fold], _TRAIN
        if not runs:
            raise PredictionError(
                f"case {case.case_id}",
                expected="a case that the chosen folds have not learned from",
                found=f"training case {trained_as}",
                fix=f"Leave it out, or add fold {fold}, which held it out, with -f",
            )
        points = [self.task.operating_point(run) for run in runs]
        return prediction_rows(
            replace(case, split=split),
            ensemble([self.task.predict(run, preprocessed) for run in runs]),
            self.target,
            model=self.name,
            fold=fold,
            operating_point=sum(points) / len(points),
        )

    def _training_case(self, preprocessed: PreprocessedCase) -> str | None:
        """A training case is known by its images, whatever it is called now."""
        hashes = preprocessed.properties.provenance.inputs.values()
        return next((self.training_images[digest] for digest in hashes if digest in self.training_images), None)


def predict(request: PredictionRequest, *, progress: Progress) -> list[PredictionRow]:
    """Preprocesses and predicts every case in ``request.images``; draws a report.

    Raises:
        PredictionError: No model, no image, or a fold that was not trained.
        ImageError: An image cannot be read.
    """
    model = request.model
    description = model.description()
    dataset = model.dataset()
    known = {case.case_id: case for case in load_cases(request.cases, dataset)} if request.cases else {}
    members = _load_ensemble(request, description, dataset, list(known.values()), progress)
    files = _find_cases(request.images, request.labels, dataset)
    _check_labels(request, files, model.plan(), members.task)
    plan = model.plan()
    configuration = plan.configuration(description.configuration)
    preprocessed_folder = request.output / "preprocessed"
    rows: list[PredictionRow] = []
    for case_files in progress.track(files, step="predict", total=len(files)):
        preprocessed = preprocess_case(case_files, dataset, plan, configuration, preprocessed_folder)
        case = known.get(case_files.case_id) or Case(
            case_id=case_files.case_id, subject_id=case_files.case_id, split="external"
        )
        rows += members.predict(case, preprocessed)
    known_again = sorted({row.case_id for row in rows if row.split == "train"})
    if known_again:
        progress.note(f"Trained on, and so predicted only by the fold that held them out: {some(known_again)}.")
    _write(request, rows, dataset, preprocessed_folder)
    return rows


def _load_ensemble(
    request: PredictionRequest,
    description: ModelDescription,
    dataset: DatasetDescription,
    cases: Sequence[Case],
    progress: Progress,
) -> _Ensemble:
    model = request.model
    trained = model.trained_folds()
    folds = list(request.folds) or trained
    missing = sorted(set(folds) - set(trained))
    if missing or not folds:
        raise PredictionError(
            model.path,
            expected=f"trained folds {', '.join(map(str, folds)) or '(any)'}",
            found=f"trained: {', '.join(map(str, trained)) or 'none'}",
            fix="Train the missing folds, or choose others with -f",
        )
    task = load_task(description.task)
    if not description.target:
        raise PredictionError(
            model.path, expected="a task that predicts a target", found=description.task, fix="Choose another model"
        )
    plan = model.plan()
    target = dataset.target(description.target)
    runs: list[Run[Any]] = [
        as_trained(
            Run(
                folder=model.fold_folder(fold),
                dataset=dataset,
                plan=plan,
                configuration=plan.configuration(description.configuration),
                settings=parse(task.settings_type, description.settings, where=model.model_path),
                target=target,
                fold=fold,
                train_cases=(),
                val_cases=(),
                other_cases=[replace(case, targets={}) for case in cases],
                preprocessed_folder=request.output / "preprocessed",
                device=request.device,
                progress=progress,
            )
        )
        for fold in folds
    ]
    return _Ensemble(
        task=task,
        runs=runs,
        target=target,
        name=f"{description.task}/{description.configuration}",
        folds=model.folds(),
        training_images=model.training_images(),
    )


def _find_cases(images: Path, labels: Path | None, dataset: DatasetDescription) -> list[CaseFiles]:
    for folder in (images, labels):
        if folder is not None and not folder.is_dir():
            raise PredictionError(folder, expected="a folder", found="none", fix="Correct the path")
    ending = dataset.file_ending
    tails = {f"_{index:04d}{ending}" for index in range(dataset.num_channels)}
    names = [path.name for path in images.glob(f"*{ending}")]
    tail_length = len(f"_0000{ending}")
    case_ids = sorted({name[:-tail_length] for name in names if name[-tail_length:] in tails})
    if not case_ids:
        raise PredictionError(
            images,
            expected=f"images named like CASE_0000{ending} with channels {', '.join(c.name for c in dataset.channels)}",
            found=f"{len(names)} files ending in {ending}, none of that form",
            fix="Name the files by nnU-Net's rule, or correct -i",
        )
    return [find_case_files(case_id, dataset, images_folder=images, labels_folder=labels) for case_id in case_ids]


def _check_labels(request: PredictionRequest, files: Sequence[CaseFiles], plan: Plan, task: Task[Any]) -> None:
    unlabelled = [case.case_id for case in files if case.label is None]
    needs_lesion = task.requirements().lesion_label or plan.field_of_view.kind == "lesion_centered"
    if needs_lesion and unlabelled:
        raise PredictionError(
            request.labels or request.images,
            expected="a lesion label for every case, because the model looks at the lesion's surroundings",
            found=f"none for {some(unlabelled)}",
            fix="Give the folder that holds the labels, named like CASE.nii.gz, with --labels",
        )


def _write(
    request: PredictionRequest, rows: Sequence[PredictionRow], dataset: DatasetDescription, preprocessed_folder: Path
) -> None:
    path = request.output / "predictions.tsv"
    save_predictions(rows, path)
    provenance = Provenance(command=COMMAND, inputs={"predictions.tsv": sha256_of_file(path)})
    evaluation = evaluate(rows, provenance=provenance)
    save_evaluation(evaluation, request.output / "metrics.json")
    plan = request.model.plan()
    content = ReportContent(
        title=f"{rows[0].target}: {rows[0].model}, predictions of new cases",
        rows=rows,
        evaluation=evaluation,
        plan=plan,
        configuration_name=request.model.description().configuration,
        description=dataset,
        environment=request.model.environment(),
        preprocessed_folder=preprocessed_folder,
        notices=notices_for(dataset),
    )
    write_report(content, request.output / "report.html")


def find_model(workspace: Workspace, *, dataset: str, task: str, configuration: str, target: str | None) -> ModelFolder:
    """The model folder for a dataset, task, configuration and target.

    Raises:
        PredictionError: There is none, or more than one.
    """
    root = workspace.results / workspace.dataset_name(dataset)
    found = [
        ModelFolder(path.parent)
        for path in sorted(root.glob(f"{task}__*/model.json"))
        if _is(load_json(ModelDescription, path), task, configuration, target)
    ]
    if len(found) != 1:
        raise PredictionError(
            root,
            expected=f"one model of {task} with {configuration}" + (f" for {target}" if target else ""),
            found=", ".join(model.path.name for model in found) or "none",
            fix="Train it first, correct the task's name, or name its target with --target",
        )
    return found[0]


def _is(model: ModelDescription, task: str, configuration: str, target: str | None) -> bool:
    return model.task == task and model.configuration == configuration and target in (None, model.target)
