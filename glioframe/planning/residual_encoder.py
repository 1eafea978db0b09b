"""Plans residual encoders: stages by the field of view, width by the cohort."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar, final

from glioframe.artifacts.network_plan import ResidualEncoderPlan
from glioframe.planning.network_family import SMALL_COHORT, Layout, NetworkFamily, choose_dropout, dropout_reason
from glioframe.planning.reasons import times
from glioframe.planning.topology import MIN_LAST_VOX, choose_topology

if TYPE_CHECKING:
    from collections.abc import Sequence

    from glioframe.core.geometry import Spacing
    from glioframe.planning.budget import Budget

_NARROWEST = 16


@final
@dataclass(frozen=True, kw_only=True)
class ResidualEncoderFamily(NetworkFamily):
    """nnU-Net's residual encoder; feature maps double from stage to stage.

    Attributes:
        budget: To stay within.
        num_subjects: Of the training cases.
    """

    weight_decay: ClassVar[float] = 0.01
    warmup_share: ClassVar[float] = 0.05
    budget: Budget
    num_subjects: int

    @property
    def widths(self) -> Sequence[int]:
        """The budget's own, halved down to 16; for a small cohort 16 at once."""
        widest = min(self.budget.base_features, _NARROWEST) if self._is_small else self.budget.base_features
        widths = [widest]
        while widths[-1] // 2 >= _NARROWEST:
            widths.append(widths[-1] // 2)
        return widths

    def layout(self, extent_mm: Spacing, spacing_mm: Spacing, width: int) -> Layout:
        """Stages until the feature map is small, or the budget has no more."""
        blocks = self.budget.blocks_per_stage
        topology = choose_topology(extent_mm, spacing_mm, max_stages=len(blocks))
        num_stages = len(topology.strides)
        network = ResidualEncoderPlan(
            features_per_stage=tuple(min(width * 2**stage, self.budget.max_features) for stage in range(num_stages)),
            blocks_per_stage=blocks[:num_stages],
            kernel_sizes=topology.kernel_sizes,
            strides=topology.strides,
            dropout=choose_dropout(self.num_subjects),
        )
        return Layout(topology.patch_size_vox, network)

    def reasons(self, layout: Layout, spacing_mm: Spacing) -> dict[str, str]:
        """Features, blocks, strides, kernels and dropout."""
        budget = self.budget
        last = [edge // step for edge, step in zip(layout.patch_size_vox, layout.network.total_stride, strict=True)]
        return {
            "network.features_per_stage": self._width_reason(),
            "network.blocks_per_stage": f"Of budget {budget.name}: "
            + (
                "those of nnU-Net's residual encoder."
                if budget.device == "gpu"
                else "one per stage, for a CPU's speed."
            ),
            "network.strides": f"Each axis is halved while its edge is at least {2 * MIN_LAST_VOX} voxels and it is "
            f"less than twice as coarse as the finest, in at most {len(budget.blocks_per_stage)} stages. The last "
            f"feature map has {times(last)} voxels.",
            "network.kernel_sizes": "3 along an axis from the stage on at which its voxels are less than twice as "
            "long as the finest, 1 before: thick slices are not mixed too early (nnU-Net's rule).",
            "network.dropout": dropout_reason(self.num_subjects),
        }

    @property
    def _is_small(self) -> bool:
        return self.num_subjects < SMALL_COHORT

    def _width_reason(self) -> str:
        widest, budget = self.widths[0], self.budget
        if widest < budget.base_features:
            return (
                f"{widest} feature maps in the first stage instead of the {budget.base_features} of budget "
                f"{budget.name}, because {self.num_subjects} subjects (fewer than {SMALL_COHORT}) overfit wide "
                "networks."
            )
        return (
            f"{widest} feature maps in the first stage, as budget {budget.name} says for {self.num_subjects} subjects."
        )
