"""``training_log.jsonl``: one line per finished epoch of one fold."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any, ClassVar

from glioframe.artifacts.json_file import STRICT, parse
from glioframe.core.errors import ArtifactError
from glioframe.core.files import write_text_atomically


@dataclass(frozen=True, kw_only=True, slots=True)
class EpochRecord:
    """One epoch. Time, waiting, memory and precision depend on the machine, the rest on the seed alone.

    Attributes:
        epoch: Counted from 1.
        train_loss: Mean over the epoch's steps.
        inner_loss: Mean over the inner cases, with the averaged weights; None without inner cases.
        inner_auc: On the inner cases, one class against the rest averaged over classes; None where undefined.
        inner_balanced_accuracy: On the inner cases, taking the most probable class; None where undefined.
        learning_rate: At the epoch's last step.
        seconds: The epoch's wall time.
        loader_wait_share: Share of that time spent waiting for data.
        peak_memory_mb: Highest memory use so far: of the device, or of the process on a CPU.
        precision: In which most of a step is computed: ``float32``, ``bfloat16``, ``float16``; None in an older log.
        frozen_share: Share of the network's weights that were frozen; 0 in an older log.
        train_metrics: What else the task reported of its steps, averaged over the epoch.
    """

    __pydantic_config__: ClassVar[dict[str, Any]] = STRICT
    epoch: int
    train_loss: float
    inner_loss: float | None
    inner_auc: float | None
    inner_balanced_accuracy: float | None
    learning_rate: float
    seconds: float
    loader_wait_share: float
    peak_memory_mb: float
    precision: str | None = None
    frozen_share: float = 0.0
    train_metrics: dict[str, float] = field(default_factory=dict)


def append_epoch(record: EpochRecord, path: Path) -> None:
    """Adds a line."""
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.open("a", encoding="utf-8") as stream:
        stream.write(json.dumps(asdict(record)) + "\n")


def load_training_log(path: Path) -> list[EpochRecord]:
    """The finished epochs; none where there is no file. A last line that a killed process left half-written is dropped.

    Raises:
        ArtifactError: Another line is malformed.
    """
    if not path.is_file():
        return []
    lines = path.read_text(encoding="utf-8").splitlines(keepends=True)
    if lines and not lines[-1].endswith("\n"):
        lines.pop()
    return [_record(line, where=f"{path}:{number}") for number, line in enumerate(lines, start=1)]


def keep_epochs(path: Path, *, last_epoch: int) -> None:
    """Drops the lines after ``last_epoch``: those epochs will be trained again."""
    kept = [record for record in load_training_log(path) if record.epoch <= last_epoch]
    save_training_log(kept, path)


def save_training_log(records: Sequence[EpochRecord], path: Path) -> None:
    """Replaces the log."""
    write_text_atomically(path, "".join(json.dumps(asdict(record)) + "\n" for record in records))


def _record(line: str, *, where: str) -> EpochRecord:
    try:
        content = json.loads(line)
    except json.JSONDecodeError as error:
        raise ArtifactError(where, expected="one JSON object", found=str(error), fix="Remove the line") from None
    return parse(EpochRecord, content, where=where)
