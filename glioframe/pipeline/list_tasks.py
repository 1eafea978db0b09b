"""What ``glioframe_list_tasks`` shows."""

from __future__ import annotations

from glioframe.task_api.registry import load_task, task_names


def list_tasks() -> list[dict[str, str]]:
    """Name, description and needs of each installed task, in words.

    Raises:
        TaskError: A plugin cannot be imported.
    """
    return [_describe(name) for name in task_names()]


def _describe(name: str) -> dict[str, str]:
    task = load_task(name)
    needed = task.requirements()
    needs = []
    if needed.target:
        needs.append("a target column")
    if needed.lesion_label:
        needs.append("lesion labels")
    if needed.any_modality_of:
        needs.append(f"a channel of {' or '.join(needed.any_modality_of)}")
    return {"name": name, "description": task.description, "needs": ", ".join(needs) or "nothing beyond images"}
