"""Measures how fast training steps are fed and taken here, and whether memory was predicted well."""

from __future__ import annotations

import itertools
import multiprocessing
import time
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, NamedTuple

import torch
from torch.nn import functional

from glioframe.augmentation.augment import augment
from glioframe.augmentation.parameters import draw_parameters
from glioframe.core.seeds import derive_seed
from glioframe.networks.classifier import build_classifier
from glioframe.training.compiling import compile_network, told_if_uncompilable
from glioframe.training.device import peak_memory_mb
from glioframe.training.loading import PatchStore, collate, prefetched, to_device
from glioframe.training.memory import predict_peak_memory
from glioframe.training.optimizer import build_optimizer
from glioframe.training.precision import choose_precision
from glioframe.training.quantities import quantitative_channels

if TYPE_CHECKING:
    from collections.abc import Mapping

    from glioframe.artifacts.case import PreprocessedCase
    from glioframe.artifacts.network_plan import NetworkPlan
    from glioframe.artifacts.plan import Configuration, Plan
    from glioframe.core.progress import Progress
    from glioframe.training.batch import Batch

_NUM_CLASSES = 2
_LOADED_BATCHES = 8
_TIMED_STEPS = 3
_SEED = 0
_PARTS = ("load batches", "augment", "take steps", "measure memory")


@dataclass(frozen=True, kw_only=True, slots=True)
class TrainingBenchmark:
    """What was measured.

    Attributes:
        device: Where steps are taken.
        precision: Of their convolutions.
        patch_size_vox: Network input (z, y, x).
        batch_size: Patches per step.
        loader_samples_per_s: Patches read from disk per second and thread, none of them kept from before.
        augmentation_ms: Per batch.
        step_ms: Forward, backward and optimizer, per batch.
        loader_wait_share: Share of the time that steps wait for batches which one thread reads ahead.
        predicted_peak_memory_gb: Of one step's tensors, traced.
        observed_peak_memory_gb: Of one step in a fresh process: what the GPU's allocator gave out, or on a CPU by how
            much the process grew.
    """

    device: str
    precision: str
    patch_size_vox: tuple[int, int, int]
    batch_size: int
    loader_samples_per_s: float
    augmentation_ms: float
    step_ms: float
    loader_wait_share: float
    predicted_peak_memory_gb: float
    observed_peak_memory_gb: float


def benchmark_training(
    plan: Plan,
    configuration: Configuration,
    cases: Mapping[str, PreprocessedCase],
    *,
    device: torch.device,
    progress: Progress,
) -> TrainingBenchmark:
    """Reads, augments and fits a few batches of ``cases``; nothing that is asked for here is kept."""
    bench = _Bench(plan, configuration, cases, device)
    measured: dict[str, float] = {}
    for part in progress.track(_PARTS, step="benchmark", total=len(_PARTS)):
        if part == "load batches":
            measured["loader_samples_per_s"] = bench.loader_samples_per_s()
        elif part == "augment":
            measured["augmentation_ms"] = bench.augmentation_ms()
        elif part == "take steps":
            with told_if_uncompilable(f"configuration {configuration.name}"):
                measured["step_ms"], measured["loader_wait_share"] = bench.steps()
        else:
            measured["predicted_peak_memory_gb"] = predict_peak_memory(
                configuration,
                quantitative=[True] * len(plan.channels),
                num_classes=_NUM_CLASSES,
                dtype=choose_precision(device, amp=configuration.training.amp).dtype,
            ).training_gb
            measured["observed_peak_memory_gb"] = observe_peak_memory_gb(configuration, len(plan.channels), str(device))
    precision = choose_precision(device, amp=configuration.training.amp)
    return TrainingBenchmark(
        device=str(device),
        precision=precision.name,
        patch_size_vox=configuration.patch_size_vox,
        batch_size=configuration.batch_size,
        **measured,
    )


class _Step:
    """A network with its optimizer, as the engine puts them together."""

    def __init__(self, configuration: Configuration, num_channels: int, device: torch.device) -> None:
        training = configuration.training
        network = build_classifier(
            configuration.network,
            num_channels=num_channels,
            patch_size_vox=configuration.patch_size_vox,
            num_classes=_NUM_CLASSES,
            quantitative=[True] * num_channels,
            checkpointing=training.checkpointing,
        )
        self._network = network.to(device).train()
        if training.compile:
            compile_network(self._network)
        self._optimizer = build_optimizer(self._network, training)
        self._precision = choose_precision(device, amp=training.amp)
        self._clip_norm = training.gradient_clip_norm

    def take(self, image: torch.Tensor, presence: torch.Tensor) -> None:
        self._optimizer.zero_grad(set_to_none=True)
        reference = torch.zeros(len(image), dtype=torch.long, device=image.device)
        with self._precision.autocast():
            loss = functional.cross_entropy(self._network(image, presence), reference)
        torch.autograd.backward(loss)
        torch.nn.utils.clip_grad_norm_(self._network.parameters(), self._clip_norm)
        self._optimizer.step()
        _finish(image.device)


class _Timed(NamedTuple):
    """Seconds of one turn."""

    waited: float
    augmented: float
    stepped: float


class _Bench:
    """The cases, and what is measured on them."""

    def __init__(
        self, plan: Plan, configuration: Configuration, cases: Mapping[str, PreprocessedCase], device: torch.device
    ) -> None:
        self._configuration, self._device = configuration, device
        self._quantitative = quantitative_channels(plan)
        # Without a cache: in the first epoch all is read, and in a large cohort in every one.
        self._store = PatchStore(
            cases, field_of_view=plan.field_of_view, patch_size_vox=configuration.patch_size_vox, cache_bytes=0
        )
        self._case_ids = itertools.cycle(cases)

    def loader_samples_per_s(self) -> float:
        self._load(next(self._requests()))
        began = time.perf_counter()
        for request in itertools.islice(self._requests(), _LOADED_BATCHES):
            self._load(request)
        return _LOADED_BATCHES * self._configuration.batch_size / (time.perf_counter() - began)

    def augmentation_ms(self) -> float:
        batch = to_device(self._load(next(self._requests())), self._device)
        self._augment(batch, 0)
        began = time.perf_counter()
        for number in range(_LOADED_BATCHES):
            self._augment(batch, number)
        return 1000 * (time.perf_counter() - began) / _LOADED_BATCHES

    def steps(self) -> tuple[float, float]:
        """Milliseconds of a step, and the share of all time that is spent waiting for batches."""
        step = _Step(self._configuration, len(self._quantitative), self._device)
        requests = itertools.islice(self._requests(), 1 + _TIMED_STEPS)
        turns = []
        batches = prefetched(self._load, requests, threads=1)
        for number in range(1 + _TIMED_STEPS):
            began = time.perf_counter()
            batch = to_device(next(batches), self._device)
            loaded = time.perf_counter()
            image, presence = self._augment(batch, number)
            augmented = time.perf_counter()
            step.take(image, presence)
            turns.append(_Timed(loaded - began, augmented - loaded, time.perf_counter() - augmented))
        timed = turns[1:]  # the first allocates memory and chooses kernels
        total = sum(map(sum, timed))
        return 1000 * sum(turn.stepped for turn in timed) / len(timed), sum(turn.waited for turn in timed) / total

    def _requests(self) -> itertools.chain[list[str]]:
        return itertools.chain.from_iterable(
            [[next(self._case_ids) for _ in range(self._configuration.batch_size)]] for _ in itertools.count()
        )

    def _load(self, case_ids: list[str]) -> Batch:
        return collate(self._store, case_ids, classes={})

    def _augment(self, batch: Batch, number: int) -> tuple[torch.Tensor, torch.Tensor]:
        training = self._configuration.training
        parameters = draw_parameters(
            [derive_seed(_SEED, "benchmark", number, index) for index in range(len(batch.case_ids))],
            batch.presence_BC,
            quantitative=self._quantitative,
            strength=training.augmentation,
            channel_dropout=training.channel_dropout,
        )
        changed = augment(batch.image_BCZYX, batch.presence_BC, parameters, spacing_mm=self._configuration.spacing_mm)
        _finish(self._device)
        return changed


def observe_peak_memory_gb(configuration: Configuration, num_channels: int, device: str) -> float:
    """Peak of two training steps in a process of their own, above what an idle one takes, in GB (1e9 bytes).

    Never compiled: the prediction is not, and the compiler's own memory would count.
    """
    configuration = replace(configuration, training=replace(configuration.training, compile=False))
    with ProcessPoolExecutor(1, mp_context=multiprocessing.get_context("spawn")) as fresh:
        return fresh.submit(_grow, configuration, num_channels, device).result()


def _grow(configuration: Configuration, num_channels: int, device_name: str) -> float:
    device = torch.device(device_name)
    # A step of a tiny network loads libraries and kernels, which are not the training's.
    z, y, x = (2 * step for step in configuration.network.total_stride)
    tiny = replace(configuration, patch_size_vox=(z, y, x), batch_size=1, network=_narrowed(configuration.network))
    _take_steps(tiny, num_channels, device)
    if device.type == "cuda":
        torch.cuda.reset_peak_memory_stats(device)
        idle_mb = 0.0
    else:
        idle_mb = peak_memory_mb(device)
    _take_steps(configuration, num_channels, device)
    return (peak_memory_mb(device) - idle_mb) / 1000


def _narrowed(network: NetworkPlan) -> NetworkPlan:
    """A network of the same kind with next to no features."""
    if network.family == "residual_encoder":
        return replace(network, features_per_stage=(4,) * len(network.features_per_stage))
    return replace(network, width=6 * network.num_heads, depth=1)


def _take_steps(configuration: Configuration, num_channels: int, device: torch.device) -> None:
    step = _Step(configuration, num_channels, device)
    image = torch.rand(configuration.batch_size, num_channels, *configuration.patch_size_vox, device=device)
    for _ in range(2):  # the optimizer's state appears in the first
        step.take(image, torch.ones(configuration.batch_size, num_channels, device=device))


def _finish(device: torch.device) -> None:
    if device.type == "cuda":
        torch.cuda.synchronize(device)
