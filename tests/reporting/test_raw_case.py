"""Pictures of a case as its files are: curves of known kinetics, units, registration, and files that cannot be read."""

import base64
import io
from dataclasses import replace

import numpy as np
import pytest
from PIL import Image

from builders import make_affine, make_dataset
from dynamic_builders import LESIONS, PROTOCOL, SCHEDULE, make_dynamic_dataset, make_sidecar, tissue_curve
from glioframe.artifacts.pet_sidecar import save_pet_sidecar, sidecar_path
from glioframe.core.geometry import Geometry
from glioframe.core.modality import Unit
from glioframe.imaging.series import Series, read_series, write_series
from glioframe.imaging.volume import affine_from_array
from glioframe.pet.protocol import find_protocol
from glioframe.reporting.case_picture import PANEL_PX
from glioframe.reporting.raw_case import draw_raw_case

PROTOCOL = find_protocol(PROTOCOL)


@pytest.fixture
def dynamic(tmp_path):
    return make_dynamic_dataset(tmp_path / "Dataset001_Test", num_subjects=2)


def draw(dataset, index=1, *, protocol=PROTOCOL, description=None):
    case = dataset.cases[index]
    files = dataset.files(case.case_id)
    return draw_raw_case(files, case, description or dataset.description, protocol=protocol, name="x")


def pixels(card, mode="L"):
    assert card.picture.startswith("data:image/jpeg;base64,")
    return np.asarray(Image.open(io.BytesIO(base64.b64decode(card.picture.split(",")[1]))).convert(mode), dtype=float)


def in_bq_ml(dataset, **changes):
    """Declares the images, whose numbers stay, to be activity per volume."""
    sidecar = replace(make_sidecar(), units=Unit.BQ_ML, **changes)
    for case in dataset.cases:
        save_pet_sidecar(sidecar, sidecar_path(dataset.files(case.case_id).channels[1]))
    t1c, pet = dataset.description.channels
    return replace(dataset.description, channels=(t1c, replace(pet, unit=Unit.BQ_ML)))


def test_each_curve_is_highest_when_its_tissue_is(dynamic):
    (svg,) = draw(dynamic).curves
    mid_min = np.array(SCHEDULE.mid_s) / 60
    for region, tissue in (("lesion", LESIONS[True]), ("reference", "reference")):
        assert f"{region} in the frame around {mid_min[tissue_curve(tissue).argmax()]:.3g} min" in svg
    assert "hottest mL" in svg


def test_the_frames_are_told_in_words(dynamic):
    assert draw(dynamic).remarks == ("fdopa: 15 frames of 15 to 300 s, 0 to 20 min from injection.",)


def test_without_a_static_window_the_second_half_of_the_scan_is_shown(dynamic):
    assert "static window" in draw(dynamic).curves[0]
    assert "shown in the picture" in draw(dynamic, protocol=None).curves[0]


def test_activity_becomes_suv_where_dose_and_weight_are_known(dynamic):
    assert "SUV" in draw(dynamic, description=in_bq_ml(dynamic)).curves[0]
    without_dose = in_bq_ml(dynamic, injected_activity_bq=None)
    assert "kBq/mL" in draw(dynamic, description=without_dose).curves[0]


def test_dose_and_weight_of_the_table_go_before_those_of_the_sidecar(dynamic):
    description = in_bq_ml(dynamic, injected_activity_bq=None, body_weight_kg=None)
    in_table = [replace(case, injected_activity_bq=2e8, weight_kg=80.0) for case in dynamic.cases]
    assert "SUV" in draw(replace(dynamic, cases=tuple(in_table)), description=description).curves[0]


def test_a_pet_that_lies_elsewhere_is_seen_beside_the_outline(dynamic):
    def hottest_px(card):
        red, _, blue = pixels(card, "RGB")[PANEL_PX + 3 :, :PANEL_PX].transpose(2, 0, 1)
        rows, columns = np.nonzero((red > 200) & (blue < 130))  # the hot end of the colors; letters are white
        return rows.mean(), columns.mean()

    before = hottest_px(draw(dynamic))
    path = dynamic.files(dynamic.cases[1].case_id).channels[1]
    affine = make_affine()
    affine[0, 3] -= 24.0  # to the patient's left, which is right on the page
    shape = read_series(path).array.shape[1:]
    write_series(Series(read_series(path).array, Geometry(shape_vox=shape, affine=affine_from_array(affine))), path)
    after = hottest_px(draw(dynamic))
    longest_mm = 4.0 * max(shape)
    assert after[0] == pytest.approx(before[0], abs=4)
    assert 0.6 < (after[1] - before[1]) / (24.0 * PANEL_PX / longest_mm) < 1.5


def test_static_pet_and_absent_channels(tmp_path):
    dataset = make_dataset(tmp_path / "Dataset001_Test", num_subjects=2, missing_every=2)
    whole, partial = draw(dataset, 0, protocol=None), draw(dataset, 1, protocol=None)
    assert whole.curves == partial.curves == ()
    assert (whole.remarks, partial.remarks) == ((), ("t1c is absent.",))
    assert pixels(whole).shape == pixels(partial).shape
    assert pixels(partial)[40:PANEL_PX, 20 : PANEL_PX - 20].max() < 10 < pixels(whole)[40:PANEL_PX].max()


def test_mri_alone_without_a_lesion_label(tmp_path):
    dataset = make_dataset(tmp_path / "Dataset001_Test", num_subjects=2)
    for path in (*dataset.folder.glob("imagesTr/*_0001*"), *dataset.folder.glob("labelsTr/*")):
        path.unlink()
    description = replace(dataset.description, channels=dataset.description.channels[:1])
    card = draw(replace(dataset, description=description), 0, protocol=None)
    assert card.picture
    assert card.remarks == ("No lesion label.",)


def test_a_file_that_cannot_be_read_gives_a_card_that_says_so(dynamic):
    path = dynamic.files(dynamic.cases[1].case_id).channels[1]
    path.write_bytes(path.read_bytes()[:3000])
    card = draw(dynamic)
    assert card.picture == ""
    (remark,) = card.remarks
    assert remark.startswith("No picture: ")
    assert path.name in remark
