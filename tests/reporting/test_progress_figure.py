"""The progress figure is drawn for every length and completeness of a log."""

import math

import pytest
from matplotlib.image import imread

from glioframe.artifacts.training_log import EpochRecord
from glioframe.reporting.progress_figure import draw_progress, learning_curves_png


def make_log(epochs: int, *, inner: bool = True) -> list[EpochRecord]:
    return [
        EpochRecord(
            epoch=epoch,
            train_loss=2 * math.exp(-epoch / 8),
            inner_loss=2.1 * math.exp(-epoch / 9) if inner else None,
            inner_auc=1 - math.exp(-epoch) if inner else None,
            inner_balanced_accuracy=0.75 if inner and epoch > 1 else None,
            learning_rate=1e-3 * (1 - epoch / (epochs + 1)),
            seconds=1.5,
            loader_wait_share=0.1,
            peak_memory_mb=800.0,
        )
        for epoch in range(1, epochs + 1)
    ]


@pytest.mark.parametrize("inner", [True, False])
@pytest.mark.parametrize("epochs", [0, 1, 5, 60])
def test_a_log_of_any_length_is_drawn(tmp_path, epochs, inner):
    draw_progress(make_log(epochs, inner=inner), tmp_path / "progress.png", title="fold 0")
    picture = imread(tmp_path / "progress.png")
    assert picture.shape[:2] == (704, 1100)
    assert picture[..., :3].std() > 0.01


def test_equal_logs_give_equal_pictures(tmp_path):
    for name in ("a.png", "b.png"):
        draw_progress(make_log(5), tmp_path / name, title="fold 0")
    assert (tmp_path / "a.png").read_bytes() == (tmp_path / "b.png").read_bytes()


def test_learning_curves_hold_every_fold():
    one, two = (
        learning_curves_png({"fold 0": [make_log(9)]}),
        learning_curves_png({"fold 0": [make_log(9)], "fold 1": [make_log(20)]}),
    )
    assert one.startswith(b"\x89PNG")
    assert one != two
