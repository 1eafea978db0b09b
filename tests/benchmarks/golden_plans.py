"""What is planned for cohorts of seven kinds, on three GPUs, for both families: a table.

    python tests/benchmarks/golden_plans.py
    python tests/benchmarks/golden_plans.py --reasons slices_6mm 24gb 3d_vit

A person reads it after a change of the planner. What must hold of every plan is tested in tests/planning.
"""

import argparse
import sys
import time
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[1] / "planning"))

from planning_fingerprints import GOLDEN, make_description, protocol_of

from glioframe.artifacts.plan import Plan
from glioframe.planning.budget import load_budget
from glioframe.planning.planner import CONFIGURATIONS, plan_dataset
from glioframe.planning.reasons import times
from glioframe.training.memory import predict_planned_memory

BUDGETS = ("8gb", "24gb", "80gb")


def plan(cohort: str, budget: str, configuration: str) -> Plan:
    fingerprint = GOLDEN[cohort]()
    return plan_dataset(
        fingerprint,
        make_description(fingerprint),
        budget=load_budget(budget),
        protocol=protocol_of(fingerprint),
        configurations=[configuration],
        estimate_memory=predict_planned_memory,
    )


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--reasons", nargs=3, metavar=("COHORT", "BUDGET", "CONFIG"), help="of one plan, in full")
    wanted = parser.parse_args().reasons
    if wanted:
        for name, reason in plan(*wanted).reasons.items():
            print(f"{name}: {reason}")
        return
    print("| cohort | budget | network | spacing mm | patch | batch | training GB | prediction GB | CPU s |")
    print("| --- | --- | --- | --- | --- | --- | --- | --- | --- |")
    for cohort in GOLDEN:
        for configuration in CONFIGURATIONS:
            for budget in BUDGETS:
                began = time.process_time()
                planned = plan(cohort, budget, configuration).configuration(configuration)
                seconds = time.process_time() - began
                again = ", activations again" if planned.training.checkpointing else ""
                cells = (
                    cohort.replace("_", " "),
                    load_budget(budget).gpu_memory_gb,
                    planned.network.in_words + again,
                    times(planned.spacing_mm),
                    times(planned.patch_size_vox),
                    planned.batch_size,
                    f"{planned.predicted_peak_memory_gb:.2f}",
                    f"{planned.predicted_inference_memory_gb:.2f}",
                    f"{seconds:.0f}",
                )
                print("| " + " | ".join(map(str, cells)) + " |", flush=True)


if __name__ == "__main__":
    main()
