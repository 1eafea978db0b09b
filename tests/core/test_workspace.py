from pathlib import Path

import pytest

from glioframe.core.errors import WorkspaceError
from glioframe.core.workspace import Workspace


def test_the_roots_default_to_folders_of_a_home_here():
    assert Workspace.from_environment({}) == Workspace(
        raw=Path("glioframe_home/raw"),
        preprocessed=Path("glioframe_home/preprocessed"),
        results=Path("glioframe_home/results"),
    )


def test_one_root_can_be_moved_alone():
    workspace = Workspace.from_environment({"GLIOFRAME_HOME": "home", "GLIOFRAME_RESULTS": "elsewhere"})
    assert workspace.raw == Path("home/raw")
    assert workspace.results == Path("elsewhere")


@pytest.fixture
def workspace(tmp_path) -> Workspace:
    (tmp_path / "raw" / "Dataset007_Glioma").mkdir(parents=True)
    (tmp_path / "results" / "Dataset012_Other").mkdir(parents=True)
    return Workspace.from_environment({"GLIOFRAME_HOME": str(tmp_path)})


@pytest.mark.parametrize("dataset", ["7", "007", "Dataset007_Glioma"])
def test_a_dataset_is_found_by_number_or_name(workspace, dataset):
    assert workspace.dataset_name(dataset) == "Dataset007_Glioma"


def test_a_dataset_is_found_where_only_its_results_are(workspace):
    assert workspace.dataset_name("12") == "Dataset012_Other"


def test_an_unknown_dataset_is_an_error_that_lists_the_known_ones(workspace):
    with pytest.raises(WorkspaceError, match="Dataset007_Glioma, Dataset012_Other"):
        workspace.dataset_name("8")


def test_an_id_is_used_once(workspace):
    with pytest.raises(WorkspaceError, match="free"):
        workspace.new_dataset_folder(7, "Again")
    assert workspace.new_dataset_folder(8, "New").name == "Dataset008_New"


@pytest.mark.parametrize(("dataset_id", "name"), [(1234, "Long"), (8, "a/b"), (8, "")])
def test_a_name_that_cannot_be_a_folder_is_refused(workspace, dataset_id, name):
    with pytest.raises(WorkspaceError):
        workspace.new_dataset_folder(dataset_id, name)
