"""Bfloat16 descends as float32 does, up to its rounding."""

import copy

import pytest
import torch
from torch.nn import functional

from glioframe.artifacts.network_plan import NetworkPlan, ResidualEncoderPlan, VisionTransformerPlan
from glioframe.artifacts.plan import TrainingPlan
from glioframe.networks.classifier import build_classifier
from glioframe.training.optimizer import build_optimizer
from glioframe.training.precision import Precision, choose_precision

FLOAT32 = Precision(device_type="cpu")
NATIVE = choose_precision(torch.device("cpu"), amp=True)
ROUNDING = 2.0**-8
"""Bfloat16 has 8 binary digits, float32 has 24."""
FINER = 2.0**16
NUM_CHANNELS, EDGE_VOX = 2, 16
CNN = ResidualEncoderPlan(
    features_per_stage=(8, 16, 32),
    blocks_per_stage=(1, 1, 1),
    kernel_sizes=((3, 3, 3),) * 3,
    strides=((1, 1, 1), (2, 2, 2), (2, 2, 2)),
    dropout=0.0,
)
DEEP_CNN = ResidualEncoderPlan(
    features_per_stage=(8, 16, 32),
    blocks_per_stage=(3, 6, 6),
    kernel_sizes=((3, 3, 3),) * 3,
    strides=((1, 1, 1), (2, 2, 2), (2, 2, 2)),
)
VIT = VisionTransformerPlan(token_size_vox=(4, 4, 4), width=48, depth=3, num_heads=2, num_registers=1, dropout=0.0)

native_only = pytest.mark.skipif(NATIVE.dtype is None, reason="this CPU has no instructions for bfloat16")


def draw_images(number: int) -> torch.Tensor:
    """Blobs with a little noise, of which every other patch takes up more in the second channel: (b, c, z, y, x)."""
    generator = torch.Generator().manual_seed(5)
    coarse = torch.randn(number, NUM_CHANNELS, 4, 4, 4, generator=generator)
    images = functional.interpolate(coarse, size=(EDGE_VOX,) * 3, mode="trilinear")
    images += 0.1 * torch.randn(images.shape, generator=generator)
    images[1::2, 1] += 0.5
    return images


def build(network: NetworkPlan) -> torch.nn.Module:
    torch.manual_seed(0)
    return build_classifier(
        network,
        num_channels=NUM_CHANNELS,
        patch_size_vox=(EDGE_VOX,) * 3,
        num_classes=2,
        quantitative=[False] * NUM_CHANNELS,
    )


def train(network: NetworkPlan, precision: Precision, *, learning_rate: float = 3e-3, steps: int = 10) -> list[float]:
    """Losses of learning one batch by heart. Without Adam, which blows up gradients that are all rounding."""
    classifier, images = build(network).train(), draw_images(8)
    plan = TrainingPlan(epochs=1, iterations_per_epoch=steps, optimizer="sgd", learning_rate=learning_rate)
    optimizer = build_optimizer(classifier, plan)
    losses = []
    for _ in range(steps):
        optimizer.zero_grad()
        with precision.autocast():
            logits = classifier(images, torch.ones(len(images), NUM_CHANNELS))
            loss = functional.cross_entropy(logits, torch.arange(len(images)) % 2)
        loss.backward()
        torch.nn.utils.clip_grad_norm_(classifier.parameters(), plan.gradient_clip_norm)
        optimizer.step()
        losses.append(float(loss.detach()))
    return losses


def within_rounding(losses: list[float], exact: list[float], *, units: float) -> bool:
    """The first loss is off by ``units`` of the last digit at most; each step before it may add half as much."""
    return all(
        abs(loss / true - 1) <= units * (1 + step / 2) * ROUNDING
        for step, (loss, true) in enumerate(zip(losses, exact, strict=True))
    )


@native_only
@pytest.mark.parametrize(
    ("network", "units"),
    # Some sixteen roundings follow each other in the CNN, and add up like the steps of a random walk. What a
    # transformer adds to its tokens is summed and normalized in float32.
    [(CNN, 4), (VIT, 1)],
    ids=["3d_cnn", "3d_vit"],
)
def test_losses_of_ten_steps_in_bfloat16_are_those_of_float32_up_to_rounding(network, units):
    exact, mixed = train(network, FLOAT32), train(network, NATIVE)
    assert exact[-1] < 0.5 * exact[0]  # it learns, so that the gradients count
    assert mixed != exact
    assert within_rounding(mixed, exact, units=units)
    # Steps that are a fifth shorter would be noticed.
    assert not within_rounding(train(network, FLOAT32, learning_rate=2.4e-3), exact, units=units)


@native_only
@pytest.mark.parametrize("network", [DEEP_CNN, VIT], ids=["3d_cnn", "3d_vit"])
def test_bfloat16_errs_by_no_more_than_the_digits_that_it_lacks(network):
    # A deep network magnifies every rounding error equally, whatever its size.
    classifier, images = build(network).eval(), draw_images(8)
    presence = torch.ones(len(images), NUM_CHANNELS)
    with torch.no_grad():
        exact = copy.deepcopy(classifier).double()(images.double(), presence.double())
        single = classifier(images, presence)
        with NATIVE.autocast():
            half = classifier(images, presence)
    errors = [(logits.double() - exact).square().mean().sqrt() for logits in (single, half)]
    assert 0 < errors[1] < FINER * errors[0]
