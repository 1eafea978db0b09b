"""Every row of a benchmark on the same folds, and nothing trained twice."""

import csv
import json
import os
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
from homes import DATASET

from glioframe.artifacts.benchmark import BenchmarkMatrix, load_matrix
from glioframe.artifacts.prediction import load_predictions
from glioframe.artifacts.splits import load_splits, splits_hash
from glioframe.cli import benchmark
from glioframe.core.errors import SettingError
from glioframe.core.presets import preset_names

SHORT_TRAINING = ["training.epochs=2", "training.iterations_per_epoch=2", "plan.batch_size=2"]
ROWS = [
    {"name": "Uptake", "task": "threshold_baseline", "configuration": "3d_cnn"},
    {
        "name": "Late slope",
        "task": "threshold_baseline",
        "configuration": "3d_cnn",
        "overrides": ["task.quantity=late_slope_per_h"],
    },
    {
        "name": "CNN",
        "task": "recurrence_classifier",
        "configuration": "3d_cnn",
        "overrides": SHORT_TRAINING,
        "hide_channels": True,
    },
]


def write_matrix(folder: Path, rows: list[dict[str, object]]) -> Path:
    path = folder / "mine.json"
    path.write_text(json.dumps({"name": "mine", "reference": rows[0]["name"], "rows": rows}))
    return path


@pytest.fixture
def matrix(tmp_path) -> Path:
    return write_matrix(tmp_path, ROWS)


@pytest.fixture(scope="module")
def benched_home(planned_home, tmp_path_factory) -> Path:
    """A benchmark of all rows, run once."""
    folder = tmp_path_factory.mktemp("benched")
    shutil.copytree(planned_home, folder / "home")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("GLIOFRAME_HOME", str(folder / "home"))
        assert run(write_matrix(folder, ROWS)) == 0
    return folder / "home"


def run(matrix: Path, *options: str) -> int:
    return benchmark.main(["1", "--matrix", str(matrix), "--device", "cpu", "--num-resamples", "50", *options])


def results(home: Path, variant: str = "recurrence") -> Path:
    return home / "results" / DATASET / "benchmark" / variant


def table(home: Path, variant: str = "recurrence") -> list[dict[str, str]]:
    with (results(home, variant) / "table.tsv").open(newline="") as stream:
        return list(csv.DictReader(stream, delimiter="\t"))


def test_every_row_is_listed_and_all_models_saw_the_same_folds(benched_home):
    lines = table(benched_home)
    assert [line["model"] for line in lines if line["split"] != "external"] == ["Uptake", "Late slope", "CNN"]
    (missing,) = (line for line in lines if line["model"] == "Late slope")
    assert missing["status"] == "not applicable"
    assert missing["reason"]
    planned = load_splits(benched_home / "preprocessed" / DATASET / "splits_final.json")
    assert {line["splits_hash"] for line in lines if line["status"] == "done"} == {splits_hash(planned)}
    rows = [row for row in load_predictions(results(benched_home) / "predictions.tsv") if row.split == "train"]
    fold_of = {case_id: index for index, fold in enumerate(planned) for case_id in fold.val}
    assert {row.model for row in rows} == {"Uptake", "CNN"}
    assert all(row.fold == fold_of[row.case_id] for row in rows)
    assert len(rows) == 2 * len(fold_of)
    page = (results(benched_home) / "report.html").read_text()
    assert "Late slope" in page
    assert "not applicable" in page
    assert splits_hash(planned) in page


def test_hidden_channels_change_the_networks_predictions(benched_home):
    hidden = load_predictions(results(benched_home) / "channel_subsets.tsv")
    whole = {
        row.case_id: row for row in load_predictions(results(benched_home) / "predictions.tsv") if row.model == "CNN"
    }
    assert {row.model for row in hidden} == {"CNN: MRI only", "CNN: PET only"}
    mri_only = [row for row in hidden if row.model == "CNN: MRI only"]
    assert all(row.fold == whole[row.case_id].fold for row in hidden)
    assert any(abs(row.probability - whole[row.case_id].probability) > 1e-6 for row in mri_only)


def test_what_is_trained_is_kept_and_what_is_missing_is_made(benched_home, matrix, tmp_path, monkeypatch):
    home = tmp_path / "home"
    shutil.copytree(benched_home, home)
    monkeypatch.setenv("GLIOFRAME_HOME", str(home))
    rows = results(home) / "rows"
    weights = rows / "cnn" / "repetition_0" / "fold_0" / "checkpoint_final.safetensors"
    lost = rows / "uptake" / "repetition_0" / "crossval" / "predictions.tsv"
    before, content = weights.stat().st_mtime_ns, lost.read_bytes()
    lost.unlink()
    assert run(matrix) == 0
    assert weights.stat().st_mtime_ns == before
    assert lost.read_bytes() == content
    assert _without_cost(table(home)) == _without_cost(table(benched_home))


def test_a_row_that_fails_stops_no_other_and_is_named(fresh_home, matrix, capsys):
    (damaged, *_) = sorted((fresh_home / "preprocessed" / DATASET).glob("*/case000.b2nd"))
    damaged.write_bytes(damaged.read_bytes()[:100])
    patient = {**ROWS[2], "name": "Short", "overrides": [*SHORT_TRAINING, "training.inner_fraction=0"]}
    write_matrix(matrix.parent, [ROWS[0], patient])
    assert run(matrix) == 1
    error = capsys.readouterr().err
    assert "case000" in error
    assert error.count("\n") == 1


def test_each_site_can_be_left_out(fresh_home, matrix):
    write_matrix(matrix.parent, ROWS[:1])
    assert run(matrix, "--split-policy", "leave_one_site_out") == 0
    variant = "recurrence__leave_one_site_out"
    folds = load_splits(results(fresh_home, variant) / "splits" / "repetition_0.json")
    rows = load_predictions(results(fresh_home, variant) / "predictions.tsv")
    site_of = {row.case_id: row.site for row in rows}
    assert len(folds) == len({site_of[case_id] for fold in folds for case_id in fold.val}) > 1
    assert all(len({site_of[case_id] for case_id in fold.val}) == 1 for fold in folds)


def test_repetitions_draw_other_folds_and_average_the_predictions(fresh_home, matrix):
    write_matrix(matrix.parent, ROWS[:1])
    assert run(matrix, "--repetitions", "2") == 0
    folder = results(fresh_home, "recurrence__2_repetitions")
    folds = [load_splits(folder / "splits" / f"repetition_{index}.json") for index in range(2)]
    assert splits_hash(folds[0]) != splits_hash(folds[1])
    parts = [
        {row.case_id: row.probability for row in load_predictions(path)}
        for path in sorted(folder.glob("rows/uptake/*/crossval/predictions.tsv"))
    ]
    for row in load_predictions(folder / "predictions.tsv"):
        assert row.probability == pytest.approx(sum(part[row.case_id] for part in parts) / 2, abs=1e-8)


@pytest.mark.skipif(not Path("/proc").is_dir(), reason="finds the rows' processes in /proc")
def test_ctrl_c_leaves_no_process_and_going_on_gives_the_same_predictions(fresh_home, matrix, tmp_path):
    write_matrix(matrix.parent, [{**ROWS[2], "overrides": ["training.epochs=3", *SHORT_TRAINING[1:]]}])
    command = [sys.executable, "-c", "from glioframe.cli.benchmark import main; raise SystemExit(main())"]
    options = ["1", "--matrix", str(matrix), "--device", "cpu", "--num-resamples", "50"]
    with subprocess.Popen([*command, *options], start_new_session=True, env=dict(os.environ)) as process:
        log = results(fresh_home) / "rows" / "cnn" / "repetition_0" / "fold_0" / "training_log.jsonl"
        _wait_for(log)
        process.send_signal(signal.SIGINT)
        assert process.wait(timeout=60) == 130
    assert not _processes_naming(str(matrix.parent))
    assert run(matrix) == 0
    gone_on = (results(fresh_home) / "predictions.tsv").read_text()
    assert run(matrix, "--overwrite") == 0
    assert (results(fresh_home) / "predictions.tsv").read_text() == gone_on


PRETRAINED = {
    "name": "CNN pretrained",
    "task": "recurrence_classifier",
    "configuration": "3d_cnn",
    "overrides": [*SHORT_TRAINING, "task.tuning=sawtooth"],
    "pretrained": True,
}


@pytest.fixture
def home_with_pretrained_row(benched_home, matrix, tmp_path, monkeypatch) -> Path:
    """A finished benchmark whose matrix has gained a row that starts from weights."""
    home = tmp_path / "home"
    shutil.copytree(benched_home, home)
    monkeypatch.setenv("GLIOFRAME_HOME", str(home))
    write_matrix(matrix.parent, [*ROWS, PRETRAINED])
    return home


def line_of(home: Path, model: str) -> dict[str, str]:
    return next(line for line in table(home) if line["model"] == model)


def test_a_pretrained_row_is_trained_once_weights_are_given_and_is_kept(home_with_pretrained_row, matrix, capsys):
    home = home_with_pretrained_row
    assert run(matrix) == 0
    line = line_of(home, "CNN pretrained")
    assert line["status"] == "not applicable"
    assert "--pretrained 3d_cnn=RUN_OR_FILE" in line["reason"]

    scratch = results(home) / "rows" / "cnn" / "repetition_0"
    assert run(matrix, "--pretrained", f"3d_cnn={scratch}") == 0
    line = line_of(home, "CNN pretrained")
    assert line["status"] == "done"
    assert line["pretrained"]
    assert not line_of(home, "CNN")["pretrained"]
    rows = load_predictions(results(home) / "predictions.tsv")
    of_model = {name: [row.probability for row in rows if row.model == name] for name in ("CNN", "CNN pretrained")}
    assert of_model["CNN"] != of_model["CNN pretrained"]

    assert run(matrix) == 0
    assert line_of(home, "CNN pretrained") == line

    # What could not be trained again is not thrown away.
    assert run(matrix, "--overwrite", "--row", "CNN pretrained") == 0
    assert line_of(home, "CNN pretrained") == line
    assert run(matrix, "--overwrite", "--pretrained", f"3d_cnn={scratch}") == 1
    assert "weights that lie outside of what is thrown away" in capsys.readouterr().err
    assert (scratch / "fold_0" / "checkpoint_final.safetensors").is_file()


def test_weights_that_know_an_answer_fail_their_row_alone(home_with_pretrained_row, matrix, capsys):
    home = home_with_pretrained_row
    one_fold = results(home) / "rows" / "cnn" / "repetition_0" / "fold_0"
    assert run(matrix, "--pretrained", f"3d_cnn={one_fold}") == 1
    line = line_of(home, "CNN pretrained")
    assert line["status"] == "failed"
    assert "learned no label of a case that the fold is judged by" in line["reason"]
    assert line_of(home, "CNN")["status"] == "done"


def test_weights_for_a_configuration_that_no_row_starts_from_are_refused(matrix, capsys):
    assert run(matrix, "--pretrained", "3d_vit=run") == 1
    assert "the matrix has no such row, found 3d_vit" in capsys.readouterr().err
    assert run(matrix, "--pretrained", "3d_cnn=one", "--pretrained", "3d_cnn=other") == 1
    assert "weights once for each configuration, found 2 times" in capsys.readouterr().err
    with pytest.raises(SystemExit, match="2"):
        run(matrix, "--pretrained", "run")
    assert "expected CONFIGURATION=RUN_OR_FILE" in capsys.readouterr().err


def test_a_matrix_that_contradicts_itself_is_refused(matrix):
    content = json.loads(matrix.read_text())
    matrix.write_text(json.dumps({**content, "reference": "Nobody"}))
    with pytest.raises(SettingError, match="a reference among Uptake, Late slope, CNN"):
        load_matrix(str(matrix))
    matrix.write_text(json.dumps({**content, "rows": [ROWS[0], {**ROWS[0], "name": "uptake!"}]}))
    with pytest.raises(SettingError, match="names that differ"):
        load_matrix(str(matrix))


@pytest.mark.parametrize("name", preset_names("benchmarks"))
def test_the_shipped_matrices_are_legal(name):
    assert isinstance(load_matrix(name), BenchmarkMatrix)


def _without_cost(lines: list[dict[str, str]]) -> list[dict[str, str]]:
    return [{key: text for key, text in line.items() if key not in ("minutes", "peak_memory_gb")} for line in lines]


def _wait_for(path: Path, seconds: float = 60.0) -> None:
    end = time.monotonic() + seconds
    while not path.is_file():
        assert time.monotonic() < end, f"{path} never came"
        time.sleep(0.05)


def _processes_naming(text: str) -> list[str]:
    lines = [path.read_bytes().replace(b"\0", b" ").decode() for path in Path("/proc").glob("[0-9]*/cmdline")]
    return [line for line in lines if text in line and "pytest" not in line]
