"""The predicted peak memory, against real steps and against what must follow from what is planned."""

import sys
from dataclasses import replace

import pytest
import torch
from torch.nn import functional

from glioframe.artifacts.network_plan import ResidualEncoderPlan, VisionTransformerPlan
from glioframe.artifacts.plan import Configuration, TrainingPlan
from glioframe.networks.classifier import build_classifier
from glioframe.training.memory import predict_peak_memory
from glioframe.training.tensor_tracker import TensorTracker
from step_memory import measured_gb, predicted_gb


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


def make_transformer(*, edge_vox: int = 32, batch_size: int = 2, **training) -> Configuration:
    network = VisionTransformerPlan(token_size_vox=(4, 4, 4), width=96, depth=4, num_heads=2)
    return replace(make_configuration(edge_vox=edge_vox, batch_size=batch_size, **training), network=network)


def predict(configuration: Configuration, *, num_channels: int = 2) -> float:
    return predicted_gb(configuration, num_channels=num_channels)


@pytest.mark.skipif(sys.platform != "linux", reason="reads the peak of resident memory from /proc")
@pytest.mark.parametrize(
    "configuration",
    [
        make_configuration(batch_size=4, edge_vox=48, amp=False),
        make_transformer(batch_size=4, edge_vox=40, amp=False),
        pytest.param(make_configuration(batch_size=4, edge_vox=48), marks=pytest.mark.slow),
        pytest.param(make_configuration(batch_size=4, edge_vox=48, checkpointing=True), marks=pytest.mark.slow),
        pytest.param(make_transformer(batch_size=8, edge_vox=48), marks=pytest.mark.slow),
        pytest.param(make_transformer(batch_size=8, edge_vox=48, checkpointing=True), marks=pytest.mark.slow),
    ],
    ids=["cnn", "vit", "cnn, mixed", "cnn, checkpoints", "vit, mixed", "vit, checkpoints"],
)
def test_the_prediction_is_within_15_percent_of_what_a_fresh_process_grows_by(configuration):
    measured = measured_gb(configuration, num_channels=4)
    assert predict(configuration, num_channels=4) == pytest.approx(measured, rel=0.15)


def test_the_tracker_counts_memory_from_its_making_to_its_last_use():
    alive = torch.zeros(100)
    tracker = TensorTracker([alive])
    with tracker:
        first = torch.zeros(250) + 1
        view = first[:10]
        del first
        second = torch.zeros(500)  # 2000 bytes, while the view holds 1000
        del view, second
        torch.zeros(100)
    assert tracker.peak_bytes == alive.nbytes + 1000 + 2000


def test_a_convolution_counts_its_operands_twice():
    image, kernel = torch.zeros(1, 2, 8, 8, 8), torch.zeros(3, 2, 1, 1, 1)
    tracker = TensorTracker([image, kernel])
    with tracker:
        made = functional.conv3d(image, kernel)
    assert tracker.peak_bytes == 2 * (image.nbytes + kernel.nbytes + made.nbytes)


@pytest.mark.parametrize("make", [make_configuration, make_transformer])
def test_computing_activations_again_needs_less_memory(make):
    assert predict(make(checkpointing=True)) < 0.8 * predict(make())


def test_attention_over_four_times_the_tokens_needs_about_four_times_the_activations():
    early = make_transformer(batch_size=8)
    per_channel = replace(early, network=replace(early.network, fusion="per_channel"))
    assert 3 < predict(per_channel, num_channels=4) / predict(early, num_channels=4) < 4.5


@pytest.mark.parametrize("make", [make_configuration, make_transformer])
def test_predicting_needs_less_than_training(make):
    memory = predict_peak_memory(make(batch_size=4), quantitative=[True, False], num_classes=2, dtype=None)
    assert 0 < memory.inference_gb < memory.training_gb


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
