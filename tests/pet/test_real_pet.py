import json
import os
from pathlib import Path

import numpy as np
import pytest
from scipy import ndimage

from glioframe.core.errors import DatasetError
from glioframe.imaging.template_registration import register_template
from glioframe.imaging.volume import Volume, read_volume
from glioframe.pet.frames import FrameSchedule
from glioframe.pet.reference_region import find_reference_region
from glioframe.pet.striatum import place_striatum
from glioframe.pet.symmetry import find_symmetry_plane

REAL_DATA = os.environ.get("GLIOFRAME_REAL_DATA", "")
pytestmark = pytest.mark.skipif(not REAL_DATA, reason="GLIOFRAME_REAL_DATA does not name the folder of real data")
STRIATUM_MNI_MM = ((0.0, 5.0, -22.0), (0.0, 6.0, 23.0))  # (z, y, x) of the two maxima


def sidecar(path: str) -> FrameSchedule:
    content = json.loads((Path(REAL_DATA) / "tacs/bids_examples_pet_sidecars" / path).read_text())
    return FrameSchedule(tuple(map(float, content["FrameTimesStart"])), tuple(map(float, content["FrameDuration"])))


def fdopa():
    """The average FDOPA image of healthy people, its brain, and its striatum within 15 mm of the two maxima."""
    volume = read_volume(Path(REAL_DATA) / "pet_maps/FDOPA_f18.nii")
    brain = ndimage.binary_fill_holes(volume.array > 0)
    spacing = np.array(volume.geometry.spacing_mm)[:, None, None, None]
    origin = np.array(volume.geometry.world_mm((0, 0, 0))[::-1])[:, None, None, None]
    world = np.indices(volume.array.shape) * spacing + origin
    centers = [np.array(center)[:, None, None, None] for center in STRIATUM_MNI_MM]
    striatum = np.any([np.linalg.norm(world - center, axis=0) < 15 for center in centers], axis=0)
    return volume, brain, striatum, world


def test_the_plane_of_an_average_brain_is_the_midline_of_its_space():
    volume, brain, _, world = fdopa()
    plane = find_symmetry_plane(volume.array, brain, spacing_mm=volume.geometry.spacing_mm)
    at_plane = brain & (np.abs(plane.distance_map_mm(brain.shape, volume.geometry.spacing_mm)) < 2)
    assert np.abs(world[2][at_plane].mean()) < 2.0
    assert plane.normal[2] > 0.998


def test_real_striatum_is_kept_out_of_the_reference_and_takes_up_twice_as_much():
    volume, brain, striatum, _ = fdopa()
    region = find_reference_region(volume.array, brain, spacing_mm=volume.geometry.spacing_mm)
    assert not (region.mask & striatum).any()
    assert 1.7 < np.percentile(volume.array[striatum], 90) / region.mean < 3.5
    assert region.coefficient_of_variation < 0.25


@pytest.mark.parametrize(
    ("path", "num_frames"),
    [
        ("pet002/sub-01/ses-rescan/pet/sub-01_ses-rescan_pet.json", 36),
        ("pet005/sub-01/ses-baseline/pet/sub-01_ses-baseline_pet.json", 48),
    ],
)
def test_sound_published_sidecars_pass(path, num_frames):
    schedule = sidecar(path)
    schedule.check(path)
    assert schedule.num_frames == num_frames


def test_a_published_sidecar_whose_starts_and_durations_disagree_is_refused():
    path = "pet004/sub-01/pet/sub-01_pet.json"
    with pytest.raises(DatasetError, match="an overlap of 10 s between frame 1"):
        sidecar(path).check(path)


def test_the_striatum_of_an_average_brain_is_found_where_its_uptake_peaks():
    volume, brain, _, world = fdopa()
    alignment = register_template(volume, brain=Volume(brain, volume.geometry))
    assert alignment.is_plausible
    spacing_mm = volume.geometry.spacing_mm
    found = place_striatum(volume.array, alignment.striatum_on(volume.geometry), brain=brain, spacing_mm=spacing_mm)
    for side, center in zip((found.left, found.right), STRIATUM_MNI_MM, strict=True):
        near = np.linalg.norm(world - np.array(center)[:, None, None, None], axis=0) < 15
        peak = np.unravel_index(np.argmax(np.where(near, volume.array, 0)), volume.array.shape)
        assert side.mask[peak]
        assert np.linalg.norm(world[(slice(None), *peak)] - center) < 8
        assert side.why_unrefined == ""
        # An average over people is smeared: most of the hottest millilitre is in the mask, all of it is excluded.
        hottest = near & (volume.array >= np.sort(volume.array[near])[-37])
        assert side.mask[hottest].mean() > 0.6
        assert found.physiological(spacing_mm=spacing_mm)[hottest].all()
