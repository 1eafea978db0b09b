"""Which part of the brain a network sees, from the sizes of lesions and brains."""

import pytest
from planning_fingerprints import make_fingerprint

from glioframe.planning.field_of_view import choose_field_of_view, median_brain_extent_mm

CONTEXT_MM = 2 * 20


def test_small_lesions_in_every_case_center_the_view_on_the_lesion():
    cases = make_fingerprint(lesion_mm=40.0).cases
    view = choose_field_of_view(cases).value
    assert view.kind == "lesion_centered"
    for axis in range(3):
        extents = sorted(case.lesion_extent_mm[axis] for case in cases)
        held = sum(extent + CONTEXT_MM <= view.extent_mm[axis] for extent in extents)
        assert held / len(extents) >= 0.95
        assert view.extent_mm[axis] <= 40 + CONTEXT_MM + 1


def test_large_lesions_call_for_the_whole_brain():
    cases = make_fingerprint(lesion_mm=90.0).cases
    view = choose_field_of_view(cases)
    assert view.value.kind == "whole_brain"
    assert view.value.extent_mm == pytest.approx(median_brain_extent_mm(cases), abs=1.0)
    assert "median brain" in view.reason


def test_one_case_without_a_lesion_calls_for_the_whole_brain():
    view = choose_field_of_view(make_fingerprint(lesion_mm=40.0, labeled_share=0.99, num_subjects=100).cases)
    assert view.value.kind == "whole_brain"
    assert "99 of 100" in view.reason


def test_without_labels_the_network_sees_the_whole_brain():
    view = choose_field_of_view(make_fingerprint(num_subjects=12).cases)
    assert view.value.kind == "whole_brain"
    assert "0 of 12" in view.reason


def test_the_bound_lies_at_seventy_percent_of_the_brain():
    # All lesions are alike here, so the box is exactly extent + 40 mm on an edge of 100 mm.
    def kind_for(lesion_mm):
        fingerprint = make_fingerprint(brain_mm=(100.0, 100.0, 100.0), num_subjects=1, lesion_mm=lesion_mm)
        (case,) = fingerprint.cases
        share = (max(case.lesion_extent_mm) + CONTEXT_MM) / min(case.brain_extent_mm)
        return share, choose_field_of_view([case]).value.kind

    kinds = dict(kind_for(lesion_mm) for lesion_mm in range(20, 60, 2))
    assert {kind for share, kind in kinds.items() if share < 0.65} == {"lesion_centered"}
    assert {kind for share, kind in kinds.items() if share > 0.75} == {"whole_brain"}


def test_the_reason_tells_that_new_cases_need_a_label():
    assert "label" in choose_field_of_view(make_fingerprint(lesion_mm=40.0).cases).reason
