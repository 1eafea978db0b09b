"""LoRA starts as the network that it changes, and merges into one of the same shape."""

import pytest
import torch
from small_networks import CNN, EARLY, PATCH, PER_CHANNEL

from glioframe.networks.build_encoder import build_encoder
from glioframe.networks.lora import AdaptedLinear, adapt_attention, is_of_lora, merge_adapted, merged_state
from glioframe.networks.weights import distinct_weights

ATTENTION_MAPS = 4


def make_encoder(network, *, seed: int = 0):
    torch.manual_seed(seed)
    return build_encoder(network, num_channels=2, patch_size_vox=PATCH).eval()


def adapted_and_trained(network):
    """As after some training: the changes are no longer zero."""
    encoder = make_encoder(network)
    adapt_attention(encoder, rank=3, alpha=6.0)
    for name, parameter in encoder.named_parameters():
        if name.endswith("lora_up_weight"):
            torch.nn.init.normal_(parameter, std=0.1)
    return encoder


def patches():
    return torch.rand(2, 2, *PATCH, generator=torch.Generator().manual_seed(1)), torch.ones(2, 2)


@pytest.mark.parametrize("network", [EARLY, PER_CHANNEL])
def test_it_starts_as_the_network_that_it_changes(network):
    encoder = make_encoder(network)
    before = encoder.encode(*patches()).dense
    assert adapt_attention(encoder, rank=3, alpha=6.0) == ATTENTION_MAPS * network.depth
    assert torch.equal(encoder.encode(*patches()).dense, before)


@pytest.mark.parametrize("network", [EARLY, PER_CHANNEL])
def test_merged_it_does_the_same_and_has_the_tensors_of_the_plain_network(network):
    encoder = adapted_and_trained(network)
    changed = encoder.encode(*patches()).dense
    state = merged_state(distinct_weights(encoder))
    assert (changed - make_encoder(network).encode(*patches()).dense).abs().max() > 0.01
    merge_adapted(encoder)
    torch.testing.assert_close(encoder.encode(*patches()).dense, changed, rtol=1e-5, atol=1e-5)
    plain = make_encoder(network, seed=9)
    plain.load_state_dict(state)
    torch.testing.assert_close(plain.encode(*patches()).dense, changed, rtol=1e-5, atol=1e-5)


def test_one_map_changes_by_alpha_over_rank_times_the_product():
    original = torch.nn.Linear(5, 4)
    adapted = AdaptedLinear(original, rank=2, alpha=6.0)
    torch.nn.init.normal_(adapted.lora_up_weight)
    matrix = original.weight + 3.0 * adapted.lora_up_weight @ adapted.lora_down_weight
    inputs = torch.randn(7, 5)
    torch.testing.assert_close(adapted(inputs), inputs @ matrix.T + original.bias)
    torch.testing.assert_close(adapted.merged()(inputs), adapted(inputs))


def test_only_the_changes_get_gradients():
    encoder = make_encoder(EARLY).requires_grad_(requires_grad=False)
    adapt_attention(encoder, rank=2, alpha=2.0)
    encoder.encode(*patches()).dense.square().sum().backward()
    with_gradient = {name for name, parameter in encoder.named_parameters() if parameter.grad is not None}
    assert with_gradient == {name for name, _ in encoder.named_parameters() if is_of_lora(name)}
    assert len(with_gradient) == 2 * ATTENTION_MAPS * EARLY.depth


def test_a_network_without_attention_has_nothing_to_change():
    encoder = make_encoder(CNN)
    assert adapt_attention(encoder, rank=2, alpha=2.0) == 0
