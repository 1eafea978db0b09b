"""Raw dataset -> preflight -> fingerprint -> plan -> folds -> preprocessed cases."""

from __future__ import annotations

import shutil
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from glioframe.artifacts.dataset import load_dataset_description
from glioframe.artifacts.json_file import load_json, save_json, to_json
from glioframe.artifacts.plan import Plan, plan_hash
from glioframe.artifacts.raw_dataset import load_raw_dataset
from glioframe.artifacts.splits import check_folds, load_splits, save_splits
from glioframe.core.errors import ArtifactError, DatasetError
from glioframe.core.files import sha256_of_file, sha256_of_text
from glioframe.core.modality import Modality
from glioframe.core.provenance import Provenance
from glioframe.dataset.splits import make_folds
from glioframe.fingerprint.extract import extract_fingerprint
from glioframe.pet.protocol import find_protocol
from glioframe.pipeline.check import check
from glioframe.pipeline.preprocessed_folder import PreprocessedFolder
from glioframe.planning.planner import plan_dataset
from glioframe.preprocessing.dataset import preprocess_dataset
from glioframe.training.memory import predict_planned_memory

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from glioframe.artifacts.fingerprint import Fingerprint
    from glioframe.artifacts.protocol import Protocol
    from glioframe.artifacts.raw_dataset import RawDataset
    from glioframe.core.progress import Progress
    from glioframe.core.workspace import Workspace
    from glioframe.planning.budget import Budget

COMMAND = "glioframe_plan_and_preprocess"
_RAW_KEY = "raw"


@dataclass(frozen=True, kw_only=True, slots=True)
class PlanningRequest:
    """What to plan.

    Attributes:
        dataset: Id or folder name.
        configurations: Names of the configurations to plan and preprocess.
        budget: The memory to plan for.
        num_workers: Cases handled at a time.
        protocol: Name of a shipped PET protocol or path of one's own; empty for the one that dataset.json names.
        keep_plan: Use ``plans.json`` as it stands, e.g. after editing it by hand.
        preprocess: Whether to go on to preprocessing.
    """

    dataset: str
    configurations: Sequence[str]
    budget: Budget
    num_workers: int = 2
    protocol: str = ""
    keep_plan: bool = False
    preprocess: bool = True


def plan_and_preprocess(workspace: Workspace, request: PlanningRequest, *, progress: Progress) -> Plan:
    """Runs every step from the raw dataset to preprocessed cases, each only where its input changed.

    Raises:
        DatasetError: The preflight found errors.
        GlioframeError: Any step's own, see there.
    """
    name = workspace.dataset_name(request.dataset)
    folder = PreprocessedFolder.of(workspace, name)
    raw_folder = workspace.raw / name
    protocol = _protocol(raw_folder, request, folder)
    raw_hash = _hash_of_folder(raw_folder, protocol)
    fingerprint = _known_fingerprint(folder, raw_hash)
    if fingerprint is None:
        _refuse_faulty_dataset(workspace, request, progress)
    dataset = load_raw_dataset(raw_folder)
    if fingerprint is None:
        fingerprint = extract_fingerprint(
            dataset, protocol=protocol, num_workers=request.num_workers, progress=progress
        )
        fingerprint = replace(fingerprint, provenance=Provenance(command=COMMAND, inputs={_RAW_KEY: raw_hash}))
        save_json(fingerprint, folder.fingerprint_path)
    if request.keep_plan:
        plan = folder.plan()
    else:
        plan = _plan(dataset, fingerprint, request, folder, protocol=protocol, progress=progress)
    _write_folds(dataset, plan, folder, progress)
    if request.preprocess:
        _preprocess(dataset, plan, request, folder, progress)
    return plan


def _protocol(raw_folder: Path, request: PlanningRequest, folder: PreprocessedFolder) -> Protocol | None:
    """The protocol of a dataset with dynamic PET: of a plan that is kept, of the request, or of dataset.json."""
    try:
        description = load_dataset_description(raw_folder / "dataset.json")
    except (ArtifactError, DatasetError):
        return None  # the preflight says what is wrong with it
    if all(channel.modality != Modality.PET_DYNAMIC for channel in description.channels):
        return None
    if request.keep_plan:
        kept = folder.plan().dynamic_pet
        return kept.protocol if kept else None
    name = request.protocol or description.protocol
    return find_protocol(name) if name else None


def _refuse_faulty_dataset(workspace: Workspace, request: PlanningRequest, progress: Progress) -> None:
    preflight = check(workspace, request.dataset, num_workers=request.num_workers, progress=progress)
    if preflight.errors:
        first = preflight.errors[0]
        raise DatasetError(
            preflight.dataset_name,
            expected="a dataset without errors",
            found=f"{len(preflight.errors)} errors, the first in {first.where}: {first.message}",
            fix=f"Mend what glioframe_check_dataset -d {request.dataset} lists",
        )
    if preflight.warnings:
        progress.note(f"{len(preflight.warnings)} warnings; glioframe_check_dataset -d {request.dataset} lists them.")


def _known_fingerprint(folder: PreprocessedFolder, raw_hash: str) -> Fingerprint | None:
    try:
        fingerprint = folder.fingerprint()
    except ArtifactError:
        return None
    return fingerprint if fingerprint.provenance.inputs.get(_RAW_KEY) == raw_hash else None


def _plan(
    dataset: RawDataset,
    fingerprint: Fingerprint,
    request: PlanningRequest,
    folder: PreprocessedFolder,
    *,
    protocol: Protocol | None,
    progress: Progress,
) -> Plan:
    plan = plan_dataset(
        fingerprint,
        dataset.description,
        budget=request.budget,
        protocol=protocol,
        configurations=request.configurations,
        estimate_memory=predict_planned_memory,
    )
    inputs = {folder.fingerprint_path.name: sha256_of_file(folder.fingerprint_path)}
    plan = replace(plan, provenance=Provenance(command=COMMAND, inputs=inputs))
    if folder.plan_path.is_file() and _differs(folder, plan):
        previous = folder.path / "plans.previous.json"
        shutil.copyfile(folder.plan_path, previous)
        progress.note(f"The plan changed; the one before is kept in {previous}.")
    save_json(plan, folder.plan_path)
    return plan


def _differs(folder: PreprocessedFolder, plan: Plan) -> bool:
    try:
        return plan_hash(load_json(Plan, folder.plan_path)) != plan_hash(plan)
    except ArtifactError:
        return True


def _write_folds(dataset: RawDataset, plan: Plan, folder: PreprocessedFolder, progress: Progress) -> None:
    """Folds that still fit the training cases are kept, so that models stay comparable across plans."""
    own = dataset.folder / "splits_final.json"
    if own.is_file():
        folds = load_splits(own)
        check_folds(folds, dataset.training_cases, where=own)
        save_splits(folds, folder.splits_path)
        return
    if folder.splits_path.is_file():
        if _still_fit(folder, dataset, plan):
            return
        progress.note("The training cases, their subjects or the number of folds changed: new folds are drawn.")
    folds = make_folds(dataset.training_cases, dataset.description.targets, num_folds=plan.num_folds)
    save_splits(folds, folder.splits_path)


def _still_fit(folder: PreprocessedFolder, dataset: RawDataset, plan: Plan) -> bool:
    try:
        folds = folder.folds()
        check_folds(folds, dataset.training_cases, where=folder.splits_path)
    except ArtifactError:
        return False
    return len(folds) == plan.num_folds


def _preprocess(
    dataset: RawDataset, plan: Plan, request: PlanningRequest, folder: PreprocessedFolder, progress: Progress
) -> None:
    done_identifiers: set[str] = set()
    for name in request.configurations:
        configuration = plan.configuration(name)
        if configuration.data_identifier in done_identifiers:
            continue
        done_identifiers.add(configuration.data_identifier)
        summary = preprocess_dataset(
            dataset,
            plan,
            configuration,
            folder.cases_folder(configuration),
            num_workers=request.num_workers,
            progress=progress,
        )
        progress.note(f"{name}: {len(summary.done)} cases preprocessed, {len(summary.skipped)} were up to date.")


def _hash_of_folder(folder: Path, protocol: Protocol | None) -> str:
    names = ["dataset.json", "cases.tsv"]
    images = sorted([*folder.glob("imagesTr/*"), *folder.glob("labelsTr/*")])
    paths = [path for path in (*(folder / name for name in names), *images) if path.is_file()]
    lines = [f"{path.relative_to(folder)} {sha256_of_file(path)}" for path in paths]
    return sha256_of_text("\n".join([*lines, *([] if protocol is None else [to_json(protocol)])]))
