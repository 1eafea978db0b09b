"""Which part of the brain a network sees, from the sizes of lesions and brains."""

import numpy as np
import pytest
from planning_fingerprints import make_fingerprint

from glioframe.planning.field_of_view import brain_extent_mm, choose_field_of_view

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
    assert "whole brain" in view.reason


@pytest.mark.parametrize("lesion_mm", [None, 90.0])
def test_the_whole_brain_is_whole_in_19_of_20_cases_along_each_axis_and_the_others_are_counted(lesion_mm):
    cases = make_fingerprint(lesion_mm=lesion_mm).cases
    view = choose_field_of_view(cases)
    brains = np.array([case.brain_extent_mm for case in cases])
    exceed = brains > np.array(view.value.extent_mm) + 1e-3
    assert (exceed.mean(axis=0) <= 0.05).all()
    np.testing.assert_allclose(view.value.extent_mm, np.percentile(brains, 95, axis=0), atol=1.0)
    assert f"{exceed.any(axis=1).sum()} of {len(cases)} training brains exceed it" in view.reason


def test_half_of_the_brains_are_larger_than_the_median_brain():
    cases = make_fingerprint().cases
    np.testing.assert_allclose(brain_extent_mm(cases, 0.5), np.median([case.brain_extent_mm for case in cases], axis=0))


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
