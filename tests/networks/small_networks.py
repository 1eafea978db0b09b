"""Networks of each kind, small enough to be tried in milliseconds."""

from glioframe.artifacts.network_plan import NetworkPlan, ResidualEncoderPlan, VisionTransformerPlan

PATCH = (16, 24, 32)
CNN = ResidualEncoderPlan(
    features_per_stage=(4, 8, 8),
    blocks_per_stage=(1, 2, 1),
    kernel_sizes=((1, 3, 3), (3, 3, 3), (3, 3, 3)),
    strides=((1, 1, 1), (1, 2, 2), (2, 2, 2)),
)
EARLY = VisionTransformerPlan(width=48, depth=3, num_heads=4, fusion="early")
PER_CHANNEL = VisionTransformerPlan(width=48, depth=3, num_heads=4, fusion="per_channel", num_registers=2)
NETWORKS: dict[str, NetworkPlan] = {"cnn": CNN, "early": EARLY, "per_channel": PER_CHANNEL}
