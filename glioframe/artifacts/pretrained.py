"""``pretrained.json``: what the encoder of a fold started from, and whose labels it had seen by then."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any, ClassVar, Literal

from glioframe.artifacts.json_file import STRICT, load_json, save_json
from glioframe.core.geometry import Shape

FILE_NAME = "pretrained.json"


@dataclass(frozen=True, kw_only=True, slots=True)
class PretrainedEncoder:
    """Weights to start an encoder from.

    Attributes:
        path: The file that holds them.
        sha256: Of the file.
        patch_size_vox: Of the patches (z, y, x) that they were trained on; None if unknown.
        labelled_images: SHA-256 of each image that they, or what they started from in turn, learned a label of.
    """

    path: Path
    sha256: str
    patch_size_vox: Shape | None = None
    labelled_images: tuple[str, ...] = ()


@dataclass(frozen=True, kw_only=True, slots=True)
class PretrainedRecord:
    """What became of the weights.

    Attributes:
        schema_version: Of this file.
        source: The file that held them.
        sha256: Of that file.
        loaded: Tensors of the encoder that started from it.
        initialized: Tensors of the encoder that it did not know, which started at random.
        skipped: Its tensors that are no part of an encoder.
        labelled_images: SHA-256 of each image that the weights had learned a label of before.
    """

    __pydantic_config__: ClassVar[dict[str, Any]] = STRICT
    schema_version: Literal[1] = 1
    source: str
    sha256: str
    loaded: tuple[str, ...]
    initialized: tuple[str, ...]
    skipped: tuple[str, ...]
    labelled_images: tuple[str, ...]


def save_pretrained_record(record: PretrainedRecord, folder: Path) -> None:
    """Writes it into the folder of a fold."""
    save_json(record, folder / FILE_NAME)


def load_pretrained_record(folder: Path) -> PretrainedRecord | None:
    """Of a fold's folder; None for a fold that started at random."""
    path = folder / FILE_NAME
    return load_json(PretrainedRecord, path) if path.is_file() else None
