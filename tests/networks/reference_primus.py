"""The Primus of dynamic-network-architectures, to compare our vision transformer with."""

import sys
import warnings

import torch
from torch import nn

_OPERATORS: list[torch.library.Library] = []


def make_torchvision_importable() -> None:
    """Declares the two operators that torchvision built for CUDA misses beside a CPU build of torch; timm imports it.

    They are never called.
    """
    try:
        import torchvision
    except RuntimeError as error:
        if "torchvision::" not in str(error):
            raise
        for name in [name for name in sys.modules if name.partition(".")[0] == "torchvision"]:
            del sys.modules[name]
        _OPERATORS.append(torch.library.Library("torchvision", "FRAGMENT"))
        for operator in ("nms", "qnms"):
            _OPERATORS[0].define(f"{operator}(Tensor dets, Tensor scores, float iou_threshold) -> Tensor")
        import torchvision  # noqa: F401


def make_primus(
    *, width: int, depth: int, num_heads: int, edge_vox: tuple[int, int, int], num_channels: int = 1, registers: int = 0
) -> nn.Module:
    """A Primus with the settings of the published S to L: tokens of 8 voxels, LayerScale, normalized attention."""
    make_torchvision_importable()
    with warnings.catch_warnings(action="ignore", category=DeprecationWarning):  # timm's own, on being imported
        from dynamic_network_architectures.architectures.primus import Primus

    return Primus(
        num_channels,
        width,
        (8, 8, 8),
        num_classes=2,
        eva_depth=depth,
        eva_numheads=num_heads,
        input_shape=edge_vox,
        num_register_tokens=registers,
        init_values=0.1,
        scale_attn_inner=True,
    ).eval()


def encode(primus: nn.Module, image: torch.Tensor) -> torch.Tensor:
    """The features (b, f, z, y, x) that Primus' decoder is given."""
    tokens = primus.down_projection(image)
    sequence = tokens.flatten(2).transpose(1, 2)
    registers = 0
    if primus.register_tokens is not None:
        registers = primus.register_tokens.shape[1]
        sequence = torch.cat([primus.register_tokens.expand(len(sequence), -1, -1), sequence], dim=1)
    encoded, _ = primus.eva(sequence)
    return encoded[:, registers:].transpose(1, 2).reshape(tokens.shape)


def randomize(module: nn.Module, *, seed: int = 0) -> None:
    """Values of a trained network's size in every parameter, so that none hides behind its initial 0 or 1."""
    generator = torch.Generator().manual_seed(seed)
    with torch.no_grad():
        for parameter in module.parameters():
            parameter.add_(torch.randn(parameter.shape, generator=generator), alpha=0.05)
