"""The vision transformer: equal to Primus, and right about where tokens stand and what they see."""

import itertools
import math
from dataclasses import replace

import pytest
import torch
from reference_primus import encode, make_primus, randomize
from small_networks import EARLY, PATCH, PER_CHANNEL
from torch.nn import functional

from glioframe.artifacts.network_plan import VisionTransformerPlan
from glioframe.artifacts.network_sizes import VISION_TRANSFORMER_SIZES
from glioframe.core.errors import PlanError
from glioframe.networks.build_encoder import build_encoder
from glioframe.networks.token_positions import resize_positions, rotate, rotation_of
from glioframe.networks.vision_transformer import VisionTransformer

GRID = (2, 3, 4)
ALL = torch.ones(2, 3)


def make_transformer(network: VisionTransformerPlan, *, num_channels: int = 3, **options) -> VisionTransformer:
    torch.manual_seed(0)
    options = {"patch_size_vox": PATCH} | options
    encoder = build_encoder(network, num_channels=num_channels, **options).eval()
    randomize(encoder)
    return encoder


def make_patches(num_channels: int = 3, shape=PATCH) -> torch.Tensor:
    return torch.randn(2, num_channels, *shape, generator=torch.Generator().manual_seed(1))


@pytest.mark.parametrize(
    ("width", "depth", "num_heads"),
    [(48, 3, 4), (864, 2, 12), pytest.param(864, 16, 12, marks=pytest.mark.slow)],
    ids=["small", "as wide as Primus-M", "Primus-M"],
)
@pytest.mark.parametrize("num_channels", [1, 3])
def test_primus_with_the_same_weights_gives_the_same_features(width, depth, num_heads, num_channels):
    primus = make_primus(width=width, depth=depth, num_heads=num_heads, edge_vox=PATCH, num_channels=num_channels)
    randomize(primus)
    plan = VisionTransformerPlan(width=width, depth=depth, num_heads=num_heads)
    ours = make_transformer(plan, num_channels=num_channels)
    theirs = {name: value for name, value in primus.state_dict().items() if name.startswith(("eva.", "down_"))}
    ours.load_state_dict(theirs)
    image = make_patches(num_channels)
    with torch.no_grad():
        expected, found = encode(primus, image), ours.encode(image, torch.ones(2, num_channels)).dense
    assert expected.std() > 0.5
    assert (found - expected).abs().max() < 1e-5


def test_primus_with_registers_gives_the_same_features():
    primus = make_primus(width=48, depth=3, num_heads=4, edge_vox=PATCH, num_channels=3, registers=2)
    randomize(primus)
    ours = make_transformer(replace(EARLY, num_registers=2))
    theirs = {name: value for name, value in primus.state_dict().items() if name.startswith(("eva.", "down_"))}
    places = theirs["eva.pos_embed"]
    # Primus gives registers a position too, which adds to what is learned of them anyway.
    theirs["eva.pos_embed"] = places[:, 2:]
    theirs["register_tokens"] = primus.register_tokens + places[:, :2]
    ours.load_state_dict(theirs)
    with torch.no_grad():
        expected, found = encode(primus, make_patches()), ours.encode(make_patches(), ALL).dense
    assert (found - expected).abs().max() < 1e-5


def test_size_m_has_the_parameters_of_primus_m():
    size = VISION_TRANSFORMER_SIZES["M"]
    with torch.device("meta"):
        primus = make_primus(width=864, depth=16, num_heads=12, edge_vox=(160, 160, 160))
        ours = build_encoder(size, num_channels=1, patch_size_vox=(160, 160, 160))
    theirs = {name: value.shape for name, value in primus.state_dict().items() if name.startswith(("eva.", "down_"))}
    assert {name: value.shape for name, value in ours.state_dict().items()} == theirs
    assert theirs["eva.blocks.0.mlp.fc1_g.weight"] == (2304, 864)


@pytest.mark.parametrize("size", VISION_TRANSFORMER_SIZES)
def test_every_size_is_legal(size):
    VISION_TRANSFORMER_SIZES[size].check((96, 96, 96), where="here")


@pytest.mark.parametrize("network", [EARLY, PER_CHANNEL], ids=["early", "per_channel"])
def test_the_first_weights_are_of_evas_sizes(network):
    torch.manual_seed(0)
    trunk = build_encoder(replace(network, width=192), num_channels=3, patch_size_vox=PATCH).eva
    for depth, block in enumerate(trunk.in_order, start=1):
        assert block.attn.q_proj.weight.std().item() == pytest.approx(0.02, rel=0.05)
        assert block.mlp.fc2.weight.std().item() == pytest.approx(0.02 / math.sqrt(2 * depth), rel=0.05)
        assert set(block.gamma_1.tolist()) == {torch.tensor(0.1).item()}
        assert not block.attn.v_proj.bias.any()
    assert trunk.pos_embed.std().item() == pytest.approx(0.02, rel=0.05)


@pytest.mark.parametrize("network", [EARLY, PER_CHANNEL], ids=["early", "per_channel"])
def test_a_token_of_the_dense_map_stands_where_its_voxels_do(network):
    """Branches that add nothing leave each token to its own voxels."""
    encoder = make_transformer(replace(network, layer_scale=0.0))
    with torch.no_grad():
        for block in encoder.eva.in_order:
            for last in (block.attn.proj, block.mlp.fc2):
                last.weight.zero_()
                last.bias.zero_()
    before = encoder.encode(make_patches(), ALL).dense
    for z, y, x in itertools.product(*map(range, GRID)):
        image = make_patches()
        image[:, :, 8 * z : 8 * z + 8, 8 * y : 8 * y + 8, 8 * x : 8 * x + 8] += 1
        changed = (encoder.encode(image, ALL).dense - before).abs().amax((0, 1)) > 0
        assert changed.nonzero().tolist() == [[z, y, x]]


def test_rotated_products_depend_on_the_way_between_two_tokens_only():
    grid = (3, 4, 5)
    rotation = rotation_of(grid, num_grids=1, num_unplaced=0, head_features=12, device=torch.device("cpu"))
    query, key = torch.randn(2, 12, generator=torch.Generator().manual_seed(0)).double()
    everywhere = torch.ones(1, 1, math.prod(grid), 1, dtype=torch.float64)
    products = (rotate(query * everywhere, rotation) @ rotate(key * everywhere, rotation).mT)[0, 0]
    places = list(itertools.product(*map(range, grid)))
    of_way: dict[tuple[int, ...], list[float]] = {}
    for (i, here), (j, there) in itertools.product(enumerate(places), repeat=2):
        of_way.setdefault(tuple(b - a for a, b in zip(here, there, strict=True)), []).append(products[i, j].item())
    assert all(max(values) - min(values) < 1e-5 for values in of_way.values())
    assert len({round(values[0], 5) for values in of_way.values()}) > 0.95 * len(of_way)


def test_registers_are_not_turned_and_every_channel_is_turned_alike():
    rotation = rotation_of(GRID, num_grids=2, num_unplaced=3, head_features=12, device=torch.device("cpu"))
    assert rotation.cos.shape == (3 + 2 * 24, 6)
    assert (rotation.cos[:3] == 1).all()
    assert torch.equal(rotation.sin[3:27], rotation.sin[27:])


def test_interpolated_positions_keep_what_is_linear_in_space():
    def ramp(grid):
        axes = [(torch.arange(size) + 0.5) / size for size in grid]
        return torch.stack(torch.meshgrid(*axes, indexing="ij"), dim=-1).reshape(1, -1, 3)

    resized = resize_positions(ramp((4, 6, 8)), (4, 6, 8), (8, 6, 4)).reshape(8, 6, 4, 3)
    expected = ramp((8, 6, 4)).reshape(8, 6, 4, 3)
    torch.testing.assert_close(resized[1:-1], expected[1:-1])  # beyond the outer centers nothing is known


def test_a_patch_of_another_size_is_encoded_with_interpolated_positions():
    encoder = make_transformer(EARLY)
    larger = make_patches(shape=(24, 32, 32))
    built_larger = make_transformer(EARLY, patch_size_vox=(24, 32, 32))
    state = encoder.state_dict()
    state["eva.pos_embed"] = resize_positions(state["eva.pos_embed"], GRID, (3, 4, 4))
    built_larger.load_state_dict(state)
    assert torch.equal(encoder.encode(larger, ALL).dense, built_larger.encode(larger, ALL).dense)


def test_channels_in_another_order_give_the_same_features():
    encoder, patches = make_transformer(PER_CHANNEL), make_patches()
    present = torch.tensor([[1.0, 1.0, 0.0], [1.0, 0.0, 1.0]])
    before = encoder.encode(patches, present).dense
    order = [2, 0, 1]
    with torch.no_grad():
        encoder.channel_embedding.copy_(encoder.channel_embedding[order])
    after = encoder.encode(patches[:, order], present[:, order]).dense
    torch.testing.assert_close(after, before, atol=1e-5, rtol=1e-4)


def test_equal_images_in_two_channels_are_told_apart():
    encoder, patches = make_transformer(PER_CHANNEL), make_patches()
    patches[:, 1] = patches[:, 0]
    first, second = (encoder.encode(patches, torch.eye(3)[[index, index]]).pooled for index in (0, 1))
    assert (first - second).abs().max() > 0.01


@pytest.mark.parametrize("network", [EARLY, PER_CHANNEL], ids=["early", "per_channel"])
def test_attention_is_what_the_block_attends_by(network):
    """The first block's output, computed from the weights that are shown."""
    encoder, patches = make_transformer(replace(network, depth=1)), make_patches()
    present = torch.tensor([[1.0, 1.0, 0.0], [1.0, 0.0, 1.0]])
    weights = encoder.attention_of(patches, present, block=0)
    torch.testing.assert_close(weights.sum(-1), torch.ones(weights.shape[:-1]))
    sequence = encoder._embed(patches, present)
    block = encoder.eva.in_order[0]
    normed = block.norm1(sequence.tokens_BTF)
    values = block.attn.v_proj(normed).reshape(2, -1, 4, 12).transpose(1, 2)
    mixed = (weights @ values).transpose(1, 2).flatten(2)
    expected = block.attn(normed, sequence.rotation, sequence.visible_BT)
    torch.testing.assert_close(block.attn.proj(block.attn.norm(mixed)), expected, atol=1e-5, rtol=1e-4)


def test_nothing_attends_to_absent_channels():
    encoder = make_transformer(PER_CHANNEL)
    present = torch.tensor([[1.0, 1.0, 0.0], [1.0, 0.0, 1.0]])
    weights = encoder.attention_of(make_patches(), present)
    assert weights.shape == (2, 4, 2 + 72, 2 + 72)
    received = encoder.tokens_to_maps(weights.mean((1, 2)), PATCH)
    assert received.shape == (2, 3, *GRID)
    assert torch.equal(received.sum((2, 3, 4)) > 0, present > 0)


def test_asking_for_attention_changes_nothing():
    encoder, patches = make_transformer(EARLY), make_patches()
    before = encoder.encode(patches, ALL).pooled
    encoder.attention_of(patches, ALL, block=1)
    assert torch.equal(encoder.encode(patches, ALL).pooled, before)
    assert encoder.attention_of(patches, ALL, block=-1).equal(encoder.attention_of(patches, ALL, block=2))


def test_registers_take_part():
    encoder, patches = make_transformer(replace(EARLY, num_registers=2)), make_patches()
    before = encoder.encode(patches, ALL).dense
    with torch.no_grad():
        encoder.register_tokens.add_(torch.randn(encoder.register_tokens.shape))
    assert (encoder.encode(patches, ALL).dense - before).abs().max() > 1e-3


def test_dropped_paths_keep_the_mean_and_spare_the_first_block():
    encoder = make_transformer(replace(EARLY, drop_path=0.4, depth=3)).train()
    torch.manual_seed(0)
    scales = torch.stack([encoder._branch_scales(torch.zeros(4, 1, 1)) for _ in range(2000)])
    assert (scales[:, 0] == 1).all()
    torch.testing.assert_close(scales.mean((0, 2, 3, 4, 5)), torch.ones(3), atol=0.02, rtol=0)
    assert (scales[:, 2] == 0).float().mean().item() == pytest.approx(0.4, abs=0.02)
    assert encoder.eval()._branch_scales(torch.zeros(4, 1, 1)) is None


@pytest.mark.parametrize(
    ("change", "patch", "message"),
    [
        ({"width": 50}, PATCH, r"configuration 3d_vit, network: .* multiple of 6 .*width 50, 4 heads.*multiple of 24"),
        ({}, (16, 20, 32), r"patch_size_vox: expected multiples of the network's total stride \(8, 8, 8\)"),
    ],
)
def test_a_plan_that_cannot_be_built_is_refused(change, patch, message):
    with pytest.raises(PlanError, match=message):
        replace(EARLY, **change).check(patch, where="configuration 3d_vit")


def test_the_plan_counts_the_tokens_that_attention_sees():
    weights = make_transformer(PER_CHANNEL).attention_of(make_patches(), ALL)
    assert PER_CHANNEL.num_tokens(PATCH, 3) == weights.shape[-1]
    assert EARLY.num_tokens(PATCH, 3) == make_transformer(EARLY).attention_of(make_patches(), ALL).shape[-1]


def test_without_layer_scale_there_is_none():
    encoder = make_transformer(replace(EARLY, layer_scale=0.0))
    assert not [name for name in encoder.state_dict() if "gamma" in name]
    assert functional.mse_loss(encoder.encode(make_patches(), ALL).pooled, torch.zeros(2, 48)) > 0
