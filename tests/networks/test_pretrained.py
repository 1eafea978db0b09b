"""An encoder is found in every file of ours that holds one, and in nothing else."""

import pytest
import torch
from safetensors.torch import save_file
from small_networks import NETWORKS, PATCH, PER_CHANNEL

from glioframe.core.errors import ArtifactError
from glioframe.networks.build_encoder import build_encoder
from glioframe.networks.classifier import build_classifier
from glioframe.networks.lora import adapt_attention, merge_adapted
from glioframe.networks.pretrained import load_pretrained_encoder
from glioframe.networks.weights import distinct_weights, is_saved_by_glioframe, save_weights


def make_classifier(network, *, seed: int):
    torch.manual_seed(seed)
    return build_classifier(
        network, num_channels=2, patch_size_vox=PATCH, num_classes=2, quantitative=[False, True]
    ).eval()


def features(encoder):
    image = torch.rand(1, 2, *PATCH, generator=torch.Generator().manual_seed(1))
    return encoder.encode(image, torch.ones(1, 2)).dense


@pytest.mark.parametrize("name", NETWORKS)
@pytest.mark.parametrize("whole", [True, False], ids=["classifier", "encoder"])
def test_the_encoder_of_a_network_or_by_itself_is_taken_over(name, whole, tmp_path):
    source, target = make_classifier(NETWORKS[name], seed=1), make_classifier(NETWORKS[name], seed=2)
    head = target.head.weight.clone()
    save_weights(source if whole else source.encoder, tmp_path / "weights.safetensors")
    loaded = load_pretrained_encoder(target.encoder, tmp_path / "weights.safetensors")
    assert torch.equal(features(target.encoder), features(source.encoder))
    assert torch.equal(target.head.weight, head)
    assert set(loaded.loaded) == set(distinct_weights(target.encoder))
    assert loaded.initialized == ()
    assert all(not skipped.startswith("encoder.") for skipped in loaded.skipped)
    assert ("head.weight" in loaded.skipped) == whole


def test_changes_of_low_rank_in_the_file_are_merged_and_those_to_be_learned_stay(tmp_path):
    source, target = make_classifier(PER_CHANNEL, seed=1), make_classifier(PER_CHANNEL, seed=2)
    adapt_attention(source, rank=2, alpha=4.0)
    adapt_attention(target, rank=3, alpha=3.0)
    for name, parameter in source.named_parameters():
        if name.endswith("lora_up_weight"):
            torch.nn.init.normal_(parameter, std=0.1)
    save_weights(source, tmp_path / "weights.safetensors")
    load_pretrained_encoder(target.encoder, tmp_path / "weights.safetensors")
    merge_adapted(source)
    torch.testing.assert_close(features(target.encoder), features(source.encoder), rtol=1e-5, atol=1e-5)


def test_another_network_is_refused_and_nothing_is_loaded(tmp_path):
    save_weights(make_classifier(NETWORKS["cnn"], seed=1), tmp_path / "weights.safetensors")
    target = make_classifier(PER_CHANNEL, seed=2)
    before = features(target.encoder)
    with pytest.raises(ArtifactError, match=r"expected the encoder of the plan's VisionTransformer, found \d+ missing"):
        load_pretrained_encoder(target.encoder, tmp_path / "weights.safetensors")
    assert torch.equal(features(target.encoder), before)


def test_tensors_of_our_names_that_others_saved_are_not_taken_for_ours(tmp_path):
    encoder = build_encoder(PER_CHANNEL, num_channels=2, patch_size_vox=PATCH)
    path = tmp_path / "theirs.safetensors"
    save_file(distinct_weights(encoder), path)
    assert not is_saved_by_glioframe(path)
    with pytest.raises(ArtifactError, match="the order of the tokens"):
        load_pretrained_encoder(encoder, path)


def test_positions_are_interpolated_to_another_patch(tmp_path):
    source = build_encoder(PER_CHANNEL, num_channels=2, patch_size_vox=PATCH).eval()
    wider = (PATCH[0], PATCH[1], 2 * PATCH[2])
    target = build_encoder(PER_CHANNEL, num_channels=2, patch_size_vox=wider).eval()
    save_weights(source, tmp_path / "weights.safetensors")
    load_pretrained_encoder(target, tmp_path / "weights.safetensors", patch_size_vox=PATCH)
    image, presence = torch.rand(1, 2, *wider), torch.ones(1, 2)
    # The source itself interpolates, when it sees a patch of another size.
    torch.testing.assert_close(target.encode(image, presence).dense, source.encode(image, presence).dense)
    with pytest.raises(ArtifactError, match=r"1 of another shape \(eva\.pos_embed\)"):
        load_pretrained_encoder(target, tmp_path / "weights.safetensors")
