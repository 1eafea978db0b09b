"""The engine's small parts: schedule, average, optimizer, precision, device."""

import contextlib
import math
from dataclasses import replace
from itertools import pairwise

import pytest
import torch
from torch import nn

from glioframe.artifacts.network_plan import VisionTransformerPlan
from glioframe.artifacts.plan import TrainingPlan
from glioframe.core.errors import SettingError
from glioframe.networks.build_encoder import build_encoder
from glioframe.training.device import peak_memory_mb, reproducible, resolve_device
from glioframe.training.ema import AveragedNetwork
from glioframe.training.optimizer import build_optimizer, set_learning_rate
from glioframe.training.precision import Precision, choose_precision
from glioframe.training.schedule import learning_rate
from training_builders import make_plan


def make_training(**changes) -> TrainingPlan:
    return TrainingPlan(**({"epochs": 10, "iterations_per_epoch": 10, "learning_rate": 2.0} | changes))


def test_without_warmup_training_starts_at_the_peak():
    assert learning_rate(make_training(), 0) == 2.0


def test_cosine_is_half_the_peak_half_way():
    assert learning_rate(make_training(), 50) == pytest.approx(1.0)


def test_poly_follows_its_formula():
    assert learning_rate(make_training(schedule="poly"), 75) == pytest.approx(2.0 * 0.25**0.9)


@pytest.mark.parametrize("schedule", ["cosine", "poly"])
def test_the_rate_rises_linearly_to_the_peak_and_then_falls_to_nearly_nothing(schedule):
    plan = make_training(schedule=schedule, warmup_epochs=2)
    rates = [learning_rate(plan, step) for step in range(100)]
    assert rates[:20] == pytest.approx([2.0 * (step + 1) / 21 for step in range(20)])
    assert rates[20] == 2.0
    assert all(later < earlier for earlier, later in pairwise(rates[20:]))
    assert 0 < rates[-1] < 0.05


def test_a_training_that_is_all_warmup_has_a_rate_for_every_step():
    plan = make_training(epochs=1, warmup_epochs=5)
    assert all(0 < learning_rate(plan, step) < 2.0 for step in range(10))


def test_the_average_forgets_its_start_and_follows_the_formula():
    network = nn.Linear(1, 1, bias=False)
    nn.init.constant_(network.weight, 5.0)
    average = AveragedNetwork(network, decay=0.5)
    expected = 5.0
    for step, value in enumerate([1.0, 2.0, 4.0, 8.0]):
        nn.init.constant_(network.weight, value)
        average.update(network, num_updates=step)
        decay = min(0.5, (1 + step) / (10 + step))
        expected = decay * expected + (1 - decay) * value
    assert float(average.network.weight) == pytest.approx(expected)


def test_decay_zero_is_no_average_at_all():
    network = nn.Linear(3, 3)
    average = AveragedNetwork(network, decay=0.0)
    nn.init.normal_(network.weight)
    average.update(network, num_updates=7)
    assert torch.equal(average.network.weight, network.weight)


def test_the_average_takes_over_buffers_and_is_never_trained():
    network = nn.BatchNorm1d(2)
    average = AveragedNetwork(network, decay=0.9)
    network(torch.randn(8, 2) + 3)
    average.update(network, num_updates=0)
    assert torch.equal(average.network.running_mean, network.running_mean)
    assert not average.network.training
    assert not any(parameter.requires_grad for parameter in average.network.parameters())


def test_norms_and_biases_are_not_decayed():
    network = nn.Sequential(nn.Conv3d(1, 2, 3), nn.InstanceNorm3d(2, affine=True))
    decay = {
        parameter.ndim: group["weight_decay"]
        for group in build_optimizer(network, make_training(weight_decay=0.3)).param_groups
        for parameter in group["params"]
    }
    assert decay == {5: 0.3, 1: 0.0}


@pytest.mark.parametrize("family", ["cnn", "vit"])
def test_positions_registers_and_channel_embeddings_are_not_decayed(family):
    vit = VisionTransformerPlan(width=24, depth=1, num_heads=2, num_registers=1, fusion="per_channel")
    network = vit if family == "vit" else make_plan().configuration("3d_cnn").network
    encoder = build_encoder(network, num_channels=2, patch_size_vox=(16, 16, 16))
    name_of = {id(parameter): name for name, parameter in encoder.named_parameters()}
    groups = build_optimizer(encoder, make_training(weight_decay=0.3)).param_groups
    found = {
        decay: {name_of[id(p)] for group in groups if group["weight_decay"] == decay for p in group["params"]}
        for decay in (0.3, 0.0)
    }
    layers = [f"{name}.weight" for name, layer in encoder.named_modules() if isinstance(layer, (nn.Linear, nn.Conv3d))]
    assert found[0.3] == {name for name in layers if name in name_of.values()}
    assert found[0.3] | found[0.0] == set(name_of.values())
    added = {"eva.pos_embed", "register_tokens", "channel_embedding"}
    assert (added <= found[0.0]) == (family == "vit")


def test_frozen_parameters_are_left_out():
    network = nn.Sequential(nn.Linear(2, 2), nn.Linear(2, 1))
    network[0].requires_grad_(requires_grad=False)
    trained = [
        parameter for group in build_optimizer(network, make_training()).param_groups for parameter in group["params"]
    ]
    assert {id(parameter) for parameter in trained} == {id(parameter) for parameter in network[1].parameters()}


@pytest.mark.parametrize("decay", [0.0, 0.3, 0.9, 0.9999])
def test_the_average_of_what_does_not_move_does_not_drift_by_a_bit(decay):
    network = nn.Linear(50, 50)
    average = AveragedNetwork(network, decay=decay)
    for step in range(30):
        average.update(network, num_updates=step)
    assert torch.equal(average.network.weight, network.weight)


def test_sgd_has_nesterov_momentum():
    (group,) = build_optimizer(nn.Linear(2, 2, bias=False), make_training(optimizer="sgd")).param_groups
    assert group["nesterov"]
    assert group["momentum"] == 0.99


def test_the_rate_is_set_for_all_parameters():
    optimizer = build_optimizer(nn.Linear(2, 2), make_training())
    set_learning_rate(optimizer, 0.125)
    assert [group["lr"] for group in optimizer.param_groups] == [0.125, 0.125]


def test_without_amp_everything_is_float32():
    precision = choose_precision(torch.device("cpu"), amp=False)
    with precision.autocast():
        assert nn.Linear(2, 2)(torch.zeros(1, 2)).dtype == torch.float32
    assert not precision.needs_loss_scaling


def test_bfloat16_is_used_exactly_where_it_is_native_and_needs_no_loss_scaling(monkeypatch):
    for native, expected in ((True, torch.bfloat16), (False, None)):
        monkeypatch.setattr(torch.cpu, "_is_avx512_bf16_supported", lambda native=native: native)
        monkeypatch.setattr(torch.cpu, "_is_amx_tile_supported", lambda: False)
        precision = choose_precision(torch.device("cpu"), amp=True)
        assert precision.dtype == expected
        assert not precision.needs_loss_scaling
        with precision.autocast():
            assert nn.Linear(2, 2)(torch.zeros(1, 2)).dtype == (expected or torch.float32)


@pytest.mark.parametrize("name", ["tpu", "cuda:99", "nonsense:1"])
def test_a_device_that_is_not_there_is_refused(name):
    with pytest.raises(SettingError, match=f"--device {name}: expected a device of this machine"):
        resolve_device(name)


def test_auto_is_a_cuda_device_where_there_is_one_and_else_the_cpu(monkeypatch):
    for available, expected in ((True, "cuda"), (False, "cpu")):
        monkeypatch.setattr(torch.cuda, "is_available", lambda available=available: available)
        assert resolve_device("auto") == torch.device(expected)


def test_reproducible_puts_random_state_and_settings_back():
    torch.manual_seed(3)
    expected = torch.rand(3)
    torch.manual_seed(3)
    with reproducible(torch.device("cpu")):
        assert torch.are_deterministic_algorithms_enabled()
        torch.manual_seed(99)
    assert not torch.are_deterministic_algorithms_enabled()
    assert torch.equal(torch.rand(3), expected)


def test_peak_memory_is_counted_in_megabytes():
    assert 50 < peak_memory_mb(torch.device("cpu")) < 1e5
    assert math.isfinite(peak_memory_mb(torch.device("cpu")))


@pytest.mark.parametrize("shape", [(2, 2, 2), (2, 5, 4), (3, 2, 2), (4, 4, 4)])
def test_gradients_in_mixed_precision_are_those_of_float32_on_small_maps_too(shape):
    # torch's bfloat16 gradient of maps two voxels deep contains uninitialized memory.
    torch.manual_seed(0)
    convolution = nn.Conv3d(64, 64, 3, padding=1)
    image = torch.randn(1, 64, *shape)
    precision = choose_precision(torch.device("cpu"), amp=True)

    def gradient(*, mixed: bool) -> torch.Tensor:
        convolution.zero_grad()
        with precision.autocast() if mixed else contextlib.nullcontext():
            result = convolution(image)
        assert result.dtype == ((precision.dtype or torch.float32) if mixed else torch.float32)
        result.float().square().sum().backward()
        return convolution.weight.grad.clone()

    exact = gradient(mixed=False)
    for junk in (1e30, -1e30):
        _ = [torch.full((size,), junk) for size in (10_000, 100_000, 1_000_000)]
        torch.testing.assert_close(gradient(mixed=True), exact, rtol=0, atol=0.03 * float(exact.abs().max()))


def test_activations_computed_again_have_the_precision_that_they_had_at_first():
    # Two levels down, a patch of 8 voxels is two voxels deep: a convolution that stays in float32.
    network = replace(
        make_plan().configuration("3d_cnn").network,
        features_per_stage=(4, 4, 4),
        blocks_per_stage=(1, 1, 1),
        kernel_sizes=((3, 3, 3),) * 3,
        strides=((1, 1, 1), (2, 2, 2), (2, 2, 2)),
    )
    precision = Precision(device_type="cpu", dtype=torch.bfloat16)
    image, presence = torch.randn(2, 1, 8, 8, 8), torch.ones(2, 1)

    def gradients(*, checkpointing: bool) -> list[torch.Tensor]:
        torch.manual_seed(0)
        encoder = build_encoder(network, num_channels=1, patch_size_vox=(8, 8, 8), checkpointing=checkpointing)
        with precision.autocast():
            loss = encoder(image, presence).pooled.float().square().sum()
        loss.backward()
        return [parameter.grad for parameter in encoder.parameters()]

    for kept, again in zip(gradients(checkpointing=False), gradients(checkpointing=True), strict=True):
        assert torch.equal(kept, again)


@pytest.mark.parametrize("optimizer", ["adamw", "sgd"])
def test_one_fused_pass_moves_parameters_as_the_plain_loop_does(optimizer):
    moved = []
    for fused in (True, False):
        torch.manual_seed(0)
        network = nn.Sequential(nn.Conv3d(2, 4, 3), nn.Tanh())
        steps = build_optimizer(network, make_training(optimizer=optimizer, learning_rate=0.01), fused=fused)
        assert all(bool(group["fused"]) == fused for group in steps.param_groups)
        for _ in range(5):
            steps.zero_grad()
            network(torch.randn(1, 2, 6, 6, 6)).square().sum().backward()
            steps.step()
        moved.append(torch.cat([parameter.detach().flatten() for parameter in network.parameters()]))
    torch.testing.assert_close(moved[0], moved[1], rtol=1e-4, atol=1e-5)
