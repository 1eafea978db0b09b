"""Checkpoints of nnssl and nnU-Net do in our encoder what they do in theirs, or are refused in words."""

import json
from dataclasses import replace

import pytest
import torch
from dynamic_network_architectures.architectures.unet import ResidualEncoderUNet
from reference_primus import encode, make_primus, randomize
from safetensors.torch import save_file
from small_networks import EARLY, PER_CHANNEL
from torch import nn

from glioframe.artifacts.network_plan import ResidualEncoderPlan
from glioframe.core.errors import ArtifactError
from glioframe.networks.build_encoder import build_encoder
from glioframe.networks.foreign_weights import load_foreign_encoder
from glioframe.networks.token_positions import resize_positions

CUBE = (24, 24, 24)
CNN = ResidualEncoderPlan(
    features_per_stage=(4, 8), blocks_per_stage=(1, 2), kernel_sizes=((3,) * 3,) * 2, strides=((1,) * 3, (2,) * 3)
)
PRIMUS_PLAN = {"key_to_encoder": "eva", "key_to_stem": "down_projection", "key_to_lpe": "eva.pos_embed"}


@pytest.fixture(scope="module")
def primus():
    module = make_primus(width=48, depth=3, num_heads=4, edge_vox=CUBE)
    randomize(module)
    return module


def make_unet(num_channels: int = 1) -> nn.Module:
    torch.manual_seed(0)
    return ResidualEncoderUNet(
        num_channels, 2, [4, 8], nn.Conv3d, 3, [1, 2], [1, 2], 2, [1], conv_bias=True, norm_op=nn.InstanceNorm3d,
        norm_op_kwargs={"eps": 1e-5, "affine": True}, nonlin=nn.LeakyReLU, nonlin_kwargs={"inplace": True},
    ).eval()  # fmt: skip


def save_checkpoint(module: nn.Module, path, *, trainer: str = "", plan=None, prefix: str = ""):
    content = {"network_weights": {prefix + name: value for name, value in module.state_dict().items()}}
    content |= {"trainer_name": trainer} if trainer else {}
    content |= {"nnssl_adaptation_plan": plan} if plan else {}
    torch.save(content, path)
    return path


def make_encoder(network, *, num_channels: int = 1, patch=CUBE):
    return build_encoder(network, num_channels=num_channels, patch_size_vox=patch).eval()


def make_image(num_channels: int = 1) -> torch.Tensor:
    return torch.randn(2, 1, *CUBE, generator=torch.Generator().manual_seed(0)).repeat(1, num_channels, 1, 1, 1)


def encode_as_nnssl(primus: nn.Module, image: torch.Tensor) -> torch.Tensor:
    """Features by nnssl's order of tokens, in which y is slowest; its rotary positions are numbered as they come."""
    tokens = primus.down_projection(image).transpose(2, 3)
    encoded, _ = primus.eva(tokens.flatten(2).transpose(1, 2))
    return encoded.transpose(1, 2).reshape(tokens.shape).transpose(2, 3)


@torch.no_grad()
@pytest.mark.parametrize(
    ("trainer", "reference"),
    [
        ("BaseEvaMAETrainer", encode_as_nnssl),
        ("VoCoEvaTrainer", encode_as_nnssl),
        ("SimMIMEvaTrainer", encode),
        ("nnUNet_Primus_M_Trainer", encode),
    ],
)
@pytest.mark.parametrize("network", [EARLY, PER_CHANNEL], ids=["early", "per_channel"])
def test_a_primus_gives_the_same_features_in_our_order_of_tokens(primus, network, trainer, reference, tmp_path):
    path = save_checkpoint(primus, tmp_path / "checkpoint_final.pth", trainer=trainer, plan=PRIMUS_PLAN)
    encoder = make_encoder(replace(network, num_registers=0))
    if encoder.channel_embedding is not None:
        encoder.channel_embedding.zero_()
    report = load_foreign_encoder(encoder, path)
    found = encoder.encode(make_image(), torch.ones(2, 1)).dense
    assert (found - reference(primus, make_image())).abs().max() < 1e-5
    other = encode if reference is encode_as_nnssl else encode_as_nnssl
    assert (found - other(primus, make_image())).abs().max() > 0.1
    assert set(report.initialized) <= {"channel_embedding"}
    assert {name.partition(".")[0] for name in report.skipped} == {"mask_token", "up_projection"}


@torch.no_grad()
@pytest.mark.parametrize("network", [EARLY, PER_CHANNEL], ids=["early", "per_channel"])
def test_equal_images_in_several_channels_give_what_one_channel_gave(primus, network, tmp_path):
    path = save_checkpoint(primus, tmp_path / "checkpoint_final.pth", trainer="BaseEvaMAETrainer", plan=PRIMUS_PLAN)
    one, three = (make_encoder(replace(network, num_registers=0), num_channels=count) for count in (1, 3))
    for encoder in (one, three):
        if encoder.channel_embedding is not None:
            encoder.channel_embedding.zero_()
        load_foreign_encoder(encoder, path)
    expected = one.encode(make_image(), torch.ones(2, 1)).dense
    torch.testing.assert_close(three.encode(make_image(3), torch.ones(2, 3)).dense, expected, atol=1e-5, rtol=1e-4)


@pytest.mark.parametrize("patch", [(16, 24, 32), (32, 32, 32)])
def test_positions_are_interpolated_to_the_plans_patch(primus, patch, tmp_path):
    path = save_checkpoint(primus, tmp_path / "checkpoint_final.pth", trainer="SimMIMEvaTrainer", plan=PRIMUS_PLAN)
    encoder = make_encoder(EARLY, patch=patch)
    load_foreign_encoder(encoder, path)
    expected = resize_positions(primus.eva.pos_embed, (3, 3, 3), tuple(edge // 8 for edge in patch))
    torch.testing.assert_close(encoder.eva.pos_embed, expected)


def test_the_adaptation_plan_tells_a_grid_that_is_no_cube(tmp_path):
    module = make_primus(width=48, depth=3, num_heads=4, edge_vox=(16, 24, 32))
    plan = PRIMUS_PLAN | {"pretrain_plan": {"configurations": {"onemmiso": {"patch_size": [16, 24, 32]}}}}
    path = save_checkpoint(module, tmp_path / "checkpoint_final.pth", trainer="SimMIMEvaTrainer", plan=plan)
    encoder = make_encoder(EARLY)
    load_foreign_encoder(encoder, path)
    torch.testing.assert_close(encoder.eva.pos_embed, resize_positions(module.eva.pos_embed, (2, 3, 4), (3, 3, 3)))


@torch.no_grad()
@pytest.mark.parametrize("prefix", ["", "module.", "_orig_mod."])
def test_a_residual_encoder_gives_the_same_features(prefix, tmp_path):
    unet = make_unet()
    path = save_checkpoint(unet, tmp_path / "checkpoint_final.pth", trainer="nnUNetTrainer", prefix=prefix)
    encoder = make_encoder(CNN)
    report = load_foreign_encoder(encoder, path)
    assert torch.equal(encoder.encode(make_image(), torch.ones(2, 1)).dense, unet.encoder(make_image())[-1])
    assert report.initialized == ()
    assert all(name.startswith("decoder.") for name in report.skipped)
    three = make_encoder(CNN, num_channels=3)
    load_foreign_encoder(three, path)
    repeated = three.encode(make_image(3), torch.ones(2, 3)).dense
    torch.testing.assert_close(repeated, unet.encoder(make_image())[-1], atol=1e-4, rtol=1e-4)


@torch.no_grad()
def test_a_name_for_each_tensor_is_enough_and_safetensors_are_read(tmp_path):
    unet = make_unet()
    state = {name: value for name, value in unet.state_dict().items() if "all_modules" not in name}
    save_file({name: value.clone() for name, value in state.items()}, tmp_path / "weights.safetensors")
    encoder = make_encoder(CNN)
    load_foreign_encoder(encoder, tmp_path / "weights.safetensors")
    assert torch.equal(encoder.encode(make_image(), torch.ones(2, 1)).dense, unet.encoder(make_image())[-1])


@torch.no_grad()
def test_the_plan_beside_the_file_tells_the_names_of_the_parts(primus, tmp_path):
    renamed = {
        f"inner.{name}": value.contiguous() for name, value in primus.state_dict().items() if "mask_token" not in name
    }
    save_file(renamed, tmp_path / "weights.safetensors")
    plan = {"key_to_encoder": "inner.eva", "key_to_stem": "inner.down_projection"}
    (tmp_path / "adaptation_plan.json").write_text(json.dumps(plan))
    encoder = make_encoder(EARLY)
    load_foreign_encoder(encoder, tmp_path / "weights.safetensors", token_order="zyx")
    found = encoder.encode(make_image(), torch.ones(2, 1)).dense
    assert (found - encode(primus, make_image())).abs().max() < 1e-5


def test_without_a_trainer_the_order_of_the_tokens_must_be_said(primus, tmp_path):
    path = save_checkpoint(primus, tmp_path / "checkpoint_final.pth", plan=PRIMUS_PLAN)
    with pytest.raises(ArtifactError, match=r"expected a trainer_name, .* Say token_order"):
        load_foreign_encoder(make_encoder(EARLY), path)


@pytest.mark.parametrize(
    ("network", "message"),
    [
        (replace(EARLY, depth=2), r"unknown \(eva\.blocks\.2"),
        (replace(EARLY, depth=4), r"missing \(eva\.blocks\.3"),
        (replace(EARLY, width=72), r"of another shape"),
        (replace(EARLY, layer_scale=0.0), r"6 unknown \(eva\.blocks\.0\.gamma_1"),
        (CNN, r"expected tensors under encoder.stages and encoder.stem, of a ResidualEncoderNetwork"),
    ],
    ids=["too shallow", "too deep", "too wide", "without LayerScale", "of the other family"],
)
def test_another_network_is_refused_and_left_as_it_was(primus, network, message, tmp_path):
    path = save_checkpoint(primus, tmp_path / "checkpoint_final.pth", trainer="BaseEvaMAETrainer")
    encoder = make_encoder(network)
    before = {name: value.clone() for name, value in encoder.state_dict().items()}
    with pytest.raises(ArtifactError, match=message):
        load_foreign_encoder(encoder, path)
    assert all(torch.equal(value, before[name]) for name, value in encoder.state_dict().items())


class Code:
    """Something that only code could load."""


@pytest.mark.parametrize(
    ("write", "message"),
    [
        (lambda _: None, "expected a checkpoint, found no file"),
        (lambda path: path.write_bytes(b"PK\x03\x04 and then nothing"), "expected a whole checkpoint|no checkpoint"),
        (lambda path: path.write_bytes(b""), "expected a whole checkpoint"),
        (lambda path: path.write_text("no weights"), "no checkpoint"),
        (lambda path: torch.save({"network_weights": Code()}, path), "objects that only code could load"),
        (lambda path: torch.save({"epoch": 3}, path), "expected the tensors of a network, found none"),
    ],
    ids=["absent", "damaged", "empty", "text", "code", "no tensors"],
)
def test_a_file_that_holds_no_weights_is_refused_in_one_line(write, message, tmp_path):
    path = tmp_path / "checkpoint_final.pth"
    write(path)
    with pytest.raises(ArtifactError, match=message) as error:
        load_foreign_encoder(make_encoder(CNN), path)
    assert "\n" not in str(error.value)
