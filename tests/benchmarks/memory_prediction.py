"""Predicted beside observed peak memory of training steps, for networks of both families.

    python tests/benchmarks/memory_prediction.py
    python tests/benchmarks/memory_prediction.py --device cuda

On the CPU, observed is what the resident memory of a fresh process grows by, with an allocator that gives memory back
at once; bounds: 15 %. On a GPU, it is the most that PyTorch's allocator handed out; bounds: 10 %.
"""

import argparse
import sys
from collections.abc import Sequence
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[1]))

from glioframe.artifacts.network_plan import NetworkPlan, ResidualEncoderPlan, VisionTransformerPlan
from glioframe.artifacts.plan import Configuration, TrainingPlan
from step_memory import measured_gb, predicted_gb

BOUNDS = {"cpu": 0.15, "cuda": 0.10}


def residual_encoder(*features: int, blocks: Sequence[int] | None = None) -> ResidualEncoderPlan:
    num_stages = len(features)
    return ResidualEncoderPlan(
        features_per_stage=features,
        blocks_per_stage=tuple(blocks or [1] * num_stages),
        kernel_sizes=((3, 3, 3),) * num_stages,
        strides=((1, 1, 1), *[(2, 2, 2)] * (num_stages - 1)),
    )


def transformer(width: int, depth: int, heads: int, token: int, *, fusion: str = "early") -> VisionTransformerPlan:
    return VisionTransformerPlan(
        token_size_vox=(token,) * 3, width=width, depth=depth, num_heads=heads, fusion=fusion, num_registers=4
    )


def configuration(network: NetworkPlan, edge_vox: int, batch_size: int, **training: object) -> Configuration:
    return Configuration(
        name="benchmark",
        data_identifier="benchmark",
        spacing_mm=(1.0, 1.0, 1.0),
        patch_size_vox=(edge_vox,) * 3,
        batch_size=batch_size,
        network=network,
        training=TrainingPlan(epochs=1, iterations_per_epoch=1, **training),
    )


SMALL = residual_encoder(16, 32, 64, 128)
LARGE = residual_encoder(32, 64, 128, 256, 320, blocks=(1, 3, 4, 6, 6))
ON_CPU = (
    (configuration(SMALL, 48, 4), 4),
    (configuration(SMALL, 48, 4, amp=False), 8),
    (configuration(SMALL, 48, 4, amp=False, checkpointing=True), 4),
    (configuration(LARGE, 64, 2), 2),
    (configuration(LARGE, 80, 2, checkpointing=True), 4),
    (configuration(residual_encoder(24, 48, 96), 64, 2, amp=False, optimizer="sgd"), 3),
    (configuration(transformer(96, 6, 2, 4), 40, 4), 4),
    (configuration(transformer(96, 6, 2, 4), 40, 4, amp=False), 8),
    (configuration(transformer(198, 12, 3, 8), 64, 4, amp=False), 4),
    (configuration(transformer(198, 12, 3, 8), 64, 4, checkpointing=True), 4),
    (configuration(transformer(198, 12, 3, 8, fusion="per_channel"), 48, 2), 4),
    (configuration(transformer(396, 12, 6, 8), 64, 2, amp=False), 2),
)
ON_GPU = (
    (configuration(LARGE, 96, 2), 4),
    (configuration(LARGE, 96, 2), 8),
    (configuration(LARGE, 96, 2, amp=False), 4),
    (configuration(LARGE, 128, 2), 4),
    (configuration(LARGE, 128, 4, checkpointing=True), 4),
    (configuration(SMALL, 64, 8), 4),
    (configuration(transformer(396, 12, 6, 8), 128, 2), 4),
    (configuration(transformer(396, 12, 6, 8), 128, 4, checkpointing=True), 8),
    (configuration(transformer(396, 12, 6, 8, fusion="per_channel"), 96, 2), 4),
    (configuration(transformer(792, 12, 12, 8), 128, 2), 4),
    (configuration(transformer(792, 12, 12, 8), 96, 2, amp=False), 4),
    (configuration(transformer(864, 16, 12, 8), 160, 2, checkpointing=True), 4),
)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--device", choices=sorted(BOUNDS), default="cpu")
    device = parser.parse_args().device
    print("| network | patch | batch | channels | precision | checkpoints | predicted GB | observed GB | error |")
    print("| --- | --- | --- | --- | --- | --- | --- | --- | --- |")
    errors = []
    for planned, num_channels in ON_GPU if device == "cuda" else ON_CPU:
        predicted = predicted_gb(planned, num_channels=num_channels, device=device)
        observed = measured_gb(planned, num_channels=num_channels, device=device)
        errors.append(predicted / observed - 1)
        cells = [
            planned.network.in_words,
            " x ".join(map(str, planned.patch_size_vox)),
            planned.batch_size,
            num_channels,
            "mixed" if planned.training.amp else "float32",
            "yes" if planned.training.checkpointing else "no",
            f"{predicted:.3f}",
            f"{observed:.3f}",
            f"{errors[-1]:+.1%}",
        ]
        print("| " + " | ".join(map(str, cells)) + " |", flush=True)
    worst = max(errors, key=abs)
    print(f"\nlargest error {worst:+.1%} of {len(errors)} configurations; bounds {BOUNDS[device]:.0%}")
    raise SystemExit(abs(worst) > BOUNDS[device])


if __name__ == "__main__":
    main()
