"""A whole dataset, case by case in parallel; what is done already is kept."""

from __future__ import annotations

from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING

from glioframe.artifacts.pet_record import pet_record_path
from glioframe.core.errors import DatasetError, GlioframeError
from glioframe.core.files import remove_partial_files
from glioframe.imaging.parallel import for_each_case
from glioframe.preprocessing.case import preprocess_case_once

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from pathlib import Path

    from glioframe.artifacts.case import PreprocessedCase
    from glioframe.artifacts.plan import Configuration, Plan
    from glioframe.artifacts.raw_dataset import CaseFiles, RawDataset
    from glioframe.core.progress import Progress

    Work = Callable[[CaseFiles], tuple[PreprocessedCase, bool]]


@dataclass(frozen=True, kw_only=True, slots=True)
class PreprocessingSummary:
    """What a run did.

    Attributes:
        done: Cases that were preprocessed, sorted.
        skipped: Cases that were there already, made from the same files in the same way; sorted.
    """

    done: tuple[str, ...]
    skipped: tuple[str, ...]


@dataclass(frozen=True, kw_only=True, slots=True)
class _Outcome:
    case_id: str
    was_done: bool = False
    failure: str = ""


def preprocess_dataset(
    dataset: RawDataset,
    plan: Plan,
    configuration: Configuration,
    folder: Path,
    *,
    num_workers: int,
    progress: Progress,
) -> PreprocessingSummary:
    """Preprocesses every case, training and external, into ``folder``.

    Interrupted at any moment, even killed, the next run goes on where this one stopped and ends with the same bytes.

    Args:
        dataset: The raw cases.
        plan: Channels and their normalization.
        configuration: The spacing.
        folder: ``preprocessed/Dataset001_Name/<data_identifier>``.
        num_workers: Processes; each holds one case in memory.
        progress: Where to show how far it is.

    Raises:
        SettingError: ``num_workers`` is less than one.
        DatasetError: Cases failed, and all others are preprocessed nevertheless; or a worker was killed.
    """
    folder.mkdir(parents=True, exist_ok=True)
    remove_partial_files(folder)
    files = [dataset.files(case.case_id) for case in dataset.cases]
    _note_strangers(folder, {case.case_id for case in dataset.cases}, progress)
    work = partial(
        preprocess_case_once, description=dataset.description, plan=plan, configuration=configuration, folder=folder
    )
    outcomes = for_each_case(
        partial(_attempt, work), files, num_workers=num_workers, progress=progress, step="preprocess"
    )
    _raise_failures(outcomes)
    return PreprocessingSummary(
        done=tuple(sorted(outcome.case_id for outcome in outcomes if outcome.was_done)),
        skipped=tuple(sorted(outcome.case_id for outcome in outcomes if not outcome.was_done)),
    )


def _attempt(work: Work, files: CaseFiles) -> _Outcome:
    """One case in a worker; a failure is handed back, so that the other cases go on."""
    try:
        _, was_done = work(files)
    except (GlioframeError, OSError, MemoryError, RuntimeError) as error:
        failure = str(error).rstrip(".") if isinstance(error, GlioframeError) else f"{type(error).__name__}: {error}"
        return _Outcome(case_id=files.case_id, failure=failure)
    return _Outcome(case_id=files.case_id, was_done=was_done)


def _raise_failures(outcomes: Sequence[_Outcome]) -> None:
    failures = sorted((outcome for outcome in outcomes if outcome.failure), key=lambda outcome: outcome.case_id)
    if not failures:
        return
    others = f" (failed too: {', '.join(failure.case_id for failure in failures[1:])})" if failures[1:] else ""
    raise DatasetError(
        f"case {failures[0].case_id}",
        expected="to preprocess it",
        found=f"{failures[0].failure}{others}",
        fix=f"Mend it and run the same command again; the other {len(outcomes) - len(failures)} cases are kept",
    )


def _note_strangers(folder: Path, known: set[str], progress: Progress) -> None:
    known = known | {pet_record_path(folder, case_id).stem for case_id in known}
    strangers = sorted({path.stem for path in folder.glob("*.json")} - known)
    if strangers:
        progress.note(f"{folder}: kept but no longer in the dataset: {', '.join(strangers)}")
