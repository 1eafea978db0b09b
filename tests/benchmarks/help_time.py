"""How long ``--help`` of every command takes, over the time of ``python -c pass``.

Run: python tests/benchmarks/help_time.py [repeats]
"""

from __future__ import annotations

import statistics
import subprocess
import sys
import time
import tomllib
from pathlib import Path

PYPROJECT = Path(__file__).parents[2] / "pyproject.toml"
PROMISED_RATIO = 5.0


def median_s(arguments: list[str], repeats: int) -> float:
    times = []
    for _ in range(repeats):
        start = time.perf_counter()
        subprocess.run(arguments, check=True, stdout=subprocess.DEVNULL)
        times.append(time.perf_counter() - start)
    return statistics.median(times)


def main() -> int:
    repeats = int(sys.argv[1]) if len(sys.argv) > 1 else 15
    scripts = tomllib.loads(PYPROJECT.read_text(encoding="utf-8"))["project"]["scripts"]
    folder = Path(sys.executable).parent
    bare_s = median_s([sys.executable, "-c", "pass"], repeats)
    print(f"{'python -c pass':<32}{1000 * bare_s:7.0f} ms")
    slowest = 0.0
    for command in scripts:
        command_s = median_s([str(folder / command), "--help"], repeats)
        slowest = max(slowest, command_s / bare_s)
        print(f"{command:<32}{1000 * command_s:7.0f} ms{command_s / bare_s:7.1f} x")
    verdict = "kept" if slowest < PROMISED_RATIO else "BROKEN"
    print(f"promise of less than {PROMISED_RATIO:g} x: {verdict}")
    return 0 if slowest < PROMISED_RATIO else 1


if __name__ == "__main__":
    sys.exit(main())
