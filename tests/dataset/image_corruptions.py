"""Ways in which images and labels go wrong, each with what the preflight must say of it."""

import shutil

import nibabel
import numpy as np
from damage import (
    IMAGE,
    LABEL,
    PET,
    Corruption,
    _moved_affine,
    _sheared_affine,
    _turned_affine,
    _with_noise,
    both,
    copy_case,
    edit_description,
    remove,
    remove_matching,
    rewrite,
    set_affine,
    set_cells,
    set_header,
    truncate,
    with_voxels,
    write,
)

from builders import make_affine

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
        "head_elsewhere_in_pet",
        rewrite(PET, lambda array: np.roll(array, 5, axis=2)),
        "pet_on_mri",
        PET,
        "a shift of 20 mm and a turn",
        "preflight.html",
        warning=True,
    ),
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
