"""Preprocessing on a Dask cluster leaves the same bytes as on this machine."""

import logging
import shutil

import pytest
from homes import DATASET

from glioframe.cli import plan_and_preprocess

distributed = pytest.importorskip("distributed", reason="needs Dask (pip install 'glioframe[dask]')")


@pytest.mark.filterwarnings("ignore::ResourceWarning", "ignore::DeprecationWarning")
def test_cases_preprocessed_on_a_cluster_are_the_same_bytes(planned_home, fresh_home, monkeypatch):
    folder = fresh_home / "preprocessed" / DATASET
    shutil.rmtree(folder)
    monkeypatch.chdir(fresh_home.parent)
    monkeypatch.setenv("GLIOFRAME_HOME", fresh_home.name)  # relative: the workers start elsewhere
    with distributed.LocalCluster(
        n_workers=2, threads_per_worker=1, dashboard_address=":0", silence_logs=logging.CRITICAL
    ) as cluster:
        code = plan_and_preprocess.main(["-d", "1", "--gpu-memory", "8", "--scheduler", cluster.scheduler_address])
    assert code == 0
    expected = planned_home / "preprocessed" / DATASET
    names = sorted(path.relative_to(expected) for path in expected.rglob("*") if path.is_file())
    assert names == sorted(path.relative_to(folder) for path in folder.rglob("*") if path.is_file())
    for name in (name for name in names if name.suffix == ".b2nd"):
        assert (folder / name).read_bytes() == (expected / name).read_bytes(), name
