"""What holds for an encoder of either family, with either fusion of channels."""

from dataclasses import replace

import pytest
import torch
from small_networks import CNN, EARLY, NETWORKS, PATCH, PER_CHANNEL
from torch.nn import functional

from glioframe.networks.build_encoder import build_encoder
from glioframe.networks.classifier import build_classifier
from glioframe.networks.encoder import Encoder

NUM_CHANNELS = 3
PRESENT = torch.tensor([[1.0, 1.0, 0.0], [1.0, 0.0, 1.0]])


@pytest.fixture(params=NETWORKS)
def network(request):
    return NETWORKS[request.param]


def make_encoder(network, *, num_channels: int = NUM_CHANNELS, seed: int = 0, **options) -> Encoder:
    """A network with all parameters off their initial values."""
    torch.manual_seed(seed)
    encoder = build_encoder(network, num_channels=num_channels, patch_size_vox=PATCH, **options)
    with torch.no_grad():
        for parameter in encoder.parameters():
            parameter.add_(0.1 * torch.randn_like(parameter))
    return encoder.eval()


def make_patches(*, seed: int = 1) -> torch.Tensor:
    return torch.randn(len(PRESENT), NUM_CHANNELS, *PATCH, generator=torch.Generator().manual_seed(seed))


def test_the_dense_encoding_is_coarser_by_the_total_stride(network):
    encoding = make_encoder(network).encode(make_patches(), PRESENT)
    coarse = tuple(size // stride for size, stride in zip(PATCH, network.total_stride, strict=True))
    assert encoding.dense.shape == (2, network.num_features, *coarse)
    assert encoding.pooled.shape == (2, network.num_features)


def test_the_content_of_absent_channels_has_no_influence(network):
    encoder, patches = make_encoder(network), make_patches()
    other = patches.where(PRESENT[:, :, None, None, None] > 0, torch.nan)
    assert torch.equal(encoder.encode(patches, PRESENT).dense, encoder.encode(other, PRESENT).dense)


def test_an_absent_channel_is_as_if_the_network_had_none(network):
    encoder, patches = make_encoder(network), make_patches()
    smaller = make_encoder(network, num_channels=2)
    wanted = smaller.state_dict()
    kept = {
        name: value if value.shape == wanted[name].shape else value[:2] if "channel" in name else value[:, :2]
        for name, value in encoder.state_dict().items()
    }
    smaller.load_state_dict(kept)
    present = torch.tensor([[1.0, 1.0], [0.0, 1.0]])
    expected = smaller.encode(patches[:, :2], present)
    found = encoder.encode(patches, functional.pad(present, (0, 1)))
    torch.testing.assert_close(found.dense, expected.dense, atol=1e-5, rtol=1e-4)
    torch.testing.assert_close(found.pooled, expected.pooled, atol=1e-5, rtol=1e-4)


def test_every_present_channel_has_influence(network):
    encoder, patches = make_encoder(network), make_patches()
    before = encoder.encode(patches, torch.ones(2, NUM_CHANNELS)).pooled
    for channel in range(NUM_CHANNELS):
        other = patches.clone()
        other[:, channel, 4:12, 4:12, 4:12] += 1
        assert (encoder.encode(other, torch.ones(2, NUM_CHANNELS)).pooled - before).abs().max() > 1e-4


def test_patches_of_one_batch_do_not_influence_each_other(network):
    encoder, patches = make_encoder(network), make_patches()
    together = encoder.encode(patches, PRESENT).pooled
    alone = torch.cat([encoder.encode(patches[i : i + 1], PRESENT[i : i + 1]).pooled for i in range(2)])
    torch.testing.assert_close(together, alone, atol=1e-5, rtol=1e-4)


def test_no_channel_at_all_gives_finite_features(network):
    assert make_encoder(network).encode(make_patches(), torch.zeros(2, NUM_CHANNELS)).pooled.isfinite().all()


def gradients(encoder: Encoder, *, seed: int) -> list[torch.Tensor]:
    """Of a step with dropped paths, by parameter."""
    torch.manual_seed(seed)
    encoding = encoder.train().encode(make_patches(), PRESENT)
    (encoding.dense.square().mean() + encoding.pooled.square().mean()).backward()
    return [parameter.grad for parameter in encoder.parameters() if parameter.grad is not None]


def test_checkpointing_changes_no_gradient(network):
    kept, again = (make_encoder(network, checkpointing=flag) for flag in (False, True))
    expected, found = gradients(kept, seed=5), gradients(again, seed=5)
    assert len(found) == len(expected) == len(list(kept.parameters()))
    assert all(torch.equal(mine, theirs) for mine, theirs in zip(found, expected, strict=True))


def test_equal_seeds_give_equal_features_and_others_do_not(network):
    patches = make_patches()
    first, again, other = (make_encoder(network, seed=seed).encode(patches, PRESENT).pooled for seed in (3, 3, 4))
    assert torch.equal(first, again)
    assert not torch.allclose(first, other)


def test_bfloat16_gives_nearly_the_same_features(network):
    encoder, patches = make_encoder(network), make_patches()
    exact = encoder.encode(patches, PRESENT).pooled
    with torch.autocast("cpu", torch.bfloat16):
        rounded = encoder.encode(patches, PRESENT).pooled.float()
    assert functional.cosine_similarity(rounded, exact).min() > 0.999


def test_the_whole_network_compiles_into_one_graph(network):
    encoder, patches = make_encoder(network), make_patches()
    compiled = torch.compile(encoder, backend="eager", fullgraph=True)
    torch.testing.assert_close(compiled(patches, PRESENT).pooled, encoder.encode(patches, PRESENT).pooled)
    torch.compiler.reset()


@pytest.mark.parametrize("plan", [CNN, EARLY, PER_CHANNEL], ids=list(NETWORKS))
def test_a_classifier_learns_to_find_a_lesion(plan):
    """Two classes: a bright ball somewhere in the patch, or none. Half of the cases lack a channel."""
    torch.manual_seed(0)
    network = replace(plan, dropout=0.0)
    classifier = build_classifier(
        network, num_channels=2, patch_size_vox=PATCH, num_classes=2, quantitative=[False, False]
    )
    images, target = torch.randn(8, 2, *PATCH), torch.arange(8) % 2
    for index in range(1, 8, 2):
        z, y, x = (int(torch.randint(0, size - 8, ())) for size in PATCH)
        images[index, :, z : z + 8, y : y + 8, x : x + 8] += 3
    present = torch.ones(8, 2)
    present[::4, 0] = 0
    present[1::4, 1] = 0
    optimizer = torch.optim.AdamW(classifier.parameters(), lr=3e-3)
    losses = []
    for _ in range(16):
        optimizer.zero_grad()
        loss = functional.cross_entropy(classifier(images, present), target)
        loss.backward()
        optimizer.step()
        losses.append(loss.item())
    assert sum(losses[-3:]) / 3 < 0.5 * sum(losses[:3]) / 3
