from dataclasses import dataclass
from typing import Any, ClassVar

import pytest
from test_round_trips import make_plan

from glioframe.artifacts.json_file import STRICT
from glioframe.artifacts.overrides import apply_overrides
from glioframe.core.errors import GlioframeError


@dataclass(frozen=True, kw_only=True)
class Settings:
    __pydantic_config__: ClassVar[dict[str, Any]] = STRICT
    mask_ratio: float = 0.75
    head: str = "mean"


CONFIGURATION = make_plan().configurations["3d_cnn"]


def test_overrides_reach_every_section():
    overrides = [
        "training.epochs=2",
        "plan.batch_size=1",
        "network.dropout=0.5",
        "task.mask_ratio=0.5",
        "task.head=max",
    ]
    configuration, settings = apply_overrides(CONFIGURATION, Settings(), overrides)
    assert configuration.training.epochs == 2
    assert configuration.batch_size == 1
    assert configuration.network.dropout == 0.5
    assert settings == Settings(mask_ratio=0.5, head="max")


def test_no_override_changes_nothing():
    assert apply_overrides(CONFIGURATION, Settings(), []) == (CONFIGURATION, Settings())


@pytest.mark.parametrize(
    ("override", "named"),
    [
        ("training.epochs=0", "greater than or equal to 1"),
        ("training.epochs=two", "epochs"),
        ("training.epoch=2", "epochs"),
        ("trainer.epochs=2", "plan, network, training, task"),
        ("training.epochs", "section.key=value"),
        ("task.mask=0.5", "mask_ratio"),
        ("plan.patch_size_vox=[32,32,33]", "multiples"),
    ],
)
def test_a_wrong_override_is_one_line_that_helps(override, named):
    with pytest.raises(GlioframeError, match=named) as caught:
        apply_overrides(CONFIGURATION, Settings(), [override])
    assert "\n" not in str(caught.value)
