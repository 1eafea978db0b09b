"""Patches are augmented as nnU-Net's library does, as often as nnU-Net does, from no more voxels than needed."""

from dataclasses import replace

import numpy as np
import pytest
import torch
from batchgeneratorsv2.transforms.intensity.gamma import GammaTransform
from batchgeneratorsv2.transforms.spatial.spatial import SpatialTransform, create_affine_matrix_3d
from scipy.ndimage import gaussian_filter

from glioframe.augmentation.augment_patch import augment_patch
from glioframe.augmentation.intensity import change_contrast
from glioframe.augmentation.patch_parameters import PatchParameters, draw_patch_parameters, sampling_matrix
from glioframe.augmentation.reference import augment_patch_by_batchgenerators
from glioframe.augmentation.smoothing import smoothed
from glioframe.augmentation.spatial import sampled, transform
from glioframe.imaging.array_store import save_array
from glioframe.training.patches import load_augmented_patch

PATCH = (20, 24, 22)
SHAPE = (36, 40, 34)


def make_case(shape=SHAPE) -> tuple[torch.Tensor, torch.Tensor]:
    rng = np.random.default_rng(3)
    image = np.stack([gaussian_filter(rng.standard_normal(shape), 1) for _ in range(3)]).astype(np.float32) * 5
    grid = np.stack(np.meshgrid(*(np.arange(size) - size / 2 for size in shape), indexing="ij"))
    distance = np.sqrt(((grid - np.reshape((1, -2, 2), (3, 1, 1, 1))) ** 2).sum(0))
    return torch.from_numpy(image), torch.from_numpy(np.digitize(-distance, (-9, -6, -3)).astype(np.int8))


def unchanged(num_channels: int = 3, **changes) -> PatchParameters:
    one = np.ones(num_channels)
    return PatchParameters(
        **{
            "sampling_33": None,
            "noise_std": 0.0,
            "noise_seed": 0,
            "blur_sigma_vox_C3": np.zeros((num_channels, 3)),
            "brightness_C": one,
            "contrast_C": one,
            "resolution_C": one,
            "inverted_gamma_C": one,
            "gamma_C": one,
            "mirror_axes": (),
        }
        | changes
    )


CHANGES = {
    "nothing": {},
    "turn and zoom": {"sampling_33": sampling_matrix((0.4, -0.3, 0.2), 0.8)},
    "reach out": {"sampling_33": sampling_matrix((0.5, 0.5, -0.5), 1.4)},
    "noise": {"noise_std": 0.3, "noise_seed": 5},
    "blur": {"blur_sigma_vox_C3": np.array([[0.5, 0.7, 1.0], [0, 0, 0], [0.9, 0.6, 0.8]])},
    "brightness": {"brightness_C": np.array([0.8, 1.0, 1.2])},
    "contrast": {"contrast_C": np.array([0.8, 1.0, 1.2])},
    "resolution": {"resolution_C": np.array([0.5, 1.0, 0.77])},
    "inverted gamma": {"inverted_gamma_C": np.array([0.7, 1.0, 1.5])},
    "gamma": {"gamma_C": np.array([0.7, 1.0, 1.5])},
    "mirror": {"mirror_axes": (0, 2)},
}
CHANGES["everything"] = {name: value for change in CHANGES.values() for name, value in change.items()}


@pytest.mark.parametrize("name", CHANGES)
def test_every_change_is_that_of_batchgenerators(name):
    parameters = unchanged(**CHANGES[name])
    image, labels = make_case(parameters.source_size_vox(PATCH))
    expected, expected_labels = augment_patch_by_batchgenerators(image, labels, parameters, patch_size_vox=PATCH)
    found, found_labels = augment_patch(image.clone(), labels, parameters, patch_size_vox=PATCH)
    assert found.shape == (3, *PATCH)
    if "noise" in name or name == "everything":
        assert (found - expected).std() < 0.6
    else:
        torch.testing.assert_close(found, expected, rtol=1e-4, atol=1e-4)
    # Ties between labels are broken differently.
    assert (found_labels == expected_labels).float().mean() > 0.99
    assert found_labels.any()


def test_noise_has_the_standard_deviation_drawn():
    image = torch.zeros(2, 30, 30, 30)
    noisy, _ = augment_patch(image, None, unchanged(2, noise_std=0.08), patch_size_vox=(30, 30, 30))
    assert noisy.std() == pytest.approx(0.08, rel=0.02)
    assert noisy.mean() == pytest.approx(0, abs=0.002)


@pytest.mark.parametrize("angles", [(0.3, 0, 0), (0, 0.3, 0), (0, 0, 0.3), (0.2, -0.4, 0.1)])
def test_the_sampling_matrix_is_nnunets(angles):
    np.testing.assert_allclose(sampling_matrix(angles, 1.3), create_affine_matrix_3d(angles, [1.3] * 3), atol=1e-12)


@pytest.mark.parametrize("axis", [0, 1, 2])
def test_case_level_turns_and_magnification_are_those_of_batchgenerators(axis):
    image, _ = make_case()
    angle, magnification = 0.25, 1.2
    reference = SpatialTransform(
        SHAPE,
        patch_center_dist_from_border=0,
        random_crop=False,
        p_rotation=1,
        rotation=lambda dim, **_: angle if dim == axis else 0.0,
        p_scaling=1,
        scaling=1 / magnification,
        p_synchronize_scaling_across_axes=1,
    )
    expected = reference(image=image.clone())["image"]
    # Ours turns the content; theirs the points that are looked up. And the z axis of an image comes first in both,
    # so that theirs is left-handed in x, y, z.
    turned = [
        transform(
            image[None],
            rotation_rad_B3=torch.tensor([[sign * angle if other == axis else 0.0 for other in range(3)]]),
            log_scale_B=torch.tensor([magnification]).log(),
            translation_mm_B3=torch.zeros(1, 3),
            spacing_mm=(1.0, 1.0, 1.0),
        )[0]
        for sign in (1, -1)
    ]
    differences = sorted(float((found - expected).abs().max()) for found in turned)
    assert differences[0] < 1e-4
    assert differences[1] > 0.1


def test_case_level_gamma_is_that_of_batchgenerators():
    image, _ = make_case()
    reference = GammaTransform(1.3, p_invert_image=0, synchronize_channels=False, p_per_channel=1, p_retain_stats=0)
    zero = torch.zeros(1, 3)
    found = change_contrast(
        image[None], brightness_BC=zero, log_contrast_BC=zero, log_gamma_BC=torch.full((1, 3), 1.3).log()
    )[0]
    torch.testing.assert_close(found, reference(image=image.clone())["image"], rtol=1e-4, atol=1e-4)


def test_what_happens_is_as_frequent_as_in_nnunet():
    drawn = [draw_patch_parameters(seed, quantitative=[False] * 4) for seed in range(4000)]
    expected = {
        "sampling_33": (lambda p: p.sampling_33 is not None, 1 - 0.8**2),
        "noise": (lambda p: p.noise_std > 0, 0.1),
        "blur": (lambda p: p.blur_sigma_vox_C3[2].all(), 0.2 * 0.5),
        "brightness": (lambda p: p.brightness_C[1] != 1, 0.15),
        "contrast": (lambda p: p.contrast_C[3] != 1, 0.15),
        "resolution": (lambda p: p.resolution_C[0] != 1, 0.25 * 0.5),
        "inverted gamma": (lambda p: p.inverted_gamma_C[0] != 1, 0.1),
        "gamma": (lambda p: p.gamma_C[0] != 1, 0.3),
        "gamma above 1": (lambda p: p.gamma_C[0] > 1, 0.15),
        "mirror": (lambda p: 1 in p.mirror_axes, 0.5),
    }
    for name, (happened, probability) in expected.items():
        share = np.mean([happened(parameters) for parameters in drawn])
        assert share == pytest.approx(probability, abs=4 * np.sqrt(probability * (1 - probability) / 4000)), name
    bent = [parameters.gamma_C[0] for parameters in drawn]
    assert 0.7 <= min(bent) < 0.72
    assert 1.47 < max(bent) <= 1.5


def test_quantities_keep_their_brightness_contrast_and_gamma():
    for seed in range(200):
        parameters = draw_patch_parameters(seed, quantitative=[True, False])
        for name in ("brightness_C", "contrast_C", "gamma_C", "inverted_gamma_C"):
            assert getattr(parameters, name)[0] == 1


@pytest.mark.parametrize("seed", range(12))
@pytest.mark.parametrize("start", [(8, 8, 6), (-5, 20, 0)])
def test_reading_only_what_is_needed_gives_what_reading_everything_gives(tmp_path, seed, start):
    image, labels = make_case()
    save_array(image.numpy(), tmp_path / "image.b2nd")
    save_array(labels.numpy(), tmp_path / "labels.b2nd")
    parameters = replace(draw_patch_parameters(seed, quantitative=[False] * 3), noise_std=0.0)
    if seed % 3 == 0:
        parameters = replace(parameters, sampling_33=sampling_matrix((0.3, 0.2, -0.4), 1.3))
    found, found_labels = load_augmented_patch(
        tmp_path / "image.b2nd", tmp_path / "labels.b2nd", parameters, start_vox=start, patch_size_vox=PATCH
    )
    margin = 40  # more than any change reaches
    padded = torch.nn.functional.pad(image, [margin] * 6)
    size = parameters.source_size_vox(PATCH)
    box = tuple(
        slice(margin + first - (edge - kept) // 2, margin + first + (edge + kept) // 2)
        for first, edge, kept in zip(start, size, PATCH, strict=True)
    )
    whole_labels = torch.nn.functional.pad(labels, [margin] * 6)[box]
    expected, expected_labels = augment_patch(
        padded[(slice(None), *box)].clone(), whole_labels, parameters, patch_size_vox=PATCH
    )
    torch.testing.assert_close(found, expected, rtol=1e-4, atol=1e-4)
    assert (found_labels != expected_labels).sum() <= 2


def test_labels_are_sampled_the_same_whole_as_in_the_box_around_them():
    _, labels = make_case()
    sampling_33 = sampling_matrix((0.4, 0.3, -0.2), 0.9)
    _, found = augment_patch(
        torch.zeros(1, *SHAPE), labels, unchanged(1, sampling_33=sampling_33), patch_size_vox=PATCH
    )
    weights = sampled(
        torch.nn.functional.one_hot(labels.long()).movedim(-1, 0).float(), torch.from_numpy(sampling_33), PATCH
    )
    weights[0] += 1 - weights.sum(0)
    assert (found != weights.argmax(0)).sum() <= 2


def test_smoothing_matches_scipy_where_the_kernel_is_not_cut_off():
    volume = np.random.default_rng(0).standard_normal((14, 15, 16))
    found = smoothed(torch.from_numpy(volume), (0.8, 0.0, 1.0))
    for sigma, axis in ((0.8, 0), (1.0, 2)):
        reach = int((6 * sigma + 0.5) / 2)
        volume = gaussian_filter(volume, sigma, axes=(axis,), mode="mirror", radius=reach)
    np.testing.assert_allclose(found.numpy(), volume, atol=1e-6)
