"""Pictures of cases are drawn once, and anew when what they show changes."""

import shutil
from dataclasses import replace

import pytest
from report_example import make_fingerprint, make_plan, save_preprocessed_case

from glioframe.artifacts.case import load_preprocessed_case, properties_path
from glioframe.artifacts.json_file import save_json
from glioframe.reporting.gallery import cards_of
from glioframe.reporting.picture_cache import drawn_once
from glioframe.reporting.questions import CaseAnswer


def must_not_draw() -> bytes:
    pytest.fail("drawn although it was there")


def test_what_was_drawn_for_one_report_is_not_drawn_for_the_next(tmp_path):
    shown = {"preprocessed": "a", "present": (True, False)}
    assert drawn_once(tmp_path, "case", shown, lambda: b"first", suffix=".jpg") == b"first"
    assert drawn_once(tmp_path, "case", dict(shown), must_not_draw, suffix=".jpg") == b"first"


def test_other_content_is_drawn_anew(tmp_path):
    drawn_once(tmp_path, "case", {"preprocessed": "a"}, lambda: b"first", suffix=".jpg")
    for name, shown, suffix in (
        ("other", {"preprocessed": "a"}, ".jpg"),
        ("case", {"preprocessed": "b"}, ".jpg"),
        ("case", {"preprocessed": "a"}, ".svg"),
    ):
        assert drawn_once(tmp_path, name, shown, lambda: b"second", suffix=suffix) == b"second"


def test_a_folder_that_cannot_be_written_to_costs_no_picture(tmp_path):
    (tmp_path / "cache").write_text("a file where the folder would be")
    assert drawn_once(tmp_path, "case", {}, lambda: b"drawn", suffix=".jpg") == b"drawn"


def picture(folder) -> str:
    answer = CaseAnswer(
        case_id="case",
        subject_id="subject",
        site="Lyon",
        split="train",
        fold=0,
        probabilities=(("progression", 0.7),),
        std=0.0,
        operating_point=0.5,
        reference="progression",
        call="progression",
        error=0.3,
    )
    (card,) = cards_of([answer], plan=make_plan(), fingerprint=make_fingerprint(), preprocessed_folder=folder)
    return card.picture


def test_a_card_out_of_the_cache_equals_a_fresh_one_and_follows_the_images(tmp_path):
    save_preprocessed_case(tmp_path, "case", seed=0)
    fresh = picture(tmp_path)
    assert (tmp_path / "cache" / "pictures").is_dir()
    assert picture(tmp_path) == fresh
    shutil.rmtree(tmp_path / "cache")
    assert picture(tmp_path) == fresh

    save_preprocessed_case(tmp_path, "case", seed=1)
    properties = load_preprocessed_case(tmp_path, "case").properties
    save_json(replace(properties, preprocessing_hash="of other images"), properties_path(tmp_path, "case"))
    assert picture(tmp_path) != fresh
