"""Running standardization learns mean and spread in any portions, and only from what is present."""

import torch

from glioframe.networks.standardization import RunningStandardization


def make_numbers(num_patches: int = 60) -> tuple[torch.Tensor, torch.Tensor]:
    generator = torch.Generator().manual_seed(0)
    measured = torch.randn((num_patches, 3), generator=generator) * torch.tensor([0.2, 1.0, 5.0]) + 3.0
    return measured, torch.ones(num_patches, 3, dtype=torch.bool)


def learn(measured, present, *, batch_size: int) -> RunningStandardization:
    standardization = RunningStandardization(3)
    for first in range(0, len(measured), batch_size):
        standardization(measured[first : first + batch_size], present[first : first + batch_size])
    return standardization.eval()


def test_training_patches_get_mean_zero_and_spread_one():
    measured, present = make_numbers()
    standardization = learn(measured, present, batch_size=4)
    expected = (measured - measured.mean(0)) / measured.std(0, correction=0)
    torch.testing.assert_close(4 * torch.atanh(standardization(measured, present) / 4), expected, atol=1e-3, rtol=1e-3)


def test_the_size_of_the_batches_does_not_matter():
    measured, present = make_numbers()
    small, large = (learn(measured, present, batch_size=size) for size in (2, 60))
    torch.testing.assert_close(small(measured, present), large(measured, present))


def test_absent_numbers_teach_nothing_and_become_the_mean():
    measured, present = make_numbers()
    present[::3, 1] = False
    spoiled = measured.where(present, 99.0)
    standardization = learn(spoiled, present, batch_size=5)
    seen = measured[present[:, 1], 1]
    torch.testing.assert_close(standardization.mean_Q[1], seen.mean())
    assert not standardization(spoiled, present)[::3, 1].any()


def test_a_number_that_is_always_the_same_is_not_blown_up():
    measured, present = torch.full((10, 3), 0.7), torch.ones(10, 3, dtype=torch.bool)
    standardization = learn(measured, present, batch_size=5)
    assert standardization(measured + 0.005, present).abs().max() < 0.2


def test_nothing_is_learned_in_evaluation():
    measured, present = make_numbers()
    standardization = learn(measured, present, batch_size=4)
    before = standardization.mean_Q.clone()
    assert standardization(measured + 1000, present).max() == 4.0
    assert torch.equal(standardization.mean_Q, before)
