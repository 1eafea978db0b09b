"""Figures as inline SVG: nothing to fetch, no identifier shared, and what they say in words."""

import re
from dataclasses import replace

import numpy as np
import pytest
from report_example import make_fingerprint, make_rows

from glioframe.evaluation.discrimination import auc
from glioframe.evaluation.sample import Sample
from glioframe.reporting.calibration_figure import draw_calibration
from glioframe.reporting.dataset_figures import draw_lesion_volumes, draw_presence
from glioframe.reporting.figure import SERIES
from glioframe.reporting.overlay import draw_calibration_overlay, draw_decision_curves, draw_roc_overlay
from glioframe.reporting.probability_figure import draw_probabilities, spread_dots
from glioframe.reporting.roc_figure import draw_roc

CLASSES = ("necrosis", "progression")


@pytest.fixture
def sample():
    return Sample.from_rows(make_rows())


def test_figures_follow_the_pages_colors_and_refer_only_to_themselves(sample):
    first, second = (draw_roc(sample, name=name) for name in ("first", "second"))
    identifiers = [set(re.findall(r' id="([^"]+)"', svg)) for svg in (first, second)]
    assert identifiers[0]
    assert not identifiers[0] & identifiers[1]
    for svg, known in zip((first, second), identifiers, strict=True):
        assert set(re.findall(r'(?:url\(#|href="#)([^)"]+)', svg)) <= known
        assert "http" not in svg
        assert "currentColor" in svg
        assert "#010203" not in svg


def test_figures_are_drawn_the_same_way_every_time(sample):
    assert draw_calibration(sample, CLASSES, name="a") == draw_calibration(sample, CLASSES, name="a")


def test_the_roc_figure_tells_its_operating_point_in_words(sample):
    sensitivity = sample.calls[sample.reference].mean()
    specificity = (~sample.calls[~sample.reference]).mean()
    svg = draw_roc(sample, name="roc")
    assert f"sensitivity is {sensitivity:.2f} and the specificity {specificity:.2f}" in svg


def test_the_calibration_figure_tells_every_bin_in_words(sample):
    label = re.search(r'aria-label="([^"]+)"', draw_calibration(sample, CLASSES, name="c"))[1]
    bins = re.findall(r"of (\d+)", label)
    assert sum(map(int, bins)) == sample.num_cases


def test_overlays_name_every_model_with_its_own_color_and_dashes(sample):
    samples = {f"model {index}": replace(sample, probability=sample.probability**index) for index in range(1, 8)}
    svg = draw_roc_overlay(samples, name="o")
    for name in samples:
        assert f"{name}: AUC {auc(sample.reference, sample.probability):.2f}" in svg  # powers keep the ranking
    assert len({color for color, _ in SERIES}) == len({dashes for _, dashes in SERIES}) == len(SERIES)
    for draw in (draw_roc_overlay, draw_calibration_overlay, draw_decision_curves):
        with pytest.raises(ValueError, match="at most 7 models"):
            draw({**samples, "one more": sample}, name="o")


def test_the_decision_figure_tells_where_a_model_is_of_use(sample):
    useless = replace(sample, probability=np.zeros(sample.num_cases))
    svg = draw_decision_curves(
        {"perfect": replace(sample, probability=sample.reference * 1.0), "none": useless}, name="d"
    )
    assert "perfect beats both at 100 % of the thresholds" in svg
    assert "none beats both at 0 % of the thresholds" in svg


def test_the_calibration_overlay_tells_the_distance_from_the_diagonal(sample):
    says_half = replace(sample, probability=np.full(sample.num_cases, 0.9))
    gap = abs(0.9 - sample.reference.mean())
    assert f"always 0.9 {gap:.2f}" in draw_calibration_overlay({"always 0.9": says_half}, name="c")


def test_the_histogram_names_the_classes(sample):
    svg = draw_calibration(sample, CLASSES, name="c")
    assert all(name in svg for name in CLASSES)


def test_a_class_name_cannot_break_out_of_the_figure(sample):
    svg = draw_probabilities(sample, (0.4, 0.6), ("a", '<script>"&'), name="p")
    assert "<script" not in svg


def test_dollar_signs_in_a_name_are_no_formula(sample):
    assert "$x^2_$ cost" in draw_probabilities(sample, (0.4, 0.6), ("a", "$x^2_$ cost"), name="p")


def test_dots_of_equal_probability_do_not_hide_each_other():
    offsets = spread_dots(np.array([0.5, 0.5, 0.5, 0.9]))
    assert len(set(offsets[:3])) == 3
    assert offsets[3] == 0
    assert np.abs(spread_dots(np.full(200, 0.5))).max() <= 0.38


def test_the_presence_matrix_counts_each_channel():
    assert "t1c in 20 of 24, fdopa in 24 of 24 training cases" in draw_presence(make_fingerprint(), name="p")


def test_without_lesion_labels_there_is_no_histogram_of_volumes():
    fingerprint = make_fingerprint(4)
    unlabeled = tuple(replace(case, lesion_volume_ml=None) for case in fingerprint.cases)
    assert draw_lesion_volumes(replace(fingerprint, cases=unlabeled), name="v") == ""
