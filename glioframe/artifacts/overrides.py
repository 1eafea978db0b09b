"""``--set section.key=value``: the one general override, checked like a file."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import fields
from typing import Any, TypeVar

from glioframe.artifacts.json_file import parse, to_json
from glioframe.artifacts.plan import Configuration
from glioframe.core.errors import SettingError

T = TypeVar("T")
SECTIONS = ("plan", "network", "training", "task", "launcher")
_OF_THE_MODEL = SECTIONS[:-1]
_PLAN_KEYS = ("patch_size_vox", "batch_size")
"""The others decide what the preprocessed cases look like: they are edited in plans.json, then preprocessed again."""


def apply_overrides(configuration: Configuration, settings: T, overrides: Sequence[str]) -> tuple[Configuration, T]:
    """Applies ``training.epochs=2``, ``plan.batch_size=1``, ``network.dropout=0.3``, ``task.key=value``.

    ``plan`` names ``patch_size_vox`` or ``batch_size``, ``network`` and ``training`` fields of these parts of the
    configuration, ``task`` those of the task's settings. Values are JSON; what is not JSON is taken as text.

    Raises:
        SettingError: Unknown section or key, or a value out of range; the legal keys are listed.
        PlanError: The configuration became illegal.
    """
    for override in overrides:
        section, key, value = _split(override)
        if section not in _OF_THE_MODEL:
            raise SettingError(
                f"--set {override}",
                expected=f"a section of {', '.join(_OF_THE_MODEL)}",
                found=f"{section}, which is for --launcher",
                fix="Pass --launcher too, or leave it out",
            )
        if section == "task":
            settings = _replaced(settings, key, value, where=override)
        elif section == "plan":
            _check_key(key, _PLAN_KEYS, where=override)
            configuration = _replaced(configuration, key, value, where=override)
        else:
            part = _replaced(getattr(configuration, section), key, value, where=override)
            configuration = _replaced(configuration, section, json.loads(to_json(part)), where=override)
    configuration.check()
    return configuration, settings


def override_section(settings: T, overrides: Sequence[str], *, section: str) -> tuple[T, tuple[str, ...]]:
    """Applies those of the overrides that are of ``section``, and hands back the others.

    Raises:
        SettingError: Unknown section or key, or a value out of range.
    """
    others = []
    for override in overrides:
        found, key, value = _split(override)
        if found == section:
            settings = _replaced(settings, key, value, where=override)
        else:
            others.append(override)
    return settings, tuple(others)


def _split(override: str) -> tuple[str, str, Any]:
    name, equals, text = override.partition("=")
    section, dot, key = name.partition(".")
    if not (equals and dot and key and section in SECTIONS):
        raise SettingError(
            f"--set {override}",
            expected=f"section.key=value with a section of {', '.join(SECTIONS)}",
            found=repr(override),
            fix="Write it like training.epochs=2",
        )
    try:
        value = json.loads(text)
    except json.JSONDecodeError:
        value = text
    return section, key, value


def _replaced(settings: T, key: str, value: Any, *, where: str) -> T:  # noqa: ANN401 - any JSON value
    _check_key(key, [field.name for field in fields(settings)], where=where)  # type: ignore[arg-type]
    content = json.loads(to_json(settings))
    content[key] = value
    return parse(type(settings), content, where=f"--set {where}")


def _check_key(key: str, legal: Sequence[str], *, where: str) -> None:
    if key not in legal:
        raise SettingError(
            f"--set {where}",
            expected=f"one of the keys {', '.join(legal) or '(none)'}",
            found=repr(key),
            fix="Correct the key",
        )
