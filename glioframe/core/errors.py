"""Errors that a user can mend: one line that says where, what was expected, what was found, what to do."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from pathlib import Path


class GlioframeError(Exception):
    """A user's error, told in one line.

    Attributes:
        where: The file, column, option or setting at fault.
        expected: What would have been right.
        found: What stood there instead, with its value.
        fix: What to do about it, as a sentence without the final full stop.
    """

    def __init__(self, where: str | Path, *, expected: str, found: str, fix: str) -> None:
        self.where = str(where)
        self.expected = expected
        self.found = found
        self.fix = fix
        message = f"{where}: expected {expected}, found {found}. {fix}."
        super().__init__(" ".join(message.split()))

    def __reduce__(self) -> tuple[object, ...]:
        """Takes the error apart for pickle, so that a worker process can hand it on."""
        return _rebuild, (type(self), self.where, self.expected, self.found, self.fix)


class WorkspaceError(GlioframeError):
    """A folder of the workspace, or a dataset in it, is not where it should be."""


class ArtifactError(GlioframeError):
    """An artifact file cannot be read as what it claims to be."""


class DatasetError(GlioframeError):
    """The raw dataset contradicts itself or its description."""


class ImageError(GlioframeError):
    """An image file cannot be read, or its geometry is unusable."""


class PlanError(GlioframeError):
    """No legal plan exists, or a plan was changed into an illegal one."""


class SettingError(GlioframeError):
    """A setting or an override names something unknown or out of range."""


class TaskError(GlioframeError):
    """A task plugin cannot be found, or its requirements are not met."""


class TrainingError(GlioframeError):
    """Training cannot start, resume or go on."""


class PredictionError(GlioframeError):
    """A prediction cannot be made or evaluated."""


def _rebuild(kind: type[GlioframeError], where: str, expected: str, found: str, fix: str) -> GlioframeError:
    return kind(where, expected=expected, found=found, fix=fix)
