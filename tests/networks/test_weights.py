"""Weights survive the disk, and wrong files are refused in words."""

import pytest
import torch
from torch import nn

from glioframe.core.errors import ArtifactError
from glioframe.networks.weights import load_weights, save_weights


def make_network(*, width: int = 3, seed: int = 0) -> nn.Module:
    torch.manual_seed(seed)
    return nn.Sequential(nn.Linear(2, width), nn.Linear(width, 1))


def test_loaded_weights_equal_the_saved_ones(tmp_path):
    saved, loaded = make_network(seed=1), make_network(seed=2)
    save_weights(saved, tmp_path / "weights.safetensors")
    load_weights(loaded, tmp_path / "weights.safetensors")
    for mine, theirs in zip(saved.parameters(), loaded.parameters(), strict=True):
        assert torch.equal(mine, theirs)


def test_equal_weights_give_equal_bytes(tmp_path):
    save_weights(make_network(), tmp_path / "a.safetensors")
    save_weights(make_network(), tmp_path / "b.safetensors")
    assert (tmp_path / "a.safetensors").read_bytes() == (tmp_path / "b.safetensors").read_bytes()


def test_a_failed_write_keeps_the_old_weights(tmp_path):
    path = tmp_path / "weights.safetensors"
    save_weights(make_network(), path)
    before = path.read_bytes()
    unsavable = make_network()
    unsavable.register_buffer("broken", torch.ones(2, device="meta"))
    with pytest.raises(NotImplementedError):
        save_weights(unsavable, path)
    assert path.read_bytes() == before
    assert [entry.name for entry in tmp_path.iterdir()] == [path.name]


def test_the_weights_of_another_network_are_refused_by_name(tmp_path):
    save_weights(make_network(width=4), tmp_path / "weights.safetensors")
    with pytest.raises(ArtifactError, match=r"3 of another shape \(0\.bias, 0\.weight, 1\.weight\)"):
        load_weights(make_network(width=3), tmp_path / "weights.safetensors")


def test_missing_and_unknown_weights_are_both_listed(tmp_path):
    save_weights(nn.Sequential(nn.Linear(2, 3), nn.Identity(), nn.Linear(3, 1)), tmp_path / "weights.safetensors")
    with pytest.raises(ArtifactError, match=r"2 missing \(1\.bias, 1\.weight\); 2 unknown \(2\.bias, 2\.weight\)"):
        load_weights(make_network(), tmp_path / "weights.safetensors")


def test_a_truncated_file_is_refused(tmp_path):
    path = tmp_path / "weights.safetensors"
    save_weights(make_network(), path)
    path.write_bytes(path.read_bytes()[:-5])
    with pytest.raises(ArtifactError, match=r"weights\.safetensors: expected a safetensors file"):
        load_weights(make_network(), path)


def test_an_absent_file_says_what_to_do(tmp_path):
    with pytest.raises(ArtifactError, match="Train the fold first"):
        load_weights(make_network(), tmp_path / "nothing.safetensors")


def test_a_parameter_under_two_names_is_stored_once_and_restored_under_both(tmp_path):
    saved, loaded = (nn.ModuleDict({"a": layer, "b": layer}) for layer in (nn.Linear(2, 2), nn.Linear(2, 2)))
    save_weights(saved, tmp_path / "weights.safetensors")
    load_weights(loaded, tmp_path / "weights.safetensors")
    assert torch.equal(loaded["b"].weight, saved["a"].weight)
