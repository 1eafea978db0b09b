"""The loop: descends the gradient of a task over one fold, and can stop and go on anywhere."""

from __future__ import annotations

import contextlib
import math
import os
import time
from typing import TYPE_CHECKING, Any

import numpy as np
import torch

from glioframe.artifacts.json_file import load_json
from glioframe.artifacts.training_log import EpochRecord, append_epoch, keep_epochs, load_training_log
from glioframe.augmentation.augment import augment
from glioframe.augmentation.parameters import draw_parameters
from glioframe.core.errors import TrainingError
from glioframe.core.files import remove_partial_files, write_bytes_atomically
from glioframe.core.seeds import derive_seed
from glioframe.networks.weights import save_weights
from glioframe.reporting.progress_figure import draw_progress
from glioframe.training import checkpoint, operating_point
from glioframe.training.batch import Batch
from glioframe.training.checkpoint import Trainee, TrainingState
from glioframe.training.device import peak_memory_mb, reproducible, resolve_device
from glioframe.training.ema import AveragedNetwork
from glioframe.training.fold_data import BatchRequest, FoldData
from glioframe.training.inner_evaluation import InnerScores, inner_scores
from glioframe.training.interruption import Interruption, watched_signals
from glioframe.training.loading import prefetched, to_device
from glioframe.training.optimizer import build_optimizer, set_learning_rate
from glioframe.training.precision import choose_precision
from glioframe.training.pretrained_record import save_record
from glioframe.training.quantities import quantitative_channels

if TYPE_CHECKING:
    from collections.abc import Iterator

    from glioframe.task_api.run import Run
    from glioframe.training.gradient_task import GradientTask

LOG = "training_log.jsonl"
FIGURE = "progress.png"
_SECONDS_BETWEEN_FIGURES = 30.0
_LARGEST_SHARE_FOR_CHECKPOINTS = 0.1
_MOST_LOADER_THREADS = 4


def train_fold(task: GradientTask[Any], run: Run[Any], *, loader_threads: int | None = None) -> None:
    """Trains ``task`` on one fold, or goes on with it; see :meth:`GradientTask.fit`.

    Args:
        task: What is trained.
        run: On what.
        loader_threads: Threads that read patches; None for a number that suits the machine. Changes no result.

    Raises:
        SettingError: This machine has no such device.
        TrainingError: It cannot start, resume or go on.
        KeyboardInterrupt: SIGINT or SIGTERM came; the last step is saved.
    """
    device = resolve_device(run.device)
    with reproducible(device), watched_signals() as interruption, _told_what_to_lower(run):
        training = _FoldTraining(task, run, device)
        if run.resume and training.is_finished():
            run.progress.note(f"fold {run.fold}: already trained.")
            return
        training.begin()
        training.descend(interruption, loader_threads or min(_MOST_LOADER_THREADS, os.cpu_count() or 1))
        interruption.obey()
        training.finish()


@contextlib.contextmanager
def _told_what_to_lower(run: Run[Any]) -> Iterator[None]:
    """Turns a device that is out of memory into an error that a user can mend."""
    try:
        yield
    except torch.OutOfMemoryError as error:
        raise TrainingError(
            run.folder,
            expected=f"a training that fits into the memory of {run.device}",
            found=str(error).partition(". ")[0],
            fix=f"Lower plan.batch_size, now {run.configuration.batch_size}, with --set, plan again with a smaller "
            "--gpu-memory, or end what else uses the device",
        ) from error


class _FoldTraining:
    """One training of one fold: what it is made of, and its steps in order."""

    def __init__(self, task: GradientTask[Any], run: Run[Any], device: torch.device) -> None:
        self._task = task
        self._run = run
        self._device = device
        self._plan = run.configuration.training
        self._data = FoldData(run, task.sampling(run))
        if self._plan.select == "best" and not self._data.inner_ids:
            raise TrainingError(
                run.folder,
                expected="inner cases to select the best weights by",
                found=f"none of {len(self._data.fit_ids)} training cases",
                fix="Raise training.inner_fraction, or set training.select to final",
            )
        self._precision = choose_precision(device, amp=self._plan.amp)
        self._scaler = torch.amp.GradScaler(device.type, enabled=self._precision.needs_loss_scaling)
        self._quantitative = quantitative_channels(run.plan)
        torch.manual_seed(derive_seed(self._data.seed, "network"))
        network = task.build_network(run)
        self._loaded = task.start(run, network)
        network = network.to(device)
        self._average = AveragedNetwork(network, decay=self._plan.ema_decay)
        self._trainee = Trainee(
            network=network, average=self._average.network, optimizer=build_optimizer(network, self._plan)
        )
        self._state = TrainingState(identity=self._data.identity)
        self._saved_at, self._save_seconds, self._drawn_at = -math.inf, 0.0, time.monotonic()

    def is_finished(self) -> bool:
        """Whether this very training has been finished before.

        Raises:
            TrainingError: Another one has.
        """
        final, last = (self._run.folder / name for name in (checkpoint.FINAL, operating_point.FILE_NAME))
        if not (final.is_file() and last.is_file()):
            return False
        if load_json(operating_point.OperatingPoint, last).training != self._data.identity:
            raise checkpoint.other_training(final)
        return True

    def begin(self) -> None:
        """Restores the latest checkpoint, or clears the folder of an earlier training.

        A training that was killed before its first checkpoint goes on from where it was: from the start.
        """
        run = self._run
        if run.resume and not run.folder.is_dir():
            raise TrainingError(
                run.folder, expected="a training to go on with", found="no folder", fix="Start it without --c"
            )
        run.folder.mkdir(parents=True, exist_ok=True)
        remove_partial_files(run.folder)
        if run.resume and checkpoint.exists(run.folder):
            self._state = checkpoint.load_checkpoint(
                self._trainee, run.folder, identity=self._data.identity, progress=run.progress
            )
            self._scaler.load_state_dict(self._state.loss_scaler)
            keep_epochs(run.folder / LOG, last_epoch=self._state.step // self._plan.iterations_per_epoch)
            return
        for name in (operating_point.FILE_NAME, *checkpoint.FILES, LOG, FIGURE):
            (run.folder / name).unlink(missing_ok=True)

    def descend(self, interruption: Interruption, loader_threads: int) -> None:
        """Runs the epochs that are left."""
        first_epoch = self._state.step // self._plan.iterations_per_epoch
        epochs = range(first_epoch, self._plan.epochs)
        requests, to_load = (self._data.requests(first_step=self._state.step) for _ in range(2))
        batches = prefetched(self._data.load, to_load, threads=loader_threads)
        shown = self._run.progress.track(epochs, step=f"fold {self._run.fold}: epochs", total=len(epochs))
        with contextlib.closing(batches):
            for epoch in shown:
                self._run_epoch(epoch, zip(requests, batches, strict=False), interruption)

    def finish(self) -> None:
        """Writes the weights that predict, then the operating point, which marks the fold as trained."""
        folder = self._run.folder
        if self._plan.select == "best":
            write_bytes_atomically(folder / checkpoint.FINAL, (folder / checkpoint.BEST).read_bytes())
        else:
            save_weights(self._average.network, folder / checkpoint.FINAL)
        self._draw_figure()
        save_record(self._run.pretrained, self._loaded, folder)
        point = operating_point.choose_on_inner_cases(
            self._task, self._run, inner_ids=self._data.inner_ids, training=self._data.identity
        )
        operating_point.save_operating_point(point, folder)
        (folder / checkpoint.PREVIOUS).unlink(missing_ok=True)

    def _run_epoch(self, epoch: int, batches: Iterator[tuple[BatchRequest, Batch]], interruption: Interruption) -> None:
        began, waited = time.monotonic(), 0.0
        self._trainee.network.train()
        self._task.begin_epoch(self._run, self._trainee.network, epoch)
        while self._state.step < (epoch + 1) * self._plan.iterations_per_epoch:
            if interruption.requested:
                self._save_checkpoint()
                raise KeyboardInterrupt
            asked = time.monotonic()
            request, batch = next(batches)
            waited += time.monotonic() - asked
            self._state.epoch_steps.append(self._take_step(request, batch))
            self._state.step += 1
        self._end_epoch(epoch, began=began, waited=waited)

    def _take_step(self, request: BatchRequest, batch: Batch) -> dict[str, float]:
        """One optimizer step; returns the loss and the task's metrics."""
        network, optimizer = self._trainee.network, self._trainee.optimizer
        batch = self._augment(request, to_device(batch, self._device))
        torch.manual_seed(derive_seed(self._data.seed, "step", request.epoch, request.step))
        set_learning_rate(optimizer, self._task.learning_rate(self._run, self._state.step))
        optimizer.zero_grad(set_to_none=True)
        with self._precision.autocast():
            result = self._task.training_step(self._run, network, batch)
        loss = float(result.loss.detach())
        self._refuse_non_finite("loss", loss, request)
        torch.autograd.backward(self._scaler.scale(result.loss))
        self._scaler.unscale_(optimizer)
        norm = torch.nn.utils.clip_grad_norm_(network.parameters(), self._plan.gradient_clip_norm)
        if not self._scaler.is_enabled():  # the scaler itself skips steps that overflow float16
            self._refuse_non_finite("gradient norm", float(norm), request)
        self._scaler.step(optimizer)
        self._scaler.update()
        self._average.update(network, num_updates=self._state.step)
        return {"loss": loss, **result.metrics}

    def _augment(self, request: BatchRequest, batch: Batch) -> Batch:
        parameters = draw_parameters(
            [
                derive_seed(self._data.seed, "augmentation", request.epoch, request.step, index)
                for index in range(len(batch.case_ids))
            ],
            batch.presence_BC,
            quantitative=self._quantitative,
            strength=self._plan.augmentation,
            channel_dropout=self._plan.channel_dropout,
        )
        image, presence = augment(
            batch.image_BCZYX, batch.presence_BC, parameters, spacing_mm=self._run.configuration.spacing_mm
        )
        return Batch(image_BCZYX=image, presence_BC=presence, target_B=batch.target_B, case_ids=batch.case_ids)

    def _end_epoch(self, epoch: int, *, began: float, waited: float) -> None:
        """Watches the inner cases, logs, and saves."""
        scores = self._watch_inner_cases()
        steps, self._state.epoch_steps = self._state.epoch_steps, []
        means = {name: float(np.mean([found[name] for found in steps])) for name in steps[0]}
        if scores.loss is not None and scores.loss < (self._state.best_inner_loss or math.inf):
            self._state.best_inner_loss = scores.loss
            save_weights(self._average.network, self._run.folder / checkpoint.BEST)
        seconds = time.monotonic() - began
        record = EpochRecord(
            epoch=epoch + 1,
            train_loss=means.pop("loss"),
            inner_loss=scores.loss,
            inner_auc=scores.auc,
            inner_balanced_accuracy=scores.balanced_accuracy,
            learning_rate=self._task.learning_rate(self._run, self._state.step - 1),
            seconds=seconds,
            loader_wait_share=waited / seconds,
            peak_memory_mb=peak_memory_mb(self._device),
            train_metrics=means,
        )
        append_epoch(record, self._run.folder / LOG)
        is_last = epoch + 1 == self._plan.epochs
        since_saved = time.monotonic() - self._saved_at
        if is_last or self._save_seconds <= _LARGEST_SHARE_FOR_CHECKPOINTS * since_saved:
            self._save_checkpoint()
        if not is_last and time.monotonic() - self._drawn_at > _SECONDS_BETWEEN_FIGURES:
            self._draw_figure()

    @torch.inference_mode()
    def _watch_inner_cases(self) -> InnerScores:
        results = []
        for batch in self._data.inner_batches():
            with self._precision.autocast():
                on_device = to_device(batch, self._device)
                results.append(self._task.validation_step(self._run, self._average.network, on_device))
        references = [self._data.classes[case_id] for case_id in self._data.inner_ids if self._data.classes]
        return inner_scores(results, references)

    def _save_checkpoint(self) -> None:
        began = time.monotonic()
        self._state.loss_scaler = self._scaler.state_dict()
        checkpoint.save_checkpoint(self._trainee, self._state, self._run.folder)
        self._saved_at = time.monotonic()
        self._save_seconds = self._saved_at - began

    def _draw_figure(self) -> None:
        folder = self._run.folder
        draw_progress(load_training_log(folder / LOG), folder / FIGURE, title=f"fold {self._run.fold}")
        self._drawn_at = time.monotonic()

    def _refuse_non_finite(self, quantity: str, value: float, request: BatchRequest) -> None:
        if not math.isfinite(value):
            raise TrainingError(
                self._run.folder,
                expected=f"a finite {quantity}",
                found=f"{value} in epoch {request.epoch + 1}, step {request.step + 1}, "
                f"cases {', '.join(request.case_ids)}",
                fix="Check these cases' images, lower training.learning_rate, or set training.amp=false",
            )
