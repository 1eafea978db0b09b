"""Raw dataset -> ``preflight.json`` and ``preflight.html``."""

from __future__ import annotations

from collections import Counter
from functools import partial
from typing import TYPE_CHECKING

from glioframe.artifacts.json_file import save_json
from glioframe.artifacts.raw_dataset import load_raw_dataset
from glioframe.core.errors import GlioframeError
from glioframe.dataset.file_checks import find_files
from glioframe.dataset.preflight import check_dataset
from glioframe.imaging.parallel import for_each_case
from glioframe.pet.protocol import find_protocol
from glioframe.reporting.preflight_page import write_preflight_page
from glioframe.reporting.raw_case import RawCard, draw_raw_case

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from glioframe.artifacts.cases import Case
    from glioframe.artifacts.dataset import DatasetDescription
    from glioframe.artifacts.preflight import Preflight
    from glioframe.artifacts.protocol import Protocol
    from glioframe.artifacts.raw_dataset import CaseFiles, RawDataset
    from glioframe.core.progress import Progress
    from glioframe.core.workspace import Workspace

MOST_PICTURES = 24


def check(workspace: Workspace, dataset: str, *, num_workers: int, progress: Progress) -> Preflight:
    """Checks a raw dataset, given by id or name, and saves what was found beside its preprocessed cases.

    Raises:
        WorkspaceError: No such dataset.
    """
    name = workspace.dataset_name(dataset)
    preflight = check_dataset(workspace.raw / name, num_workers=num_workers, progress=progress)
    save_json(preflight, workspace.preprocessed / name / "preflight.json")
    return preflight


def write_page(
    workspace: Workspace,
    preflight: Preflight,
    *,
    most_pictures: int = MOST_PICTURES,
    num_workers: int,
    progress: Progress,
) -> Path:
    """Writes ``preflight.html`` beside ``preflight.json``, with pictures of up to ``most_pictures`` cases.

    A dataset whose tables cannot be read has a page without pictures.
    """
    folder = workspace.raw / preflight.dataset_name
    path = workspace.preprocessed / preflight.dataset_name / "preflight.html"
    cards: list[RawCard] = []
    if most_pictures:
        try:
            dataset = load_raw_dataset(folder)
        except GlioframeError:
            progress.note("No pictures: dataset.json or cases.tsv cannot be read.")
        else:
            cards = _draw(dataset, preflight, most_pictures=most_pictures, num_workers=num_workers, progress=progress)
    write_preflight_page(preflight, cards, path)
    return path


def _draw(
    dataset: RawDataset, preflight: Preflight, *, most_pictures: int, num_workers: int, progress: Progress
) -> list[RawCard]:
    cases = _worth_a_look(dataset.cases, {finding.case_id for finding in preflight.findings})
    files, _ = find_files(dataset.folder, dataset.description, cases)
    row_of = {case.case_id: case for case in cases}
    return for_each_case(
        partial(_card, description=dataset.description, protocol=_protocol(dataset.description)),
        [(case_files, row_of[case_files.case_id]) for case_files in files[:most_pictures]],
        num_workers=num_workers,
        progress=progress,
        step="drawing cases",
    )


def _card(item: tuple[CaseFiles, Case], description: DatasetDescription, protocol: Protocol | None) -> RawCard:
    files, case = item
    return draw_raw_case(files, case, description, protocol=protocol, name=files.case_id)


def _worth_a_look(cases: Sequence[Case], with_findings: set[str]) -> list[Case]:
    """Cases with findings first, then by turns from each site: sites differ in their frames and units."""
    seen: Counter[str] = Counter()
    ranked = []
    for case in cases:
        ranked.append((case.case_id not in with_findings, seen[case.site], case))
        seen[case.site] += 1
    return [case for _, _, case in sorted(ranked, key=lambda entry: entry[:2])]


def _protocol(description: DatasetDescription) -> Protocol | None:
    try:
        return find_protocol(description.protocol) if description.protocol else None
    except GlioframeError:
        return None  # a finding tells it
