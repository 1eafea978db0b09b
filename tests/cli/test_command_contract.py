"""What every command promises, whatever it does."""

from __future__ import annotations

import argparse
import importlib
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest

PYPROJECT = tomllib.loads((Path(__file__).parents[2] / "pyproject.toml").read_text(encoding="utf-8"))
SCRIPTS = PYPROJECT["project"]["scripts"]
HEAVY = ("matplotlib", "nibabel", "nilearn", "numpy", "pandas", "pydantic", "rich", "scipy", "sklearn", "torch")
SHARED = {"-h", "--help", "--progress", "--debug"}

PET_MAKES = {"IN", "-d", "--dataset-id", "--name", "--channel", "--tracer", "--protocol"}

# Frozen: an option that disappears or changes its name breaks somebody's script.
OPTIONS = {
    "glioframe_benchmark": {
        "DATASET",
        "--target",
        "--matrix",
        "--quick",
        "--split-policy",
        "--repetitions",
        "--jobs",
        "--num-resamples",
        "--overwrite",
        "--device",
        "--row",
        "--pretrained",
        "--no-training",
        "--no-report",
        "--launcher",
        "--launcher-preset",
    },
    "glioframe_check_dataset": {"-d", "--dataset", "-np", "--num-processes", "--json", "--no-pictures"},
    "glioframe_convert": {
        "MAKE",
        "brats IN",
        "brats -d",
        "brats --dataset-id",
        "brats --name",
        "brats --targets",
        "brats --classes",
        "brats --covariates",
        *(f"brats {option}" for option in SHARED),
        *(f"{make} {option}" for make in ("bids", "dicom") for option in PET_MAKES | SHARED),
    },
    "glioframe_evaluate": {
        "-i",
        "--predictions",
        "-o",
        "--output",
        "-d",
        "--dataset",
        "-r",
        "--references",
        "--num-resamples",
        "--seed",
    },
    "glioframe_info": {"--json", "--benchmark", "-d", "--dataset", "-c", "--configuration", "--device"},
    "glioframe_list_tasks": {"--json"},
    "glioframe_plan_and_preprocess": {
        "-d",
        "--dataset",
        "-c",
        "--configurations",
        "--gpu-memory",
        "--protocol",
        "-np",
        "--num-processes",
        "--scheduler",
        "--keep-plan",
        "--no-preprocessing",
    },
    "glioframe_predict": {
        "-i",
        "--images",
        "-o",
        "--output",
        "-d",
        "--dataset",
        "-t",
        "--task",
        "-c",
        "--configuration",
        "-f",
        "--folds",
        "--target",
        "--labels",
        "--cases",
        "--device",
    },
    "glioframe_simulate": {
        "-d",
        "--dataset-id",
        "--name",
        "--preset",
        "--num-cases",
        "--num-external",
        "--spacing-mm",
        "--missing-rate",
        "--seed",
        "--noise-labels",
        "--kind",
        "--question",
        "--tracer",
        "--schedule",
    },
    "glioframe_train": {
        "DATASET",
        "TASK",
        "CONFIG",
        "FOLD",
        "--target",
        "--pretrained",
        "--c",
        "--overwrite",
        "--set",
        "--preset",
        "--device",
        "--no-report",
        "--launcher",
        "--launcher-preset",
    },
}

USER_ERRORS = {
    "glioframe_benchmark": ["9", "--device", "cpu"],
    "glioframe_check_dataset": ["-d", "9"],
    "glioframe_convert": ["brats", "absent", "-d", "1", "--name", "Mine", "--targets", "absent.tsv"],
    "glioframe_evaluate": ["-i", "absent.tsv", "-o", "out"],
    "glioframe_info": ["--benchmark", "-d", "9"],
    "glioframe_plan_and_preprocess": ["-d", "9"],
    "glioframe_predict": ["-i", "absent", "-o", "out", "-d", "9", "-t", "recurrence_classifier"],
    "glioframe_simulate": ["-d", "1", "--name", "Demo", "--spacing-mm", "90"],
    "glioframe_train": ["9", "recurrence_classifier", "3d_cnn", "0"],
}

LIST_HEAVY = """
import sys
module, heavy = sys.argv[1], sys.argv[2].split(",")
sys.argv[1:] = ["--help"]
code = None
try:
    __import__(module, fromlist=["main"]).main()
except SystemExit as stop:
    code = stop.code
assert code == 0, code
print("loaded:" + ",".join(name for name in heavy if name in sys.modules))
"""


def command_module(command):
    return importlib.import_module(SCRIPTS[command].partition(":")[0])


def parser_of(command):
    return command_module(command).build_parser()


def names_of(action):
    names = set(action.option_strings) or {action.metavar or action.dest}
    if isinstance(action, argparse._SubParsersAction):
        for choice, parser in action.choices.items():
            names |= {f"{choice} {name}" for inner in parser._actions for name in names_of(inner)}
    return names


@pytest.mark.parametrize("command", SCRIPTS)
def test_help_imports_nothing_heavy(command):
    module = SCRIPTS[command].partition(":")[0]
    arguments = [sys.executable, "-c", LIST_HEAVY, module, ",".join(HEAVY)]
    done = subprocess.run(arguments, capture_output=True, text=True, check=True)
    assert done.stdout.splitlines()[-1] == "loaded:"
    assert done.stdout.startswith(f"usage: {command} ")


@pytest.mark.parametrize("command", SCRIPTS)
def test_options_are_the_frozen_ones(command):
    found = {name for action in parser_of(command)._actions for name in names_of(action)}
    assert found == OPTIONS[command] | SHARED


@pytest.mark.parametrize("command", SCRIPTS)
def test_help_explains_every_option_and_states_its_default(command, monkeypatch):
    monkeypatch.setenv("COLUMNS", "1000")
    for parser in with_subparsers(parser_of(command)):
        check_help(parser)


def with_subparsers(parser):
    yield parser
    for action in parser._actions:
        if isinstance(action, argparse._SubParsersAction):
            yield from action.choices.values()


def check_help(parser):
    lines = parser.format_help().splitlines()
    for action in parser._actions:
        if isinstance(action, argparse._SubParsersAction):
            continue
        assert action.help, action.dest
        says_default = [line for line in lines if str(action.help)[:40] in line and "default:" in line]
        if isinstance(action.default, (int, float, str)) and action.default not in (False, "", "==SUPPRESS=="):
            assert says_default, f"{action.dest}: {action.default}"


@pytest.mark.parametrize("command", SCRIPTS)
@pytest.mark.parametrize("wrong", ["--no-such-option", "--deb", "--progr=none"])
def test_unknown_and_abbreviated_options_are_refused_as_wrong_usage(command, wrong, capsys):
    with pytest.raises(SystemExit) as stop:
        command_module(command).main([*USER_ERRORS.get(command, []), wrong])
    assert stop.value.code == 2
    captured = capsys.readouterr()
    assert captured.err.startswith("usage:")
    assert not captured.out


@pytest.mark.parametrize("command", USER_ERRORS)
def test_a_users_error_is_one_line_on_stderr_and_exit_code_1(command, capsys, monkeypatch, tmp_path):
    monkeypatch.chdir(tmp_path)
    for variable in ("GLIOFRAME_RAW", "GLIOFRAME_PREPROCESSED", "GLIOFRAME_RESULTS"):
        monkeypatch.delenv(variable, raising=False)
    monkeypatch.setenv("GLIOFRAME_HOME", str(tmp_path / "home"))
    code = command_module(command).main(USER_ERRORS[command])
    captured = capsys.readouterr()
    assert code == 1
    assert not captured.out
    (line,) = captured.err.splitlines()
    assert line.startswith(f"{command}: ")
    # Either our own errors' form, or the operating system's words with what to check.
    assert ("expected" in line and "found" in line) or line.endswith("Check the path, its rights and free space.")


def test_every_command_but_those_that_cannot_go_wrong_has_an_error_case():
    assert set(SCRIPTS) - set(USER_ERRORS) == {"glioframe_list_tasks"}
