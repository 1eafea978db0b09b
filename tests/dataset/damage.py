"""Ways to damage a raw dataset on disk."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import nibabel
import numpy as np

from builders import make_affine, save_nifti

IMAGE = "imagesTr/case002_0000.nii.gz"
PET = "imagesTr/case002_0001.nii.gz"
LABEL = "labelsTr/case002.nii.gz"


@dataclass(frozen=True)
class Corruption:
    """A way to go wrong.

    Attributes:
        name: Of the test.
        apply: Damages the dataset in the folder given.
        check: The check that must find it.
        where: What the finding must name.
        found: What the finding must quote.
        fix: What the advice must mention.
        warning: Whether it is a warning.
    """

    name: str
    apply: Callable[[Path], object]
    check: str
    where: str
    found: str
    fix: str
    warning: bool = False


def read(folder: Path, name: str) -> np.ndarray:
    """Voxels (z, y, x) of a file that builders.save_nifti wrote."""
    return np.asarray(nibabel.load(folder / name).dataobj).transpose(2, 1, 0).copy()


def rewrite(name: str, change: Callable[[np.ndarray], np.ndarray], affine: np.ndarray | None = None):
    def apply(folder: Path) -> None:
        save_nifti(change(read(folder, name)), folder / name, affine)

    return apply


def with_voxels(name: str, value: float, index=(slice(10, 12), 20, 18)):
    def change(array: np.ndarray) -> np.ndarray:
        changed = array.astype(np.float32) if isinstance(value, float) else array
        changed[index] = value
        return changed

    return rewrite(name, change)


def edit_description(change: Callable[[dict], object]):
    def apply(folder: Path) -> None:
        path = folder / "dataset.json"
        content = json.loads(path.read_text())
        change(content)
        path.write_text(json.dumps(content))

    return apply


def edit_table(change: Callable[[list[list[str]]], object]):
    def apply(folder: Path) -> None:
        path = folder / "cases.tsv"
        rows = [line.split("\t") for line in path.read_text().splitlines()]
        change(rows)
        path.write_text("".join("\t".join(row) + "\n" for row in rows))

    return apply


def set_cells(column: str, value: str, lines: list[int]):
    """Sets cells of cases.tsv; line 1 holds the first case."""

    def change(rows: list[list[str]]) -> None:
        for line in lines:
            rows[line][rows[0].index(column)] = value

    return edit_table(change)


def remove_column(column: str):
    def change(rows: list[list[str]]) -> None:
        index = rows[0].index(column)
        for row in rows:
            del row[index]

    return edit_table(change)


def set_affine(name: str, affine: np.ndarray):
    return rewrite(name, lambda array: array, affine)


def set_header(name: str, **fields):
    """Overwrites header fields as a broken exporter would, without nibabel setting them right again."""

    def apply(folder: Path) -> None:
        image = nibabel.load(folder / name)
        content = bytearray(image.to_bytes())
        header = nibabel.Nifti1Header(content[:348], check=False)
        for field, value in fields.items():
            header[field] = value
        content[:348] = header.binaryblock
        import gzip

        (folder / name).write_bytes(gzip.compress(bytes(content)))

    return apply


def copy_case(source: str, target: str, change: Callable[[np.ndarray], np.ndarray] = lambda array: array):
    def apply(folder: Path) -> None:
        for suffix in ("_0000", "_0001"):
            array = read(folder, f"imagesTr/{source}{suffix}.nii.gz")
            save_nifti(change(array).astype(np.float32), folder / f"imagesTr/{target}{suffix}.nii.gz")
        shutil.copy(folder / f"labelsTr/{source}.nii.gz", folder / f"labelsTr/{target}.nii.gz")

    return apply


def both(*steps: Callable[[Path], object]):
    def apply(folder: Path) -> None:
        for step in steps:
            step(folder)

    return apply


def write(name: str, content: bytes):
    return lambda folder: (folder / name).write_bytes(content)


def truncate(name: str):
    def apply(folder: Path) -> None:
        content = (folder / name).read_bytes()
        (folder / name).write_bytes(content[: len(content) // 2])

    return apply


def remove(*names: str):
    def apply(folder: Path) -> None:
        for name in names:
            (folder / name).unlink()

    return apply


def remove_matching(pattern: str):
    return lambda folder: [path.unlink() for path in folder.glob(pattern)]


def _turned_affine() -> np.ndarray:
    return make_affine()[:, [1, 0, 2, 3]]


def _moved_affine(shift_mm: float) -> np.ndarray:
    affine = make_affine()
    affine[0, 3] += shift_mm
    return affine


def _sheared_affine() -> np.ndarray:
    affine = make_affine()
    affine[0, 1] = 1.5
    return affine


def _with_noise(array: np.ndarray) -> np.ndarray:
    rng = np.random.default_rng(1)
    return array * 1.7 + (array != 0) * rng.normal(0, 0.05 * array.std(), array.shape)
