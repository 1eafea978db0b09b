"""A shipped starting point of one task: settings that belong together, as in ``plans/tasks/NAME.json``."""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import Any, ClassVar, Literal

from glioframe.artifacts.json_file import STRICT, load_json
from glioframe.core.errors import SettingError
from glioframe.core.presets import preset_path

_KIND = "tasks"


@dataclass(frozen=True, kw_only=True, slots=True)
class TaskPreset:
    """Settings of one purpose.

    Attributes:
        schema_version: Of this file.
        name: Of the preset.
        task: That it is for.
        purpose: What it is good for, in a sentence.
        settings: Values by ``section.key``, as ``--set`` takes them.
    """

    __pydantic_config__: ClassVar[dict[str, Any]] = STRICT
    schema_version: Literal[1] = 1
    name: str
    task: str
    purpose: str
    settings: dict[str, Any]

    @property
    def overrides(self) -> tuple[str, ...]:
        """The settings as ``section.key=value``."""
        return tuple(f"{key}={json.dumps(value)}" for key, value in self.settings.items())


def load_task_preset(name: str, *, task: str) -> TaskPreset:
    """The shipped preset called ``name``, for ``task``.

    Raises:
        SettingError: There is none of that name, or it is for another task.
    """
    preset = load_json(TaskPreset, preset_path(_KIND, name))
    if preset.task != task:
        raise SettingError(
            f"--preset {name}", expected=f"a preset of {task}", found=f"one of {preset.task}", fix="Choose another"
        )
    return preset
