"""BraTS-style folders become a raw dataset: images untouched, labels renumbered, subjects kept together."""

from __future__ import annotations

import os
from pathlib import Path

import nibabel
import numpy as np
import pytest

from builders import save_nifti
from glioframe.artifacts.raw_dataset import load_raw_dataset
from glioframe.cli.check_dataset import main as check_main
from glioframe.cli.convert import main as convert_main
from glioframe.core.errors import DatasetError
from glioframe.core.modality import Modality
from glioframe.core.progress import SilentProgress
from glioframe.dataset.brats_folders import subject_of
from glioframe.dataset.convert_brats import BratsSource, convert_brats

OLD = ("_t1", "_t1ce", "_t2", "_flair")
NEW = ("-t1n", "-t1c", "-t2w", "-t2f")
SHAPE = (24, 30, 28)
# As BraTS stores them: x runs to the left, y to the back.
LPS = np.diag([-4.0, -4.0, 4.0, 1.0])


def make_brats_case(
    folder: Path, case_id: str, *, values=(1, 2, 4), suffixes=OLD, ending=".nii.gz", seed=0, segmented=True
) -> np.ndarray:
    rng = np.random.default_rng(seed)
    grid = np.stack(np.meshgrid(*(np.linspace(-1, 1, n) for n in SHAPE), indexing="ij"))
    brain = (grid**2).sum(0) < 0.8
    for index, suffix in enumerate(suffixes):
        image = brain * (200 * (index + 1) + 30 * rng.standard_normal(SHAPE))
        save_nifti(image.astype(np.int16), folder / case_id / f"{case_id}{suffix}{ending}", LPS)
    label = np.zeros(SHAPE, np.uint8)
    for index, value in enumerate(values):
        label[10 + index, 12:16, 10 : 12 + index] = value
    if segmented:
        separator = suffixes[0][0]
        save_nifti(label, folder / case_id / f"{case_id}{separator}seg{ending}", LPS)
    return label


def write_table(folder: Path, rows: list[str], header: str = "case_id\tgrade") -> Path:
    path = folder / "targets.tsv"
    path.write_text("\n".join([header, *rows]) + "\n", encoding="utf-8")
    return path


def convert(source: Path, table: Path, target: Path, **options):
    options.setdefault("classes", {"grade": ("low", "high")})
    return convert_brats(
        BratsSource(folder=source, table=table, **options),
        target,
        progress=options.get("progress", SilentProgress()),
    )


@pytest.fixture
def source(tmp_path):
    folder = tmp_path / "brats"
    for index in range(6):
        make_brats_case(folder, f"Brats18_T{index}_1", seed=index)
    return folder


@pytest.fixture
def table(tmp_path):
    return write_table(tmp_path, [f"Brats18_T{index}_1\t{'low' if index % 2 else 'high'}" for index in range(6)])


@pytest.fixture
def target(tmp_path):
    return tmp_path / "raw" / "Dataset018_Grade"


def test_images_are_copied_byte_by_byte(source, table, target):
    convert(source, table, target)
    for index, suffix in enumerate(OLD):
        original = source / "Brats18_T3_1" / f"Brats18_T3_1{suffix}.nii.gz"
        assert (target / "imagesTr" / f"Brats18_T3_1_{index:04d}.nii.gz").read_bytes() == original.read_bytes()


def test_channels_are_named_by_modality_in_one_order(source, table, target):
    description = convert(source, table, target).description
    assert [channel.modality for channel in description.channels] == [
        Modality.T1N,
        Modality.T1C,
        Modality.T2W,
        Modality.T2F,
    ]


def test_labels_1_2_4_become_1_2_3_on_the_grid_as_stored(source, table, target):
    convert(source, table, target)
    before = nibabel.load(source / "Brats18_T0_1" / "Brats18_T0_1_seg.nii.gz")
    after = nibabel.load(target / "labelsTr" / "Brats18_T0_1.nii.gz")
    assert np.array_equal(after.affine, before.affine)
    assert after.get_data_dtype() == np.uint8
    expected = np.asarray(before.dataobj).copy()
    expected[expected == 4] = 3
    assert np.array_equal(np.asarray(after.dataobj), expected)
    assert load_raw_dataset(target).description.labels == {"background": 0, "netc": 1, "snfh": 2, "et": 3}


def test_labels_1_2_3_stay(tmp_path, target):
    make_brats_case(tmp_path / "brats", "a", values=(1, 2, 3))
    make_brats_case(tmp_path / "brats", "b", values=(1, 3))
    convert(tmp_path / "brats", write_table(tmp_path, ["a\tlow", "b\thigh"]), target)
    assert np.unique(nibabel.load(target / "labelsTr" / "b.nii.gz").dataobj).tolist() == [0, 1, 3]


def test_new_names_keep_3_and_declare_the_resection_cavity_where_it_occurs(tmp_path, target):
    make_brats_case(tmp_path / "brats", "BraTS-GLI-00000-000", values=(2, 3), suffixes=NEW)
    make_brats_case(tmp_path / "brats", "BraTS-GLI-00001-000", values=(2, 4), suffixes=NEW)
    table = write_table(tmp_path, ["BraTS-GLI-00000-000\tlow", "BraTS-GLI-00001-000\thigh"])
    description = convert(tmp_path / "brats", table, target).description
    assert description.labels == {"background": 0, "netc": 1, "snfh": 2, "et": 3, "rc": 4}
    label = nibabel.load(target / "labelsTr" / "BraTS-GLI-00001-000.nii.gz")
    assert np.unique(label.dataobj).tolist() == [0, 2, 4]


@pytest.mark.parametrize(
    ("case_id", "subject"),
    [
        ("Brats18_TCIA01_201_1", "Brats18_TCIA01_201"),
        ("BraTS19_CBICA_AAB_1", "BraTS19_CBICA_AAB"),
        ("BraTS-GLI-00002-001", "BraTS-GLI-00002"),
        ("BraTS-MET-00086-000", "BraTS-MET-00086"),
        # Here the last number is the subject's own.
        ("BraTS20_Training_001", "BraTS20_Training_001"),
        ("BraTS2021_00495", "BraTS2021_00495"),
        ("patient_1", "patient_1"),
    ],
)
def test_scans_of_one_subject_are_recognized_by_the_names_of_the_challenges(case_id, subject):
    assert subject_of(case_id) == subject


def test_the_table_decides_subject_site_split_and_cases(source, tmp_path, target):
    rows = ["Brats18_T0_1\tp1\tLyon\ttrain\thigh", "Brats18_T1_1\tp2\tLyon\texternal\t", "Brats18_T2_1\t\t\t\tlow"]
    table = write_table(tmp_path, rows, header="case_id\tsubject_id\tsite\tsplit\tgrade")
    dataset = convert(source, table, target)
    assert [(case.subject_id, case.site, case.split, case.targets["grade"]) for case in dataset.cases] == [
        ("p1", "Lyon", "train", "high"),
        ("p2", "Lyon", "external", None),
        ("Brats18_T2", "", "train", "low"),
    ]
    assert len(list((target / "imagesTr").iterdir())) == 3 * 4


def test_classes_are_sorted_unless_ordered_and_covariates_are_no_targets(source, tmp_path, target):
    rows = ["Brats18_T0_1\tlow\tm\t50", "Brats18_T1_1\thigh\tf\t61"]
    table = write_table(tmp_path, rows, header="case_id\tgrade\tsex\tage")
    dataset = convert(source, table, target, covariates=["age"])
    assert [(item.name, item.classes) for item in dataset.description.targets] == [
        ("grade", ("low", "high")),
        ("sex", ("f", "m")),
    ]
    assert dataset.cases[1].covariates == {"age": "61"}


def test_a_missing_sequence_stays_missing_and_one_that_never_occurs_is_not_declared(tmp_path, target):
    make_brats_case(tmp_path / "brats", "a", suffixes=("_t1ce", "_flair"))
    make_brats_case(tmp_path / "brats", "b", suffixes=("_t1ce",), segmented=False)
    dataset = convert(tmp_path / "brats", write_table(tmp_path, ["a\tlow", "b\thigh"]), target)
    assert [channel.name for channel in dataset.description.channels] == ["t1c", "t2f"]
    assert dataset.files("b").channels_present == (True, False)
    assert dataset.files("b").label is None


def test_folders_at_any_depth_and_uncompressed_files_are_found(tmp_path, target):
    make_brats_case(tmp_path / "brats" / "HGG", "a", ending=".nii")
    make_brats_case(tmp_path / "brats" / "LGG", "b", ending=".nii")
    dataset = convert(tmp_path / "brats", write_table(tmp_path, ["a\thigh", "b\tlow"]), target)
    assert dataset.description.file_ending == ".nii"
    assert (target / "labelsTr" / "b.nii").is_file()


def test_converting_twice_gives_the_same_bytes(source, table, tmp_path):
    folders = [tmp_path / "first" / "Dataset018_Grade", tmp_path / "second" / "Dataset018_Grade"]
    for folder in folders:
        convert(source, table, folder)
    first, second = ({p.relative_to(f): p.read_bytes() for p in f.rglob("*") if p.is_file()} for f in folders)
    assert first == second


FAULTS = {
    "no folder for a row": (["Brats18_T0_1\tlow", "Brats18_T9_1\thigh"], "none for Brats18_T9_1.*remove their rows"),
    "row twice": (["Brats18_T0_1\tlow", "Brats18_T0_1\thigh"], "targets.tsv:3.*'Brats18_T0_1'"),
    "unknown class": (["Brats18_T0_1\tlow", "Brats18_T1_1\tmiddle"], "column grade.*low, high.*found middle"),
    "cells missing": (["Brats18_T0_1"], "targets.tsv:2: expected 2 cells, found 1"),
    "no rows": ([], "found no row"),
    "empty case": (["\tlow"], "targets.tsv:2: expected a case_id"),
}


@pytest.mark.parametrize(("rows", "message"), FAULTS.values(), ids=FAULTS)
def test_a_faulty_table_is_refused_and_leaves_nothing(rows, message, source, tmp_path, target):
    with pytest.raises(DatasetError, match=message):
        convert(source, write_table(tmp_path, rows), target)
    assert not target.parent.exists() or not list(target.parent.iterdir())


@pytest.mark.parametrize(
    ("header", "message"),
    [
        ("case\tgrade", "one of them case_id, found case, grade"),
        ("case_id\tgrade\tage", "column age.*two or more classes.*--covariates"),
        ("case_id\tstage\tage", "a column grade"),
        ("case_id\tsplit\tgrade", "split train or external, found 'high'"),
    ],
)
def test_faulty_columns_are_refused_with_the_way_out(header, message, source, tmp_path, target):
    rows = ["Brats18_T0_1\thigh\thigh", "Brats18_T1_1\thigh\thigh"] if header.count("\t") == 2 else ["a\tlow"]
    with pytest.raises(DatasetError, match=message):
        convert(source, write_table(tmp_path, rows, header=header), target)


def test_a_value_that_no_brats_has_is_refused_by_file(source, table, target):
    make_brats_case(source, "Brats18_T2_1", values=(1, 7))
    with pytest.raises(DatasetError, match=r"Brats18_T2_1_seg.nii.gz: .*4 \(et\), found 7"):
        convert(source, table, target)
    assert not list(target.parent.iterdir())


def test_3_beside_4_is_refused_because_their_meaning_changed(source, table, target):
    make_brats_case(source, "Brats18_T2_1", values=(1, 2, 3))
    with pytest.raises(DatasetError, match=r"case Brats18_T2_1.*the value 3, and the value 4 in case Brats18_T0_1"):
        convert(source, table, target)


def test_a_mixture_of_compressed_and_uncompressed_is_refused(tmp_path, target):
    make_brats_case(tmp_path / "brats", "a")
    make_brats_case(tmp_path / "brats", "b", ending=".nii")
    with pytest.raises(DatasetError, match="Compress the rest with gzip"):
        convert(tmp_path / "brats", write_table(tmp_path, ["a\tlow", "b\thigh"]), target)


def test_a_name_that_cannot_be_a_case_id_is_refused(tmp_path, target):
    make_brats_case(tmp_path / "brats", "a b")
    with pytest.raises(DatasetError, match="letters, digits"):
        convert(tmp_path / "brats", write_table(tmp_path, ["a b\tlow"]), target)


def test_two_folders_of_one_name_are_refused(tmp_path, target):
    make_brats_case(tmp_path / "brats" / "HGG", "a")
    make_brats_case(tmp_path / "brats" / "LGG", "a")
    with pytest.raises(DatasetError, match="the same name as"):
        convert(tmp_path / "brats", write_table(tmp_path, ["a\tlow"]), target)


def test_a_folder_without_cases_is_refused(tmp_path, target):
    with pytest.raises(DatasetError, match="no such folder"):
        convert(tmp_path / "nowhere", write_table(tmp_path, ["a\tlow"]), target)


def test_what_a_killed_conversion_left_is_replaced(source, table, target):
    partial = target.parent / f".{target.name}.partial" / "imagesTr"
    partial.mkdir(parents=True)
    (partial / "half.nii.gz").write_bytes(b"half")
    convert(source, table, target)
    assert [path.name for path in target.parent.iterdir()] == [target.name]
    assert not (target / "imagesTr" / "half.nii.gz").exists()


def test_the_commands_convert_and_find_the_result_clean(source, table, tmp_path, monkeypatch, capsys):
    monkeypatch.setenv("GLIOFRAME_HOME", str(tmp_path / "home"))
    arguments = ["brats", str(source), "-d", "18", "--name", "Grade", "--targets", str(table)]
    assert convert_main([*arguments, "--classes", "grade=low,high"]) == 0
    assert "target grade: low, high (positive: high)" in capsys.readouterr().out
    assert check_main(["-d", "18", "-np", "1", "--no-pictures"]) == 0
    assert capsys.readouterr().out.splitlines()[0] == "Dataset018_Grade: 6 cases, 30 files read, 0 errors, 0 warnings"
    assert convert_main(arguments) == 1
    error = capsys.readouterr().err
    assert len(error.splitlines()) == 1
    assert "Choose another id" in error


@pytest.mark.parametrize("classes", ["grade", "grade=low", "=low,high", "grade=low,low", "grade=low,"])
def test_classes_must_be_two_or_more_of_one_target(classes, capsys):
    with pytest.raises(SystemExit) as stop:
        convert_main(["brats", "in", "-d", "1", "--name", "A", "--targets", "t.tsv", "--classes", classes])
    assert stop.value.code == 2
    assert "is not like grade=low,high" in capsys.readouterr().err


REAL_DATA = os.environ.get("GLIOFRAME_REAL_DATA", "")
HIGH_GRADE = ("TCIA01_201", "TCIA01_378", "TCIA01_425", "TCIA02_135", "TCIA02_370", "TCIA03_265")
LOW_GRADE = ("TCIA10_628", "TCIA13_623")


@pytest.mark.skipif(not REAL_DATA, reason="GLIOFRAME_REAL_DATA names no folder of real images")
def test_real_brats_cases_convert_and_have_no_fault(tmp_path, monkeypatch, capsys):
    source = Path(REAL_DATA) / "brats18"
    grades = {**dict.fromkeys(HIGH_GRADE, "high"), **dict.fromkeys(LOW_GRADE, "low")}
    table = write_table(tmp_path, [f"Brats18_{name}_1\t{grade}" for name, grade in grades.items()])
    monkeypatch.setenv("GLIOFRAME_HOME", str(tmp_path / "home"))
    arguments = ["brats", str(source), "-d", "18", "--name", "BratsGrade", "--targets", str(table)]
    assert convert_main([*arguments, "--classes", "grade=low,high"]) == 0
    capsys.readouterr()
    assert check_main(["-d", "18", "-np", "2", "--no-pictures"]) == 0
    assert (
        capsys.readouterr().out.splitlines()[0] == "Dataset018_BratsGrade: 8 cases, 40 files read, 0 errors, 0 warnings"
    )
    before = nibabel.load(source / "Brats18_TCIA01_201_1" / "Brats18_TCIA01_201_1_seg.nii.gz")
    folder = tmp_path / "home" / "raw" / "Dataset018_BratsGrade"
    after = nibabel.load(folder / "labelsTr" / "Brats18_TCIA01_201_1.nii.gz")
    assert (
        np.bincount(np.asarray(before.dataobj).ravel())[[0, 1, 2, 4]].tolist()
        == np.bincount(np.asarray(after.dataobj).ravel()).tolist()
    )
