"""No damage to a file's bytes makes the preflight raise, warn or talk: it ends in findings."""

from __future__ import annotations

import gzip
from pathlib import Path

import nibabel
import numpy as np
import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from builders import make_affine, make_dataset
from glioframe.core.progress import SilentProgress
from glioframe.dataset.preflight import check_dataset
from glioframe.imaging.volume import read_volume

HEADER_BYTES = 352
FILES = (
    "imagesTr/case000_0000.nii.gz",
    "imagesTr/case000_0001.nii.gz",
    "labelsTr/case000.nii.gz",
    "cases.tsv",
    "dataset.json",
)


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    folder = tmp_path_factory.mktemp("damaged") / "Dataset001_Test"
    make_dataset(folder, num_subjects=1)
    return folder


def field(name: str) -> int:
    return nibabel.Nifti1Header.template_dtype.fields[name][1]


def float_bytes(name: str, value: float) -> list[tuple[int, int]]:
    return [(field(name) + index, byte) for index, byte in enumerate(np.float32(value).tobytes())]


@settings(deadline=None, max_examples=60, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    name=st.sampled_from(FILES),
    changes=st.lists(st.tuples(st.integers(0, HEADER_BYTES - 1), st.integers(0, 255)), min_size=1, max_size=8),
)
# Headers that once got through.
@example(name=FILES[0], changes=float_bytes("scl_slope", 2.0))
@example(name=FILES[0], changes=float_bytes("scl_slope", 1e38))
@example(name=FILES[1], changes=float_bytes("scl_slope", 1e37))
@example(name=FILES[1], changes=float_bytes("scl_inter", 1e30))
@example(name=FILES[0], changes=float_bytes("vox_offset", float("nan")))
@example(name=FILES[0], changes=[(field("xyzt_units"), 7)])
@example(name=FILES[2], changes=[(field("magic"), 0x7F)])
def test_damaged_bytes_end_in_findings(name, changes, folder, capfd):
    path: Path = folder / name
    intact = path.read_bytes()
    content = bytearray(gzip.decompress(intact) if name.endswith(".gz") else intact)
    for position, byte in changes:
        content[position % len(content)] = byte
    try:
        path.write_bytes(gzip.compress(bytes(content), 1) if name.endswith(".gz") else bytes(content))
        preflight = check_dataset(folder, num_workers=1, progress=SilentProgress())
    finally:
        path.write_bytes(intact)
    for finding in preflight.findings:
        assert "\n" not in finding.where + finding.message + finding.fix
        assert finding.fix
    assert capfd.readouterr() == ("", "")


@pytest.mark.parametrize("dtype", [np.int16, np.float32])
def test_slope_and_intercept_are_applied_whatever_the_stored_type(dtype, tmp_path):
    stored = np.arange(24, dtype=dtype).reshape(2, 3, 4)
    image = nibabel.Nifti1Image(stored, make_affine())
    content = bytearray(image.to_bytes())
    for position, byte in float_bytes("scl_slope", 0.5) + float_bytes("scl_inter", 10.0):
        content[position] = byte
    (tmp_path / "scaled.nii").write_bytes(content)
    assert np.array_equal(read_volume(tmp_path / "scaled.nii").array, (stored * 0.5 + 10.0).transpose(2, 1, 0))
