"""Labels that mean nothing must not be predicted: cross-validated AUCs of several cohorts with noise labels.

    python tests/benchmarks/noise_labels.py --seeds 11 12 13

One cohort of 40 patients says little: if nothing is learned, its AUC still scatters about 0.5 with a standard
deviation of about 0.1. So the mean over cohorts is shown beside each of them.
"""

import argparse
import os
import subprocess
import sys
import tempfile
from pathlib import Path
from statistics import mean, stdev

from glioframe.artifacts.evaluation import load_evaluation

BIN = Path(sys.executable).parent


def noise_auc(home: Path, *, seed: int, num_cases: int, overrides: list[str]) -> float:
    """The AUC of one cohort, by the commands that a user types."""
    environment = {**os.environ, "GLIOFRAME_HOME": str(home)}
    simulate = [
        "glioframe_simulate",
        "-d",
        "1",
        "--name",
        "Noise",
        "--num-cases",
        str(num_cases),
        "--num-external",
        "0",
        "--kind",
        "static",
    ]
    for command in (
        [*simulate, "--seed", str(seed), "--noise-labels"],
        ["glioframe_plan_and_preprocess", "-d", "1"],
        ["glioframe_train", "1", "recurrence_classifier", "3d_cnn", "all", *(f"--set={item}" for item in overrides)],
    ):
        subprocess.run([BIN / command[0], *command[1:]], env=environment, check=True, stdout=subprocess.DEVNULL)
    (path,) = home.glob("results/*/*/crossval/metrics.json")
    value = load_evaluation(path).primary.metrics.auc.value
    assert value is not None
    return value


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--seeds", type=int, nargs="+", default=[11, 12, 13, 14])
    parser.add_argument("--num-cases", type=int, default=40)
    parser.add_argument("--set", dest="overrides", action="append", default=[], help="as of glioframe_train")
    arguments = parser.parse_args()
    values = []
    for seed in arguments.seeds:
        with tempfile.TemporaryDirectory() as folder:
            value = noise_auc(Path(folder), seed=seed, num_cases=arguments.num_cases, overrides=arguments.overrides)
        values.append(value)
        print(f"seed {seed}: AUC {value:.3f}", flush=True)
    print(f"mean {mean(values):.3f}" + (f", standard deviation {stdev(values):.3f}" if len(values) > 1 else ""))


if __name__ == "__main__":
    main()
