"""Networks of the usual sizes, to start a plan from."""

from __future__ import annotations

from glioframe.artifacts.network_plan import ResidualEncoderPlan, VisionTransformerPlan


def _isotropic(features_per_stage: tuple[int, ...], blocks_per_stage: tuple[int, ...]) -> ResidualEncoderPlan:
    num_stages = len(features_per_stage)
    return ResidualEncoderPlan(
        features_per_stage=features_per_stage,
        blocks_per_stage=blocks_per_stage,
        kernel_sizes=((3, 3, 3),) * num_stages,
        strides=((1, 1, 1),) + ((2, 2, 2),) * (num_stages - 1),
    )


RESIDUAL_ENCODER_SIZES = {
    "S": _isotropic((16, 32, 64, 128), (1, 1, 1, 1)),
    "M": _isotropic((16, 32, 64, 128, 256, 320), (1, 3, 4, 6, 6, 6)),
    "L": _isotropic((32, 64, 128, 256, 320, 320), (1, 3, 4, 6, 6, 6)),
}
"""On voxels as long along each axis. S is for CPUs; L is the encoder of nnU-Net's ResEnc-L (F. Isensee et al., MICCAI
2024), whose public weights fit; M is half as wide at first, for small cohorts."""

VISION_TRANSFORMER_SIZES = {
    "XS": VisionTransformerPlan(width=192, depth=8, num_heads=4),
    "S": VisionTransformerPlan(width=396, depth=12, num_heads=6),
    "B": VisionTransformerPlan(width=792, depth=12, num_heads=12),
    "M": VisionTransformerPlan(width=864, depth=16, num_heads=12),
    "L": VisionTransformerPlan(width=1056, depth=24, num_heads=16),
}
"""S to L are Primus' (T. Wald et al. 2025, arXiv:2503.01835); public weights fit M. XS is ours, for CPUs."""
