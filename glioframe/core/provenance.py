"""What an artifact was made from, so that anyone can make it again.

No clock time and no host name: the same inputs give the same bytes.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from importlib import metadata


def glioframe_version() -> str:
    """The installed version of glioframe."""
    return metadata.version("glioframe")


@dataclass(frozen=True, kw_only=True, slots=True)
class Provenance:
    """Where an artifact comes from.

    Attributes:
        glioframe_version: Version that wrote the artifact.
        command: The step that wrote it, e.g. ``glioframe_plan_and_preprocess``.
        seed: Seed of everything random in the step; None where nothing was.
        inputs: SHA-256 of each input, by a name relative to its dataset folder.
    """

    glioframe_version: str = field(default_factory=glioframe_version)
    command: str = ""
    seed: int | None = None
    inputs: dict[str, str] = field(default_factory=dict)
