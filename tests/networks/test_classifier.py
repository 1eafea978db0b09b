"""The classifier: what may and what may not influence its logits."""

import subprocess
import sys

import pytest
import torch

from glioframe.artifacts.network_plan import ResidualEncoderPlan
from glioframe.networks.classifier import Classifier, build_classifier

T1C, PET = 0, 1
PATCH = (8, 16, 16)
NETWORK = ResidualEncoderPlan(
    features_per_stage=(4, 8, 8),
    blocks_per_stage=(1, 2, 1),
    kernel_sizes=((1, 3, 3), (3, 3, 3), (3, 3, 3)),
    strides=((1, 1, 1), (1, 2, 2), (2, 2, 2)),
    dropout=0.5,
)


def make_classifier(*, num_classes: int = 2, seed: int = 0) -> Classifier:
    torch.manual_seed(seed)
    return build_classifier(
        NETWORK, num_channels=2, patch_size_vox=PATCH, num_classes=num_classes, quantitative=[False, True]
    ).eval()


def make_patches(*, batch: int = 3, seed: int = 1) -> torch.Tensor:
    return torch.rand(batch, 2, *PATCH, generator=torch.Generator().manual_seed(seed))


def presence(*flags: tuple[int, int]) -> torch.Tensor:
    return torch.tensor(flags, dtype=torch.float32)


@pytest.mark.parametrize("num_classes", [2, 4])
def test_a_patch_gives_one_logit_per_class(num_classes):
    logits = make_classifier(num_classes=num_classes)(make_patches(), torch.ones(3, 2))
    assert logits.shape == (3, num_classes)


def test_the_dense_encoding_is_coarser_by_the_total_stride():
    encoding = make_classifier().encode(make_patches(), torch.ones(3, 2))
    assert encoding.dense.shape == (3, 8, 8 // 2, 16 // 4, 16 // 4)
    assert encoding.pooled.shape == (3, 8)


@pytest.mark.parametrize("channel", [T1C, PET])
def test_the_content_of_an_absent_channel_has_no_influence(channel):
    classifier, patches = make_classifier(), make_patches()
    present = torch.ones(3, 2)
    present[:, channel] = 0
    other = patches.clone()
    other[:, channel] = torch.nan
    assert torch.equal(classifier(patches, present), classifier(other, present))


@pytest.mark.parametrize("channel", [T1C, PET])
def test_an_absent_channel_differs_from_one_that_is_present_and_zero(channel):
    classifier, patches = make_classifier(), make_patches()
    patches[:, channel] = 0
    absent = torch.ones(3, 2)
    absent[:, channel] = 0
    assert not torch.allclose(classifier(patches, torch.ones(3, 2)), classifier(patches, absent))


def test_cases_of_one_batch_do_not_influence_each_other():
    classifier, patches = make_classifier(), make_patches()
    present = presence((1, 1), (1, 0), (0, 1))
    together = classifier(patches, present)
    alone = torch.cat([classifier(patches[i : i + 1], present[i : i + 1]) for i in range(3)])
    torch.testing.assert_close(together, alone, rtol=1e-4, atol=1e-5)


def test_twice_the_uptake_changes_the_logits_although_instance_normalization_removes_the_scale():
    classifier = make_classifier()
    only_pet = presence((0, 1), (0, 1), (0, 1))
    once = 100 * make_patches()
    pooled_once = classifier.encode(once, only_pet).pooled
    pooled_twice = classifier.encode(2 * once, only_pet).pooled
    torch.testing.assert_close(pooled_once, pooled_twice, rtol=1e-3, atol=1e-3)
    assert (classifier(2 * once, only_pet) - classifier(once, only_pet)).abs().max() > 0.01


def test_a_weighted_mri_channel_adds_no_quantity():
    network = make_classifier()
    assert network.head.in_features == 8 + 5 + 2


def test_gradients_reach_every_parameter_that_can_matter():
    classifier = make_classifier().train()
    classifier.dropout.p = 0.0
    classifier(make_patches(), torch.ones(3, 2)).square().sum().backward()
    silent = [name for name, p in classifier.named_parameters() if p.grad is None or p.grad.abs().max() < 1e-7]
    # A convolution's bias is subtracted again by the instance normalization behind it: its gradient is rounding only.
    assert [name for name in silent if not name.endswith(("conv.bias", "all_modules.0.bias"))] == []


def test_equal_seeds_give_equal_networks_and_others_do_not():
    patches, present = make_patches(), torch.ones(3, 2)
    first, again, other = make_classifier(seed=3), make_classifier(seed=3), make_classifier(seed=4)
    assert torch.equal(first(patches, present), again(patches, present))
    assert not torch.equal(first(patches, present), other(patches, present))


def test_bfloat16_on_the_cpu_gives_nearly_the_same_logits_in_float32():
    classifier, patches, present = make_classifier(), make_patches(), torch.ones(3, 2)
    exact = classifier(patches, present)
    with torch.autocast("cpu", torch.bfloat16):
        rounded = classifier(patches, present)
    assert rounded.dtype == torch.float32
    torch.testing.assert_close(rounded, exact, rtol=0.05, atol=0.05)


def test_as_many_quantitative_flags_as_channels_are_needed():
    with pytest.raises(ValueError, match="2 channels need as many flags"):
        build_classifier(NETWORK, num_channels=2, patch_size_vox=PATCH, num_classes=2, quantitative=[True])


def test_the_network_needs_neither_timm_nor_torchvision():
    code = (
        "import sys, glioframe.networks.classifier, glioframe.networks.weights;"
        "sys.exit(bool({'timm', 'torchvision'} & set(sys.modules)))"
    )
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0
