"""Ways in which a raw dataset goes wrong, each with what the preflight must say of it."""

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


TABLES = (
    Corruption("description_absent", remove("dataset.json"), "description", "dataset.json", "no file", "Run the step"),
    Corruption("description_cut_off", truncate("dataset.json"), "description", "dataset.json", "line", "Mend the file"),
    Corruption(
        "unknown_modality",
        edit_description(lambda content: content["glioframe"]["channels"][0].update(modality="flair")),
        "description",
        "dataset.json",
        "'flair' (Input should be 't1n', 't1c', 't2w', 't2f'",
        "Mend the named keys",
    ),
    Corruption(
        "unknown_key",
        edit_description(lambda content: content["glioframe"].update(trget=[])),
        "description",
        "dataset.json",
        "unknown key glioframe.trget",
        "Mend the named keys",
    ),
    Corruption(
        "pet_without_unit",
        edit_description(lambda content: content["glioframe"]["channels"][1].update(unit=None)),
        "description",
        "channel 'fdopa'",
        "unit None",
        'Add "tracer"',
    ),
    Corruption(
        "nnunet_only",
        edit_description(lambda content: content.pop("glioframe")),
        "description",
        "dataset.json",
        "keys channel_names",
        "raw-dataset.md",
    ),
    Corruption(
        "labels_with_a_gap",
        edit_description(lambda content: content["labels"].update(lesion=2)),
        "description",
        "dataset.json",
        "'lesion': 2",
        "Renumber",
    ),
    Corruption(
        "dynamic_pet",
        edit_description(lambda content: content["glioframe"]["channels"][1].update(modality="pet_dynamic")),
        "three_dimensional_modality",
        "channel 'fdopa'",
        "pet_dynamic",
        "static",
    ),
    Corruption(
        "wrong_number_of_cases",
        edit_description(lambda content: content.update(numTraining=99)),
        "num_training",
        "dataset.json, numTraining",
        "99",
        "Correct the number",
        warning=True,
    ),
    Corruption("table_absent", remove("cases.tsv"), "cases_table", "cases.tsv", "no file", "Write cases.tsv"),
    Corruption(
        "table_in_latin_1",
        lambda folder: (folder / "cases.tsv").write_bytes(
            (folder / "cases.tsv").read_text().replace("\tA\t", "\tBesançon\t").encode("latin-1")
        ),
        "cases_table",
        "cases.tsv",
        "byte 0xe7",
        "Save the table as UTF-8",
    ),
    Corruption(
        "table_separated_by_commas",
        lambda folder: (folder / "cases.tsv").write_text((folder / "cases.tsv").read_text().replace("\t", ",")),
        "cases_table",
        "cases.tsv",
        "case_id,subject_id",
        "tab-separated",
    ),
    Corruption(
        "column_missing", remove_column("site"), "cases_table", "cases.tsv", "case_id, subject_id", "column site"
    ),
    Corruption(
        "target_column_missing",
        remove_column("recurrence"),
        "cases_table",
        "cases.tsv",
        "case_id, subject_id",
        "column recurrence",
    ),
    Corruption(
        "row_too_short", edit_table(lambda rows: rows[3].pop()), "cases_table", "cases.tsv:4", "7", "single tabs"
    ),
    Corruption(
        "case_listed_twice",
        edit_table(lambda rows: rows.append(rows[1])),
        "cases_table",
        "cases.tsv:10",
        "'case000', as in line 2",
        "own case_id",
    ),
    Corruption(
        "class_misspelled",
        set_cells("recurrence", "progresion", [2]),
        "cases_table",
        "cases.tsv:3",
        "'progresion'",
        "declare the class",
    ),
    Corruption(
        "split_misspelled", set_cells("split", "test", [2]), "cases_table", "cases.tsv:3", "'test'", "column split"
    ),
    Corruption(
        "weight_negative", set_cells("weight_kg", "-70", [2]), "cases_table", "cases.tsv:3", "'-70'", "leave it empty"
    ),
    Corruption(
        "subject_in_train_and_external",
        set_cells("subject_id", "sub000", [7]),
        "subject_in_one_split",
        "cases.tsv",
        "case000 (train), case006 (external)",
        "same split",
    ),
    Corruption(
        "target_with_one_class",
        set_cells("recurrence", "progression", [1, 2, 3, 4, 5, 6]),
        "target_classes",
        "cases.tsv, column recurrence",
        "only progression",
        "add cases of the other classes",
    ),
    Corruption(
        "target_unknown_everywhere",
        set_cells("recurrence", "", [1, 2, 3, 4, 5, 6]),
        "target_classes",
        "cases.tsv, column recurrence",
        "only empty cells",
        "Fill in the column",
    ),
    Corruption(
        "target_unknown_for_one",
        set_cells("recurrence", "", [3]),
        "target_known",
        "cases.tsv, column recurrence",
        "1 of 6 unknown (case002)",
        "learns from the others",
        warning=True,
    ),
    Corruption(
        "class_with_one_subject",
        set_cells("recurrence", "progression", [1, 3]),
        "class_size",
        "cases.tsv, column recurrence",
        "found 1",
        "merge the class",
        warning=True,
    ),
    Corruption(
        "too_few_subjects",
        both(set_cells("subject_id", "sub000", [3]), set_cells("subject_id", "sub001", [4])),
        "enough_subjects",
        "cases.tsv",
        "found 4",
        "fewer folds",
        warning=True,
    ),
    Corruption(
        "site_with_one_case",
        set_cells("site", "b", [3]),
        "site_size",
        "cases.tsv, column site",
        "one case at B (case003), b (case002)",
        "misspelled",
        warning=True,
    ),
    Corruption(
        "dose_unknown",
        both(
            edit_description(lambda content: content["glioframe"]["channels"][1].update(unit="bq_ml")),
            set_cells("weight_kg", "70", [1, 2, 3, 4, 5, 6, 7, 8]),
            *(
                rewrite(f"imagesTr/case{index:03d}_0001.nii.gz", lambda array: (array * 3000).astype(np.float32))
                for index in range(8)
            ),
        ),
        "activity_known",
        "cases.tsv, column injected_activity_bq",
        "8 of 8 cells empty",
        "SUV",
        warning=True,
    ),
)

FILES = (
    Corruption("no_image_of_a_case", remove(IMAGE, PET), "images_present", "imagesTr", "found none", "Add its images"),
    Corruption(
        "channel_missing_in_one_case",
        remove(IMAGE),
        "channel_present",
        "imagesTr/*_0000.nii.gz",
        "none in 1 of 8 cases (case002)",
        "Add the images",
        warning=True,
    ),
    Corruption(
        "channel_missing_everywhere",
        remove_matching("imagesTr/*_0000.nii.gz"),
        "channel_present",
        "imagesTr/*_0000.nii.gz",
        "none in any case",
        "remove the channel",
    ),
    Corruption(
        "label_missing", remove(LABEL), "label_present", LABEL, "none for 1 of 8", "Add the labels", warning=True
    ),
    Corruption(
        "image_of_an_unknown_case",
        lambda folder: shutil.copy(folder / IMAGE, folder / "imagesTr/case999_0000.nii.gz"),
        "stray_file",
        "imagesTr/case999_0000.nii.gz",
        "belongs to none",
        "Add its case",
        warning=True,
    ),
    Corruption(
        "image_of_an_unknown_channel",
        lambda folder: shutil.copy(folder / IMAGE, folder / "imagesTr/case002_0007.nii.gz"),
        "stray_file",
        "imagesTr/case002_0007.nii.gz",
        "belongs to none",
        "correct its name",
        warning=True,
    ),
    Corruption(
        "label_of_an_unknown_case",
        lambda folder: shutil.copy(folder / LABEL, folder / "labelsTr/other.nii.gz"),
        "stray_file",
        "labelsTr/other.nii.gz",
        "belongs to none",
        "move it away",
        warning=True,
    ),
    Corruption("gzip_cut_off", truncate(IMAGE), "readable_image", IMAGE, "cut off", "Copy or export"),
    Corruption("label_cut_off", truncate(LABEL), "readable_image", LABEL, "cut off", "Copy or export"),
    Corruption("no_nifti", write(IMAGE, b"not an image"), "readable_image", IMAGE, "starts with b'not '", "Convert"),
    Corruption("empty_file", write(IMAGE, b""), "readable_image", IMAGE, "an empty file", "Convert"),
    Corruption(
        "gzip_damaged",
        lambda folder: (folder / IMAGE).write_bytes((folder / IMAGE).read_bytes()[:200] + bytes(2000)),
        "readable_image",
        IMAGE,
        "gzip",
        "Copy or export",
    ),
)

GEOMETRY = (
    Corruption(
        "four_dimensions",
        lambda folder: nibabel.save(
            nibabel.Nifti1Image(np.ones((6, 6, 6, 3), np.float32), make_affine()), folder / PET
        ),
        "readable_image",
        PET,
        "(6, 6, 6, 3)",
        "one volume per file",
    ),
    Corruption(
        "two_dimensions",
        lambda folder: nibabel.save(nibabel.Nifti1Image(np.ones((6, 6), np.float32), make_affine()), folder / IMAGE),
        "readable_image",
        IMAGE,
        "(6, 6)",
        "one volume per file",
    ),
    Corruption(
        "one_slice_less",
        rewrite(IMAGE, lambda array: array[:-1]),
        "same_shape",
        IMAGE,
        "31 x 44 x 36",
        "Resample",
    ),
    Corruption("axes_swapped", set_affine(IMAGE, _turned_affine()), "same_shape", IMAGE, "32 x 36 x 44", "Resample"),
    Corruption("image_shifted", set_affine(IMAGE, _moved_affine(12.0)), "same_affine", IMAGE, "12.0 mm", "affine"),
    Corruption("label_shifted", set_affine(LABEL, _moved_affine(4.0)), "same_affine", LABEL, "4.0 mm", "affine"),
    Corruption(
        "left_and_right_swapped",
        set_affine(PET, np.diag([-1.0, 1.0, 1.0, 1.0]) @ make_affine()),
        "same_affine",
        PET,
        "20.0 mm",
        "affine",
    ),
    Corruption(
        "label_on_another_grid",
        rewrite(LABEL, lambda array: array[::2, ::2, ::2], make_affine((8.0, 8.0, 8.0))),
        "same_shape",
        LABEL,
        "16 x 22 x 18",
        "Resample",
    ),
    Corruption("sheared", set_affine(IMAGE, _sheared_affine()), "readable_image", IMAGE, "sheared", "rectangular"),
    Corruption(
        "zero_spacing",
        set_header(IMAGE, srow_x=[0.0, 0.0, 0.0, 0.0]),
        "readable_image",
        IMAGE,
        "[0.0, 0.0, 0.0, 0.0]",
        "correct its header",
    ),
    Corruption(
        "affine_not_a_number",
        set_header(IMAGE, srow_y=[0.0, np.nan, 0.0, 0.0]),
        "readable_image",
        IMAGE,
        "nan",
        "correct its header",
    ),
    Corruption(
        "orientation_unknown",
        set_header(IMAGE, sform_code=0, qform_code=0),
        "readable_image",
        IMAGE,
        "left and right are unknown",
        "Export the image again",
    ),
    Corruption(
        "fields_of_view_apart",
        both(
            edit_description(lambda content: content["glioframe"].update(grid="per_channel")),
            set_affine(PET, _moved_affine(108.0)),
        ),
        "fields_of_view_overlap",
        PET,
        "25%",
        "true affines",
    ),
)

VALUES = (
    Corruption("not_a_number", with_voxels(IMAGE, float("nan")), "finite_values", IMAGE, "2 voxels", "background"),
    Corruption("infinite", with_voxels(PET, float("inf")), "finite_values", PET, "2 voxels", "Export the image"),
    Corruption("constant", rewrite(IMAGE, np.zeros_like), "varied_values", IMAGE, "the value 0", "remove the file"),
    Corruption(
        "one_image_for_two_channels",
        lambda folder: shutil.copy(folder / PET, folder / IMAGE),
        "different_channels",
        PET,
        "as in case002_0000.nii.gz",
        "Replace the wrong one",
    ),
    Corruption(
        "negative_uptake",
        rewrite(PET, lambda array: np.where(array == 0, np.float32(-0.1), array)),
        "non_negative_uptake",
        PET,
        "%",
        "signed integers",
        warning=True,
    ),
    Corruption(
        "activity_called_suv",
        rewrite(PET, lambda array: array * np.float32(3000)),
        "plausible_uptake",
        PET,
        "found 3.0",
        "unit",
        warning=True,
    ),
    Corruption(
        "label_empty", rewrite(LABEL, np.zeros_like), "label_not_empty", LABEL, "background only", "delete the file"
    ),
    Corruption("label_7", with_voxels(LABEL, 7), "declared_label_values", LABEL, "the value 7", "dataset.json"),
    Corruption("label_fractional", with_voxels(LABEL, 0.5), "whole_label_values", LABEL, "0.5", "nearest"),
    Corruption("label_negative", with_voxels(LABEL, -1.0), "declared_label_values", LABEL, "-1", "correct these"),
    Corruption(
        "label_not_a_number", with_voxels(LABEL, float("nan")), "whole_label_values", LABEL, "nan", "nearest neighbors"
    ),
    Corruption(
        "lesion_in_air",
        rewrite(LABEL, lambda array: np.pad(np.ones((4, 4, 4), np.uint8), [(0, n - 4) for n in array.shape])),
        "lesion_in_brain",
        LABEL,
        "100% of it outside",
        "mirrored",
        warning=True,
    ),
)

COPIES = (
    Corruption(
        "image_under_two_subjects",
        copy_case("case000", "case004"),
        "different_images",
        "imagesTr/case004_0000.nii.gz",
        "that of case case000 (subject sub000, train)",
        "Replace the image",
    ),
    Corruption(
        "image_rescaled_with_noise_under_two_subjects",
        copy_case("case000", "case004", _with_noise),
        "different_images",
        "imagesTr/case004_0000.nii.gz",
        "t1c (correlation",
        "Replace the image",
    ),
    Corruption(
        "image_shifted_under_two_subjects",
        copy_case("case000", "case004", lambda array: np.roll(array, (2, -2, 1), (0, 1, 2))),
        "different_images",
        "imagesTr/case004_0000.nii.gz",
        "correlation 1.000",
        "Replace the image",
    ),
    Corruption(
        "training_image_among_the_external",
        copy_case("case003", "case007"),
        "different_images",
        "imagesTr/case007_0000.nii.gz",
        "(subject sub003, train)",
        "nothing may be learned from an external case",
    ),
    Corruption(
        "image_under_two_visits_of_a_subject",
        both(copy_case("case000", "case004"), set_cells("subject_id", "sub000", [5])),
        "different_images",
        "imagesTr/case004_0000.nii.gz",
        "case case000",
        "Replace the image",
        warning=True,
    ),
)

CORRUPTIONS = (*TABLES, *FILES, *GEOMETRY, *VALUES, *COPIES)
