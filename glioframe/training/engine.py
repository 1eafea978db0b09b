"""The loop: descends the gradient of a task over one fold, and can stop and go on anywhere."""

from __future__ import annotations

import contextlib
import math
import os
import time
from dataclasses import replace
from itertools import islice, zip_longest
from typing import TYPE_CHECKING, Any

import numpy as np
import torch

from glioframe.artifacts.training_log import EpochRecord, append_epoch, keep_epochs, load_training_log
from glioframe.augmentation.augment import augment
from glioframe.augmentation.parameters import draw_parameters
from glioframe.core.errors import TrainingError
from glioframe.core.files import remove_partial_files, write_bytes_atomically
from glioframe.core.seeds import derive_seed
from glioframe.networks.standardization import RunningStandardization
from glioframe.networks.weights import save_weights
from glioframe.reporting.progress_figure import draw_progress
from glioframe.training import checkpoint, operating_point
from glioframe.training.batch import Batch
from glioframe.training.checkpoint import Trainee, TrainingState
from glioframe.training.compiling import compile_network, told_if_uncompilable, uncompiled
from glioframe.training.device import peak_memory_mb, reproducible, resolve_device
from glioframe.training.ema import AveragedNetwork
from glioframe.training.inner_evaluation import InnerScores, inner_scores, on_cpu
from glioframe.training.interruption import Interruption, watched_signals
from glioframe.training.loading import prefetched, to_device
from glioframe.training.members import member_run, remove_members
from glioframe.training.memory_fallback import as_trained, within_memory
from glioframe.training.optimizer import build_optimizer, frozen_share, set_learning_rate
from glioframe.training.precision import choose_precision
from glioframe.training.pretrained_record import save_record
from glioframe.training.quantities import quantitative_channels
from glioframe.training.ranks import Ranks
from glioframe.training.start import make_start
from glioframe.training.step_report import StepReport, of_whole_batch
from glioframe.training.trained_network import forget_networks

if TYPE_CHECKING:
    from collections.abc import Iterator

    from glioframe.task_api.run import Run
    from glioframe.training.fold_data import BatchRequest
    from glioframe.training.gradient_task import GradientTask

LOG = "training_log.jsonl"
FIGURE = "progress.png"
_SECONDS_BETWEEN_FIGURES = 30.0
_LARGEST_SHARE_FOR_CHECKPOINTS = 0.1
_MOST_LOADER_THREADS = 4


def train_fold(task: GradientTask[Any], run: Run[Any], *, loader_threads: int | None = None) -> None:
    """Trains ``task`` on one fold, or goes on with it; see :meth:`GradientTask.fit`.

    Where several processes have joined (:func:`glioframe.training.ranks.joined_ranks`), each calls it, trains on its
    share of every batch, and ends with the same weights; the first of them writes.

    Args:
        task: What is trained.
        run: On what.
        loader_threads: Threads that read patches; None for a number that suits the machine. Changes no result.

    Raises:
        SettingError: This machine has no such device.
        TrainingError: It cannot start, resume or go on, or its network cannot be compiled.
        PeerFailedError: Another process that takes part cannot.
        KeyboardInterrupt: SIGINT, SIGTERM, SIGUSR1 or SIGUSR2 came; the last step is saved.
    """
    device = resolve_device(run.device)
    threads = loader_threads or min(_MOST_LOADER_THREADS, os.cpu_count() or 1)
    watched = watched_signals(hasty=Ranks.current().size == 1)
    with reproducible(device), watched as interruption, _told_what_to_lower(run), told_if_uncompilable(run.folder):
        forget_networks()
        sampling = task.sampling(run)
        if run.resume and operating_point.is_chosen(run, sampling=sampling):
            run.progress.note(f"fold {run.fold}: already trained.")
            return

        def train_member(each: Run[Any]) -> None:
            _train_as_planned(task, each, device, interruption, threads)

        within_memory(run, train_member)
        for member in range(1, run.configuration.training.num_members):
            # Where memory ran out, the others begin with what the first ended on.
            within_memory(member_run(as_trained(run), member), train_member)
        if Ranks.current().is_first:
            operating_point.choose_anew(task, run, sampling=sampling, calibrates=task.calibrates(run))
        Ranks.current().wait()


def _train_as_planned(
    task: GradientTask[Any], run: Run[Any], device: torch.device, interruption: Interruption, loader_threads: int
) -> None:
    """One attempt: builds the training and runs it, from what is there to the end.

    Raises:
        torch.OutOfMemoryError: The device has no memory left; on every rank, if on one.
    """
    ranks = Ranks.current()
    with ranks.short_of_memory_together():
        training = _MemberTraining(task, run, device, ranks)
        training.begin()
        training.descend(interruption, loader_threads)
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


class _MemberTraining:
    """The training of one network of a fold: what it is made of, and its steps in order."""

    def __init__(self, task: GradientTask[Any], run: Run[Any], device: torch.device, ranks: Ranks) -> None:
        self._task = task
        self._run = run
        self._device = device
        self._ranks = ranks
        self._must_stop = False
        self._plan = run.configuration.training
        self._data, network, self._loaded = make_start(task, run)
        self._precision = choose_precision(device, amp=self._plan.amp)
        self._scaler = torch.amp.GradScaler(device.type, enabled=self._precision.needs_loss_scaling)
        self._quantitative = quantitative_channels(run.plan)
        network = network.to(device)
        self._average = AveragedNetwork(network, decay=self._plan.ema_decay)
        self._trainee = Trainee(
            network=network, average=self._average.network, optimizer=build_optimizer(network, self._plan)
        )
        self._state = TrainingState(identity=self._data.identity)
        for module in network.modules():
            if ranks.size > 1 and isinstance(module, RunningStandardization):
                module.gather = uncompiled(ranks.gather_tensor) if self._plan.compile else ranks.gather_tensor
        if self._plan.compile:
            run.progress.note(f"{run.name}: its first step compiles the network, which may take minutes.")
            compile_network(network)  # which only steps call: the average, which is watched, is another
        self._saved_at, self._save_seconds, self._drawn_at = -math.inf, 0.0, time.monotonic()

    def begin(self) -> None:
        """Restores the latest checkpoint, or clears the folder of an earlier training.

        A training that was killed before its first checkpoint goes on from where it was: from the start. So does a
        member whose turn had not come.
        """
        run = self._run
        if run.resume and not (run.member or run.folder.is_dir()):
            raise TrainingError(
                run.folder, expected="a training to go on with", found="no folder", fix="Start it without --c"
            )
        if self._ranks.is_first:
            self._tidy_folder()
        self._ranks.wait()
        if run.resume and checkpoint.exists(run.folder):
            self._state = checkpoint.load_checkpoint(
                self._trainee, run.folder, identity=self._data.identity, progress=run.progress
            )
            self._scaler.load_state_dict(self._state.loss_scaler)
        steps = self._ranks.exchange(self._state.step)
        if len(set(steps)) > 1:
            raise TrainingError(
                run.folder,
                expected="every process to find the same checkpoint",
                found=f"checkpoints of steps {', '.join(map(str, steps))}",
                fix="Put GLIOFRAME_RESULTS on a file system that all machines share",
            )
        if self._ranks.is_first:
            keep_epochs(run.folder / LOG, last_epoch=self._state.step // self._plan.iterations_per_epoch)

    def _tidy_folder(self) -> None:
        folder = self._run.folder
        folder.mkdir(parents=True, exist_ok=True)
        remove_partial_files(folder)
        if not (self._run.resume and checkpoint.exists(folder)):
            for name in (operating_point.FILE_NAME, *checkpoint.FILES, LOG, FIGURE):
                (folder / name).unlink(missing_ok=True)
            remove_members(folder)

    def descend(self, interruption: Interruption, loader_threads: int) -> None:
        """Runs the epochs that are left.

        Raises:
            KeyboardInterrupt: Somebody asked this process, or another one that takes part, to stop.
        """
        first_epoch = self._state.step // self._plan.iterations_per_epoch
        epochs = range(first_epoch, self._plan.epochs)
        requests, to_load = (self._data.requests(first_step=self._state.step) for _ in range(2))
        shares, to_load = ((request.share(self._ranks) for request in each) for each in (requests, to_load))
        batches = prefetched(self._data.load, to_load, threads=loader_threads)
        shown = self._run.progress.track(epochs, step=f"{self._run.name}: epochs", total=len(epochs))
        with contextlib.closing(batches):
            for epoch in shown:
                self._run_epoch(epoch, zip(shares, batches, strict=False), interruption)
        if any(self._ranks.exchange(interruption.requested)):
            raise KeyboardInterrupt

    def finish(self) -> None:
        """Writes the weights that predict."""
        if self._ranks.is_first:
            self._write_results()
        self._ranks.wait()

    def _write_results(self) -> None:
        folder = self._run.folder
        if self._plan.select == "best":
            write_bytes_atomically(folder / checkpoint.FINAL, (folder / checkpoint.BEST).read_bytes())
        else:
            save_weights(self._average.network, folder / checkpoint.FINAL)
        self._draw_figure()
        save_record(self._run.pretrained, self._loaded, folder)

    def _run_epoch(self, epoch: int, batches: Iterator[tuple[BatchRequest, Batch]], interruption: Interruption) -> None:
        began, waited = time.monotonic(), 0.0
        self._trainee.network.train()
        self._task.begin_epoch(self._run, self._trainee.network, epoch)
        while self._state.step < (epoch + 1) * self._plan.iterations_per_epoch:
            if self._must_stop:
                self._save_checkpoint()
                raise KeyboardInterrupt
            asked = time.monotonic()
            request, batch = next(batches)
            waited += time.monotonic() - asked
            report = replace(self._take_step(request, batch), stop=interruption.requested)
            reports = self._ranks.exchange(report)
            self._must_stop = any(report.stop for report in reports)
            self._state.epoch_steps.append(of_whole_batch(reports))
            self._state.step += 1
        self._end_epoch(epoch, began=began, waited=waited)

    def _take_step(self, request: BatchRequest, batch: Batch) -> StepReport:
        """One optimizer step, on this process's share of the batch."""
        network, optimizer = self._trainee.network, self._trainee.optimizer
        batch = self._augment(request, to_device(batch, self._device))
        torch.manual_seed(self._seed_of_step(request))
        set_learning_rate(optimizer, self._task.learning_rate(self._run, self._state.step))
        optimizer.zero_grad(set_to_none=True)
        with self._precision.autocast():
            result = self._task.training_step(self._run, network, batch)
        loss = float(result.loss.detach())
        self._refuse_non_finite("loss", loss, request)
        torch.autograd.backward(self._scaler.scale(result.loss))
        weight = len(batch.case_ids) if result.weight is None else result.weight
        self._ranks.share_gradients(network, weight=weight)
        self._scaler.unscale_(optimizer)
        norm = torch.nn.utils.clip_grad_norm_(network.parameters(), self._plan.gradient_clip_norm)
        if not self._scaler.is_enabled():  # the scaler itself skips steps that overflow float16
            self._refuse_non_finite("gradient norm", float(norm), request)
        self._scaler.step(optimizer)
        self._scaler.update()
        self._ranks.share_buffers(network)
        self._average.update(network, num_updates=self._state.step)
        return StepReport(loss=loss, weight=weight, num_cases=len(batch.case_ids), metrics=result.metrics)

    def _seed_of_step(self, request: BatchRequest) -> int:
        """Of what the network draws, such as dropout; processes that share a batch draw different numbers."""
        names = ("step", request.epoch, request.step)
        return derive_seed(self._data.seed, *names, *(() if self._ranks.is_first else ("rank", self._ranks.rank)))

    def _augment(self, request: BatchRequest, batch: Batch) -> Batch:
        parameters = draw_parameters(
            [
                derive_seed(self._data.seed, "augmentation", request.epoch, request.step, place)
                for place in request.places
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
        """Watches the inner cases, and notes what came of the epoch."""
        scores = self._watch_inner_cases()
        steps, self._state.epoch_steps = self._state.epoch_steps, []
        means = {name: float(np.mean([found[name] for found in steps])) for name in steps[0]}
        if scores.loss is not None and scores.loss < (self._state.best_inner_loss or math.inf):
            self._state.best_inner_loss = scores.loss
            if self._ranks.is_first:
                save_weights(self._average.network, self._run.folder / checkpoint.BEST)
        if self._ranks.is_first:
            self._log_epoch(epoch, scores, means, began=began, waited=waited)

    def _log_epoch(
        self, epoch: int, scores: InnerScores, means: dict[str, float], *, began: float, waited: float
    ) -> None:
        """Logs, saves, and draws now and then."""
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
            precision=self._precision.name,
            frozen_share=frozen_share(self._trainee.network),
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
        """Each process takes every so-manieth batch, and all get the scores of all."""
        own = []
        for batch in islice(self._data.inner_batches(), self._ranks.rank, None, self._ranks.size):
            with self._precision.autocast():
                on_device = to_device(batch, self._device)
                own.append(on_cpu(self._task.validation_step(self._run, self._average.network, on_device)))
        rounds = zip_longest(*self._ranks.exchange(own))
        results = [result for together in rounds for result in together if result is not None]
        references = [self._data.classes[case_id] for case_id in self._data.inner_ids if self._data.classes]
        return inner_scores(results, references)

    def _save_checkpoint(self) -> None:
        if not self._ranks.is_first:
            return
        began = time.monotonic()
        self._state.loss_scaler = self._scaler.state_dict()
        checkpoint.save_checkpoint(self._trainee, self._state, self._run.folder)
        self._saved_at = time.monotonic()
        self._save_seconds = self._saved_at - began

    def _draw_figure(self) -> None:
        folder = self._run.folder
        draw_progress(load_training_log(folder / LOG), folder / FIGURE, title=self._run.name)
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
