"""``preflight.json``: everything that is wrong with a raw dataset, found at once."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any, ClassVar, Literal

from glioframe.artifacts.json_file import STRICT
from glioframe.core.provenance import Provenance

Severity = Literal["error", "warning"]


@dataclass(frozen=True, kw_only=True, slots=True)
class Finding:
    """One thing that is wrong.

    Attributes:
        case_id: The case at fault; empty when it is the dataset.
        check: Name of the check, e.g. ``finite_values``.
        severity: ``error`` stops planning; ``warning`` does not.
        where: The file, with line or channel.
        message: One line: expected and found.
        fix: What to do.
    """

    __pydantic_config__: ClassVar[dict[str, Any]] = STRICT
    case_id: str
    check: str
    severity: Severity
    where: str
    message: str
    fix: str


@dataclass(frozen=True, kw_only=True, slots=True)
class Preflight:
    """The result of ``glioframe_check_dataset``.

    Attributes:
        schema_version: Of this file.
        dataset_name: Folder name of the raw dataset.
        num_cases: Rows of cases.tsv that could be read.
        num_files: Image and label files that were opened.
        findings: Errors first, then warnings; by case.
        provenance: Where the file comes from.
    """

    __pydantic_config__: ClassVar[dict[str, Any]] = STRICT
    schema_version: Literal[1] = 1
    dataset_name: str
    num_cases: int
    num_files: int
    findings: tuple[Finding, ...] = ()
    provenance: Provenance = field(default_factory=Provenance)

    @property
    def errors(self) -> tuple[Finding, ...]:
        """The findings that stop planning."""
        return tuple(finding for finding in self.findings if finding.severity == "error")

    @property
    def warnings(self) -> tuple[Finding, ...]:
        """The findings that do not."""
        return tuple(finding for finding in self.findings if finding.severity == "warning")
