"""What a plan may spend: memory, voxels and training time of one class of machines."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Annotated, Any, ClassVar, Literal

from annotated_types import Gt, MinLen

from glioframe.artifacts.json_file import STRICT, load_json
from glioframe.artifacts.network_plan import Count, Fraction, Positive  # noqa: TC001 - pydantic reads the annotations
from glioframe.core.errors import SettingError
from glioframe.core.presets import preset_names, preset_path

TransformerSize = Literal["XS", "S", "B", "M"]
"""Of the sizes in :mod:`glioframe.artifacts.network_sizes`."""
_KIND = "budgets"
_CPU = "cpu"


@dataclass(frozen=True, kw_only=True, slots=True)
class Budget:
    """One class of machines, as in ``plans/budgets/NAME.json``.

    Attributes:
        name: Of the preset.
        device: What trains.
        gpu_memory_gb: Memory of that device; of a CPU, the share of the main memory that training may take.
        usable_fraction: Share of it that a traced step may fill. The rest is for what a trace does not see: the
            GPU's context and fragmentation.
        max_patch_vox: Most voxels of a patch: a bound on time rather than on memory.
        max_batch_size: Most patches of a step.
        base_features: Feature maps of the first stage.
        max_features: Feature maps at most.
        blocks_per_stage: Residual blocks of each stage; its length is the largest number of stages.
        max_transformer: Largest size of a vision transformer.
        max_tokens: Most tokens of a patch, over all channels: attention takes time by their square.
        learning_rate: Peak; deeper networks take a smaller one.
        exposures_per_case: How often training shows each case, in another augmented view each time.
        min_iterations: Optimizer steps at least, however small the cohort.
        max_iterations: Optimizer steps at most, however large the cohort.
    """

    __pydantic_config__: ClassVar[dict[str, Any]] = STRICT
    name: str
    device: Literal["cpu", "gpu"]
    gpu_memory_gb: Positive
    usable_fraction: Annotated[Fraction, Gt(0)]
    max_patch_vox: Count
    max_batch_size: Count
    base_features: Count
    max_features: Count
    blocks_per_stage: Annotated[tuple[Count, ...], MinLen(1)]
    max_transformer: TransformerSize
    max_tokens: Count
    learning_rate: Positive
    exposures_per_case: Count
    min_iterations: Count
    max_iterations: Count

    @property
    def usable_memory_gb(self) -> float:
        """What a traced step may fill."""
        return self.usable_fraction * self.gpu_memory_gb


def load_budget(name: str) -> Budget:
    """The shipped budget called ``name``.

    Raises:
        SettingError: There is none of that name.
    """
    return load_json(Budget, preset_path(_KIND, name))


def budget_for(gpu_memory_gb: float | None) -> Budget:
    """The shipped budget for a GPU of that memory, or for the CPU where it is None.

    It is the largest one that the GPU's memory covers (of a smaller GPU, the smallest one), with that memory in place.

    Raises:
        SettingError: The memory is not positive.
    """
    if gpu_memory_gb is None:
        return load_budget(_CPU)
    if gpu_memory_gb <= 0:
        raise SettingError(
            "GPU memory",
            expected="a positive number of GB",
            found=f"{gpu_memory_gb:g}",
            fix="Give the memory of the GPU, or nothing to plan for the CPU",
        )
    budgets = sorted(
        (load_budget(name) for name in preset_names(_KIND) if name != _CPU), key=lambda budget: budget.gpu_memory_gb
    )
    # A GPU sold as 24 GB reports a little less or more than that, in GB as in GiB.
    covered = [budget for budget in budgets if budget.gpu_memory_gb <= 1.1 * gpu_memory_gb]
    return replace(covered[-1] if covered else budgets[0], gpu_memory_gb=gpu_memory_gb)
