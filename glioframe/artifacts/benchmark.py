"""The matrix of a benchmark, what each of its rows cost, and how it ended."""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from pathlib import Path
from typing import Annotated, Any, ClassVar, Literal

from annotated_types import Ge, MinLen

from glioframe.artifacts.json_file import STRICT, load_json
from glioframe.core.errors import SettingError
from glioframe.core.presets import preset_path

_KIND = "benchmarks"

Status = Literal["done", "not applicable", "failed", "not trained"]


@dataclass(frozen=True, kw_only=True, slots=True)
class BenchmarkRow:
    """One model or baseline, trained on every fold.

    Attributes:
        name: In tables and figures.
        task: Name of the plugin.
        configuration: Of the plan; a task without a network reads its preprocessed cases.
        overrides: ``section.key=value``, as for ``glioframe_train --set``.
        quick_overrides: Further ones for a smoke run.
        hide_channels: Whether to predict the validation cases again from the MRI alone and from the PET alone.
        pretrained: Whether the encoder starts from the weights given for the row's configuration; without them, the
            row does not apply.
    """

    __pydantic_config__: ClassVar[dict[str, Any]] = STRICT
    name: Annotated[str, MinLen(1)]
    task: str
    configuration: str
    overrides: tuple[str, ...] = ()
    quick_overrides: tuple[str, ...] = ()
    hide_channels: bool = False
    pretrained: bool = False

    @property
    def folder_name(self) -> str:
        """The name as a folder: letters, digits and underscores."""
        return re.sub(r"[^a-z0-9]+", "_", self.name.lower()).strip("_")


@dataclass(frozen=True, kw_only=True, slots=True)
class BenchmarkMatrix:
    """What is compared, as in ``plans/benchmarks/NAME.json``.

    Attributes:
        name: Of the preset.
        reference: Name of the row that the others are compared with: what clinics do today.
        rows: In the order of the table.
    """

    __pydantic_config__: ClassVar[dict[str, Any]] = STRICT
    name: str
    reference: str
    rows: Annotated[tuple[BenchmarkRow, ...], MinLen(1)]

    def check(self) -> None:
        """Refuses rows that would share a folder, and a reference that is none of them.

        Raises:
            SettingError: Either.
        """
        where = f"benchmark {self.name}"
        folders = [row.folder_name for row in self.rows]
        shared = sorted({row.name for row in self.rows if folders.count(row.folder_name) > 1})
        if shared:
            raise SettingError(
                where, expected="names that differ in letters or digits", found=", ".join(shared), fix="Rename a row"
            )
        if self.reference not in [row.name for row in self.rows]:
            raise SettingError(
                where,
                expected=f"a reference among {', '.join(row.name for row in self.rows)}",
                found=repr(self.reference),
                fix="Name a row as the reference",
            )


@dataclass(frozen=True, kw_only=True, slots=True)
class Cost:
    """What training, validating and reporting a row took.

    Attributes:
        seconds: Wall time, summed over interrupted attempts.
        peak_memory_gb: Of the process, or of the GPU's allocator where it trained on one.
        device: What it ran on.
    """

    __pydantic_config__: ClassVar[dict[str, Any]] = STRICT
    seconds: Annotated[float, Ge(0)]
    peak_memory_gb: Annotated[float, Ge(0)]
    device: str


@dataclass(frozen=True, kw_only=True, slots=True)
class Shortfall:
    """Why a row is not done.

    Attributes:
        status: ``not applicable`` where the dataset or the plan lacks what the row needs.
        reason: In one line.
    """

    __pydantic_config__: ClassVar[dict[str, Any]] = STRICT
    status: Status
    reason: str


@dataclass(frozen=True, kw_only=True, slots=True)
class RowOutcome:
    """How a row of the matrix ended.

    Attributes:
        row: Its name.
        status: ``not applicable`` where the dataset or the plan lacks what it needs.
        reason: Why it is not done; empty where it is.
        splits_hashes: SHA-256 of the folds of each repetition.
        cost: None where it is not done.
        pretrained: SHA-256 that tells what its encoders started from; empty for a random start.
    """

    __pydantic_config__: ClassVar[dict[str, Any]] = STRICT
    row: str
    status: Status
    reason: str = ""
    splits_hashes: tuple[str, ...] = field(default_factory=tuple)
    cost: Cost | None = None
    pretrained: str = ""


def load_matrix(name: str) -> BenchmarkMatrix:
    """The shipped matrix called ``name``, or one's own by the path of its ``.json`` file.

    Raises:
        ArtifactError: The file breaks the schema.
        SettingError: There is none of that name, or its rows contradict each other.
    """
    path = Path(name) if name.endswith(".json") else preset_path(_KIND, name)
    matrix = load_json(BenchmarkMatrix, path)
    matrix.check()
    return matrix
