"""Ways in which dataset.json and cases.tsv go wrong, each with what the preflight must say of it."""

import numpy as np
from damage import Corruption, both, edit_description, edit_table, remove, remove_column, rewrite, set_cells, truncate

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
        "dynamic_pet_without_sidecar",
        edit_description(lambda content: content["glioframe"]["channels"][1].update(modality="pet_dynamic")),
        "pet_sidecar",
        "_0001.json",
        "no file",
        "writes it first",
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
