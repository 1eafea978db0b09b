"""Whatever is wrong with a dataset, the preflight says so in one clear line, and nothing else."""

from __future__ import annotations

import re
import shutil
from pathlib import Path

import pytest
from corruptions import CORRUPTIONS
from damage import IMAGE, LABEL, PET, Corruption, remove, set_cells, truncate, with_voxels

from builders import make_dataset
from glioframe.artifacts.json_file import load_json
from glioframe.artifacts.preflight import Preflight
from glioframe.cli.check_dataset import main
from glioframe.core.progress import SilentProgress
from glioframe.dataset import preflight as preflight_module
from glioframe.dataset.preflight import check_dataset

NAME = "Dataset001_Test"


@pytest.fixture(scope="module")
def clean_folder(tmp_path_factory):
    folder = tmp_path_factory.mktemp("clean") / NAME
    make_dataset(folder, num_subjects=6, num_external=2)
    return folder


@pytest.fixture
def home(clean_folder, tmp_path, monkeypatch):
    monkeypatch.setenv("GLIOFRAME_HOME", str(tmp_path))
    for variable in ("RAW", "PREPROCESSED", "RESULTS"):
        monkeypatch.delenv(f"GLIOFRAME_{variable}", raising=False)
    shutil.copytree(clean_folder, tmp_path / "raw" / NAME)
    return tmp_path


def run(*options):
    return main(["-d", "1", "-np", "1", "--no-pictures", *options])


def saved_preflight(home):
    return load_json(Preflight, home / "preprocessed" / NAME / "preflight.json")


@pytest.mark.parametrize("corruption", CORRUPTIONS, ids=lambda corruption: corruption.name)
def test_each_fault_gives_one_clear_line(corruption: Corruption, home, capsys):
    corruption.apply(home / "raw" / NAME)
    code = run()
    captured = capsys.readouterr()
    assert code == (0 if corruption.warning else 1)
    assert captured.err == ""
    findings = saved_preflight(home).findings
    assert {finding.check for finding in findings} == {corruption.check}
    severity = "warning" if corruption.warning else "error"
    lines = [line for line in captured.out.splitlines() if line.startswith(f"{severity} ") and corruption.where in line]
    *table, page = captured.out.splitlines()
    assert len(table) == 1 + len(findings) + 1
    assert page.startswith("Page: ")
    assert any(corruption.check in line and corruption.found in line and corruption.fix in line for line in lines), (
        captured.out
    )
    assert str(home) not in "".join(table)


def test_a_clean_dataset_has_no_finding(home, capsys):
    assert run() == 0
    assert capsys.readouterr().out.splitlines()[0] == f"{NAME}: 8 cases, 24 files read, 0 errors, 0 warnings"
    assert saved_preflight(home).findings == ()


def test_missing_channels_give_one_warning_per_channel(tmp_path):
    make_dataset(tmp_path / NAME, num_subjects=8, missing_every=3)
    (finding,) = check_dataset(tmp_path / NAME, num_workers=1, progress=SilentProgress()).findings
    assert (finding.severity, finding.check) == ("warning", "channel_present")
    assert "none in 2 of 8 cases (case002, case005)" in finding.message


def test_all_faults_are_found_at_once_and_errors_come_first(home):
    folder = home / "raw" / NAME
    for step in (
        truncate(IMAGE),
        with_voxels(PET, float("nan")),
        with_voxels(LABEL, 7),
        remove("imagesTr/case005_0000.nii.gz", "imagesTr/case005_0001.nii.gz"),
        remove("labelsTr/case001.nii.gz"),
        set_cells("split", "test", [1]),
        set_cells("subject_id", "sub003", [8]),
    ):
        step(folder)
    preflight = check_dataset(folder, num_workers=1, progress=SilentProgress())
    assert {finding.check for finding in preflight.errors} == {
        "readable_image",
        "finite_values",
        "declared_label_values",
        "images_present",
        "cases_table",
        "subject_in_one_split",
    }
    assert {finding.check for finding in preflight.warnings} >= {"label_present"}
    assert [f.severity for f in preflight.findings] == sorted(f.severity for f in preflight.findings)


def test_several_workers_find_the_same(home):
    folder = home / "raw" / NAME
    with_voxels(PET, float("nan"))(folder)
    truncate(LABEL)(folder)
    alone = check_dataset(folder, num_workers=1, progress=SilentProgress())
    together = check_dataset(folder, num_workers=2, progress=SilentProgress())
    assert len(alone.errors) == 2
    assert together == alone


def test_json_output_is_the_saved_file(home, capsys):
    truncate(IMAGE)(home / "raw" / NAME)
    assert run("--json") == 1
    saved = home / "preprocessed" / NAME / "preflight.json"
    assert capsys.readouterr().out == saved.read_text()


def test_an_unknown_dataset_is_one_line_on_stderr(home, capsys):
    assert main(["-d", "7"]) == 1
    captured = capsys.readouterr()
    assert captured.out == ""
    assert len(captured.err.splitlines()) == 1
    assert "GLIOFRAME_HOME" in captured.err


def test_the_affected_file_is_the_one_that_differs_from_the_others(home):
    """Of image, PET and label, two agree: the third is at fault, also if it is the first."""
    corruption = next(corruption for corruption in CORRUPTIONS if corruption.name == "image_shifted")
    folder = home / "raw" / NAME
    corruption.apply(folder)
    (finding,) = check_dataset(folder, num_workers=1, progress=SilentProgress()).errors
    assert finding.where == IMAGE
    assert "case002_0001.nii.gz" in finding.message


def test_the_reference_page_lists_every_check():
    page = Path(__file__).parents[2] / "documentation" / "reference" / "raw-dataset.md"
    listed = set(re.findall(r"`([a-z_]+)`", page.read_text().split("## What is checked")[1]))
    assert {corruption.check for corruption in CORRUPTIONS} <= listed


def test_every_check_is_tried_by_a_corruption():
    """Names of checks stand as first arguments of error(), warning() and the like."""
    calls = re.compile(r"(?:error|warning|say|from_fault|from_system_error)\(\s*\"(\w+)\"")
    sources = (path.read_text() for path in Path(preflight_module.__file__).parent.glob("*.py"))
    checks = {name for source in sources for name in calls.findall(source)}
    assert checks == {corruption.check for corruption in CORRUPTIONS}
