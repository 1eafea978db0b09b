"""``preflight.html``: one page for every dataset, with pictures where there is something to see."""

import re

import pytest

from builders import make_dataset
from dynamic_builders import make_dynamic_dataset
from glioframe.cli import check_dataset
from glioframe.core.progress import SilentProgress
from glioframe.core.workspace import Workspace
from glioframe.pipeline.check import check, write_page

NAME = "Dataset001_Test"


@pytest.fixture
def home(tmp_path, monkeypatch):
    for name in ("RAW", "PREPROCESSED", "RESULTS"):
        monkeypatch.delenv(f"GLIOFRAME_{name}", raising=False)
    monkeypatch.setenv("GLIOFRAME_HOME", str(tmp_path))
    return tmp_path


def page_of(home):
    return (home / "preprocessed" / NAME / "preflight.html").read_text()


def cards_on(page):
    return re.findall(r'<figure id="case-(\w+)">', page)


def test_a_dynamic_dataset_has_a_picture_and_curves_of_each_case(home, capsys):
    make_dynamic_dataset(home / "raw" / NAME, num_subjects=3)
    assert check_dataset.main(["-d", "1", "-np", "1"]) == 0
    page = page_of(home)
    assert sorted(cards_on(page)) == ["case000", "case001", "case002"]
    assert page.count("data:image/jpeg;base64,") == page.count("Time-activity curves of fdopa") == 3
    assert set(re.findall(r'(?:src|href)="([a-z]+:)', page)) == {"data:"}
    assert "preflight.html" in capsys.readouterr().out


def test_pictures_can_be_left_out(home):
    make_dataset(home / "raw" / NAME)
    assert check_dataset.main(["-d", "1", "-np", "1", "--no-pictures"]) == 0
    assert "0 errors" in page_of(home)
    assert cards_on(page_of(home)) == []


def test_of_many_cases_those_with_findings_are_shown_first_and_then_each_site(home):
    dataset = make_dataset(home / "raw" / NAME, num_subjects=8)
    broken = dataset.files("case005").channels[0]
    broken.write_bytes(b"no image")
    workspace = Workspace.from_environment()
    preflight = check(workspace, "1", num_workers=1, progress=SilentProgress())
    write_page(workspace, preflight, most_pictures=3, num_workers=1, progress=SilentProgress())
    page = page_of(home)
    assert cards_on(page) == ["case005", "case000", "case002"]  # sites A and B take turns in pairs
    assert "3 of 8 cases are shown" in page
    assert "No picture: " in page
    assert '<a href="#case-case005">' in page


def test_tables_that_cannot_be_read_leave_the_findings(home):
    make_dataset(home / "raw" / NAME)
    (home / "raw" / NAME / "dataset.json").write_text("{")
    assert check_dataset.main(["-d", "1", "-np", "1"]) == 1
    assert "dataset.json" in page_of(home)
    assert cards_on(page_of(home)) == []


def test_findings_are_text_and_never_markup(home):
    dataset = make_dataset(home / "raw" / NAME)
    (dataset.folder / "imagesTr" / "<b>stray.nii.gz").write_bytes(b"x")
    assert check_dataset.main(["-d", "1", "-np", "1", "--no-pictures"]) == 0
    assert "&lt;b&gt;stray" in page_of(home)
