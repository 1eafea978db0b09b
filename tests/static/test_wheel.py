import subprocess
import sys
import zipfile
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]


def test_the_wheel_ships_code_presets_templates_and_types(tmp_path):
    command = [sys.executable, "-m", "hatchling", "build", "-t", "wheel", "-d", str(tmp_path)]
    subprocess.run(command, cwd=ROOT, check=True, capture_output=True)
    (wheel,) = tmp_path.glob("*.whl")
    names = set(zipfile.ZipFile(wheel).namelist())
    code = {path.relative_to(ROOT).as_posix() for path in (ROOT / "glioframe").rglob("*.py")}
    presets = {
        f"glioframe/_plans/{path.relative_to(ROOT / 'plans').as_posix()}" for path in (ROOT / "plans").rglob("*.json")
    }
    templates = {path.relative_to(ROOT).as_posix() for path in (ROOT / "glioframe").rglob("*.j2")}
    assert code | presets | templates | {"glioframe/py.typed"} <= names
    assert presets
    assert templates
    assert not [name for name in names if name.startswith(("tests", "documentation"))]
