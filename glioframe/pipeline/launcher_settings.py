"""What a job may have, and how many may run: the presets of ``plans/launchers``."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, ClassVar

from annotated_types import Ge

from glioframe.artifacts.json_file import STRICT, load_json
from glioframe.artifacts.network_plan import Count, Positive  # noqa: TC001 - pydantic reads the annotations
from glioframe.artifacts.overrides import override_section
from glioframe.core.presets import preset_path

if TYPE_CHECKING:
    from collections.abc import Sequence

SECTION = "launcher"


@dataclass(frozen=True, kw_only=True, slots=True)
class LauncherSettings:
    """One way to start jobs, as in ``plans/launchers/NAME.json``. From ``gpus_per_job`` on, all is Slurm's.

    Attributes:
        jobs_at_once: Jobs that run at the same time; 0 for one on each GPU of this machine, and on Slurm for no limit.
        processes_per_job: Processes that train a fold together, one GPU each where there are GPUs.
        gpus_per_job: GPUs of a job.
        cpus_per_job: Cores of a job.
        memory_gb: Main memory of a job.
        time_limit_min: After so long a job is stopped. Training saves before, queues again and goes on.
        warning_s: How long before its limit, or before it is preempted, a job is told to save.
        max_timeouts: How often a job may reach its time limit.
        partition: Empty for the cluster's default.
        account: Who pays; empty for the user's default.
        setup: Lines of shell that come before the command, such as ``module load cuda``.
        sbatch: Further options of sbatch by their long name, such as ``{"qos": "low"}``.
    """

    __pydantic_config__: ClassVar[dict[str, Any]] = STRICT
    jobs_at_once: Annotated[int, Ge(0)] = 0
    processes_per_job: Count = 1
    gpus_per_job: Annotated[int, Ge(0)] = 0
    cpus_per_job: Count = 4
    memory_gb: Positive = 16.0
    time_limit_min: Count = 1440
    warning_s: Count = 120
    max_timeouts: Annotated[int, Ge(0)] = 100
    partition: str = ""
    account: str = ""
    setup: tuple[str, ...] = ()
    sbatch: dict[str, str] = field(default_factory=dict)


def load_launcher_settings(name: str, overrides: Sequence[str] = ()) -> tuple[LauncherSettings, tuple[str, ...]]:
    """A preset with the overrides that are meant for it, and the other overrides.

    Args:
        name: Of a shipped preset, or the path of one's own ``.json`` file.
        overrides: ``section.key=value``; those of section ``launcher`` are taken.

    Raises:
        SettingError: No such preset, key or value.
        ArtifactError: The file is no such preset.
    """
    path = Path(name) if name.endswith(".json") else preset_path("launchers", name)
    return override_section(load_json(LauncherSettings, path), overrides, section=SECTION)
