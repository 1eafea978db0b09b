"""Draws how training went: one fold while it runs, or all folds together for the report."""

from __future__ import annotations

import io
from typing import TYPE_CHECKING

from matplotlib.figure import Figure
from matplotlib.ticker import LogLocator, MaxNLocator, NullLocator, StrMethodFormatter

from glioframe.core.files import atomic_path

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from pathlib import Path

    from matplotlib.axes import Axes

    from glioframe.artifacts.training_log import EpochRecord

# Okabe and Ito's palette: readable with any color vision.
_BLUE, _ORANGE, _GREEN, _GREY = "#0072B2", "#D55E00", "#009E73", "#6E6E6E"
_SMOOTHING = 0.6
"""Share of the past in the smooth line: an epoch of few steps is noisy."""
_FEWEST_TO_SMOOTH = 8
_DECADE = 10
_DASHES = (0, (4, 3))


def draw_progress(records: Sequence[EpochRecord], path: Path, *, title: str) -> None:
    """Writes ``progress.png``: losses, inner metrics, learning rate, and time per epoch."""
    figure = Figure(figsize=(10, 6.4), dpi=110)
    # Fixed, as searching for margins takes as long as drawing, and the figure is drawn again and again.
    figure.subplots_adjust(left=0.06, right=0.985, bottom=0.075, top=0.89, wspace=0.14, hspace=0.2)
    losses, metrics, rate, times = figure.subplots(2, 2, sharex=True).ravel()
    _draw_losses(losses, records)
    _draw_metrics(metrics, records)
    _draw_rate(rate, records)
    _draw_times(times, records)
    for axes in (rate, times):
        axes.set_xlabel("epoch")
        axes.xaxis.set_major_locator(MaxNLocator(integer=True))
    figure.suptitle(f"{title}, epoch {records[-1].epoch}" if records else title, fontsize=12, x=0.01, ha="left")
    with atomic_path(path) as partial:
        figure.savefig(partial, format="png", metadata={"Software": None})


def learning_curves_png(logs: Mapping[str, Sequence[Sequence[EpochRecord]]]) -> bytes:
    """A PNG of the losses of several folds by name; a second panel only where there are inner cases.

    Args:
        logs: Of each fold, one of every network; these share the fold's color and its entry in the legend.
    """
    has_inner = any(_inner_losses(records) for fold in logs.values() for records in fold)
    titles = ["loss on the fitted cases"] + ["loss on the inner cases"] * has_inner
    figure = Figure(figsize=(1 + 4.5 * len(titles), 3.6), dpi=110, layout="constrained")
    panels = figure.subplots(1, len(titles), sharey=True, squeeze=False)[0]
    for axes, title in zip(panels, titles, strict=True):
        _style(axes, title)
        axes.set_xlabel("epoch")
        axes.xaxis.set_major_locator(MaxNLocator(integer=True))
    for index, (name, fold) in enumerate(logs.items()):
        color = f"C{index % 10}"
        for member, records in enumerate(fold):
            epochs, losses = [record.epoch for record in records], [record.train_loss for record in records]
            panels[0].plot(epochs, _smoothed(losses), color=color, lw=1.4, label="_" * (member > 0) + name)
            if inner := _inner_losses(records):
                panels[1].plot(*zip(*inner, strict=True), color=color, lw=1.4)
    if logs:
        panels[0].legend(frameon=False, fontsize=8, ncols=2)
    buffer = io.BytesIO()
    figure.savefig(buffer, format="png", metadata={"Software": None})
    return buffer.getvalue()


def _draw_losses(axes: Axes, records: Sequence[EpochRecord]) -> None:
    _style(axes, "loss")
    losses = [record.train_loss for record in records]
    epochs = [record.epoch for record in records]
    if len(records) >= _FEWEST_TO_SMOOTH:
        axes.plot(epochs, losses, color=_BLUE, lw=0.8, alpha=0.35)
    _line(axes, epochs, _smoothed(losses), color=_BLUE, label="fitted cases")
    inner = _inner_losses(records)
    if inner:
        _line(axes, [epoch for epoch, _ in inner], [loss for _, loss in inner], color=_ORANGE, label="inner cases")
        best_epoch, best_loss = min(inner, key=lambda point: point[1])
        axes.plot([best_epoch], [best_loss], "o", mfc="white", mec=_ORANGE, ms=7, label=f"lowest, epoch {best_epoch}")
    every = losses + [loss for _, loss in inner]
    if every and min(every) > 0 and max(every) / min(every) > _DECADE:
        axes.set_yscale("log")
        axes.yaxis.set_major_locator(LogLocator(subs=(1, 2, 5)))
        axes.yaxis.set_minor_locator(NullLocator())
        axes.yaxis.set_major_formatter(StrMethodFormatter("{x:g}"))
    axes.legend(frameon=False, fontsize=9)


def _draw_metrics(axes: Axes, records: Sequence[EpochRecord]) -> None:
    _style(axes, "inner cases: AUC and balanced accuracy")
    auc = [(record.epoch, record.inner_auc) for record in records if record.inner_auc is not None]
    accuracy = [(r.epoch, r.inner_balanced_accuracy) for r in records if r.inner_balanced_accuracy is not None]
    if not (auc or accuracy):
        axes.text(
            0.5, 0.5, "no inner cases of two classes", transform=axes.transAxes, ha="center", va="center", color=_GREY
        )
        return
    axes.axhline(0.5, color="#BBBBBB", lw=0.8)
    _line(axes, [epoch for epoch, _ in auc], [value for _, value in auc], color=_GREEN, label="AUC")
    # Dashed, because the two often coincide on few cases.
    x, y = [epoch for epoch, _ in accuracy], [value for _, value in accuracy]
    _line(axes, x, y, color=_ORANGE, label="balanced accuracy", dashed=True)
    axes.set_ylim(-0.03, 1.03)
    axes.legend(frameon=False, fontsize=9, loc="lower right")


def _draw_rate(axes: Axes, records: Sequence[EpochRecord]) -> None:
    _style(axes, "learning rate")
    _line(axes, [record.epoch for record in records], [record.learning_rate for record in records], color=_BLUE)
    axes.set_ylim(bottom=0)
    axes.ticklabel_format(axis="y", style="sci", scilimits=(-3, 3), useMathText=True)


def _draw_times(axes: Axes, records: Sequence[EpochRecord]) -> None:
    _style(axes, "seconds per epoch")
    epochs = [record.epoch for record in records]
    waited = [record.seconds * record.loader_wait_share for record in records]
    axes.bar(epochs, [record.seconds for record in records], width=1.0, color="#B8CFE0", label="all")
    axes.bar(epochs, waited, width=1.0, color=_ORANGE, label="waiting for data")
    if records:
        axes.text(
            0.02,
            0.95,
            f"peak memory {max(record.peak_memory_mb for record in records) / 1000:.2f} GB",
            transform=axes.transAxes,
            va="top",
            fontsize=9,
            color=_GREY,
        )
        axes.set_ylim(0, 1.3 * max(record.seconds for record in records))
    axes.legend(frameon=False, fontsize=9, loc="upper right", ncols=2)


def _line(
    axes: Axes, x: Sequence[int], y: Sequence[float], *, color: str, label: str | None = None, dashed: bool = False
) -> None:
    marker = "o" if len(x) < _FEWEST_TO_SMOOTH else None
    axes.plot(x, y, color=color, lw=1.8, label=label, marker=marker, ms=4, ls=_DASHES if dashed else "-")


def _style(axes: Axes, title: str) -> None:
    axes.set_title(title, fontsize=10, loc="left", color="#333333")
    axes.grid(axis="y", color="#E6E6E6", lw=0.8)
    axes.set_axisbelow(True)
    axes.spines[["top", "right"]].set_visible(False)
    axes.spines[["left", "bottom"]].set_color("#AAAAAA")
    axes.tick_params(colors="#555555", labelsize=9)


def _inner_losses(records: Sequence[EpochRecord]) -> list[tuple[int, float]]:
    """Epochs with their losses; nothing without inner cases."""
    return [(record.epoch, record.inner_loss) for record in records if record.inner_loss is not None]


def _smoothed(values: Sequence[float]) -> list[float]:
    """An exponential moving average without the bias of its start; short series stay as they are."""
    if len(values) < _FEWEST_TO_SMOOTH:
        return list(values)
    smooth, total, weight = [], 0.0, 0.0
    for value in values:
        total = _SMOOTHING * total + (1 - _SMOOTHING) * value
        weight = _SMOOTHING * weight + (1 - _SMOOTHING)
        smooth.append(total / weight)
    return smooth
