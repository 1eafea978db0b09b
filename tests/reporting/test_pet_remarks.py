from dataclasses import replace

import numpy as np
from test_time_activity import RECORD

from glioframe.artifacts.pet_record import MotionRecord, PetRecord, UptakeRecord, load_pet_record, pet_record_path
from glioframe.core.files import write_text_atomically
from glioframe.imaging.registration import FrameMotion, RigidAlignment
from glioframe.preprocessing.motion import describe_motion
from glioframe.reporting.pet_remarks import pet_remarks

UPTAKE = UptakeRecord(
    channel="fdopa",
    protocol="static_fdopa",
    reference_mean=0.8,
    reference_volume_ml=60.0,
    healthy_side="left",
    tbr_max_voxel=3.0,
    tbr_peak_1_ml=2.5,
    tbr_mean=1.9,
    threshold_tbr=1.6,
    metabolic_volume_ml=0.3,
    largest_component_ml=0.3,
    is_measurable=False,
    striatum_tbr=2.0,
    tumor_to_striatum=1.5,
    striatum_shift_mm=2.0,
    flags=("uneven",),
)


def alignment(shift_mm, *, after=1.6):
    matrix = np.eye(4)
    matrix[0, 3] = shift_mm
    center = matrix[:3, 3] * 0
    return RigidAlignment(
        matrix=matrix, center_mm=center, similarity_before=0.5, similarity_after=0.6, nmi_before=1.5, nmi_after=after
    )


def test_uptake_motion_and_doubts_are_said_in_words():
    small, large, wild = alignment(1.0), alignment(7.0), alignment(60.0)
    motion = describe_motion(
        [
            FrameMotion(alignment=None, applied=small),
            FrameMotion(alignment=small, applied=small),
            FrameMotion(alignment=large, applied=large),
            FrameMotion(alignment=wild, applied=None),
        ]
    )
    assert motion.shift_mm == (1.0, 1.0, 7.0, 0.0)
    assert motion.nmi_after == (None, 1.6, 1.6, 1.5)
    dynamic = replace(RECORD, motion=motion)
    text = pet_remarks(PetRecord(case_id="a", dynamic=dynamic, uptake=(UPTAKE,), unmeasured=("met: no voxel",)))
    assert text[0] == (
        "fdopa: TBR max 3.00, peak 2.50, mean 1.90, tumor to striatum 1.50; 0.3 mL from TBR 1.6 on, not measurable"
    )
    assert "fdopa: uneven" in text
    assert "Frames moved by up to 7.0 mm and 0.0 degrees" in text
    assert "Motion: frames 3 were moved by more than 5 mm" in text
    assert "Motion: frames 4 could not be registered and stayed where they were" in text
    assert text[-1] == "Not measured: met: no voxel"


def test_a_case_that_kept_still_needs_no_words_about_motion():
    still = MotionRecord(shift_mm=(0.0,), rotation_deg=(0.0,), nmi_before=(1.5,), nmi_after=(1.5,))
    dynamic = replace(RECORD, motion=still, flags=())
    assert pet_remarks(PetRecord(case_id="a", dynamic=dynamic)) == ()


def test_records_of_before_are_still_read(tmp_path):
    write_text_atomically(pet_record_path(tmp_path, "a"), '{"schema_version": 1, "case_id": "a", "alignments": []}')
    assert load_pet_record(tmp_path, "a").is_empty
