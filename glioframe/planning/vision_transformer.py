"""Plans vision transformers: tokens by the field of view, width by the cohort."""

from __future__ import annotations

import math
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, ClassVar, Literal, cast, final

from glioframe.artifacts.network_sizes import VISION_TRANSFORMER_SIZES
from glioframe.planning.network_family import Layout, NetworkFamily, choose_dropout, dropout_reason
from glioframe.planning.reasons import times

if TYPE_CHECKING:
    from collections.abc import Sequence

    from glioframe.artifacts.network_plan import VisionTransformerPlan
    from glioframe.core.geometry import Shape, Spacing
    from glioframe.planning.budget import Budget, TransformerSize


_FEWEST_SUBJECTS: dict[TransformerSize, int] = {"XS": 0, "S": 100, "B": 400, "M": 1500}
"""From how many on a size is planned: a transformer has to learn what a convolution is built with."""
_SIZE_OF_WIDTH = {VISION_TRANSFORMER_SIZES[name].width: name for name in _FEWEST_SUBJECTS}
_TOKEN_MM = 8.0
"""As Primus: 8 voxels of 1 mm."""
_TOKEN_GROWTH = 1.125
_FEWEST_TOKENS = 2
"""Along each axis."""
_OFTEN_MISSING = 0.1
_DROP_PATHS = (0.1, 0.2)
_DEEP = 12


@final
@dataclass(frozen=True, kw_only=True)
class VisionTransformerFamily(NetworkFamily):
    """Primus' encoder, in sizes that the cohort can fill.

    Attributes:
        budget: To stay within.
        num_subjects: Of the training cases.
        num_channels: Of the network's input.
        missing_share: Of the training cases that lack the channel that is missing most often.
    """

    weight_decay: ClassVar[float] = 0.05
    warmup_share: ClassVar[float] = 0.1
    budget: Budget
    num_subjects: int
    num_channels: int
    missing_share: float

    @property
    def widths(self) -> Sequence[int]:
        """Of the sizes up to the budget's largest that have enough subjects."""
        names = list(_FEWEST_SUBJECTS)
        allowed = names[: names.index(self.budget.max_transformer) + 1]
        enough = [name for name in allowed if self.num_subjects >= _FEWEST_SUBJECTS[name]]
        return [VISION_TRANSFORMER_SIZES[name].width for name in reversed(enough)]

    def layout(self, extent_mm: Spacing, spacing_mm: Spacing, width: int) -> Layout:
        """As many tokens as hold the field of view; tokens grow where they would be too many."""
        token = self._token(extent_mm, spacing_mm)
        grid = _grid(extent_mm, spacing_mm, token)
        size = VISION_TRANSFORMER_SIZES[_SIZE_OF_WIDTH[width]]
        network = replace(
            size,
            token_size_vox=token,
            fusion=self._fusion(math.prod(grid)),
            drop_path=_DROP_PATHS[size.depth >= _DEEP],
            dropout=choose_dropout(self.num_subjects),
        )
        patch = tuple(count * edge for count, edge in zip(grid, token, strict=True))
        return Layout(cast("Shape", patch), network)

    def reasons(self, layout: Layout, spacing_mm: Spacing) -> dict[str, str]:
        """Tokens, fusion, size and regularization."""
        network = cast("VisionTransformerPlan", layout.network)
        name = _SIZE_OF_WIDTH[self.widths[0]]
        grid = network.token_grid(layout.patch_size_vox)
        edges_mm = [edge * spacing for edge, spacing in zip(network.token_size_vox, spacing_mm, strict=True)]
        num_tokens = network.num_tokens(layout.patch_size_vox, self.num_channels)
        return {
            "network.token_size_vox": f"A token covers {times(edges_mm)} mm: {_TOKEN_MM:g} mm, as Primus', or more "
            f"where the patch would have over {self.budget.max_tokens} tokens, the bound of budget {self.budget.name}. "
            f"It has {times(grid)}"
            + (f" for each of {self.num_channels} channels" if network.fusion == "per_channel" else "")
            + f", {num_tokens} in all.",
            "network.fusion": self._fusion_reason(network),
            "network.width": f"Size {name}, {self.widths[0]} features, for {self.num_subjects} subjects: sizes up to "
            f"{self.budget.max_transformer} are in budget {self.budget.name}, and without pretraining "
            + ", ".join(f"{each} takes {_FEWEST_SUBJECTS[each]}" for each in ("S", "B", "M"))
            + " subjects or more to learn what a convolution is built with.",
            "network.depth": f"{network.depth} blocks go with {network.width} features: S, B and M are Primus' sizes, "
            "XS is for CPUs and small cohorts.",
            "network.num_heads": f"{network.num_heads} heads of {network.width // network.num_heads} features each, a "
            "multiple of 6, as positions on three axes turn pairs of features.",
            "network.mlp_ratio": "As Primus', and so are num_registers and layer_scale, whatever the dataset.",
            "network.drop_path": f"{network.drop_path:g} for {network.depth} blocks ({_DROP_PATHS[True]:g} from "
            f"{_DEEP} on, else {_DROP_PATHS[False]:g}).",
            "network.dropout": dropout_reason(self.num_subjects),
        }

    @property
    def _often_missing(self) -> bool:
        return self.num_channels > 1 and self.missing_share >= _OFTEN_MISSING

    def _fusion(self, num_tokens: int) -> Literal["early", "per_channel"]:
        fits = self.num_channels * num_tokens <= self.budget.max_tokens
        return "per_channel" if self._often_missing and fits else "early"

    def _fusion_reason(self, network: VisionTransformerPlan) -> str:
        missing = f"The channel missing most often is missing in {self.missing_share:.0%} of the training cases"
        if network.fusion == "per_channel":
            return (
                f"{missing} ({_OFTEN_MISSING:.0%} is the bound), so every channel has tokens of its own, and an absent "
                "one has none."
            )
        if self._often_missing:
            return (
                f"{missing}, but tokens of their own for {self.num_channels} channels would be more than the "
                f"{self.budget.max_tokens} of budget {self.budget.name}: a token sees all channels."
            )
        if self.num_channels == 1:
            return "There is one channel only, which every token sees."
        return (
            f"{missing}, less than {_OFTEN_MISSING:.0%}: a token sees all channels, which takes {self.num_channels} "
            "times fewer tokens than tokens for each."
        )

    def _token(self, extent_mm: Spacing, spacing_mm: Spacing) -> Shape:
        most = max(self.budget.max_tokens, _FEWEST_TOKENS**3)
        edge_mm = _TOKEN_MM
        token = _token_of(edge_mm, spacing_mm)
        while math.prod(_grid(extent_mm, spacing_mm, token)) > most:
            edge_mm *= _TOKEN_GROWTH
            token = _token_of(edge_mm, spacing_mm)
        return token


def _token_of(edge_mm: float, spacing_mm: Spacing) -> Shape:
    z, y, x = (max(1, round(edge_mm / spacing)) for spacing in spacing_mm)
    return (z, y, x)


def _grid(extent_mm: Spacing, spacing_mm: Spacing, token: Shape) -> Shape:
    """Tokens (z, y, x) that hold the extent."""
    z, y, x = (
        max(_FEWEST_TOKENS, math.ceil(math.ceil(extent / spacing - 1e-3) / edge))
        for extent, spacing, edge in zip(extent_mm, spacing_mm, token, strict=True)
    )
    return (z, y, x)
