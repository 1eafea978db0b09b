"""DICOM and BIDS are two ways to the same SUV; what they leave out gives one clear line."""

import json
import os
import shutil
from pathlib import Path

import numpy as np
import pydicom
import pytest

from builders import make_affine, save_nifti
from dicom_builders import (
    DOSE_BQ,
    DURATIONS_S,
    HALF_LIFE_S,
    MODES,
    STARTS_S,
    WEIGHT_KG,
    dose_of,
    scanner_factors,
    truth,
    write_pet,
)
from glioframe.artifacts.pet_sidecar import load_pet_sidecar
from glioframe.cli.convert import main
from glioframe.core.errors import GlioframeError
from glioframe.core.geometry import Geometry
from glioframe.core.modality import Modality, Tracer, Unit
from glioframe.core.progress import SilentProgress
from glioframe.dataset.convert_bids import convert_bids
from glioframe.dataset.convert_dicom import convert_dicom
from glioframe.dataset.dynamic_source import PetSource
from glioframe.imaging.series import Series, read_series, write_series
from glioframe.imaging.volume import affine_from_array, read_volume
from glioframe.pet.suv import suv_bw


def from_dicom(tmp_path, **options):
    source = PetSource(folder=tmp_path / "dicom", **options)
    return convert_dicom(source, tmp_path / "raw" / "Dataset001_D", progress=SilentProgress())


def from_bids(tmp_path, **options):
    source = PetSource(folder=tmp_path / "bids", **options)
    return convert_bids(source, tmp_path / "raw" / "Dataset002_B", progress=SilentProgress())


def write_bids(folder, mode, **changes):
    """The same activities in RAS+ order, with the sidecar that the decay mode asks for."""
    activity = truth() * scanner_factors(mode)[:, None, None, None]
    shape = activity.shape[1:]
    geometry = Geometry(shape_vox=shape, affine=affine_from_array(make_affine()))
    path = folder / "sub-P1" / "pet" / "sub-P1_pet.nii.gz"
    write_series(Series(activity[:, :, ::-1, ::-1].astype(np.float32), geometry), path)
    content = {
        "TracerName": "FDOPA",
        "TracerRadionuclide": "F18",
        "Units": "Bq/mL",
        "InjectedRadioactivity": DOSE_BQ / 1e6,
        "InjectedRadioactivityUnits": "MBq",
        "BodyWeight": WEIGHT_KG,
        "InjectionStart": 0,
        "ScanStart": STARTS_S[0],
        "FrameTimesStart": STARTS_S,
        "FrameDuration": DURATIONS_S,
        "ImageDecayCorrected": mode != "NONE",
        "ImageDecayCorrectionTime": STARTS_S[0] if mode == "START" else 0,
    }
    content = {key: value for key, value in {**content, **changes}.items() if value is not None}
    path.with_name("sub-P1_pet.json").write_text(json.dumps(content))
    return path


def suv_of(dataset):
    (case,) = dataset.cases
    series = read_series(dataset.files(case.case_id).channels[-1])
    return suv_bw(series.array, injected_activity_bq=case.injected_activity_bq, weight_kg=case.weight_kg)


@pytest.mark.parametrize("mode", MODES)
def test_dicom_and_bids_give_the_true_suv_in_every_decay_mode(tmp_path, mode):
    write_pet(tmp_path / "dicom", mode=mode)
    write_bids(tmp_path / "bids", mode)
    true_suv = truth()[:, :, ::-1, ::-1] * WEIGHT_KG * 1000 / DOSE_BQ
    dicom, bids = suv_of(from_dicom(tmp_path)), suv_of(from_bids(tmp_path))
    np.testing.assert_allclose(dicom, true_suv, rtol=1e-3)
    np.testing.assert_allclose(bids, true_suv, rtol=1e-5)
    np.testing.assert_allclose(dicom, bids, rtol=1e-3)


def test_frames_are_sorted_by_time_and_stand_where_the_headers_say(tmp_path):
    write_pet(tmp_path / "dicom")
    dataset = from_dicom(tmp_path)
    path = dataset.files("P1").channels[0]
    sidecar = load_pet_sidecar(path.with_name("P1_0000.json"))
    assert (sidecar.frame_start_s, sidecar.frame_duration_s) == (STARTS_S, DURATIONS_S)
    (channel,) = dataset.description.channels
    assert (channel.modality, channel.tracer, channel.unit) == (Modality.PET_DYNAMIC, Tracer.FDOPA, Unit.BQ_ML)
    geometry = read_series(path).geometry
    assert geometry.spacing_mm == pytest.approx((3.0, 2.0, 2.5))
    # LPS (-10, -12, 0) is RAS (10, 12, 0): the right-most, most anterior voxel of the lowest slice.
    assert geometry.world_mm((0, 5, 4)) == pytest.approx((10.0, 12.0, 0.0))


@pytest.mark.parametrize("tag", [0x1009, 0x1000])
def test_philips_counts_become_activity_by_either_private_factor(tmp_path, tag):
    """The SUV factor holds for activity corrected to injection when the mode is ADMIN."""
    factor = 0.25 if tag == 0x1009 else 0.25 * WEIGHT_KG * 1000 / DOSE_BQ

    def edit(header):
        header.Units = "CNTS"
        header.private_block(0x7053, "Philips PET Private Group", create=True).add_new(
            tag & 0xFF, "DS", f"{factor:.8g}"
        )

    write_pet(tmp_path / "dicom", mode="ADMIN", scale=0.25, edit=edit)
    np.testing.assert_allclose(
        suv_of(from_dicom(tmp_path)), truth()[:, :, ::-1, ::-1] * WEIGHT_KG * 1000 / DOSE_BQ, rtol=1e-3
    )


BROKEN = {
    "no_weight": (lambda h: delattr(h, "PatientWeight"), "(0010,1030)"),
    "empty_weight": (lambda h: setattr(h, "PatientWeight", None), "(0010,1030)"),
    "zero_weight": (lambda h: setattr(h, "PatientWeight", 0), "(0010,1030)"),
    "no_dose_sequence": (lambda h: delattr(h, "RadiopharmaceuticalInformationSequence"), "(0054,0016)"),
    "empty_dose_sequence": (lambda h: setattr(h, "RadiopharmaceuticalInformationSequence", []), "(0054,0016)"),
    "no_dose": (lambda h: delattr(dose_of(h), "RadionuclideTotalDose"), "(0018,1074)"),
    "zero_dose": (lambda h: setattr(dose_of(h), "RadionuclideTotalDose", 0), "(0018,1074)"),
    "no_half_life": (lambda h: delattr(dose_of(h), "RadionuclideHalfLife"), "(0018,1075)"),
    "foreign_half_life": (lambda h: setattr(dose_of(h), "RadionuclideHalfLife", 4057), "(0018,1075)"),
    "no_injection_time": (lambda h: delattr(dose_of(h), "RadiopharmaceuticalStartTime"), "(0018,1072)"),
    "injected_after_the_scan": (lambda h: setattr(dose_of(h), "RadiopharmaceuticalStartTime", "100000"), "injection"),
    "no_decay_mode": (lambda h: delattr(h, "DecayCorrection"), "(0054,1102)"),
    "unknown_decay_mode": (lambda h: setattr(h, "DecayCorrection", "LATER"), "(0054,1102)"),
    "no_units": (lambda h: delattr(h, "Units"), "(0054,1001)"),
    "unknown_units": (lambda h: setattr(h, "Units", "PROPCPS"), "(0054,1001)"),
    "counts_without_factor": (lambda h: setattr(h, "Units", "CNTS"), "(7053,1009)"),
    "no_frame_duration": (lambda h: delattr(h, "ActualFrameDuration"), "(0018,1242)"),
    "no_acquisition_time": (lambda h: delattr(h, "AcquisitionTime"), "(0008,0032)"),
    "illegal_acquisition_time": (lambda h: setattr(h, "AcquisitionTime", "256199"), "(0008,0032)"),
    "no_position": (lambda h: delattr(h, "ImagePositionPatient"), "ImagePositionPatient"),
    "no_patient": (lambda h: setattr(h, "PatientID", ""), "(0010,0020)"),
    "no_tracer": (lambda h: setattr(dose_of(h), "Radiopharmaceutical", "Solution"), "--tracer"),
    "overlap": (lambda h: setattr(h, "ActualFrameDuration", 200000), "overlap"),
}


@pytest.mark.filterwarnings("ignore:Invalid value for VR:UserWarning")
@pytest.mark.parametrize("name", BROKEN)
def test_each_broken_header_gives_one_clear_line(tmp_path, name):
    edit, named = BROKEN[name]
    write_pet(tmp_path / "dicom", edit=edit)
    with pytest.raises(GlioframeError) as caught:
        from_dicom(tmp_path)
    assert named in str(caught.value)
    assert "expected" in str(caught.value)
    assert "\n" not in str(caught.value)
    assert not (tmp_path / "raw" / "Dataset001_D").exists()


def test_a_missing_image_is_noticed(tmp_path):
    write_pet(tmp_path / "dicom")
    (tmp_path / "dicom" / "004.dcm").unlink()
    with pytest.raises(GlioframeError, match="missing or doubled"):
        from_dicom(tmp_path)


def test_a_missing_slice_is_noticed(tmp_path):
    write_pet(tmp_path / "dicom")
    for path in sorted((tmp_path / "dicom").iterdir())[3:6]:
        path.unlink()
    with pytest.raises(GlioframeError, match="evenly spaced"):
        from_dicom(tmp_path)


def test_bids_takes_weight_from_the_participants_and_channels_by_name(tmp_path):
    path = write_bids(tmp_path / "bids", "ADMIN", BodyWeight=None)
    (tmp_path / "bids" / "participants.tsv").write_text("participant_id\tweight\nsub-P1\t64\n")
    for name in ("T1w", "ce-gd_T1w"):
        save_nifti(np.ones((4, 6, 5), np.float32), path.parents[1] / "anat" / f"sub-P1_{name}.nii.gz")
    with pytest.raises(GlioframeError, match="Narrow the pattern"):
        from_bids(tmp_path, channels={"t1c": "T1w"})
    dataset = from_bids(tmp_path, channels={"t1c": "ce-gd_T1w"}, protocol="static_fdopa")
    assert dataset.cases[0].weight_kg == 64.0
    assert [channel.name for channel in dataset.description.channels] == ["t1c", "fdopa"]
    assert all(dataset.files("sub-P1").channels_present)
    assert dataset.description.protocol == "static_fdopa"


def test_kilobecquerel_are_scaled(tmp_path):
    write_bids(tmp_path / "bids", "ADMIN", Units="kBq/mL")
    suv = suv_of(from_bids(tmp_path))
    np.testing.assert_allclose(suv, truth()[:, :, ::-1, ::-1] * 1000 * WEIGHT_KG * 1000 / DOSE_BQ, rtol=1e-5)


def test_the_command_converts_and_says_what_it_made(tmp_path, monkeypatch, capsys):
    monkeypatch.setenv("GLIOFRAME_HOME", str(tmp_path / "home"))
    write_pet(tmp_path / "dicom")
    assert main(["dicom", str(tmp_path / "dicom"), "-d", "3", "--name", "Mine"]) == 0
    assert "channels: fdopa" in capsys.readouterr().out


def test_a_real_scan_gives_the_suv_of_its_headers(tmp_path):
    root = os.environ.get("GLIOFRAME_REAL_DATA")
    if not root:
        pytest.skip("GLIOFRAME_REAL_DATA is not set: no real DICOM")
    source = Path(root, "pet_dicom", "STS_001_raw")
    (tmp_path / "dicom").mkdir()
    for name in ("FDG_PET", "MR_T2"):
        shutil.copytree(source / name / "image", tmp_path / "dicom" / name)
    dataset = from_dicom(tmp_path, channels={"t2w": "."}, tracer=Tracer.FDG)
    (case,) = dataset.cases
    assert (case.weight_kg, case.injected_activity_bq) == (71.0, pytest.approx(388.8e6, rel=1e-3))
    volume = read_volume(dataset.files(case.case_id).channels[1])
    slices = [pydicom.dcmread(path) for path in (tmp_path / "dicom" / "FDG_PET").iterdir()]
    slices.sort(key=lambda item: float(item.ImagePositionPatient[2]))
    dose = dose_of(slices[0])
    stored = np.stack([item.pixel_array * float(item.RescaleSlope) for item in slices])[:, ::-1, ::-1]
    clock = [f"{float(text):010.3f}" for text in (dose.RadiopharmaceuticalStartTime, slices[0].SeriesTime)]
    injected_s, scan_s = (int(t[:2]) * 3600 + int(t[2:4]) * 60 + float(t[4:]) for t in clock)
    left = 2 ** (-(scan_s - injected_s) / float(dose.RadionuclideHalfLife))
    expected = stored * 71.0 * 1000 / (float(dose.RadionuclideTotalDose) * left)
    suv = suv_bw(volume.array, injected_activity_bq=case.injected_activity_bq, weight_kg=case.weight_kg)
    np.testing.assert_allclose(suv, expected, rtol=1e-3, atol=1e-4)
    assert pytest.approx(float(dose.RadionuclideHalfLife), rel=1e-3) == HALF_LIFE_S
