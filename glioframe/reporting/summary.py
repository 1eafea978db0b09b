"""The plan, the dataset and the origin of the numbers, as lines of tables."""

from __future__ import annotations

import json
from dataclasses import dataclass
from statistics import median
from typing import TYPE_CHECKING, Any

from glioframe.artifacts.json_file import to_json
from glioframe.reporting.dataset_figures import draw_lesion_volumes, draw_presence
from glioframe.reporting.wording import UNIT_NAMES

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from glioframe.artifacts.fingerprint import ChannelFingerprint, Fingerprint, IntensityStatistics
    from glioframe.artifacts.plan import ChannelPlan, Configuration, Plan
    from glioframe.core.provenance import Provenance

Line = tuple[str, str]
UNKNOWN = "unknown"
_MOST_PARTS = 3
_SHAPES = ("_mm", "_vox", "kernel_sizes", "strides")


@dataclass(frozen=True, kw_only=True)
class ChannelLine:
    """One channel of the dataset."""

    name: str
    shows: str
    unit: str
    present: str
    brain: str
    lesion: str


@dataclass(frozen=True, kw_only=True)
class DatasetSummary:
    """What the training cases look like."""

    facts: tuple[Line, ...]
    classes: tuple[tuple[str, tuple[tuple[str, int], ...]], ...]
    sites: tuple[tuple[str, int], ...]
    channels: tuple[ChannelLine, ...]
    figures: tuple[tuple[str, str], ...]


def dataset_summary(fingerprint: Fingerprint) -> DatasetSummary:
    """The fingerprint in words, tables and figures."""
    cases = fingerprint.cases
    volumes = [case.lesion_volume_ml for case in cases if case.lesion_volume_ml is not None]
    facts = [
        ("Dataset", fingerprint.dataset_name),
        ("Training cases", f"{len(cases)} of {fingerprint.num_subjects} patients"),
        ("Voxel spacing (z, y, x)", f"{_median_and_range(fingerprint.spacings)} mm"),
        ("Brain box (z, y, x)", f"{_median_and_range([case.brain_extent_mm for case in cases])} mm"),
    ]
    if volumes:
        facts.append(("Lesion volume", f"median {median(volumes):.3g} mL, {min(volumes):.3g} to {max(volumes):.3g} mL"))
    captions = ("Channels present in each training case.", "Lesion volumes.")
    figures = (draw_presence(fingerprint, name="presence"), draw_lesion_volumes(fingerprint, name="volumes"))
    return DatasetSummary(
        facts=tuple(facts),
        classes=tuple(
            (target, tuple((name or UNKNOWN, number) for name, number in counts.items()))
            for target, counts in fingerprint.class_counts.items()
        ),
        sites=tuple((name or UNKNOWN, number) for name, number in fingerprint.site_counts.items()),
        channels=tuple(_channel_line(entry, len(cases)) for entry in fingerprint.channels),
        figures=tuple((svg, caption) for svg, caption in zip(figures, captions, strict=True) if svg),
    )


def configuration_lines(configuration: Configuration, plan: Plan) -> list[Line]:
    """What was trained, in the plan's own words and units."""
    network, training = configuration.network, configuration.training
    view = plan.field_of_view
    rate = f"learning rate {training.learning_rate:g} ({training.schedule})"
    return [
        ("Configuration", configuration.name),
        ("Channels", ", ".join(channel.name for channel in plan.channels)),
        ("Field of view", f"{view.kind.replace('_', ' ')}, {_product(view.extent_mm)} mm (z, y, x)"),
        ("Spacing (z, y, x)", f"{_product(configuration.spacing_mm)} mm"),
        ("Patch (z, y, x)", f"{_product(configuration.patch_size_vox)} voxels"),
        ("Batch size", str(configuration.batch_size)),
        ("Network", f"{network.in_words}, dropout {network.dropout:g}"),
        ("Training", f"{training.epochs} epochs of {training.iterations_per_epoch} steps, seed {training.seed}"),
        ("Optimizer", f"{training.optimizer}, {rate}, weight decay {training.weight_decay:g}"),
        ("Folds", str(plan.num_folds)),
        ("Predicted peak memory", _predicted_memory(configuration, plan)),
    ]


def reason_lines(plan: Plan, configuration: Configuration | None) -> list[tuple[str, str, str]]:
    """(name, value, reason) of each planned value, without those of other configurations.

    The value is empty where the name is not a field.
    """
    known = json.loads(to_json(plan))
    known["channels"] = {channel.name: _channel_choice(channel) for channel in plan.channels}
    if configuration is not None:
        known[configuration.name] = json.loads(to_json(configuration))
    others = tuple(f"{name}." for name in plan.configurations if configuration is None or name != configuration.name)
    return [
        (name, _value_of(known, name), reason) for name, reason in plan.reasons.items() if not name.startswith(others)
    ]


def provenance_lines(origins: Iterable[tuple[str, Provenance]]) -> list[Line]:
    """Who wrote what from what."""
    lines: list[Line] = []
    for name, origin in origins:
        seed = "" if origin.seed is None else f", seed {origin.seed}"
        lines.append((name, f"glioframe {origin.glioframe_version}, {origin.command or 'Python API'}{seed}"))
        lines += [(f"{name}, from {source}", f"SHA-256 {digest}") for source, digest in origin.inputs.items()]
    return lines


def _predicted_memory(configuration: Configuration, plan: Plan) -> str:
    training_gb, inference_gb = configuration.predicted_peak_memory_gb, configuration.predicted_inference_memory_gb
    return f"{training_gb:.2g} GB in training, {inference_gb:.2g} GB in prediction, of {plan.gpu_memory_gb:g} GB"


def _channel_line(entry: ChannelFingerprint, num_cases: int) -> ChannelLine:
    channel = entry.channel
    shows = channel.modality.value if channel.tracer is None else f"{channel.modality.value}, {channel.tracer.value}"
    return ChannelLine(
        name=channel.name,
        shows=shows.replace("_", " "),
        unit=UNIT_NAMES.get(channel.unit or "", "") or "-",
        present=f"{entry.num_present} of {num_cases}",
        brain=_intensities(entry.brain),
        lesion=_intensities(entry.lesion),
    )


def _intensities(statistics: IntensityStatistics | None) -> str:
    if statistics is None:
        return "-"
    middle, low, high = map(_quantity, (statistics.median, statistics.percentile_00_5, statistics.percentile_99_5))
    return f"{middle} ({low} to {high})"


def _quantity(value: float) -> str:
    """Three digits, never in powers of ten where the number is large."""
    return f"{value:,.0f}" if abs(value) >= 1000 else f"{value:.3g}"  # noqa: PLR2004 - four digits


def _median_and_range(triples: Sequence[tuple[float, float, float]]) -> str:
    """``1 x 1 x 1``, or the medians with the smallest and largest of each axis."""
    if not triples:
        return UNKNOWN
    columns = list(zip(*triples, strict=True))
    middle = _product([median(column) for column in columns])
    lowest, highest = _product([min(column) for column in columns]), _product([max(column) for column in columns])
    return middle if lowest == highest else f"{middle} (from {lowest} to {highest})"


def _product(values: Sequence[float]) -> str:
    return " x ".join(f"{value:.3g}" for value in values)


def _channel_choice(channel: ChannelPlan) -> str:
    normalization = channel.normalization
    scale = f" {normalization.scale:g}" if normalization.scheme == "fixed_scale" else ""
    return f"{normalization.scheme}{scale}, spline order {channel.interpolation}"


def _value_of(known: dict[str, Any], name: str) -> str:
    found: Any = known
    for part in name.split("."):
        if not isinstance(found, dict) or part not in found:
            return ""
        found = found[part]
    return _short(found, is_shape=name.endswith(_SHAPES))


def _short(value: Any, *, is_shape: bool) -> str:  # noqa: ANN401 - any JSON value
    """A JSON value on one line; lists of lengths along (z, y, x) are joined by x, others by commas."""
    if isinstance(value, bool) or value is None:
        return str(value).lower()
    if isinstance(value, float):
        return f"{value:.4g}"
    if isinstance(value, dict):
        if len(value) > _MOST_PARTS:
            return ""
        return ", ".join(f"{key}: {_short(part, is_shape=key.endswith(_SHAPES))}" for key, part in value.items())
    if isinstance(value, list):
        is_nested = any(isinstance(part, list) for part in value)
        joint = "; " if is_nested else " x " if is_shape else ", "
        return joint.join(_short(part, is_shape=is_shape) for part in value)
    return str(value)
