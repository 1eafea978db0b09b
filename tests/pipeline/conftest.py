"""Workspaces that are planned or trained, made once and copied for each test that changes them."""

import shutil
from pathlib import Path

import pytest
from homes import DATASET, SHORT, TRAIN

from builders import make_dataset
from glioframe.cli import plan_and_preprocess, train


@pytest.fixture(scope="session")
def planned_home(tmp_path_factory) -> Path:
    home = tmp_path_factory.mktemp("home")
    make_dataset(home / "raw" / DATASET, num_subjects=8, num_external=2, missing_every=4)
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("GLIOFRAME_HOME", str(home))
        assert plan_and_preprocess.main(["-d", "1", "-np", "1", "--gpu-memory", "8"]) == 0
    return home


@pytest.fixture(scope="session")
def trained_home(planned_home, tmp_path_factory) -> Path:
    home = tmp_path_factory.mktemp("trained") / "home"
    shutil.copytree(planned_home, home)
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("GLIOFRAME_HOME", str(home))
        assert train.main([*TRAIN, "all", "--device", "cpu", *SHORT]) == 0
    return home


@pytest.fixture
def home(trained_home, tmp_path, monkeypatch) -> Path:
    """A trained workspace of one's own."""
    copy = tmp_path / "home"
    shutil.copytree(trained_home, copy)
    monkeypatch.setenv("GLIOFRAME_HOME", str(copy))
    return copy


@pytest.fixture
def fresh_home(planned_home, tmp_path, monkeypatch) -> Path:
    """A planned but untrained workspace of one's own."""
    copy = tmp_path / "home"
    shutil.copytree(planned_home, copy)
    monkeypatch.setenv("GLIOFRAME_HOME", str(copy))
    return copy
