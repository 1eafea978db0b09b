"""The predicted peak memory, against what a real step allocates."""

from dataclasses import replace

import pytest
import torch
from torch.nn import functional

from glioframe.artifacts.network_plan import ResidualEncoderPlan, VisionTransformerPlan
from glioframe.artifacts.plan import Configuration, TrainingPlan
from glioframe.networks.classifier import build_classifier
from glioframe.training.memory import predict_peak_memory_gb

NUM_CLASSES = 2


def make_configuration(*, batch_size: int = 2, edge_vox: int = 32, **training) -> Configuration:
    network = ResidualEncoderPlan(
        features_per_stage=(8, 16, 32),
        blocks_per_stage=(1, 1, 1),
        kernel_sizes=((3, 3, 3),) * 3,
        strides=((1, 1, 1), (2, 2, 2), (2, 2, 2)),
    )
    return Configuration(
        name="3d_cnn",
        data_identifier="test",
        spacing_mm=(1.0, 1.0, 1.0),
        patch_size_vox=(edge_vox,) * 3,
        batch_size=batch_size,
        network=network,
        training=TrainingPlan(epochs=1, iterations_per_epoch=1, **training),
    )


def predict(configuration: Configuration, *, num_channels: int = 2) -> float:
    return predict_peak_memory_gb(configuration, num_channels, NUM_CLASSES)


def measure_peak_gb(configuration: Configuration, *, num_channels: int) -> float:
    """Peak of one real step on the CPU: the allocator's own events, on top of what lives before the step."""
    training = configuration.training
    networks = [
        build_classifier(
            configuration.network,
            num_channels=num_channels,
            num_classes=NUM_CLASSES,
            patch_size_vox=configuration.patch_size_vox,
            checkpointing=training.checkpointing,
            quantitative=[True] * num_channels,
        )
        for _ in ("trained", "averaged")
    ]
    network = networks[0]
    optimizer = torch.optim.AdamW(network.parameters())
    image = torch.rand(configuration.batch_size, num_channels, *configuration.patch_size_vox)
    presence = torch.ones(configuration.batch_size, num_channels)
    reference = torch.zeros(configuration.batch_size, dtype=torch.long)

    def step() -> None:
        with torch.autocast("cpu", torch.bfloat16, enabled=training.amp):
            loss = functional.cross_entropy(network(image, presence), reference)
        loss.backward()
        torch.nn.utils.clip_grad_norm_(network.parameters(), training.gradient_clip_norm)
        optimizer.step()
        optimizer.zero_grad()

    step()
    moments = [value for state in optimizer.state.values() for value in state.values()]
    parameters = [parameter for each in networks for parameter in each.parameters()]
    before = sum(tensor.nbytes for tensor in [*moments, *parameters, image])
    with torch.profiler.profile(activities=[torch.profiler.ProfilerActivity.CPU], profile_memory=True) as profile:
        step()
    events = [event for event in profile.profiler.kineto_results.events() if event.name() == "[memory]"]
    live = peak = 0
    for event in sorted(events, key=lambda event: event.start_ns()):
        live += event.nbytes()
        peak = max(peak, live)
    return (before + peak) / 1e9


VISION_TRANSFORMERS = [
    VisionTransformerPlan(width=96, depth=5, num_heads=4, fusion=fusion) for fusion in ("early", "per_channel")
]


RESIDUAL_ENCODER = make_configuration().network


@pytest.mark.parametrize(
    ("network", "amp", "checkpointing"),
    [
        (RESIDUAL_ENCODER, True, False),
        (RESIDUAL_ENCODER, False, False),
        (RESIDUAL_ENCODER, True, True),
        (VISION_TRANSFORMERS[0], True, False),
        (VISION_TRANSFORMERS[0], True, True),
        (VISION_TRANSFORMERS[1], False, True),
    ],
)
def test_the_prediction_is_within_15_percent_of_what_a_real_step_allocates(amp, checkpointing, network):
    configuration = replace(make_configuration(edge_vox=48, amp=amp, checkpointing=checkpointing), network=network)
    # More channels, and the copy of the image that a CPU's convolution makes would stand out of so small a network.
    measured = measure_peak_gb(configuration, num_channels=2)
    assert predict(configuration, num_channels=2) == pytest.approx(measured, rel=0.15)


@pytest.mark.parametrize("network", [RESIDUAL_ENCODER, VISION_TRANSFORMERS[1]], ids=["cnn", "vit"])
def test_checkpointing_needs_less_memory(network):
    kept, again = (
        replace(make_configuration(edge_vox=48, checkpointing=flag), network=network) for flag in (False, True)
    )
    assert predict(again) < 0.9 * predict(kept)


def test_more_channels_need_more_memory():
    configuration = make_configuration()
    two, four, eight = (predict(configuration, num_channels=count) for count in (2, 4, 8))
    assert two < four < eight


def test_every_further_patch_of_a_batch_needs_equally_much():
    one, two, four = (predict(make_configuration(batch_size=size)) for size in (1, 2, 4))
    assert two - one == pytest.approx((four - two) / 2, rel=0.05)
    assert two > 1.5 * one


def test_activations_grow_with_the_volume_of_the_patch():
    small, large = predict(make_configuration(edge_vox=32)), predict(make_configuration(edge_vox=64))
    assert 7 < large / small < 8.1


def test_full_precision_needs_more_than_mixed_precision():
    assert predict(make_configuration(amp=False)) > 1.3 * predict(make_configuration(amp=True))


def test_adamw_keeps_one_moment_more_than_sgd_and_averaging_one_copy_of_the_weights():
    configuration = make_configuration()
    network = build_classifier(
        configuration.network,
        num_channels=2,
        patch_size_vox=configuration.patch_size_vox,
        num_classes=2,
        quantitative=[True, True],
    )
    weights_gb = sum(parameter.nbytes for parameter in network.parameters()) / 1e9
    adamw, sgd = predict(configuration), predict(make_configuration(optimizer="sgd"))
    not_averaged = predict(make_configuration(ema_decay=0.0))
    assert adamw - sgd == pytest.approx(weights_gb, rel=0.02)
    assert adamw - not_averaged == pytest.approx(weights_gb, rel=0.02)


def test_wider_networks_need_more():
    configuration = make_configuration()
    wider = replace(configuration, network=replace(configuration.network, features_per_stage=(16, 32, 64)))
    assert predict(wider) > 1.5 * predict(configuration)


def test_predicting_twice_gives_the_same_and_leaves_the_random_state_alone():
    configuration = make_configuration()
    before = torch.random.get_rng_state()
    assert predict(configuration) == predict(configuration)
    assert torch.equal(torch.random.get_rng_state(), before)
