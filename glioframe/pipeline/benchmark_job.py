"""One row of a benchmark in a process of its own: trained, validated, reported, and its cost written down."""

from __future__ import annotations

import contextlib
import os
import time
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from glioframe.artifacts.benchmark import Cost, Shortfall
from glioframe.artifacts.case import PreprocessedCase, load_preprocessed_case
from glioframe.artifacts.json_file import load_json, save_json
from glioframe.artifacts.prediction import save_predictions
from glioframe.core.errors import ArtifactError, GlioframeError, PlanError, TaskError
from glioframe.core.modality import Modality
from glioframe.core.progress import SilentProgress
from glioframe.imaging.parallel import workers_end
from glioframe.pipeline.load_training import load_training
from glioframe.pipeline.predictions import prediction_rows
from glioframe.pipeline.train import train
from glioframe.training.device import peak_memory_mb, resolve_device

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from glioframe.artifacts.benchmark import Status
    from glioframe.artifacts.prediction import PredictionRow
    from glioframe.core.workspace import Workspace
    from glioframe.pipeline.benchmark_folder import RowFolder
    from glioframe.pipeline.training import Training, TrainingRequest

SUBSETS = ("MRI only", "PET only")
_PET = frozenset(modality for modality in Modality if modality.is_pet)
_MB_PER_GB = 1000.0
FAILED, _INTERRUPTED = 1, 130
"""Exit codes of a row's process."""


@dataclass(frozen=True, kw_only=True)
class RowJob:
    """One repetition of one row; a process can be sent it.

    Attributes:
        name: Of the row.
        workspace: Where everything is.
        folder: Where it is trained.
        request: What is trained.
        hide_channels: Whether to predict from parts of the channels too.
        num_threads: Of torch; 0 leaves its default.
    """

    name: str
    workspace: Workspace
    folder: RowFolder
    request: TrainingRequest
    hide_channels: bool
    num_threads: int = 0


def run_job(job: RowJob) -> None:
    """Trains what is left of the row, as the whole of a process; a user's error goes to ``shortfall.json``.

    Raises:
        SystemExit: 1 after such an error, 130 after an interruption.
    """
    if hasattr(os, "setsid"):
        os.setsid()  # so that Ctrl-C reaches the parent alone, which then asks every row for a checkpoint
    job.folder.path.mkdir(parents=True, exist_ok=True)
    job.folder.shortfall_path.unlink(missing_ok=True)
    with job.folder.log_path.open("a", encoding="utf-8") as log, contextlib.redirect_stderr(log):
        try:
            with workers_end(), _costs_counted(job):
                _train(job)
        except GlioframeError as error:
            status: Status = "not applicable" if isinstance(error, (TaskError, PlanError)) else "failed"
            save_json(Shortfall(status=status, reason=str(error)), job.folder.shortfall_path)
            raise SystemExit(FAILED) from error
        except KeyboardInterrupt as interruption:
            raise SystemExit(_INTERRUPTED) from interruption


def _train(job: RowJob) -> None:
    import torch

    if job.num_threads:
        torch.set_num_threads(job.num_threads)
    request = replace(job.request, resume=any(job.folder.path.glob("fold_*")))
    train(job.workspace, request, progress=SilentProgress())
    if job.hide_channels:
        training = load_training(job.workspace, request)
        save_predictions(list(_with_hidden_channels(training)), job.folder.channel_subsets_path)


def _with_hidden_channels(training: Training) -> Iterator[PredictionRow]:
    """The validation cases as if only the MRI, or only the PET, had been acquired: no training is repeated."""
    if training.target is None:
        return
    by_id = {case.case_id: case for case in training.dataset.training_cases}
    for subset in SUBSETS:
        kept = [(channel.source.modality in _PET) == (subset == "PET only") for channel in training.plan.channels]
        if all(kept) or not any(kept):
            continue
        for fold in training.model.trained_folds():
            run = training.run(fold, progress=SilentProgress())
            operating_point = training.task.operating_point(run)
            for case in run.val_cases:
                seen = _keep_channels(load_preprocessed_case(run.preprocessed_folder, case.case_id), kept)
                if not any(seen.properties.channels_present):
                    continue
                yield from prediction_rows(
                    by_id[case.case_id],
                    training.task.predict(run, seen),
                    training.target,
                    model=f"{training.model_name}: {subset}",
                    fold=fold,
                    operating_point=operating_point,
                )


def _keep_channels(case: PreprocessedCase, kept: Sequence[bool]) -> PreprocessedCase:
    present = tuple(has and keep for has, keep in zip(case.properties.channels_present, kept, strict=True))
    return replace(case, properties=replace(case.properties, channels_present=present))


@contextlib.contextmanager
def _costs_counted(job: RowJob) -> Iterator[None]:
    """Adds the time of this attempt to that of earlier ones, however it ends."""
    began = time.monotonic()
    device = resolve_device(job.request.device)
    try:
        yield
    finally:
        earlier = _earlier_cost(job.folder)
        cost = Cost(
            seconds=round((earlier.seconds if earlier else 0.0) + time.monotonic() - began, 1),
            peak_memory_gb=round(
                max(earlier.peak_memory_gb if earlier else 0.0, peak_memory_mb(device) / _MB_PER_GB), 3
            ),
            device=str(device),
        )
        save_json(cost, job.folder.cost_path)


def _earlier_cost(folder: RowFolder) -> Cost | None:
    try:
        return load_json(Cost, folder.cost_path)
    except ArtifactError:
        return None
