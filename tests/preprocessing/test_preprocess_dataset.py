"""Preprocessing of whole datasets: nothing is lost, nothing is done twice."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from small_plan import contents, make_configuration, make_plan

from builders import make_affine, make_dataset, save_nifti
from glioframe.artifacts.case import CaseProperties
from glioframe.artifacts.json_file import load_json
from glioframe.core.errors import DatasetError
from glioframe.core.progress import SilentProgress
from glioframe.preprocessing.dataset import preprocess_dataset

CHILD = Path(__file__).parent / "preprocess_in_child.py"


class Notes(SilentProgress):
    def __init__(self):
        self.notes = []

    def note(self, message):
        self.notes.append(message)


def run(dataset, folder, *, plan=None, configuration=None, num_workers=1, progress=None):
    return preprocess_dataset(
        dataset,
        plan or make_plan(dataset.description),
        configuration or make_configuration(),
        folder,
        num_workers=num_workers,
        progress=progress or SilentProgress(),
    )


@pytest.fixture
def dataset(tmp_path):
    return make_dataset(tmp_path / "raw" / "Dataset001_Test", num_subjects=4, num_external=1, missing_every=3)


@pytest.fixture
def folder(tmp_path):
    return tmp_path / "preprocessed" / "cases"


ALL = ("case000", "case001", "case002", "case003", "case004")


def test_every_case_is_preprocessed_training_and_external(dataset, folder):
    summary = run(dataset, folder)
    assert summary.done == ALL
    assert summary.skipped == ()
    expected = {f"{case}{ending}" for case in ALL for ending in (".b2nd", "_seg.b2nd", ".json", "_pet.json")}
    assert set(contents(folder)) == expected


def test_a_second_run_does_nothing(dataset, folder):
    run(dataset, folder)
    before = {path: path.stat().st_mtime_ns for path in folder.iterdir()}
    summary = run(dataset, folder)
    assert summary.done == ()
    assert summary.skipped == ALL
    assert {path: path.stat().st_mtime_ns for path in folder.iterdir()} == before


def test_the_number_of_workers_changes_no_byte(dataset, folder, tmp_path):
    run(dataset, folder)
    run(dataset, tmp_path / "parallel", num_workers=2)
    assert contents(tmp_path / "parallel") == contents(folder)


def test_changing_one_image_redoes_its_case_only(dataset, folder):
    run(dataset, folder)
    image = dataset.folder / "imagesTr" / "case001_0001.nii.gz"
    save_nifti(np.random.default_rng(0).uniform(0, 3, (32, 44, 36)).astype(np.float32), image)
    summary = run(dataset, folder)
    assert summary.done == ("case001",)


def test_removing_a_label_redoes_its_case_and_removes_the_stored_label(dataset, folder):
    run(dataset, folder)
    (dataset.folder / "labelsTr" / "case003.nii.gz").unlink()
    summary = run(dataset, folder)
    assert summary.done == ("case003",)
    assert not (folder / "case003_seg.b2nd").exists()
    assert not load_json(CaseProperties, folder / "case003.json").has_lesion_label


def test_a_lost_or_damaged_file_is_made_again(dataset, folder):
    run(dataset, folder)
    whole = contents(folder)
    (folder / "case000.b2nd").unlink()
    (folder / "case001_seg.b2nd").unlink()
    (folder / "case002.json").write_text("{")
    assert run(dataset, folder).done == ("case000", "case001", "case002")
    assert contents(folder) == whole


def test_training_settings_redo_nothing(dataset, folder):
    run(dataset, folder)
    changed = replace(make_plan(dataset.description, epochs=7), num_folds=3, reasons={"epochs": "more"})
    summary = run(dataset, folder, plan=changed, configuration=make_configuration(epochs=7))
    assert summary.done == ()


def test_another_spacing_or_scale_redoes_everything(dataset, folder):
    run(dataset, folder)
    assert run(dataset, folder, configuration=make_configuration(spacing_mm=(5.0, 5.0, 6.0))).done == ALL
    assert run(dataset, folder, plan=make_plan(dataset.description, suv_scale=3.0)).done == ALL


def test_a_case_that_left_the_dataset_is_kept_and_named(dataset, folder):
    run(dataset, folder)
    progress = Notes()
    smaller = replace(dataset, cases=dataset.cases[:-1])
    run(smaller, folder, progress=progress)
    assert (folder / "case004.json").exists()
    assert [note for note in progress.notes if "case004" in note]


@pytest.mark.parametrize("num_workers", [1, 2])
def test_a_case_that_fails_is_named_and_the_others_are_kept(dataset, folder, num_workers):
    good = contents_of_good_run(dataset, folder)
    image = dataset.folder / "imagesTr" / "case001_0001.nii.gz"
    image.write_bytes(image.read_bytes()[:500])
    (folder / "case003.json").unlink()
    with pytest.raises(DatasetError, match=r"case case001.*gzip stream cut off"):
        run(dataset, folder, num_workers=num_workers)
    left = contents(folder)
    assert "case001.json" not in left
    assert {name: left[name] for name in good if "case001" not in name} == {
        name: content for name, content in good.items() if "case001" not in name
    }


def contents_of_good_run(dataset, folder):
    run(dataset, folder)
    return contents(folder)


def test_a_channel_on_another_grid_is_refused_where_one_grid_is_declared(dataset, folder):
    affine = make_affine()
    affine[0, 3] += 3.0
    path = dataset.folder / "imagesTr" / "case000_0001.nii.gz"
    save_nifti(np.ones((32, 44, 36), dtype=np.float32), path, affine)
    with pytest.raises(DatasetError, match=r"case000_0001\.nii\.gz.*corners up to 3 mm off.*per_channel"):
        run(dataset, folder)


class WorkerKiller(SilentProgress):
    """Kills this process's workers as the system does when memory runs out."""

    def track(self, items, *, step, total):
        for item in items:
            for stat in Path("/proc").glob("[0-9]*/stat"):
                if int(stat.read_text().rpartition(")")[2].split()[1]) == os.getpid():
                    command = (stat.parent / "cmdline").read_text()
                    if "loky" in command and "resource_tracker" not in command:
                        os.kill(int(stat.parent.name), signal.SIGKILL)
            yield item


@pytest.mark.skipif(not Path("/proc").is_dir(), reason="finds the workers in /proc")
def test_workers_killed_for_want_of_memory_are_a_users_error_and_finished_cases_stay(tmp_path):
    dataset = make_dataset(tmp_path / "raw" / "Dataset001_Test", num_subjects=12)
    fine = make_configuration(spacing_mm=(1.5, 1.5, 1.5))  # slow enough not to be over before the kill
    with pytest.raises(DatasetError, match="fewer workers"):
        run(dataset, tmp_path / "out", configuration=fine, num_workers=2, progress=WorkerKiller())
    summary = run(dataset, tmp_path / "out", configuration=fine)
    assert summary.skipped
    assert len(summary.done) + len(summary.skipped) == 12


def kill_and_finish(tmp_path, *, num_kills, seed):
    """Kills the preprocessing of one dataset again and again, then lets it finish."""
    dataset = make_dataset(tmp_path / "raw" / "Dataset001_Test", num_subjects=8)
    run(dataset, tmp_path / "whole")
    interrupted = tmp_path / "interrupted"
    environment = os.environ | {"PYTHONPATH": os.pathsep.join(sys.path), "PYTHONWARNINGS": "ignore"}
    command = [sys.executable, str(CHILD), str(dataset.folder), str(interrupted)]
    rng = np.random.default_rng(seed)
    for _ in range(num_kills):
        child = subprocess.Popen(command, env=environment, stderr=subprocess.PIPE, start_new_session=True)
        assert child.stderr is not None
        child.stderr.readline()  # it has begun with the cases
        time.sleep(rng.uniform(0.0, 1.2))
        os.killpg(child.pid, signal.SIGKILL)  # the workers, too
        child.wait()
        child.stderr.close()
    subprocess.run(command, env=environment, check=True, capture_output=True)
    return contents(interrupted), contents(tmp_path / "whole")


@pytest.mark.skipif(sys.platform == "win32", reason="needs POSIX process groups")
def test_killed_twice_preprocessing_ends_with_the_same_bytes(tmp_path):
    interrupted, whole = kill_and_finish(tmp_path, num_kills=2, seed=0)
    assert interrupted == whole


@pytest.mark.slow
@pytest.mark.skipif(sys.platform == "win32", reason="needs POSIX process groups")
@pytest.mark.parametrize("seed", range(2))
def test_killed_ten_times_preprocessing_ends_with_the_same_bytes(tmp_path, seed):
    interrupted, whole = kill_and_finish(tmp_path, num_kills=10, seed=seed)
    assert interrupted == whole


def test_what_a_killed_run_left_half_written_is_removed(dataset, folder):
    folder.mkdir(parents=True)
    (folder / ".case000.b2nd.abc.partial").write_bytes(b"half")
    (folder / "case000.b2nd").write_bytes(b"from a run that never wrote the JSON")
    run(dataset, folder)
    assert not list(folder.glob(".*"))
    assert (folder / "case000.b2nd").stat().st_size > 1000
