"""The task of the how-to trains, predicts, and is found by its name."""

import re
import sys
import tomllib
from dataclasses import FrozenInstanceError, replace
from pathlib import Path

import pytest

from glioframe.artifacts.case import load_preprocessed_case
from glioframe.task_api.registry import load_task, task_names
from training_builders import make_run

PAGE = Path(__file__).parents[2] / "documentation" / "how-to" / "write-a-task.md"


def block(language: str) -> str:
    found = re.search(rf"^```{language}\n(.*?)^```$", PAGE.read_text(), flags=re.MULTILINE | re.DOTALL)
    assert found
    return found.group(1)


@pytest.fixture
def installed_plugin(tmp_path, monkeypatch) -> str:
    """The package of the page, as pip would install it; the name of its task."""
    (entry,) = tomllib.loads(block("toml"))["project"]["entry-points"]["glioframe.tasks"].items()
    package = tmp_path / "site" / "mean_value"
    package.mkdir(parents=True)
    (package / "task.py").write_text(block("python"))
    metadata = tmp_path / "site" / "mean_value-1.0.dist-info"
    metadata.mkdir()
    (metadata / "METADATA").write_text("Metadata-Version: 2.1\nName: mean_value\nVersion: 1.0\n")
    (metadata / "entry_points.txt").write_text(f"[glioframe.tasks]\n{entry[0]} = {entry[1]}\n")
    monkeypatch.syspath_prepend(tmp_path / "site")
    yield entry[0]
    for name in [name for name in sys.modules if name.split(".")[0] == "mean_value"]:
        del sys.modules[name]


def test_the_plugin_of_the_page_is_listed_trains_and_predicts(installed_plugin, tmp_path):
    assert installed_plugin in task_names()
    task = load_task(installed_plugin)
    settings = task.settings_type()
    with pytest.raises(FrozenInstanceError):
        settings.label_smoothing = 0.5
    run = replace(
        make_run(tmp_path, epochs=10, iterations_per_epoch=8, learning_rate=0.1, uptakes=(1.0, 9.0)), settings=settings
    )
    task.fit(run)
    probability = [
        task.predict(run, load_preprocessed_case(run.preprocessed_folder, case.case_id)).probabilities[1]
        for case in run.val_cases
    ]
    assert probability[0] < task.operating_point(run) <= probability[1]
