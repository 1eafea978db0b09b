"""How the checks word what they find: one line each, in one order."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from glioframe.artifacts.preflight import Finding

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence
    from pathlib import Path

    from glioframe.artifacts.preflight import Severity
    from glioframe.core.errors import GlioframeError

_MOST_NAMES_SHOWN = 5


def error(check: str, where: str | Path, *, expected: str, found: str, fix: str, case_id: str = "") -> Finding:
    """A finding that stops planning."""
    return _finding("error", check, where, message=f"expected {expected}, found {found}", fix=fix, case_id=case_id)


def warning(check: str, where: str | Path, *, expected: str, found: str, fix: str, case_id: str = "") -> Finding:
    """A finding that a person should look at, but that may be true of good data."""
    return _finding("warning", check, where, message=f"expected {expected}, found {found}", fix=fix, case_id=case_id)


def from_fault(check: str, fault: GlioframeError, *, case_id: str = "") -> Finding:
    """The finding for an error that a reader raised."""
    return error(check, fault.where, expected=fault.expected, found=fault.found, fix=fault.fix, case_id=case_id)


def from_system_error(check: str, where: Path, fault: OSError, *, case_id: str = "") -> Finding:
    """The finding for a file that the system refuses to read."""
    found = fault.strerror or str(fault)
    return error(check, where, expected="a readable file", found=found, fix="Check its rights", case_id=case_id)


def names_in_short(names: Sequence[str]) -> str:
    """The first few names, and how many more there are."""
    hidden = len(names) - _MOST_NAMES_SHOWN
    return ", ".join(names[:_MOST_NAMES_SHOWN]) + (f" and {hidden} more" if hidden > 0 else "")


def in_order(findings: Iterable[Finding], *, folder: Path) -> tuple[Finding, ...]:
    """Errors first, then by case, file and check; paths relative to the dataset's ``folder``."""
    shortened = [_relative_to(folder, finding) for finding in findings]
    return tuple(sorted(shortened, key=lambda f: (f.severity != "error", f.case_id, f.where, f.check, f.message)))


def _finding(severity: Severity, check: str, where: str | Path, *, message: str, fix: str, case_id: str) -> Finding:
    return Finding(
        case_id=case_id,
        check=check,
        severity=severity,
        where=str(where),
        message=" ".join(message.split()),
        fix=" ".join(fix.split()),
    )


def _relative_to(folder: Path, finding: Finding) -> Finding:
    prefix = f"{folder}/"
    return replace(
        finding,
        where=finding.where.replace(prefix, ""),
        message=finding.message.replace(prefix, ""),
        fix=finding.fix.replace(prefix, ""),
    )
