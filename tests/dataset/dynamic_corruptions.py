"""Ways in which dynamic PET goes wrong; each starts from a dataset whose PET channel was made dynamic."""

import json

import numpy as np
from damage import PET, Corruption, edit_description, read

from builders import make_affine
from glioframe.core.geometry import Geometry
from glioframe.imaging.series import Series, read_series, write_series
from glioframe.imaging.volume import affine_from_array

SIDECAR = "imagesTr/case002_0001.json"
GOOD = {
    "TracerName": "FDOPA",
    "TracerRadionuclide": "F18",
    "Units": "g/mL",
    "InjectedRadioactivity": 200,
    "InjectedRadioactivityUnits": "MBq",
    "BodyWeight": 70,
    "FrameTimesStart": [0, 600, 1200],
    "FrameDuration": [600, 600, 600],
    "ImageDecayCorrected": True,
    "ImageDecayCorrectionTime": 0,
}


def declare(**changes):
    return edit_description(lambda content: content["glioframe"]["channels"][1].update(changes))


def make_dynamic(folder):
    declare(modality="pet_dynamic")(folder)
    for path in sorted(folder.glob("imagesTr/*_0001.nii.gz")):
        volume = read(folder, path.relative_to(folder))
        geometry = Geometry(shape_vox=volume.shape, affine=affine_from_array(make_affine()))
        write_series(Series(np.stack([0.8 * volume, volume, 1.2 * volume]), geometry), path)
        path.with_name(path.name.replace(".nii.gz", ".json")).write_text(json.dumps(GOOD))


def dynamic(*steps):
    def apply(folder):
        make_dynamic(folder)
        for step in steps:
            step(folder)

    return apply


def sidecar(**changes):
    content = {key: value for key, value in {**GOOD, **changes}.items() if value is not None}
    return lambda folder: (folder / SIDECAR).write_text(json.dumps(content))


def frames(change):
    def apply(folder):
        series = read_series(folder / PET)
        write_series(Series(change(series.array.copy()), series.geometry), folder / PET)

    return apply


def protocol(name):
    return edit_description(lambda content: content["glioframe"].update(protocol=name))


def one_frame_negative(array):
    array[0] *= -1
    return array


def one_frame_nan(array):
    array[1] = np.nan
    return array


def in_becquerel(folder):
    """All cases in Bq/mL, case002 without a dose."""
    declare(unit="bq_ml")(folder)
    for path in sorted(folder.glob("imagesTr/*_0001.nii.gz")):
        series = read_series(path)
        write_series(Series(series.array * 2857, series.geometry), path)
        content = {**GOOD, "Units": "Bq/mL"}
        path.with_name(path.name.replace(".nii.gz", ".json")).write_text(json.dumps(content))


DYNAMIC = (
    Corruption(
        "sidecar_without_units", dynamic(sidecar(Units=None)), "pet_sidecar", f"{SIDECAR}, Units", "found none", "Add"
    ),
    Corruption(
        "frame_gap",
        dynamic(sidecar(FrameTimesStart=[0, 600, 1300])),
        "frame_schedule",
        SIDECAR,
        "a gap of 100 s",
        "missing frames",
    ),
    Corruption(
        "frame_overlap",
        dynamic(sidecar(FrameDuration=[600, 700, 600])),
        "frame_schedule",
        SIDECAR,
        "an overlap of 100 s",
        "Correct FrameTimesStart",
    ),
    Corruption(
        "frame_lost",
        dynamic(frames(lambda array: array[:2])),
        "frame_count",
        SIDECAR,
        "expected 2 frames, as the image has, found 3",
        "FrameDuration",
    ),
    Corruption(
        "too_short_for_the_window",
        dynamic(protocol("fdopa_nancy_30x60"), sidecar(FrameTimesStart=[0, 300, 600], FrameDuration=[300] * 3)),
        "static_window",
        SIDECAR,
        "frames from 0 to 900 s",
        "choose the protocol",
    ),
    Corruption(
        "other_tracer_in_the_sidecar",
        dynamic(sidecar(TracerName="FET")),
        "tracer_agrees",
        SIDECAR,
        "found fet",
        "Correct the sidecar",
    ),
    Corruption(
        "other_unit_in_the_sidecar",
        dynamic(sidecar(Units="TBR")),
        "unit_agrees",
        SIDECAR,
        "found tbr",
        "Correct the sidecar",
    ),
    Corruption(
        "frame_negative",
        dynamic(frames(one_frame_negative)),
        "non_negative_frames",
        PET,
        "in frame 0",
        "Export the frame",
    ),
    Corruption("frame_nan", dynamic(frames(one_frame_nan)), "finite_values", PET, "NaN", "Export the image"),
    Corruption(
        "no_dose_in_becquerel",
        dynamic(in_becquerel, sidecar(Units="Bq/mL", InjectedRadioactivity=None)),
        "dose_and_weight",
        SIDECAR,
        "found none",
        "injected_activity_bq",
    ),
    Corruption(
        "dose_of_another_unit",
        dynamic(in_becquerel, sidecar(Units="Bq/mL", InjectedRadioactivityUnits="Bq")),
        "dose_and_weight",
        SIDECAR,
        "found 200",
        "injected_activity_bq",
    ),
    Corruption("unknown_protocol", protocol("nowhere"), "known_protocol", "dataset.json", "nowhere", "one of"),
    Corruption(
        "protocol_of_another_tracer",
        protocol("static_fet"),
        "known_protocol",
        "dataset.json",
        "found fdopa",
        "protocol",
    ),
)
