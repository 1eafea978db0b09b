"""Gated attention pools as its formula says, starting from the mean."""

import pytest
import torch
from small_networks import EARLY
from torch import nn

from glioframe.networks.classifier import build_classifier
from glioframe.networks.gated_attention import GatedAttentionPooling

PATCH = (16, 16, 24)


def make_pooling() -> GatedAttentionPooling:
    torch.manual_seed(0)
    pooling = GatedAttentionPooling(6, 4)
    nn.init.normal_(pooling.score.weight)
    return pooling


def make_classifier(pooling):
    torch.manual_seed(0)
    return build_classifier(
        EARLY, num_channels=2, patch_size_vox=PATCH, num_classes=2, quantitative=[False, True], pooling=pooling
    ).eval()


def test_it_starts_as_the_mean():
    dense = torch.randn(3, 6, 2, 3, 4)
    torch.testing.assert_close(GatedAttentionPooling(6, 4)(dense), dense.mean((2, 3, 4)))


def test_it_is_the_published_formula():
    pooling, dense = make_pooling(), torch.randn(1, 6, 2, 3, 4)
    scores = []
    for features in dense[0].flatten(1).T:
        content = torch.tanh(pooling.content.weight @ features + pooling.content.bias)
        gate = torch.sigmoid(pooling.gate.weight @ features + pooling.gate.bias)
        scores.append(torch.dot(pooling.score.weight[0], content * gate))
    weights = torch.softmax(torch.stack(scores), 0)
    torch.testing.assert_close(pooling.weights(dense).flatten(), weights)
    torch.testing.assert_close(pooling(dense)[0], dense[0].flatten(1) @ weights)


def test_positions_change_places_and_the_vector_stays():
    pooling, dense = make_pooling(), torch.randn(2, 6, 2, 3, 4)
    torch.testing.assert_close(pooling(dense.flip(2, 3, 4)), pooling(dense))


def test_a_classifier_tells_where_it_looked():
    classifier = make_classifier("gated_attention")
    nn.init.normal_(classifier.attention.score.weight)
    image, presence = torch.rand(3, 2, *PATCH), torch.ones(3, 2)
    weights = classifier.attention_of(image, presence)
    assert weights.shape == (3, 2, 2, 3)
    torch.testing.assert_close(weights.sum((1, 2, 3)), torch.ones(3))
    assert (weights > 0).all()


def test_absent_channels_have_no_influence_on_where_it_looks():
    classifier = make_classifier("gated_attention")
    nn.init.normal_(classifier.attention.score.weight)
    image, presence = torch.rand(3, 2, *PATCH), torch.tensor([[1.0, 0.0]] * 3)
    other = image.clone()
    other[:, 1] = torch.nan
    assert torch.equal(classifier.attention_of(other, presence), classifier.attention_of(image, presence))
    assert torch.equal(classifier(other, presence), classifier(image, presence))


def test_the_mean_has_no_attention_to_show():
    with pytest.raises(TypeError, match="no attention"):
        make_classifier("mean").attention_of(torch.rand(1, 2, *PATCH), torch.ones(1, 2))


def test_the_other_weights_are_drawn_as_without_it():
    plain, pooling = make_classifier("mean").state_dict(), make_classifier("gated_attention").state_dict()
    assert all(torch.equal(value, pooling[name]) for name, value in plain.items())
