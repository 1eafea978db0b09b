"""Views and means of an ensemble."""

import pytest
import torch

from glioframe.inference.ensemble import mean_probabilities, mirrored_views, spread


def test_the_second_view_swaps_left_and_right():
    image = torch.arange(2 * 3 * 4 * 5.0).reshape(2, 3, 4, 5)
    views = mirrored_views(image)
    assert torch.equal(views[0], image)
    assert torch.equal(views[1, :, :, :, 0], image[:, :, :, -1])


def test_without_mirroring_there_is_one_view():
    image = torch.zeros(2, 3, 4, 5)
    assert mirrored_views(image, mirror=False).shape == (1, 2, 3, 4, 5)


def test_the_mean_and_the_spread_are_taken_over_members():
    members = [(0.9, 0.1), (0.5, 0.5), (0.4, 0.6)]
    assert mean_probabilities(members) == pytest.approx((0.6, 0.4))
    assert spread(members) == pytest.approx((0.2160247, 0.2160247))


def test_one_member_has_no_spread():
    assert spread([(0.3, 0.7)]) == (0.0, 0.0)
