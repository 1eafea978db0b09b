import json
from pathlib import Path

import pytest

from glioframe.artifacts.json_file import to_json
from glioframe.artifacts.protocol import Protocol, load_protocol
from glioframe.core.errors import ArtifactError, SettingError
from glioframe.core.modality import Tracer
from glioframe.core.presets import preset_names, preset_path
from glioframe.pet.decay import half_life_s
from glioframe.pet.protocol import find_protocol, protocol_schedule

SHIPPED = preset_names("protocols")


def changed_copy(folder: Path, **changes: object) -> Path:
    content = json.loads(preset_path("protocols", "fet_lmu_40min").read_text())
    path = folder / "fet_lmu_40min.json"
    path.write_text(json.dumps(content | changes))
    return path


def test_all_protocols_that_the_documentation_names_are_shipped():
    assert SHIPPED == [
        "fdopa_girard_20min",
        "fdopa_nancy_30x60",
        "fet_juelich_50min",
        "fet_lmu_40min",
        "static_fdopa",
        "static_fet",
        "static_met",
    ]


@pytest.mark.parametrize("name", SHIPPED)
def test_a_shipped_protocol_fits_its_own_frames_and_its_radionuclide(name):
    protocol = find_protocol(name)
    protocol_schedule(protocol).check(name)
    assert protocol.half_life_s == pytest.approx(half_life_s(protocol.radionuclide), rel=1e-6)
    assert protocol.tracer.value in name


@pytest.mark.parametrize("name", SHIPPED)
def test_a_shipped_protocol_is_restored_from_its_own_json(name, tmp_path):
    protocol = find_protocol(name)
    copy = tmp_path / f"{name}.json"
    copy.write_text(to_json(protocol))
    assert load_protocol(copy) == protocol


@pytest.mark.parametrize("name", SHIPPED)
def test_every_value_of_practice_is_either_sourced_or_labeled_unverified(name):
    protocol = find_protocol(name)
    labels = set(protocol.unverified) | set(protocol.sources)
    required = set(protocol.windows_s) | {
        "frame_pattern",
        "reference_region",
        "uptake_threshold_tbr",
        "physiological_exclusions",
    }
    assert required <= labels


@pytest.mark.parametrize(
    ("name", "num_frames", "total_s"),
    [
        ("fdopa_nancy_30x60", 30, 1800.0),
        ("fdopa_girard_20min", 15, 1200.0),
        ("fet_lmu_40min", 16, 2380.0),
        ("fet_juelich_50min", 16, 3000.0),
    ],
)
def test_a_dynamic_protocol_lasts_as_long_as_stated(name, num_frames, total_s):
    schedule = protocol_schedule(find_protocol(name))
    assert (schedule.num_frames, schedule.total_s) == (num_frames, total_s)


def test_the_striatum_is_excluded_for_fdopa_only():
    for name in SHIPPED:
        protocol = find_protocol(name)
        assert ("striatum" in protocol.physiological_exclusions) == (protocol.tracer is Tracer.FDOPA)


def test_the_published_threshold_of_fet_counts_as_verified():
    protocol = find_protocol("static_fet")
    assert protocol.uptake_threshold_tbr == 1.6
    assert "uptake_threshold_tbr" in protocol.sources


def test_a_hospital_loads_its_own_copy_by_path(tmp_path):
    path = changed_copy(tmp_path, uptake_threshold_tbr=1.8)
    assert find_protocol(str(path)).uptake_threshold_tbr == 1.8


@pytest.mark.parametrize(
    ("changes", "fault"),
    [
        ({"half_life_s": 0.0}, "half_life_s above 0"),
        ({"uptake_threshold_tbr": float("nan")}, "uptake_threshold_tbr"),
        ({"static_window_s": [2380.0, 1200.0]}, "static_window_s to rise"),
        ({"static_window_s": [1200.0, 2700.0]}, "static_window_s inside of the frames, 0 to 2380 s"),
        ({"slope_window_s": [1900.0, 2300.0]}, "slope_window_s to touch 2 or more frames"),
        ({"frame_pattern": "7x10,3by30"}, "groups COUNTxSECONDS"),
        ({"name": "other"}, "the name 'fet_lmu_40min'"),
        ({"tracer": "water"}, "tracer"),
        ({"physiological_exclusions": ["heart"]}, "physiological_exclusions"),
        ({"treshold": 1.6}, "unknown key treshold"),
        ({"unverified": ["reference_regoin"]}, "reference_regoin"),
        ({"unverified": ["static_window_s"]}, "not both"),
        ({"decay_reference": "midnight"}, "decay_reference"),
    ],
)
def test_a_protocol_that_contradicts_itself_is_refused(changes, fault, tmp_path):
    with pytest.raises((ArtifactError, SettingError), match=fault.replace("(", r"\(")):
        find_protocol(str(changed_copy(tmp_path, **changes)))


def test_an_unknown_protocol_is_answered_with_the_known_ones():
    with pytest.raises(SettingError, match="fdopa_girard_20min, fdopa_nancy_30x60"):
        find_protocol("fet_nowhere")


def test_a_missing_key_is_named(tmp_path):
    path = changed_copy(tmp_path)
    content = json.loads(path.read_text())
    del content["static_window_s"]
    path.write_text(json.dumps(content))
    with pytest.raises(ArtifactError, match="missing key static_window_s"):
        load_protocol(path)


def test_protocols_are_frozen():
    protocol = find_protocol("static_met")
    assert isinstance(protocol, Protocol)
    with pytest.raises(AttributeError):
        protocol.half_life_s = 1.0
