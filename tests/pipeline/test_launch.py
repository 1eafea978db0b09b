"""Folds as jobs: the same results as one after another, whatever happens to a job."""

import json
import os
import shutil
import signal
import subprocess
import sys
import time
from dataclasses import replace
from pathlib import Path

import pytest
from homes import DATASET, MODEL, SHORT, TRAIN

from glioframe.cli import train
from glioframe.core.errors import ArtifactError, SettingError
from glioframe.core.presets import preset_names
from glioframe.pipeline.jobs import Job, fold_job, report_job
from glioframe.pipeline.launch_slurm import RequeuedCommand, submit_jobs
from glioframe.pipeline.launcher_settings import LauncherSettings, load_launcher_settings
from glioframe.pipeline.training import TrainingRequest

ROOT = Path(__file__).resolve().parents[2]
REQUEST = TrainingRequest(
    dataset="1", task="recurrence_classifier", configuration="3d_cnn", overrides=SHORT[1::2], device="cpu"
)
LONG = [*SHORT[2:], "--set", "training.epochs=15"]
FINAL = "checkpoint_final.safetensors"


@pytest.fixture(autouse=True)
def from_this_checkout(monkeypatch):
    """Jobs import what this process does."""
    monkeypatch.setenv("PYTHONPATH", os.pathsep.join([str(ROOT), *sys.path[1:]]))


def model_of(home: Path) -> Path:
    return home / "results" / DATASET / MODEL


def all_weights(home: Path) -> list[bytes]:
    return [path.read_bytes() for path in sorted(model_of(home).glob(f"fold_*/{FINAL}"))]


def launch_locally(*more: str) -> int:
    return train.main([*TRAIN, "all", "--device", "cpu", "--launcher", "local", *SHORT, *more])


def wait_until(condition, *, what: str) -> None:
    for _ in range(1200):
        if condition():
            return
        time.sleep(0.1)
    pytest.fail(f"never: {what}")


def children_of(process_id: int) -> list[int]:
    return [int(word) for word in Path(f"/proc/{process_id}/task/{process_id}/children").read_text().split()]


def test_folds_in_jobs_equal_folds_in_turn_bit_by_bit_and_are_reported(fresh_home, trained_home, capsys):
    assert launch_locally("--set", "launcher.jobs_at_once=2") == 0
    assert all_weights(fresh_home) == all_weights(trained_home)
    for name in ("predictions.tsv", "report.html"):
        assert (model_of(fresh_home) / "crossval" / name).is_file()
    predictions = [model_of(home) / "crossval" / "predictions.tsv" for home in (fresh_home, trained_home)]
    assert predictions[0].read_bytes() == predictions[1].read_bytes()
    assert "Report:" in capsys.readouterr().out


def test_a_fold_that_fails_stops_no_other_and_is_named_with_its_log(home, trained_home, capsys):
    model = model_of(home)
    for fold in (1, 2):
        (model / f"fold_{fold}" / "operating_point.json").unlink()
        shutil.rmtree(model / f"fold_{fold}" / "validation")
    shutil.rmtree(model / "crossval")
    (model / "fold_1" / "checkpoint_latest.safetensors").write_bytes(b"damaged")

    assert launch_locally("--c") == 1
    error = capsys.readouterr().err
    assert "found fold_1 ended with exit code 1" in error
    assert "found only damaged ones" in error
    assert str(model / "jobs" / "fold_1.log") in error
    assert "damaged" in (model / "jobs" / "fold_1.log").read_text()
    assert (model / "fold_2" / "validation" / "predictions.tsv").is_file()
    assert not (model / "crossval").exists()

    shutil.rmtree(model / "fold_1")
    assert launch_locally("--c") == 0
    assert all_weights(home) == all_weights(trained_home)
    assert (model / "crossval" / "report.html").is_file()


def test_an_earlier_run_is_not_trained_over_by_jobs_either(home, capsys):
    before = all_weights(home)
    assert launch_locally() == 1
    assert "Pass --c to go on" in capsys.readouterr().err
    assert all_weights(home) == before


@pytest.fixture(scope="module")
def long_home(planned_home, tmp_path_factory) -> Path:
    """A home whose folds were trained in this process, without interruption."""
    home = tmp_path_factory.mktemp("long") / "home"
    shutil.copytree(planned_home, home)
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("GLIOFRAME_HOME", str(home))
        assert train.main([*TRAIN, "all", "--device", "cpu", "--no-report", *LONG]) == 0
    return home


@pytest.mark.slow
def test_stopping_the_command_stops_its_jobs_which_save_and_go_on(fresh_home, long_home):
    launched = [*TRAIN, "all", "--device", "cpu", "--no-report", *LONG, "--launcher", "local"]
    launched += ["--set", "launcher.jobs_at_once=2"]
    command = subprocess.Popen(
        [sys.executable, "-m", "glioframe.cli.train", *launched], stderr=subprocess.PIPE, text=True
    )
    logs = [model_of(fresh_home) / f"fold_{fold}" / "training_log.jsonl" for fold in (0, 1)]
    wait_until(lambda: any(log.is_file() for log in logs), what="a fold in training")
    jobs = children_of(command.pid)
    command.send_signal(signal.SIGTERM)
    assert "interrupted; what was finished is kept; add --c" in command.communicate()[1]
    assert command.returncode == 130
    assert not [job for job in jobs if Path(f"/proc/{job}").exists()]

    assert train.main([*launched, "--c"]) == 0
    assert all_weights(fresh_home) == all_weights(long_home)


# submitit lets go of the process that plays the cluster while it still runs.
@pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning")
def test_a_preempted_job_queues_again_and_ends_as_if_nothing_had_happened(fresh_home, long_home, tmp_path):
    """On submitit's stand-in for a cluster; the warning comes as Slurm's would, by SIGUSR2."""
    folder = model_of(fresh_home) / "fold_0"
    folder.mkdir(parents=True)
    job = fold_job(replace(REQUEST, overrides=LONG[1::2]), 0, processes=1)
    (submitted,) = submit_jobs([job], None, tmp_path / "jobs", LauncherSettings(), cluster="local")
    wait_until((folder / "training_log.jsonl").is_file, what="the fold in training")
    (inner,) = children_of(int(submitted.job_id))
    os.kill(inner, signal.SIGUSR2)
    wait_until((folder / "validation" / "predictions.tsv").is_file, what="the fold trained")
    assert "Requeued job" in submitted.log.read_text()
    assert all_weights(fresh_home)[0] == all_weights(long_home)[0]


def test_a_command_that_fails_fails_its_job():
    with pytest.raises(subprocess.CalledProcessError, match="exit status 3"):
        RequeuedCommand([sys.executable, "-c", "raise SystemExit(3)"], patience_s=0)()


def test_the_warning_of_a_scheduler_does_not_kill_a_command_outside_of_training():
    command = "import os, signal; os.kill(os.getpid(), signal.SIGUSR1); os.kill(os.getpid(), signal.SIGUSR2)"
    RequeuedCommand([sys.executable, "-c", command], patience_s=0)()


@pytest.mark.parametrize("processes", [1, 2])
def test_the_command_of_a_job_is_one_that_a_user_could_type(processes):
    job = fold_job(REQUEST, 3, processes=processes)
    words = job.command()
    arguments = train.build_parser().parse_args(words[words.index("glioframe.cli.train") + 1 :])
    assert arguments.fold == (3,)
    assert arguments.resume
    assert arguments.no_report
    assert arguments.device == "cpu"
    assert arguments.overrides == SHORT[1::2]
    assert ("--nproc-per-node=2" in words) == (processes == 2)
    assert not train.build_parser().parse_args(report_job(REQUEST).arguments).no_report
    assert arguments.pretrained is None
    pretrained = fold_job(replace(REQUEST, pretrained=Path("run")), 3, processes=1).arguments
    assert train.build_parser().parse_args(pretrained).pretrained == Path("run").absolute()


@pytest.mark.parametrize("name", ["local", "slurm", "slurm_cpu"])
def test_shipped_presets_load(name):
    assert name in preset_names("launchers")
    settings, others = load_launcher_settings(name, ["launcher.partition=gpu", "training.epochs=2"])
    assert settings.partition == "gpu"
    assert others == ("training.epochs=2",)


def test_a_preset_of_ones_own(tmp_path):
    mine = tmp_path / "mine.json"
    mine.write_text(json.dumps({"sbatch": {"qos": "low"}, "time_limit_min": 90}))
    settings, _ = load_launcher_settings(str(mine))
    assert (settings.sbatch, settings.time_limit_min) == ({"qos": "low"}, 90)
    mine.write_text(json.dumps({"queue": "low"}))
    with pytest.raises(ArtifactError, match="queue"):
        load_launcher_settings(str(mine))
    with pytest.raises(SettingError, match="one of local, slurm"):
        load_launcher_settings("pbs")
    with pytest.raises(SettingError, match=r"launcher\.nodes"):
        load_launcher_settings("slurm", ["launcher.nodes=2"])


def test_settings_of_a_launcher_without_one_are_refused(fresh_home, capsys):
    assert train.main([*TRAIN, "0", "--set", "launcher.partition=gpu"]) == 1
    assert "Pass --launcher too" in capsys.readouterr().err


def test_without_slurm_there_is_one_clear_line(tmp_path, monkeypatch):
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(SettingError, match="Slurm's sbatch on this machine"):
        submit_jobs([Job(name="fold_0", arguments=())], None, tmp_path, LauncherSettings())
