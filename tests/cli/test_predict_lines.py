"""What glioframe_predict prints for a case: the probability belongs to a class that is named."""

import pytest

from glioframe.artifacts.prediction import PredictionRow
from glioframe.cli.predict import _line


def make_row(*, target="recurrence", probability=0.7, operating_point=0.6):
    return PredictionRow(
        case_id="case001",
        subject_id="sub001",
        site="",
        fold=None,
        split="external",
        target=target,
        reference=None,
        probability=probability,
        std=0.05,
        model="recurrence_classifier/3d_cnn",
        operating_point=operating_point,
    )


@pytest.mark.parametrize(("probability", "call"), [(0.7, "progression"), (0.6, "progression"), (0.59, "radionecrosis")])
def test_of_two_classes_the_probability_is_the_last_ones_and_the_call_names_either(probability, call):
    line = _line(make_row(probability=probability), ("radionecrosis", "progression"))
    assert line == f"case001\trecurrence\tprogression: {probability:.3f} +- 0.050\tcalled {call}"


def test_of_several_classes_each_is_called_or_not():
    classes = ("astrocytoma", "oligodendroglioma", "glioblastoma")
    called = _line(make_row(target="tumor_type=astrocytoma"), classes)
    assert called == "case001\ttumor_type\tastrocytoma: 0.700 +- 0.050\tcalled astrocytoma"
    other = _line(make_row(target="tumor_type=glioblastoma", probability=0.2), classes)
    assert other.endswith("glioblastoma: 0.200 +- 0.050\tcalled not glioblastoma")
