"""The quantities that go around the encoder, against hand-made patches."""

import math

import pytest
import torch

from glioframe.networks.quantities import PatchQuantities


def measure(pet: torch.Tensor) -> list[float]:
    """The five quantities of one PET channel (z, y, x), with the compression undone."""
    measured = PatchQuantities([True])(pet[None, None])[0]
    return (measured.sign() * measured.abs().expm1()).tolist()


def test_a_constant_patch_measures_its_value_without_spread():
    assert measure(torch.full((8, 8, 8), 1.7)) == pytest.approx([1.7, 0.0, 1.7, 1.7, 0.0], abs=1e-5)


def test_a_hot_corner_is_found_by_the_hot_share():
    pet = torch.ones(16, 16, 16)
    pet[:4, :4, :4] = 5.0  # 64 of 4096 voxels: 1.6 %, more than the hottest 1 %
    share = 64 / 4096
    mean = 1 + 4 * share
    spread = 4 * math.sqrt(share * (1 - share))
    assert measure(pet)[:3] == pytest.approx([mean, spread, 5.0], rel=1e-3)


def test_doubling_the_uptake_doubles_every_quantity():
    pet = torch.rand(8, 12, 10, generator=torch.Generator().manual_seed(0))
    assert measure(2 * pet) == pytest.approx([2 * value for value in measure(pet)], rel=1e-2)


def test_a_single_noisy_voxel_hardly_moves_the_hot_share():
    pet = torch.ones(16, 16, 16)
    pet[8, 8, 8] = 9.0
    assert measure(pet)[2] < 1.3  # 8 above 1 in one of 8 voxels of a block, in one of 5 blocks: 1.2


def test_an_absent_channel_measures_zeros_and_passes_finite_gradients():
    pet = torch.zeros(1, 1, 8, 8, 8, requires_grad=True)
    measured = PatchQuantities([True])(pet)
    measured.sum().backward()
    assert measured.abs().max() < 1e-7
    assert torch.isfinite(pet.grad).all()


def test_without_quantitative_channels_there_is_nothing_to_measure():
    assert PatchQuantities([False, False])(torch.ones(2, 2, 4, 4, 4)).shape == (2, 0)


def test_negative_values_keep_their_sign():
    assert measure(torch.full((4, 4, 4), -0.5))[0] == pytest.approx(-0.5, abs=1e-5)


def test_quantities_stay_exact_under_bfloat16():
    pet = torch.full((1, 1, 8, 8, 8), 1.0009765625)  # bfloat16 would round it to 1
    with torch.autocast("cpu", torch.bfloat16):
        assert PatchQuantities([True])(pet)[0, 0].item() == pytest.approx(math.log1p(1.0009765625), abs=1e-6)


def test_the_middle_is_measured_apart_from_hot_tissue_at_the_edge():
    pet = torch.ones(20, 20, 20)
    pet[:4] = 6.0
    pet[6:14, 6:14, 6:14] = 3.0
    _, _, hottest, middle, spread = measure(pet)
    assert hottest == pytest.approx(6.0, rel=1e-3)
    # The Gaussian has a standard deviation of 2 voxels, so the middle 8 hold erf(sqrt(2))^3 = 0.87 of it, and more in
    # blocks of 2 voxels.
    assert 2.6 < middle < 3.0
    assert 0.3 < spread < 0.9


def test_numbers_are_present_where_their_channel_is():
    quantities = PatchQuantities([True, False, True])
    presence = torch.tensor([[1.0, 1.0, 0.0], [0.0, 1.0, 1.0]])
    assert quantities.present(presence).tolist() == [[True, False] * 5, [False, True] * 5]
