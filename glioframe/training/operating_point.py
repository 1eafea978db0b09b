"""``operating_point.json``: the threshold that was fixed inside the training fold. Written last, it ends a training."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Annotated, Any, ClassVar

from annotated_types import Ge, Le

from glioframe.artifacts.json_file import STRICT, load_json, save_json

if TYPE_CHECKING:
    from pathlib import Path

FILE_NAME = "operating_point.json"


@dataclass(frozen=True, kw_only=True, slots=True)
class OperatingPoint:
    """From which probability of the positive class on a case is called positive.

    Attributes:
        probability: The threshold.
        num_positive: Inner cases of the positive class that it was chosen on.
        num_negative: Inner cases of the negative class that it was chosen on.
        training: Hash of all that decided what training did.
    """

    __pydantic_config__: ClassVar[dict[str, Any]] = STRICT
    probability: Annotated[float, Ge(0), Le(1)]
    num_positive: int
    num_negative: int
    training: str


def load_operating_point(folder: Path) -> float:
    """The threshold of a trained fold.

    Raises:
        ArtifactError: The fold is not trained, or the file is malformed.
    """
    return load_json(OperatingPoint, folder / FILE_NAME).probability


def save_operating_point(point: OperatingPoint, folder: Path) -> None:
    """Writes it into the folder of a fold."""
    save_json(point, folder / FILE_NAME)
