"""The program of :mod:`test_ranks`: trains as one of several processes, and may act out in the seventh step.

Arguments: the folder of the cases, the name of the run, and ``signal|error|memory|nan|kill`` with a rank, or nothing.
"""

import hashlib
import os
import signal
import sys
from dataclasses import replace
from pathlib import Path

import torch
from test_ranks import PLAN, SETTINGS, with_training, without_dropout

from glioframe.tasks.recurrence_classifier.settings import Settings
from glioframe.tasks.recurrence_classifier.task import RecurrenceClassifier
from glioframe.training import engine
from glioframe.training.gradient_task import GradientTask
from glioframe.training.ranks import joined_ranks
from training_builders import make_run, moved

TASK = RecurrenceClassifier()
STEP = 7


class ActsOut(GradientTask[Settings]):
    """Learns as its parent does until it does not."""

    settings_type, description = Settings, ""
    requirements, sampling = RecurrenceClassifier.requirements, RecurrenceClassifier.sampling
    build_network, prediction_step = RecurrenceClassifier.build_network, RecurrenceClassifier.prediction_step
    validation_step = RecurrenceClassifier.validation_step

    def __init__(self, act: str) -> None:
        self.act, self.steps = act, 0

    def training_step(self, run, network, batch):
        self.network = network
        self.steps += 1
        result = TASK.training_step(run, network, batch)
        if self.steps == STEP and self.act == "signal":
            signal.raise_signal(signal.SIGTERM)
        if self.steps == STEP and self.act == "error":
            raise RuntimeError("on purpose")
        if self.steps == STEP and self.act == "memory":
            raise torch.OutOfMemoryError("CUDA out of memory. Tried to allocate 2.00 GiB.")
        if self.steps == STEP and self.act == "nan":
            return replace(result, loss=result.loss * torch.nan)
        if self.steps == STEP and self.act == "kill":
            os.kill(os.getpid(), signal.SIGKILL)
        return result


def digest(network: torch.nn.Module) -> str:
    return hashlib.sha256(b"".join(value.numpy().tobytes() for value in network.state_dict().values())).hexdigest()


def main(folder: Path, name: str, act: str) -> int:
    kind, _, rank = act.partition(" ")
    rank_here = "?"
    try:
        with joined_ranks() as ranks:
            rank_here = str(ranks.rank)
            begun = (folder / "results" / name).is_dir()
            ranks.wait()
            # The cases are there already, and are written again as they were.
            run = make_run(folder, settings=SETTINGS, num_cases=12, missing_every=3, **PLAN)
            ranks.wait()  # before anybody reads what another may still be writing
            run = moved(with_training(without_dropout(run), compile=name == "compiled"), name, resume=begun)
            task = ActsOut(kind if rank == rank_here else "")
            averaged = []
            update = engine.AveragedNetwork.update

            def remember(self, network, *, num_updates):
                update(self, network, num_updates=num_updates)
                averaged[:] = [self.network]

            engine.AveragedNetwork.update = remember
            task.fit(run)
            told = f"{digest(task.network)} {digest(averaged[0])}"
            (run.folder.parent / f"rank_{ranks.rank}.txt").write_text(told)
    except BaseException as error:
        sys.stdout.write(f"{rank_here}:{type(error).__name__}\n")
        raise
    return 0


if __name__ == "__main__":
    raise SystemExit(main(Path(sys.argv[1]), sys.argv[2], (sys.argv[3:] or [""])[0]))
