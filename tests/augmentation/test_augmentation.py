"""Augmentation changes what it may, leaves what it must, and repeats itself."""

from dataclasses import replace

import pytest
import torch

from glioframe.augmentation.augment import augment
from glioframe.augmentation.intensity import add_noise, blur, change_contrast
from glioframe.augmentation.parameters import draw_parameters
from glioframe.augmentation.spatial import mirror, transform

SPACING = (3.0, 2.0, 1.0)
QUANTITATIVE = (False, True, False)
SEEDS = (11, 22, 33, 44)


def make_batch(num_samples: int = 4) -> tuple[torch.Tensor, torch.Tensor]:
    generator = torch.Generator().manual_seed(5)
    image = torch.rand((num_samples, 3, 10, 12, 14), generator=generator) + 0.5
    return image, torch.ones(num_samples, 3, dtype=torch.bool)


def draw(presence, *, seeds=SEEDS, strength=1.0, channel_dropout=0.0):
    return draw_parameters(
        seeds, presence, quantitative=QUANTITATIVE, strength=strength, channel_dropout=channel_dropout
    )


def test_strength_zero_changes_nothing():
    image, presence = make_batch()
    augmented, still_present = augment(image, presence, draw(presence, strength=0.0), spacing_mm=SPACING)
    assert torch.equal(augmented, image)
    assert torch.equal(still_present, presence)


def test_standard_strength_changes_most_samples():
    presence = torch.ones(100, 3, dtype=torch.bool)
    parameters = draw(presence, seeds=range(100))
    assert 30 < parameters.mirror_B.sum() < 70
    assert 40 < (parameters.rotation_rad_B3 != 0).any(1).sum() < 80
    assert (parameters.log_gamma_BC[:, 0] != 0).sum() > 10


def test_a_sample_is_augmented_the_same_alone_and_in_a_batch():
    image, presence = make_batch()
    together, _ = augment(image, presence, draw(presence, channel_dropout=0.3), spacing_mm=SPACING)
    for index, seed in enumerate(SEEDS):
        sample = slice(index, index + 1)
        parameters = draw(presence[sample], seeds=(seed,), channel_dropout=0.3)
        alone, _ = augment(image[sample], presence[sample], parameters, spacing_mm=SPACING)
        torch.testing.assert_close(alone[0], together[index], rtol=1e-6, atol=1e-6)


def test_the_same_seeds_give_the_same_bytes_and_others_do_not():
    image, presence = make_batch()
    first, again, other = (
        augment(image, presence, draw(presence, seeds=seeds), spacing_mm=SPACING)[0]
        for seeds in (SEEDS, SEEDS, (1, 2, 3, 4))
    )
    assert torch.equal(first, again)
    assert not torch.equal(first, other)


def test_the_input_is_left_alone():
    image, presence = make_batch()
    before = image.clone()
    augment(image, presence, draw(presence, strength=2.0, channel_dropout=0.9), spacing_mm=SPACING)
    assert torch.equal(image, before)
    assert presence.all()


def test_mirroring_twice_gives_the_image_back_and_mirrors_left_to_right():
    image, _ = make_batch(2)
    chosen = torch.tensor([True, False])
    once = mirror(image, chosen)
    assert torch.equal(once[0], image[0].flip(-1))
    assert torch.equal(once[1], image[1])
    assert torch.equal(mirror(once, chosen), image)


def test_quantities_never_get_brightness_contrast_or_gamma():
    parameters = draw(torch.ones(200, 3, dtype=torch.bool), seeds=range(200), strength=2.0)
    for name in ("brightness_BC", "log_contrast_BC", "log_gamma_BC"):
        values = getattr(parameters, name)
        assert not values[:, 1].any()
        assert values[:, 0].any()


def test_the_level_of_a_quantity_survives_augmentation():
    presence = torch.ones(40, 3, dtype=torch.bool)
    image = torch.full((40, 3, 10, 12, 14), 2.5)
    parameters = draw(presence, seeds=range(40))
    still = torch.zeros_like(parameters.rotation_rad_B3)
    parameters = replace(
        parameters, rotation_rad_B3=still, translation_mm_B3=still, log_scale_B=torch.zeros_like(parameters.log_scale_B)
    )
    augmented, _ = augment(image, presence, parameters, spacing_mm=SPACING)
    torch.testing.assert_close(augmented[:, 1], image[:, 1])


def test_noise_on_a_quantity_is_small():
    image, _ = make_batch()
    parameters = draw(torch.ones(200, 3, dtype=torch.bool), seeds=range(200))
    assert parameters.noise_BC[:, 1].max() <= 0.05
    noise = torch.zeros(4, 3)
    noise[0, 1] = 0.05
    noisy = add_noise(image, noise, SEEDS)
    change = (noisy - image)[0, 1]
    assert change.std() == pytest.approx(0.05 * float(image[0, 1].std()), rel=0.1)
    assert torch.equal(noisy[1:], image[1:])


def test_absent_channels_stay_zero_and_absent():
    image, presence = make_batch()
    presence[2, 0] = False
    image[2, 0] = 0
    augmented, still_present = augment(image, presence, draw(presence, strength=2.0), spacing_mm=SPACING)
    assert not augmented[2, 0].any()
    assert not still_present[2, 0]


def test_hidden_channels_are_zero_and_at_least_one_is_left():
    presence = torch.ones(100, 3, dtype=torch.bool)
    presence[::2, 0] = False
    image = torch.ones(100, 3, 2, 2, 2)
    for channel_dropout in (0.5, 1.0):
        parameters = draw(presence, seeds=range(100), strength=0.0, channel_dropout=channel_dropout)
        augmented, left = augment(image, presence, parameters, spacing_mm=SPACING)
        assert (left <= presence).all()
        assert left.any(1).all()
        assert torch.equal(augmented[:, :, 0, 0, 0] != 0, left)
    assert (left.sum(1) == 1).all()


def test_channel_dropout_hides_as_often_as_it_says():
    presence = torch.ones(1000, 3, dtype=torch.bool)
    parameters = draw(presence, seeds=range(1000), channel_dropout=0.2)
    assert parameters.hide_BC.float().mean() == pytest.approx(0.2, abs=0.03)


def test_a_quarter_turn_about_z_moves_right_to_anterior():
    # x to y by the right hand: what stood at +x stands at +y.
    image = torch.zeros(1, 1, 9, 9, 9)
    image[0, 0, 4, 4, 7] = 1.0
    turned = transform(
        image,
        rotation_rad_B3=torch.tensor([[torch.pi / 2, 0.0, 0.0]]),
        log_scale_B=torch.zeros(1),
        translation_mm_B3=torch.zeros(1, 3),
        spacing_mm=(1.0, 1.0, 1.0),
    )
    assert turned[0, 0, 4, 7, 4] == pytest.approx(1.0, abs=1e-4)


def test_a_turn_keeps_lengths_in_millimeters_on_an_anisotropic_grid():
    # 4 voxels of 1 mm along x become 2 voxels of 2 mm along y.
    image = torch.zeros(1, 1, 5, 11, 11)
    image[0, 0, 2, 5, 9] = 1.0
    turned = transform(
        image,
        rotation_rad_B3=torch.tensor([[torch.pi / 2, 0.0, 0.0]]),
        log_scale_B=torch.zeros(1),
        translation_mm_B3=torch.zeros(1, 3),
        spacing_mm=(3.0, 2.0, 1.0),
    )
    assert turned[0, 0, 2, 7, 5] == pytest.approx(1.0, abs=1e-4)


def test_a_shift_is_in_millimeters_and_towards_larger_indices():
    image = torch.zeros(1, 1, 8, 8, 8)
    image[0, 0, 4, 4, 4] = 1.0
    shifted = transform(
        image,
        rotation_rad_B3=torch.zeros(1, 3),
        log_scale_B=torch.zeros(1),
        translation_mm_B3=torch.tensor([[6.0, 2.0, -1.0]]),
        spacing_mm=SPACING,
    )
    assert shifted[0, 0, 6, 5, 3] == pytest.approx(1.0, abs=1e-4)


def test_magnification_by_two_doubles_distances_from_the_center():
    image = torch.zeros(1, 1, 9, 9, 9)
    image[0, 0, 4, 4, 6] = 1.0
    larger = transform(
        image,
        rotation_rad_B3=torch.zeros(1, 3),
        log_scale_B=torch.tensor([2.0]).log(),
        translation_mm_B3=torch.zeros(1, 3),
        spacing_mm=(1.0, 1.0, 1.0),
    )
    assert larger[0, 0, 4, 4].argmax() == 8


def test_gamma_keeps_the_range_contrast_the_mean_and_brightness_adds_standard_deviations():
    image, _ = make_batch(1)
    zero, change = torch.zeros(1, 3), torch.tensor([[0.3, 0.0, 0.0]])
    bent = change_contrast(image, brightness_BC=zero, log_contrast_BC=zero, log_gamma_BC=change)[0, 0]
    assert bent.min() == pytest.approx(float(image[0, 0].min()))
    assert bent.max() == pytest.approx(float(image[0, 0].max()))
    assert bent.mean() < image[0, 0].mean()
    stretched = change_contrast(image, brightness_BC=zero, log_contrast_BC=change, log_gamma_BC=zero)[0, 0]
    assert stretched.mean() == pytest.approx(float(image[0, 0].mean()), rel=1e-5)
    assert stretched.std() == pytest.approx(float(image[0, 0].std()) * 2.718281828**0.3, rel=1e-4)
    brighter = change_contrast(image, brightness_BC=change, log_contrast_BC=zero, log_gamma_BC=zero)[0, 0]
    assert (brighter - image[0, 0]).mean() == pytest.approx(0.3 * float(image[0, 0].std(correction=0)), rel=1e-4)


def test_contrast_of_a_constant_channel_stays_finite():
    image = torch.zeros(1, 3, 4, 4, 4)
    change = torch.full((1, 3), 0.3)
    assert not change_contrast(image, brightness_BC=change, log_contrast_BC=change, log_gamma_BC=change).any()


def test_blur_keeps_a_constant_and_spreads_a_point_like_a_gaussian():
    image = torch.ones(1, 2, 11, 11, 11)
    image[0, 1] = 0
    image[0, 1, 5, 5, 5] = 1
    blurred = blur(image, torch.tensor([[0.8, 0.8]]))
    torch.testing.assert_close(blurred[0, 0], image[0, 0])
    assert blurred[0, 1].sum() == pytest.approx(1.0, abs=1e-5)
    ratio = float(blurred[0, 1, 5, 5, 6] / blurred[0, 1, 5, 5, 5])
    assert ratio == pytest.approx(2.718281828 ** (-0.5 / 0.8**2), rel=1e-5)
    assert torch.equal(blur(image, torch.zeros(1, 2)), image)
