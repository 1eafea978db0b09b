"""Compiled training steps are the same steps: losses, files, resuming, and a word where nothing can be compiled."""

from collections.abc import Iterator
from dataclasses import replace

import pytest
import torch
from safetensors import safe_open
from torch import nn

from glioframe.artifacts.network_plan import VisionTransformerPlan
from glioframe.core.errors import TrainingError
from glioframe.core.progress import SilentProgress
from glioframe.tasks.recurrence_classifier.settings import Settings
from glioframe.tasks.recurrence_classifier.task import RecurrenceClassifier
from glioframe.training.gradient_task import GradientTask
from training_builders import log, make_run, moved, weights

# Torch's compiler imports a module of torch's that uses what torch deprecates.
pytestmark = pytest.mark.filterwarnings("ignore:`torch.jit.script_method` is deprecated:DeprecationWarning")
TASK = RecurrenceClassifier()
# An epoch is one step, so that the log tells of every step.
STEPS = {"epochs": 4, "iterations_per_epoch": 1, "inner_fraction": 0.25}
VIT = VisionTransformerPlan(token_size_vox=(4, 4, 4), width=24, depth=2, num_heads=2, num_registers=1, drop_path=0.2)


class Small(nn.Module):
    """One convolution, dropout, and a linear map: little to compile."""

    def __init__(self) -> None:
        super().__init__()
        self.convolution, self.dropout, self.head = nn.Conv3d(2, 4, 3), nn.Dropout(0.5), nn.Linear(4, 2)

    def forward(self, image: torch.Tensor, presence: torch.Tensor) -> torch.Tensor:
        return self.head(self.dropout(self.convolution(image).mean((2, 3, 4))))


class LearnsWithSmall(GradientTask[Settings]):
    """Learns as the classifier does, with a network that is compiled quickly."""

    settings_type, description = Settings, ""
    requirements, sampling = RecurrenceClassifier.requirements, RecurrenceClassifier.sampling
    training_step, validation_step = RecurrenceClassifier.training_step, RecurrenceClassifier.validation_step
    prediction_step = RecurrenceClassifier.prediction_step

    def build_network(self, run) -> nn.Module:
        return Small()


class StopsAfterTwoEpochs(SilentProgress):
    """As a user's Ctrl-C between epochs."""

    def track(self, items, *, step: str, total: int) -> Iterator:
        for done, item in enumerate(items):
            if done == 2:
                raise KeyboardInterrupt
            yield item


def compiled(run, name: str = "compiled"):
    training = replace(run.configuration.training, compile=True)
    return moved(run, name, configuration=replace(run.configuration, training=training))


def tensors_of(run) -> dict[str, list[str]]:
    names = {}
    for path in run.folder.glob("*.safetensors"):
        with safe_open(path, framework="pt") as file:
            names[path.name] = sorted(file.keys())
    return names


def test_compiled_steps_have_the_losses_files_and_continuation_of_plain_ones(tmp_path):
    task, plain = LearnsWithSmall(), make_run(tmp_path, **STEPS)
    whole, halves = compiled(plain), compiled(plain, "halves")
    for run in (plain, whole):
        task.fit(run)
    # Sums in another order: a few units in the last place, 6e-8, which Adam's first steps magnify.
    assert [record.train_loss for record in log(whole)] == pytest.approx(
        [record.train_loss for record in log(plain)], rel=1e-5
    )
    assert weights(whole) != weights(plain)  # it was compiled
    assert tensors_of(whole) == tensors_of(plain)
    with pytest.raises(KeyboardInterrupt):
        task.fit(replace(halves, progress=StopsAfterTwoEpochs()))
    task.fit(replace(halves, resume=True))
    assert weights(halves) == weights(whole)
    assert log(halves) == log(whole)


@pytest.mark.slow
@pytest.mark.timeout(1200)
@pytest.mark.parametrize("family", ["3d_cnn", "3d_vit"])
@pytest.mark.parametrize("changes", [{}, {"amp": True}, {"amp": True, "checkpointing": True}])
def test_compiled_networks_of_both_families_have_the_losses_of_plain_ones(tmp_path, family, changes):
    plain = make_run(tmp_path, missing_every=3, optimizer="sgd", **STEPS, **changes)
    if family == "3d_vit":
        plain = replace(plain, configuration=replace(plain.configuration, network=VIT))
    other = compiled(plain)
    for run in (plain, other):
        TASK.fit(run)
    # In bfloat16, of 8 binary digits, sums in another order may end in a neighboring number, and a few do in a row.
    tolerance = 4 * 2**-8 if "amp" in changes else 1e-5
    for one, two in zip(log(plain), log(other), strict=True):
        assert two.train_loss == pytest.approx(one.train_loss, rel=tolerance)
        assert two.inner_loss == pytest.approx(one.inner_loss, rel=tolerance)
    assert tensors_of(other) == tensors_of(plain)


def test_a_machine_without_a_compiler_is_told_to_train_uncompiled(tmp_path, monkeypatch):
    from torch._inductor import config

    monkeypatch.setenv("TORCHINDUCTOR_CACHE_DIR", str(tmp_path / "nothing compiled before"))
    with (
        config.patch({"cpp.cxx": ("no-such-compiler",)}),
        pytest.raises(TrainingError, match=r"found \w+: No working C\+\+ compiler.*--set training\.compile=false"),
    ):
        LearnsWithSmall().fit(compiled(make_run(tmp_path, **STEPS)))
