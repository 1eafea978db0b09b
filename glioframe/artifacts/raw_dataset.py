"""A raw dataset on disk: its description, its cases, and where each case's files are."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from glioframe.artifacts.cases import Case, load_cases
from glioframe.artifacts.dataset import DatasetDescription, load_dataset_description
from glioframe.core.errors import DatasetError


@dataclass(frozen=True, kw_only=True, slots=True)
class CaseFiles:
    """The files of one case, from a raw dataset or from a folder of new cases.

    Attributes:
        case_id: The case.
        channels: One path per declared channel; None where the case lacks it.
        label: The lesion label; None where there is none.
    """

    case_id: str
    channels: tuple[Path | None, ...]
    label: Path | None = None

    @property
    def channels_present(self) -> tuple[bool, ...]:
        """One flag per declared channel."""
        return tuple(path is not None for path in self.channels)

    @property
    def paths(self) -> tuple[Path, ...]:
        """Every file there is, channels first."""
        return tuple(path for path in (*self.channels, self.label) if path is not None)


@dataclass(frozen=True, kw_only=True, slots=True)
class RawDataset:
    """A raw dataset, read but for its images.

    Attributes:
        folder: ``raw/Dataset001_Name``.
        description: The content of dataset.json.
        cases: The rows of cases.tsv.
    """

    folder: Path
    description: DatasetDescription
    cases: tuple[Case, ...]

    @property
    def training_cases(self) -> tuple[Case, ...]:
        """The cases of the cross-validation."""
        return tuple(case for case in self.cases if case.split == "train")

    @property
    def external_cases(self) -> tuple[Case, ...]:
        """The cases that nothing may be learned from."""
        return tuple(case for case in self.cases if case.split == "external")

    def files(self, case_id: str) -> CaseFiles:
        """The files of a case.

        Raises:
            DatasetError: The case has no image at all.
        """
        return find_case_files(
            case_id, self.description, images_folder=self.folder / "imagesTr", labels_folder=self.folder / "labelsTr"
        )


def load_raw_dataset(folder: Path) -> RawDataset:
    """Reads dataset.json and cases.tsv; opens no image.

    Raises:
        ArtifactError: dataset.json is absent or malformed.
        DatasetError: dataset.json or cases.tsv contradicts itself.
    """
    description = load_dataset_description(folder / "dataset.json")
    cases = load_cases(folder / "cases.tsv", description)
    return RawDataset(folder=folder, description=description, cases=tuple(cases))


def channel_file_name(case_id: str, index: int, description: DatasetDescription) -> str:
    """``CASE_0001.nii.gz`` for channel 1."""
    return f"{case_id}_{index:04d}{description.file_ending}"


def find_case_files(
    case_id: str, description: DatasetDescription, *, images_folder: Path, labels_folder: Path | None
) -> CaseFiles:
    """The files of a case by nnU-Net's naming rule; an absent channel or label is None.

    Raises:
        DatasetError: The case has no image at all.
    """
    candidates = [
        images_folder / channel_file_name(case_id, index, description) for index in range(description.num_channels)
    ]
    channels = tuple(path if path.is_file() else None for path in candidates)
    if not any(channels):
        raise DatasetError(
            images_folder,
            expected=f"at least one image of case {case_id}, e.g. {candidates[0].name}",
            found="none",
            fix="Add its images, or remove the case from cases.tsv",
        )
    label = labels_folder / f"{case_id}{description.file_ending}" if labels_folder else None
    return CaseFiles(case_id=case_id, channels=channels, label=label if label and label.is_file() else None)
