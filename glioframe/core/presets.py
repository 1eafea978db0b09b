"""Finds the shipped presets: ``plans/`` in a checkout, ``glioframe/_plans`` in an installed wheel."""

from __future__ import annotations

from pathlib import Path

from glioframe.core.errors import SettingError

_PACKAGE = Path(__file__).resolve().parent.parent


def presets_folder() -> Path:
    """The folder that holds ``budgets/``, ``protocols/`` and ``tasks/``."""
    installed = _PACKAGE / "_plans"
    return installed if installed.is_dir() else _PACKAGE.parent / "plans"


def preset_names(kind: str) -> list[str]:
    """Names of the presets of one kind, e.g. ``budgets``, sorted."""
    return sorted(path.stem for path in (presets_folder() / kind).glob("*.json"))


def preset_path(kind: str, name: str) -> Path:
    """The file of a preset.

    Raises:
        SettingError: No preset of that kind has that name.
    """
    path = presets_folder() / kind / f"{name}.json"
    if not path.is_file():
        raise SettingError(
            f"preset {kind}/{name}",
            expected=f"one of {', '.join(preset_names(kind)) or 'no preset'}",
            found=repr(name),
            fix="Choose a listed name",
        )
    return path
