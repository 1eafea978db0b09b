"""The shipped budgets."""

import json

import pytest

from glioframe.artifacts.json_file import load_json, to_json
from glioframe.core.errors import ArtifactError, SettingError
from glioframe.core.presets import preset_names, preset_path
from glioframe.planning.budget import Budget, budget_for, load_budget


def test_the_five_budgets_are_shipped():
    assert set(preset_names("budgets")) == {"cpu", "8gb", "24gb", "40gb", "80gb"}


@pytest.mark.parametrize("name", preset_names("budgets"))
def test_a_shipped_budget_loads_and_is_named_after_its_file(name):
    budget = load_budget(name)
    assert budget.name == name
    assert budget.device == ("cpu" if name == "cpu" else "gpu")
    assert budget.min_iterations <= budget.max_iterations
    assert json.loads(to_json(budget)) == json.loads(preset_path("budgets", name).read_text())


def test_no_limit_shrinks_from_a_smaller_to_a_larger_gpu():
    budgets = [load_budget(name) for name in ("cpu", "8gb", "24gb", "40gb", "80gb")]
    for limit in ("usable_memory_gb", "max_patch_vox", "max_batch_size", "base_features", "max_features", "max_tokens"):
        values = [getattr(budget, limit) for budget in budgets]
        assert values == sorted(values), limit


@pytest.mark.parametrize(
    ("memory_gb", "name"),
    [(None, "cpu"), (6, "8gb"), (8, "8gb"), (11, "8gb"), (23.6, "24gb"), (48, "40gb"), (141, "80gb")],
)
def test_a_gpu_gets_the_largest_budget_that_it_covers_with_its_own_memory(memory_gb, name):
    budget = budget_for(memory_gb)
    assert budget.name == name
    assert memory_gb is None or budget.gpu_memory_gb == memory_gb


@pytest.mark.parametrize("memory_gb", [0.0, -8.0])
def test_memory_that_is_not_positive_is_refused(memory_gb):
    with pytest.raises(SettingError, match="a positive number of GB"):
        budget_for(memory_gb)


def test_an_unknown_budget_lists_the_known_ones():
    with pytest.raises(SettingError, match="24gb, 40gb, 80gb, 8gb, cpu"):
        load_budget("12gb")


def test_a_budget_with_an_unknown_key_is_refused(tmp_path):
    content = json.loads(preset_path("budgets", "cpu").read_text())
    path = tmp_path / "mine.json"
    path.write_text(json.dumps({**content, "gpus": 2}))
    with pytest.raises(ArtifactError, match="unknown key gpus"):
        load_json(Budget, path)
