"""The shipped task presets: each loads, and its settings are legal for its task on a plan of either family."""

import json

import pytest

from glioframe.artifacts.json_file import to_json
from glioframe.artifacts.network_sizes import RESIDUAL_ENCODER_SIZES, VISION_TRANSFORMER_SIZES
from glioframe.artifacts.overrides import apply_overrides
from glioframe.artifacts.plan import Configuration, TrainingPlan
from glioframe.artifacts.task_preset import load_task_preset
from glioframe.core.errors import SettingError
from glioframe.core.presets import preset_names, preset_path
from glioframe.task_api.registry import load_task


@pytest.mark.parametrize("network", [RESIDUAL_ENCODER_SIZES["S"], VISION_TRANSFORMER_SIZES["XS"]], ids=["cnn", "vit"])
@pytest.mark.parametrize("name", preset_names("tasks"))
def test_a_shipped_preset_applies_to_its_task(name, network):
    content = json.loads(preset_path("tasks", name).read_text())
    preset = load_task_preset(name, task=content["task"])
    assert preset.name == name
    assert json.loads(to_json(preset)) == content
    planned = Configuration(
        name="3d",
        data_identifier="test",
        spacing_mm=(1.0, 1.0, 1.0),
        patch_size_vox=(64, 64, 64),
        batch_size=2,
        network=network,
        training=TrainingPlan(epochs=100, iterations_per_epoch=50),
    )
    defaults = load_task(preset.task).settings_type()
    changed = apply_overrides(planned, defaults, preset.overrides)
    assert changed != (planned, defaults)


def test_a_preset_of_another_task_is_refused():
    with pytest.raises(SettingError, match="a preset of radiomics_baseline, found one of recurrence_classifier"):
        load_task_preset("quick_look", task="radiomics_baseline")


def test_an_unknown_preset_lists_the_known_ones():
    with pytest.raises(SettingError, match="calibrated_probabilities, quick_look"):
        load_task_preset("magic", task="recurrence_classifier")
