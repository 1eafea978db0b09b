"""The three roots on disk. The only reader of the environment."""

from __future__ import annotations

import os
import re
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from glioframe.core.errors import WorkspaceError

if TYPE_CHECKING:
    from collections.abc import Mapping

_FOLDER_PATTERN = re.compile(r"Dataset(\d{3})_[A-Za-z0-9][A-Za-z0-9_-]*")


@dataclass(frozen=True, kw_only=True, slots=True)
class Workspace:
    """Where datasets, preprocessed cases and results live.

    Attributes:
        raw: Raw datasets, ``GLIOFRAME_RAW``.
        preprocessed: Fingerprints, plans and preprocessed cases, ``GLIOFRAME_PREPROCESSED``.
        results: Model folders, ``GLIOFRAME_RESULTS``.
    """

    raw: Path
    preprocessed: Path
    results: Path

    @classmethod
    def from_environment(cls, environment: Mapping[str, str] | None = None) -> Workspace:
        """Reads ``GLIOFRAME_RAW|PREPROCESSED|RESULTS``; each defaults to a subfolder of ``GLIOFRAME_HOME``.

        ``GLIOFRAME_HOME`` itself defaults to ``./glioframe_home``.
        """
        variables = os.environ if environment is None else environment
        home = Path(variables.get("GLIOFRAME_HOME") or "glioframe_home")
        return cls(
            raw=Path(variables.get("GLIOFRAME_RAW") or home / "raw"),
            preprocessed=Path(variables.get("GLIOFRAME_PREPROCESSED") or home / "preprocessed"),
            results=Path(variables.get("GLIOFRAME_RESULTS") or home / "results"),
        )

    def absolute(self) -> Workspace:
        """The same for processes that start in another folder."""
        return Workspace(
            raw=self.raw.absolute(), preprocessed=self.preprocessed.absolute(), results=self.results.absolute()
        )

    def dataset_name(self, dataset: str) -> str:
        """The folder name of a dataset given by id (``1``, ``001``) or by name (``Dataset001_Demo``).

        Looks through all three roots, so that a stage can run where only its own input was copied to.

        Raises:
            WorkspaceError: No folder, or more than one, has that id or name.
        """
        names = sorted({name for root in (self.raw, self.preprocessed, self.results) for name in _datasets_in(root)})
        if dataset.isdigit():
            matches = [name for name in names if int(name[7:10]) == int(dataset)]
        else:
            matches = [name for name in names if name == dataset]
        if len(matches) == 1:
            return matches[0]
        raise WorkspaceError(
            self.raw,
            expected=f"one dataset folder for {dataset!r}, named like Dataset001_Name",
            found=", ".join(matches or names) or "no dataset folder",
            fix="Name an existing dataset, or set GLIOFRAME_HOME (or GLIOFRAME_RAW) to the folder that holds it",
        )

    def new_dataset_folder(self, dataset_id: int, name: str) -> Path:
        """The raw folder for a dataset to be made; refuses a folder that already holds something.

        Raises:
            WorkspaceError: The id is taken, or the name cannot be a folder name.
        """
        folder_name = f"Dataset{dataset_id:03d}_{name}"
        if not _FOLDER_PATTERN.fullmatch(folder_name):
            raise WorkspaceError(
                folder_name,
                expected="an id of 1 to 999 and a name of letters, digits, '_' or '-'",
                found=f"id {dataset_id}, name {name!r}",
                fix="Choose another id or name",
            )
        taken = [other for other in _datasets_in(self.raw) if int(other[7:10]) == dataset_id]
        if taken:
            raise WorkspaceError(
                self.raw / taken[0],
                expected=f"dataset id {dataset_id} to be free",
                found=taken[0],
                fix="Choose another id with -d, or remove that folder first",
            )
        return self.raw / folder_name


def _datasets_in(root: Path) -> list[str]:
    if not root.is_dir():
        return []
    return [entry.name for entry in root.iterdir() if entry.is_dir() and _FOLDER_PATTERN.fullmatch(entry.name)]
