"""A fold of several networks, as a user types it: trained, resumed, predicted with."""

import shutil

from homes import DATASET, MODEL, SHORT, TRAIN

from glioframe.artifacts.prediction import load_predictions
from glioframe.cli import predict, train

ENSEMBLE = [*TRAIN, "0", "--device", "cpu", *SHORT, "--set", "training.num_members=2", "--set", "task.tta=false"]


def test_seeds_give_held_out_and_new_cases_a_spread_and_resuming_adds_none(fresh_home, tmp_path, capsys):
    assert train.main(ENSEMBLE) == 0
    model = fresh_home / "results" / DATASET / MODEL
    held_out = model / "fold_0" / "validation" / "predictions.tsv"
    # Of one fold and without mirrored views, one network would have no spread.
    assert all(row.std > 0 for row in load_predictions(held_out))

    new, raw = tmp_path / "new", fresh_home / "raw" / DATASET
    new.mkdir()
    for image in (raw / "imagesTr").glob("case008_*"):
        shutil.copy(image, new)
    arguments = ["-i", str(new), "-o", str(tmp_path / "out"), "-d", "1", "-t", TRAIN[1], "-f", "0", "--device", "cpu"]
    assert predict.main([*arguments, "--labels", str(raw / "labelsTr")]) == 0
    assert all(row.std > 0 for row in load_predictions(tmp_path / "out" / "predictions.tsv"))

    before = held_out.read_bytes()
    assert train.main([*ENSEMBLE, "--c"]) == 0
    assert held_out.read_bytes() == before
    assert train.main([*ENSEMBLE, "--c", "--set", "training.num_members=3"]) == 1
    assert "plan_hash" in capsys.readouterr().err
