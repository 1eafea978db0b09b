"""Stored arrays come back whole or in part, and never half."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from glioframe.core.errors import ImageError
from glioframe.imaging.array_store import array_shape, load_array, load_patch, save_array


@pytest.fixture(scope="module")
def stored(tmp_path_factory):
    array = np.random.default_rng(0).standard_normal((2, 40, 70, 33)).astype(np.float32)
    path = tmp_path_factory.mktemp("store") / "case.b2nd"
    save_array(array, path)
    return path, array


@pytest.mark.parametrize("dtype", [np.float32, np.int8, np.int16])
@pytest.mark.parametrize("shape", [(3, 20, 65, 40), (20, 65, 40), (1, 1, 1), (4, 1, 100, 2)])
def test_an_array_comes_back_as_it_was(tmp_path, shape, dtype):
    array = (np.random.default_rng(0).standard_normal(shape) * 50).astype(dtype)
    save_array(array, tmp_path / "a.b2nd")
    back = load_array(tmp_path / "a.b2nd")
    assert back.dtype == dtype
    np.testing.assert_array_equal(back, array)
    assert array_shape(tmp_path / "a.b2nd") == shape


@pytest.fixture(scope="module")
def padded(stored):
    _, array = stored
    return np.pad(array, [(0, 0), *[(40, 120)] * 3], constant_values=-9.0)


@settings(max_examples=60, deadline=None)
@given(
    start=st.tuples(st.integers(-40, 50), st.integers(-40, 80), st.integers(-40, 40)),
    shape=st.tuples(*[st.integers(1, 60)] * 3),
)
def test_a_patch_equals_the_same_box_of_the_padded_array(stored, padded, start, shape):
    path, _ = stored
    box = tuple(slice(first + 40, first + 40 + size) for first, size in zip(start, shape, strict=True))
    patch = load_patch(path, start_zyx=start, shape_zyx=shape, fill=-9.0)
    np.testing.assert_array_equal(patch, padded[(slice(None), *box)])


def test_a_patch_of_a_label_has_three_axes_and_its_type(tmp_path):
    label = np.random.default_rng(0).integers(0, 3, (20, 21, 22)).astype(np.int8)
    save_array(label, tmp_path / "seg.b2nd")
    patch = load_patch(tmp_path / "seg.b2nd", start_zyx=(-1, 2, 3), shape_zyx=(4, 5, 6))
    assert patch.dtype == np.int8
    assert not patch[0].any()
    np.testing.assert_array_equal(patch[1:], label[0:3, 2:7, 3:9])


def test_equal_arrays_give_equal_bytes(tmp_path, stored):
    path, array = stored
    save_array(array.copy(order="F"), tmp_path / "again.b2nd")
    assert (tmp_path / "again.b2nd").read_bytes() == path.read_bytes()


def test_a_channel_of_zeros_costs_almost_nothing(tmp_path):
    save_array(np.zeros((1, 128, 128, 128), dtype=np.float32), tmp_path / "zero.b2nd")
    assert (tmp_path / "zero.b2nd").stat().st_size < 10_000


@pytest.mark.parametrize("kept", [0, 10, -1, -1000])
def test_a_file_cut_off_is_refused(tmp_path, stored, kept):
    path, _ = stored
    (tmp_path / "cut.b2nd").write_bytes(path.read_bytes()[:kept])
    with pytest.raises(ImageError, match=r"cut\.b2nd"):
        load_array(tmp_path / "cut.b2nd")


def test_an_absent_file_is_refused(tmp_path):
    with pytest.raises(ImageError, match="no file"):
        array_shape(tmp_path / "absent.b2nd")
