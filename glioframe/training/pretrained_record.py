"""Says what an encoder started from: in the log at once, in the fold's folder at the end."""

from __future__ import annotations

from typing import TYPE_CHECKING

from glioframe.artifacts.pretrained import PretrainedRecord, save_pretrained_record

if TYPE_CHECKING:
    from pathlib import Path

    from glioframe.artifacts.pretrained import PretrainedEncoder
    from glioframe.networks.foreign_weights import LoadedWeights


def in_words(loaded: LoadedWeights) -> str:
    """For a note: how many tensors were loaded, which stay as initialized, how many of the file's are skipped."""
    fresh = f" ({', '.join(loaded.initialized)})" if loaded.initialized else ""
    return (
        f"{len(loaded.loaded)} tensors of the encoder loaded, {len(loaded.initialized)} left as initialized{fresh}, "
        f"{len(loaded.skipped)} of the file skipped"
    )


def save_record(encoder: PretrainedEncoder | None, loaded: LoadedWeights | None, folder: Path) -> None:
    """Writes ``pretrained.json``, where there is something to tell."""
    if encoder is None or loaded is None:
        return
    record = PretrainedRecord(
        source=str(encoder.path),
        sha256=encoder.sha256,
        loaded=loaded.loaded,
        initialized=loaded.initialized,
        skipped=loaded.skipped,
        labelled_images=encoder.labelled_images,
    )
    save_pretrained_record(record, folder)
