"""The residual encoder: that of nnU-Net, so that its weights fit."""

import pytest
import torch
from dynamic_network_architectures.architectures.unet import ResidualEncoderUNet
from torch import nn

from glioframe.artifacts.network_sizes import RESIDUAL_ENCODER_SIZES
from glioframe.networks.build_encoder import build_encoder


def make_resenc_l() -> ResidualEncoderUNet:
    """nnU-Net's ResEnc-L, by the figures of its plans."""
    return ResidualEncoderUNet(
        input_channels=1,
        n_stages=6,
        features_per_stage=[32, 64, 128, 256, 320, 320],
        conv_op=nn.Conv3d,
        kernel_sizes=[[3, 3, 3]] * 6,
        strides=[[1, 1, 1]] + [[2, 2, 2]] * 5,
        n_blocks_per_stage=[1, 3, 4, 6, 6, 6],
        num_classes=2,
        n_conv_per_stage_decoder=[1] * 5,
        conv_bias=True,
        norm_op=nn.InstanceNorm3d,
        norm_op_kwargs={"eps": 1e-5, "affine": True},
        nonlin=nn.LeakyReLU,
        nonlin_kwargs={"inplace": True},
    )


def encoder_state(unet: nn.Module) -> dict[str, torch.Tensor]:
    return {name: value for name, value in unet.state_dict().items() if name.startswith("encoder.")}


def test_size_l_has_the_parameters_of_nnunets_resenc_l():
    with torch.device("meta"):
        theirs = encoder_state(make_resenc_l())
        ours = build_encoder(RESIDUAL_ENCODER_SIZES["L"], num_channels=1, patch_size_vox=(160, 160, 160))
    assert {name: value.shape for name, value in ours.state_dict().items()} == {
        name: value.shape for name, value in theirs.items()
    }
    assert round(sum(parameter.numel() for parameter in ours.parameters()) / 1e6, 1) == 90.3


@pytest.mark.slow
def test_resenc_l_with_the_same_weights_gives_the_same_features():
    torch.manual_seed(0)
    unet = make_resenc_l().eval()
    ours = build_encoder(RESIDUAL_ENCODER_SIZES["L"], num_channels=1, patch_size_vox=(64, 64, 64)).eval()
    ours.load_state_dict(encoder_state(unet))
    image = torch.randn(1, 1, 64, 64, 64)
    with torch.no_grad():
        assert torch.equal(ours.encode(image, torch.ones(1, 1)).dense, unet.encoder(image)[-1])


@pytest.mark.parametrize("size", RESIDUAL_ENCODER_SIZES)
def test_every_size_is_legal(size):
    RESIDUAL_ENCODER_SIZES[size].check((96, 96, 96), where="here")
