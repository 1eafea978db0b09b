"""Finds task plugins by name through the entry-point group ``glioframe.tasks``."""

from __future__ import annotations

from importlib import metadata
from itertools import pairwise
from typing import Any

from glioframe.core.errors import TaskError
from glioframe.task_api.task import Task

GROUP = "glioframe.tasks"


def task_names() -> list[str]:
    """Names of the installed tasks, from package metadata alone: no plugin is imported.

    Raises:
        TaskError: Two packages register the same name.
    """
    points = list(metadata.entry_points(group=GROUP))
    names = sorted(point.name for point in points)
    for first, second in pairwise(names):
        if first == second:
            owners = sorted(point.value for point in points if point.name == first)
            raise TaskError(
                f"task {first!r}",
                expected="one package to register it",
                found=" and ".join(owners),
                fix="Uninstall one of the two packages",
            )
    return names


def load_task(name: str) -> Task[Any]:
    """Imports the plugin called ``name`` and builds it.

    Raises:
        TaskError: No such plugin, or it cannot be imported, or it is not a task.
    """
    if name not in task_names():
        raise TaskError(
            f"task {name!r}",
            expected=f"one of {', '.join(task_names()) or 'no installed task'}",
            found=repr(name),
            fix="Choose a listed task, or install the package that provides it",
        )
    (point,) = metadata.entry_points(group=GROUP, name=name)
    try:
        plugin = point.load()
    except (ImportError, AttributeError) as error:
        raise TaskError(
            f"task {name!r}",
            expected=f"{point.value} to be importable",
            found=str(error),
            fix="Reinstall its package",
        ) from error
    if not (isinstance(plugin, type) and issubclass(plugin, Task)):
        raise TaskError(
            f"task {name!r}",
            expected="a subclass of glioframe.task_api.task.Task",
            found=repr(plugin),
            fix="Correct the entry point in its package",
        )
    return plugin()
