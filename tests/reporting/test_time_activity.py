from dataclasses import replace

import numpy as np
from report_example import make_plan

from glioframe.artifacts.dataset import Channel
from glioframe.artifacts.json_file import save_json
from glioframe.artifacts.pet_record import DynamicPetRecord, PetRecord, load_pet_record, pet_record_path
from glioframe.artifacts.plan import ChannelPlan, Normalization
from glioframe.core.modality import Modality, Tracer, Unit
from glioframe.reporting.gallery import channel_views
from glioframe.reporting.time_activity_figure import describe_time_activity, draw_time_activity

RECORD = DynamicPetRecord(
    channel="fdopa",
    unit="suv_bw",
    frame_start_s=(0.0, 60.0, 120.0, 240.0),
    frame_duration_s=(60.0, 60.0, 120.0, 360.0),
    curves={"brain": (0.2, 0.6, 0.9, 0.8), "reference": (0.2, 0.5, 0.8, 0.9), "lesion": (0.5, 2.5, 2.0, 1.5)},
    static_window_s=(240.0, 600.0),
    reference_mean=0.9,
    reference_volume_ml=40.0,
    reference_side="left",
)


def test_curves_of_all_regions_are_drawn_and_told():
    svg = draw_time_activity(RECORD, name="x")
    assert all(word in svg for word in ("lesion", "reference", "brain", "static window", "SUV"))
    assert "lesion in the frame around 1.5 min" in describe_time_activity(RECORD)
    assert "reference in the frame around 7 min" in describe_time_activity(RECORD)


def test_a_case_without_lesion_has_two_curves():
    curves = {name: values for name, values in RECORD.curves.items() if name != "lesion"}
    assert "lesion" not in draw_time_activity(replace(RECORD, curves=curves), name="x")


def test_bq_per_ml_are_shown_in_thousands():
    curves = {name: tuple(1e4 * np.array(values)) for name, values in RECORD.curves.items()}
    assert "kBq/mL" in draw_time_activity(replace(RECORD, curves=curves, unit="bq_ml"), name="x")


def test_records_survive_their_file_and_absence_is_none(tmp_path):
    record = PetRecord(case_id="case000", dynamic=RECORD)
    save_json(record, pet_record_path(tmp_path, "case000"))
    assert load_pet_record(tmp_path, "case000") == record
    assert load_pet_record(tmp_path, "case001") is None


def test_every_map_has_its_own_window_and_falling_slopes_are_visible():
    source = Channel(name="fdopa", modality=Modality.PET_DYNAMIC, tracer=Tracer.FDOPA, unit=Unit.SUV_BW)
    recipes = ("static_tbr", "static_suv", "time_to_peak_min", "k2_per_min", "vt", "late_slope_per_h")
    scaled = Normalization(scheme="fixed_scale", scale=20.0)
    channels = tuple(ChannelPlan(source=source, recipe=recipe, normalization=scaled) for recipe in recipes)
    views = channel_views(replace(make_plan(), channels=channels), None)
    assert len({view.label for view in views}) == len(recipes)
    assert all(view.is_pet and view.scale == 20.0 and view.high > view.low for view in views)
    assert views[-1].low < 0 < views[-1].high
