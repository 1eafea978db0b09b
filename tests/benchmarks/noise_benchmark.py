"""Labels that mean nothing, through the whole benchmark: the mean AUC of every row over several draws of them.

    python tests/benchmarks/noise_benchmark.py --seeds 10

One dynamic cohort is simulated, planned and preprocessed. Each seed gives it one more target, whose classes are dealt
to the patients at random, half and half; the benchmark predicts each of them by every row of the matrix, on folds of
its own. A single draw scatters about 0.5 with a standard deviation of about 0.1 at 40 patients, and draws over the
same images are not independent, so that the mean scatters by about 0.03.
"""

import argparse
import csv
import os
import random
import shutil
import subprocess
import sys
import tempfile
from collections import defaultdict
from dataclasses import replace
from pathlib import Path
from statistics import mean, stdev

from glioframe.artifacts.cases import load_cases, save_cases
from glioframe.artifacts.dataset import Target, load_dataset_description, save_dataset_description

BIN = Path(sys.executable).parent
NAME = "Dataset001_Noise"
CLASSES = ("heads", "tails")


def command(name: str, *arguments: str, home: Path) -> None:
    subprocess.run(
        [BIN / f"glioframe_{name}", *arguments],
        env={**os.environ, "GLIOFRAME_HOME": str(home)},
        check=True,
        stdout=subprocess.DEVNULL,
    )


def deal_labels(folder: Path, *, seed: int) -> None:
    """Replaces the dataset's target by one that knows nothing of the images."""
    description = load_dataset_description(folder / "dataset.json")
    cases = load_cases(folder / "cases.tsv", description)
    description = replace(description, targets=(Target(name="coin", classes=CLASSES),))
    dealt = [CLASSES[index % 2] for index in range(len(cases))]
    random.Random(seed).shuffle(dealt)
    cases = [replace(case, targets={"coin": side}) for case, side in zip(cases, dealt, strict=True)]
    save_dataset_description(description, folder / "dataset.json", num_training=len(cases))
    save_cases(cases, folder / "cases.tsv", description)


def aucs(home: Path) -> dict[str, float]:
    with (home / "results" / NAME / "benchmark" / "coin__quick" / "table.tsv").open(newline="") as stream:
        return {line["model"]: float(line["auc"]) for line in csv.DictReader(stream, delimiter="\t") if line["auc"]}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--seeds", type=int, default=10)
    parser.add_argument("--num-cases", type=int, default=40)
    parser.add_argument("--jobs", default="2")
    parser.add_argument("--matrix", default="standard")
    arguments = parser.parse_args()
    found = defaultdict(list)
    with tempfile.TemporaryDirectory() as folder:
        home = Path(folder)
        size = ("--num-cases", str(arguments.num_cases), "--num-external", "0", "--spacing-mm", "5")
        command("simulate", "-d", "1", "--name", "Noise", *size, home=home)
        for seed in range(arguments.seeds):
            deal_labels(home / "raw" / NAME, seed=seed)
            for folds in (home / "preprocessed" / NAME).glob("splits_final.json"):
                folds.unlink()
            kept = () if seed == 0 else ("--keep-plan",)  # other folds, the same cases
            command("plan_and_preprocess", "-d", "1", "-c", "3d_cnn", "3d_vit", *kept, home=home)
            options = ("--matrix", arguments.matrix, "--jobs", arguments.jobs, "--num-resamples", "20", "--quick")
            command("benchmark", "1", *options, "--device", "cpu", home=home)
            for model, auc in aucs(home).items():
                found[model].append(auc)
            print(f"seed {seed}: " + ", ".join(f"{model} {each[-1]:.2f}" for model, each in found.items()), flush=True)
            shutil.rmtree(home / "results")
    for model, each in found.items():
        spread = f" (standard deviation {stdev(each):.3f})" if len(each) > 1 else ""
        print(f"{model:<30} mean AUC {mean(each):.3f}{spread} over {len(each)} draws")


if __name__ == "__main__":
    main()
