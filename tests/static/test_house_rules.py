"""Rules of the house that no linter knows."""

import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
PACKAGE = ROOT / "glioframe"
MODULES = sorted(PACKAGE.rglob("*.py"))
FILES = [path for folder in ("glioframe", "tests") for path in sorted((ROOT / folder).rglob("*.py"))]
MAX_LINES = 400


@pytest.mark.parametrize("path", FILES, ids=lambda path: str(path.relative_to(ROOT)))
def test_no_file_is_longer_than_a_person_likes_to_read(path):
    assert len(path.read_text().splitlines()) <= MAX_LINES


@pytest.mark.parametrize("folder", ["core", "artifacts", "task_api"])
def test_the_lower_floors_need_no_array_library(folder):
    names = [f"glioframe.{folder}.{path.stem}" for path in (PACKAGE / folder).glob("*.py") if path.stem != "__init__"]
    heavy = "torch numpy pandas nibabel SimpleITK scipy sklearn"
    code = (
        f"import importlib, sys\nfor name in {names}: importlib.import_module(name)\n"
        f"print([name for name in '{heavy}'.split() if name in sys.modules])"
    )
    assert subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout == "[]\n"


def test_only_the_workspace_reads_the_environment():
    readers = [path for path in MODULES if "os.environ" in path.read_text() or "getenv" in path.read_text()]
    assert [path.relative_to(PACKAGE).as_posix() for path in readers] == ["core/workspace.py"]


def test_nothing_is_pickled():
    for path in MODULES:
        text = path.read_text()
        assert "import pickle" not in text, path
        for line in text.splitlines():
            assert "torch.load(" not in line or "weights_only=True" in line, f"{path}: {line}"


def test_only_commands_print():
    for path in MODULES:
        if path.parent.name != "cli":
            assert not any(line.lstrip().startswith("print(") for line in path.read_text().splitlines()), path
