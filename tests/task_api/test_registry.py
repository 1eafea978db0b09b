import sys
from pathlib import Path

import pytest

from glioframe.core.errors import TaskError
from glioframe.task_api.registry import load_task, task_names

PLUGIN = """
from dataclasses import dataclass
from glioframe.task_api.task import CasePrediction, Requirements, Task

@dataclass(frozen=True, kw_only=True)
class Settings:
    probability: float = 0.5

class CoinToss(Task[Settings]):
    settings_type = Settings
    description = "Tosses a coin."
    def requirements(self): return Requirements(target=True)
    def fit(self, run): pass
    def predict(self, run, case): return CasePrediction(probabilities=(0.5, 0.5))
    def operating_point(self, run): return 0.5

class NotATask: pass
"""


@pytest.fixture
def install(tmp_path, monkeypatch):
    """Puts a package of a stranger on the path, as pip would."""

    def _install(name: str, entry: str) -> None:
        folder: Path = tmp_path / name
        info = folder / f"{name}-1.0.dist-info"
        info.mkdir(parents=True)
        (folder / f"{name}.py").write_text(PLUGIN)
        (info / "METADATA").write_text(f"Metadata-Version: 2.1\nName: {name}\nVersion: 1.0\n")
        (info / "entry_points.txt").write_text(f"[glioframe.tasks]\n{entry}\n")
        monkeypatch.syspath_prepend(str(folder))
        monkeypatch.delitem(sys.modules, name, raising=False)

    return _install


def test_a_strangers_task_is_found_as_our_own(install):
    install("coin", "coin_toss = coin:CoinToss")
    assert {"coin_toss", "recurrence_classifier"} <= set(task_names())
    assert load_task("coin_toss").description == "Tosses a coin."


def test_listing_names_imports_no_plugin(install):
    install("coin", "coin_toss = coin:CoinToss")
    task_names()
    assert "coin" not in sys.modules


def test_two_packages_of_one_name_are_an_error_that_names_both(install):
    install("coin", "toss = coin:CoinToss")
    install("dice", "toss = dice:CoinToss")
    with pytest.raises(TaskError, match="coin:CoinToss and dice:CoinToss"):
        task_names()


@pytest.mark.parametrize(
    ("entry", "named"),
    [
        ("toss = coin:Absent", "importable"),
        ("toss = absent_module:CoinToss", "importable"),
        ("toss = coin:NotATask", "subclass"),
    ],
)
def test_a_broken_plugin_is_one_clear_line(install, entry, named):
    install("coin", entry)
    with pytest.raises(TaskError, match=named) as caught:
        load_task("toss")
    assert "\n" not in str(caught.value)


def test_an_unknown_task_lists_the_known_ones():
    with pytest.raises(TaskError, match="recurrence_classifier"):
        load_task("recurence_classifier")
