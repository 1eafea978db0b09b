"""Sidecars: what they mean, and one clear line for each that means nothing."""

import json
import os
from pathlib import Path

import pytest

from glioframe.artifacts.pet_sidecar import (
    load_pet_sidecar,
    parse_pet_sidecar,
    save_pet_sidecar,
    sidecar_path,
    tracer_from_name,
)
from glioframe.artifacts.protocol import DecayReference
from glioframe.core.errors import ArtifactError, DatasetError
from glioframe.core.modality import Tracer, Unit

GOOD = {
    "Manufacturer": "Siemens",
    "TracerName": "FDOPA",
    "TracerRadionuclide": "F18",
    "Units": "Bq/mL",
    "InjectedRadioactivity": 200,
    "InjectedRadioactivityUnits": "MBq",
    "BodyWeight": 70,
    "TimeZero": "10:00:00",
    "ScanStart": 30,
    "InjectionStart": 0,
    "FrameTimesStart": [30, 90, 150],
    "FrameDuration": [60, 60, 60],
    "ImageDecayCorrected": True,
    "ImageDecayCorrectionTime": 0,
}
ABSENT = object()


def changed(**changes):
    return {key: value for key, value in {**GOOD, **changes}.items() if value is not ABSENT}


def test_a_sidecar_is_read_in_si_units_and_seconds_from_injection():
    sidecar = parse_pet_sidecar(GOOD, where="x.json")
    assert (sidecar.tracer, sidecar.units, sidecar.radionuclide) == (Tracer.FDOPA, Unit.BQ_ML, "F18")
    assert (sidecar.injected_activity_bq, sidecar.body_weight_kg) == (2e8, 70.0)
    assert sidecar.frame_start_s == (30.0, 90.0, 150.0)
    assert sidecar.half_life_s == pytest.approx(6586.2)
    assert (sidecar.decay_reference, sidecar.decay_corrected) == (DecayReference.INJECTION, True)


def test_times_are_shifted_when_time_zero_is_not_the_injection():
    times = {"InjectionStart": 20, "ScanStart": 30, "ImageDecayCorrectionTime": 30}
    sidecar = parse_pet_sidecar(changed(**times), where="x.json")
    assert sidecar.frame_start_s == (10.0, 70.0, 130.0)
    assert (sidecar.scan_start_s, sidecar.decay_reference) == (10.0, DecayReference.SCAN_START)


@pytest.mark.parametrize(("unit", "becquerels"), [("Bq", 1.0), ("kBq", 1e3), ("MBq", 1e6), ("mCi", 3.7e7)])
def test_doses_are_read_in_their_unit(unit, becquerels):
    sidecar = parse_pet_sidecar(changed(InjectedRadioactivityUnits=unit), where="x.json")
    assert sidecar.injected_activity_bq == pytest.approx(200 * becquerels)


@pytest.mark.parametrize(
    ("name", "tracer"),
    [
        ("FDOPA", Tracer.FDOPA),
        ("[18F]FDOPA", Tracer.FDOPA),
        ("18F-DOPA", Tracer.FDOPA),
        ("F-18 FET", Tracer.FET),
        ("[11C]-methionine", Tracer.MET),
        ("FDG", Tracer.FDG),
        ("DASB", None),
    ],
)
def test_tracers_are_known_by_any_common_name(name, tracer):
    assert tracer_from_name(name) is tracer


@pytest.mark.parametrize("time", [0, 30, None], ids=["injection", "scan_start", "none"])
def test_a_sidecar_survives_writing(tmp_path, time):
    decay = {"ImageDecayCorrected": time is not None, "ImageDecayCorrectionTime": time}
    sidecar = parse_pet_sidecar(changed(**decay), where="x.json")
    save_pet_sidecar(sidecar, tmp_path / "x.json")
    assert load_pet_sidecar(tmp_path / "x.json") == sidecar


def test_a_sidecar_stands_beside_its_image():
    assert sidecar_path(Path("a/case.v2_0001.nii.gz")) == Path("a/case.v2_0001.json")
    assert sidecar_path(Path("case_0001.nii")) == Path("case_0001.json")


BROKEN = {
    **{
        f"no_{key}": ({key: ABSENT}, key, "found none")
        for key in (
            "TracerName",
            "TracerRadionuclide",
            "Units",
            "FrameTimesStart",
            "FrameDuration",
            "ImageDecayCorrected",
            "ImageDecayCorrectionTime",
            "InjectedRadioactivityUnits",
        )
    },
    "null_units": ({"Units": None}, "Units", "found none"),
    "tracer_not_applicable": ({"TracerName": "n/a"}, "TracerName", "found none"),
    "tracer_number": ({"TracerName": 7}, "TracerName", "found 7"),
    "unknown_nuclide": ({"TracerRadionuclide": "Ga68"}, "TracerRadionuclide", "'Ga68'"),
    "fdopa_of_carbon": ({"TracerRadionuclide": "C11"}, "TracerRadionuclide", "found C11"),
    "unit_of_counts": ({"Units": "CNTS"}, "Units", "'CNTS'"),
    "unit_kilobecquerel": ({"Units": "kBq/mL"}, "Units", "'kBq/mL'"),
    "unit_list": ({"Units": ["Bq/mL"]}, "Units", "['Bq/mL']"),
    "dose_negative": ({"InjectedRadioactivity": -5}, "InjectedRadioactivity", "found -5"),
    "dose_zero": ({"InjectedRadioactivity": 0}, "InjectedRadioactivity", "found 0"),
    "dose_text": ({"InjectedRadioactivity": "200 MBq"}, "InjectedRadioactivity", "'200 MBq'"),
    "dose_unit": ({"InjectedRadioactivityUnits": "Ci/h"}, "InjectedRadioactivityUnits", "'Ci/h'"),
    "weight_zero": ({"BodyWeight": 0}, "BodyWeight", "found 0"),
    "weight_text": ({"BodyWeight": "70 kg"}, "BodyWeight", "'70 kg'"),
    "weight_nan": ({"BodyWeight": float("nan")}, "BodyWeight", "nan"),
    "starts_empty": ({"FrameTimesStart": []}, "FrameTimesStart", "found []"),
    "starts_scalar": ({"FrameTimesStart": 0}, "FrameTimesStart", "found 0"),
    "starts_with_text": ({"FrameTimesStart": [0, "60", 120]}, "FrameTimesStart", "'60'"),
    "starts_with_null": ({"FrameTimesStart": [0, None, 120]}, "FrameTimesStart", "None"),
    "starts_with_flag": ({"FrameTimesStart": [0, True, 120]}, "FrameTimesStart", "True"),
    "one_duration_less": ({"FrameDuration": [60, 60]}, "FrameDuration", "found 2"),
    "durations_infinite": ({"FrameDuration": [60, 60, float("inf")]}, "FrameDuration", "inf"),
    "corrected_as_text": ({"ImageDecayCorrected": "true"}, "ImageDecayCorrected", "'true'"),
    "corrected_as_number": ({"ImageDecayCorrected": 1}, "ImageDecayCorrected", "found 1"),
    "corrected_to_nowhere": ({"ImageDecayCorrectionTime": 400}, "ImageDecayCorrectionTime", "found 400 s"),
    "correction_time_text": ({"ImageDecayCorrectionTime": "10:00:00"}, "ImageDecayCorrectionTime", "'10:00:00'"),
    "injection_text": ({"InjectionStart": "10:00:00"}, "InjectionStart", "'10:00:00'"),
    "scan_start_text": ({"ScanStart": [0]}, "ScanStart", "[0]"),
}


@pytest.mark.parametrize("name", BROKEN)
def test_each_broken_sidecar_gives_one_clear_line(name):
    changes, key, found = BROKEN[name]
    with pytest.raises(DatasetError) as caught:
        parse_pet_sidecar(changed(**changes), where="case_0001.json")
    message = str(caught.value)
    assert message.startswith(f"case_0001.json, {key}: expected ")
    assert found in message
    assert "\n" not in message


def test_there_are_more_than_thirty_broken_sidecars():
    assert len(BROKEN) > 30


@pytest.mark.parametrize("content", ["", "[1, 2]", '{"Units": '])
def test_a_file_that_is_no_object_is_refused(tmp_path, content):
    (tmp_path / "x.json").write_text(content)
    with pytest.raises((ArtifactError, DatasetError), match=r"x\.json: expected"):
        load_pet_sidecar(tmp_path / "x.json")


def test_published_sidecars_are_read():
    root = os.environ.get("GLIOFRAME_REAL_DATA")
    if not root:
        pytest.skip("GLIOFRAME_REAL_DATA is not set: no real sidecars")
    paths = sorted(Path(root, "tacs", "bids_examples_pet_sidecars").rglob("*_pet.json"))
    assert len(paths) >= 10
    for path in paths:
        raw = json.loads(path.read_text())
        sidecar = load_pet_sidecar(path)
        assert sidecar.injected_activity_bq == pytest.approx(raw["InjectedRadioactivity"] * 1e6)
        assert sidecar.num_frames == len(raw["FrameDuration"])
        assert sidecar.decay_reference is DecayReference.INJECTION
        assert sidecar.radionuclide == raw["TracerRadionuclide"]
