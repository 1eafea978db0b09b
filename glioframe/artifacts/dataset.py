"""The raw dataset's description: ``dataset.json`` (nnU-Net's fields plus one key "glioframe")."""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, ClassVar, Literal

from glioframe.artifacts.json_file import STRICT, parse, read_json
from glioframe.core.errors import DatasetError
from glioframe.core.files import write_text_atomically
from glioframe.core.modality import Modality, Tracer, Unit

MIN_CLASSES = 2


@dataclass(frozen=True, kw_only=True, slots=True)
class Channel:
    """One image channel of every case.

    Attributes:
        name: Unique short name, used in tables and pictures.
        modality: What the channel shows.
        tracer: The PET tracer; required for PET, absent otherwise.
        unit: What the values are measured in; required for PET, absent for weighted MRI.
    """

    __pydantic_config__: ClassVar[dict[str, Any]] = STRICT
    name: str
    modality: Modality
    tracer: Tracer | None = None
    unit: Unit | None = None


@dataclass(frozen=True, kw_only=True, slots=True)
class Target:
    """What a case-level task predicts: a column of cases.tsv.

    Attributes:
        name: The column.
        classes: The values in the column, in order; of two, the last is the positive one.
        description: For the report.
    """

    __pydantic_config__: ClassVar[dict[str, Any]] = STRICT
    name: str
    classes: tuple[str, ...]
    description: str = ""

    @property
    def is_binary(self) -> bool:
        """Whether the target has exactly two classes."""
        return len(self.classes) == MIN_CLASSES

    def class_index(self, value: str) -> int:
        """The index of a class by its name in cases.tsv."""
        return self.classes.index(value)


@dataclass(frozen=True, kw_only=True, slots=True)
class DatasetDescription:
    """What a raw dataset holds.

    Attributes:
        name: Folder name, ``Dataset001_Name``.
        channels: In file order: channel i is ``CASE_000i.nii.gz``.
        labels: Label values of labelsTr by name; ``background`` is 0. Every value above 0 is lesion.
        targets: The case-level targets.
        grid: ``shared`` when all channels of a case lie on one grid (nnU-Net's rule); ``per_channel`` when
            they share the world space only and are to be resampled onto the first channel present.
        protocol: Name of the PET protocol preset; empty for none.
        description: For the report.
        file_ending: Of the images and labels.
    """

    name: str
    channels: tuple[Channel, ...]
    labels: dict[str, int] = field(default_factory=lambda: {"background": 0, "lesion": 1})
    targets: tuple[Target, ...] = ()
    grid: Literal["shared", "per_channel"] = "shared"
    protocol: str = ""
    description: str = ""
    file_ending: str = ".nii.gz"

    @property
    def num_channels(self) -> int:
        """The number of channels of a complete case."""
        return len(self.channels)

    def target(self, name: str | None = None) -> Target:
        """The target called ``name``; without a name, the only target there is.

        Raises:
            DatasetError: No such target, or no name given where several are declared.
        """
        known = ", ".join(target.name for target in self.targets) or "none declared in dataset.json"
        if name is None and len(self.targets) == 1:
            return self.targets[0]
        for target in self.targets:
            if target.name == name:
                return target
        raise DatasetError(
            f"{self.name}/dataset.json",
            expected=f"a target named {name!r}" if name else "exactly one target, or its name",
            found=f"targets: {known}",
            fix="Pass --target with a declared name",
        )


@dataclass(frozen=True, kw_only=True, slots=True)
class _GlioframeKey:
    __pydantic_config__: ClassVar[dict[str, Any]] = STRICT
    schema_version: Literal[1] = 1
    channels: tuple[Channel, ...]
    targets: tuple[Target, ...] = ()
    grid: Literal["shared", "per_channel"] = "shared"
    protocol: str = ""
    description: str = ""


@dataclass(frozen=True, kw_only=True, slots=True)
class _DatasetFile:
    # nnU-Net ignores keys it does not know and its users add their own, so extra keys pass here.
    __pydantic_config__: ClassVar[dict[str, Any]] = {"extra": "ignore"}
    channel_names: dict[str, str]
    labels: dict[str, int]
    file_ending: Literal[".nii.gz", ".nii"]
    numTraining: int  # noqa: N815 - nnU-Net's spelling
    glioframe: _GlioframeKey


def load_dataset_description(path: Path, *, name: str | None = None) -> DatasetDescription:
    """Reads a ``dataset.json``; the dataset is called ``name``, or after the folder that holds the file.

    Raises:
        ArtifactError: The file is absent, malformed or breaks the schema.
        DatasetError: Channels, labels or targets contradict each other.
    """
    content = read_json(path)
    if isinstance(content, dict) and "glioframe" not in content:
        raise DatasetError(
            path,
            expected='a key "glioframe" that declares modality, tracer and unit of every channel',
            found=f"keys {', '.join(sorted(map(str, content)))}",
            fix="Add it as documentation/reference/raw-dataset.md shows",
        )
    file = parse(_DatasetFile, content, where=path)
    extension = file.glioframe
    description = DatasetDescription(
        name=name or path.resolve().parent.name,
        channels=extension.channels,
        labels=file.labels,
        targets=extension.targets,
        grid=extension.grid,
        protocol=extension.protocol,
        description=extension.description,
        file_ending=file.file_ending,
    )
    _check_channels(description, file.channel_names, path)
    _check_labels(description, path)
    _check_targets(description, path)
    return description


def save_dataset_description(description: DatasetDescription, path: Path, *, num_training: int) -> None:
    """Writes a ``dataset.json`` that nnU-Net reads too."""
    import json

    from pydantic import TypeAdapter

    content = _DatasetFile(
        channel_names={str(index): channel.name for index, channel in enumerate(description.channels)},
        labels=description.labels,
        file_ending=".nii" if description.file_ending == ".nii" else ".nii.gz",
        numTraining=num_training,
        glioframe=_GlioframeKey(
            channels=description.channels,
            targets=description.targets,
            grid=description.grid,
            protocol=description.protocol,
            description=description.description,
        ),
    )
    dumped = TypeAdapter(_DatasetFile).dump_python(content, mode="json")
    write_text_atomically(path, json.dumps(dumped, indent=2, ensure_ascii=False) + "\n")


def _check_channels(description: DatasetDescription, channel_names: dict[str, str], path: Path) -> None:
    names = [channel.name for channel in description.channels]
    listed = [channel_names.get(str(index)) for index in range(len(channel_names))]
    if listed != names or not names:
        raise DatasetError(
            path,
            expected="channel_names and glioframe.channels to list the same channels in the same order",
            found=f"{channel_names} and {names}",
            fix="Make both lists equal, counting from 0",
        )
    if len(set(names)) != len(names):
        raise DatasetError(
            path,
            expected="unique channel names",
            found=", ".join(names),
            fix="Rename the repeated channel",
        )
    for channel in description.channels:
        _check_channel(channel, path)


def _check_channel(channel: Channel, path: Path) -> None:
    where = f"{path}, channel {channel.name!r}"
    if channel.modality.is_pet and (channel.tracer is None or channel.unit is None):
        raise DatasetError(
            where,
            expected="a tracer and a unit, because it is PET",
            found=f"tracer {channel.tracer}, unit {channel.unit}",
            fix=f'Add "tracer" (one of {", ".join(Tracer)}) and "unit" (bq_ml, suv_bw or tbr)',
        )
    if channel.modality.is_weighted_mri and (channel.tracer is not None or channel.unit is not None):
        raise DatasetError(
            where,
            expected="neither tracer nor unit, because weighted MRI has no physical scale",
            found=f"tracer {channel.tracer}, unit {channel.unit}",
            fix="Remove them, or correct the modality",
        )


def _check_labels(description: DatasetDescription, path: Path) -> None:
    values = sorted(description.labels.values())
    if description.labels.get("background") != 0 or values != list(range(len(values))):
        raise DatasetError(
            path,
            expected="labels that are consecutive from background = 0",
            found=str(description.labels),
            fix="Renumber the labels (images included)",
        )


def _check_targets(description: DatasetDescription, path: Path) -> None:
    names = [target.name for target in description.targets]
    if len(set(names)) != len(names):
        raise DatasetError(path, expected="unique target names", found=", ".join(names), fix="Rename one")
    for target in description.targets:
        if not re.fullmatch(r"[A-Za-z0-9_]+", target.name):
            raise DatasetError(
                f"{path}, target {target.name!r}",
                expected="a column name of letters, digits and '_'",
                found=repr(target.name),
                fix="Rename the target and its column in cases.tsv",
            )
        if len(target.classes) < MIN_CLASSES or len(set(target.classes)) != len(target.classes):
            raise DatasetError(
                f"{path}, target {target.name!r}",
                expected="two or more different classes",
                found=str(list(target.classes)),
                fix="List every value that the column may hold, the positive class last",
            )
