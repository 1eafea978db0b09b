"""What a tuning keeps of pretrained weights, it keeps to the last bit; what it trains moves."""

import signal
from dataclasses import replace
from itertools import pairwise

import pytest
import torch

from glioframe.artifacts.case import load_preprocessed_case
from glioframe.artifacts.network_plan import VisionTransformerPlan
from glioframe.artifacts.pretrained import PretrainedEncoder, load_pretrained_record
from glioframe.core.errors import ArtifactError, SettingError, TrainingError
from glioframe.core.files import sha256_of_file
from glioframe.core.progress import SilentProgress
from glioframe.evaluation.discrimination import auc
from glioframe.networks.weights import read_weights, save_weights
from glioframe.task_api.run import Run
from glioframe.tasks.recurrence_classifier.settings import Settings
from glioframe.tasks.recurrence_classifier.task import RecurrenceClassifier
from glioframe.tasks.recurrence_classifier.tuning import head_epochs, tuned_learning_rate
from glioframe.training.operating_point import load_operating_point
from training_builders import log, make_run, moved, weights

TASK = RecurrenceClassifier()
VIT = VisionTransformerPlan(
    token_size_vox=(4, 4, 4), width=24, depth=2, num_heads=2, num_registers=1, fusion="per_channel", dropout=0.0
)


def with_network(run: Run, network) -> Run:
    configuration = replace(run.configuration, network=network)
    plan = replace(run.plan, configurations={configuration.name: configuration})
    return replace(run, plan=plan, configuration=configuration)


@pytest.fixture
def run(tmp_path) -> Run:
    """A run with weights to start from."""
    made = with_network(make_run(tmp_path, epochs=3, ema_decay=0.5, weight_decay=0.5, checkpointing=True), VIT)
    torch.manual_seed(77)
    path = tmp_path / "encoder.safetensors"
    save_weights(TASK.build_network(made).encoder, path)
    return replace(made, pretrained=PretrainedEncoder(path=path, sha256=sha256_of_file(path)))


def tuned(run: Run, tuning: str, **settings) -> Run:
    return moved(run, tuning, settings=Settings(tuning=tuning, tta=False, **settings))


def encoder_of(run: Run) -> dict[str, torch.Tensor]:
    found = read_weights(run.folder / "checkpoint_final.safetensors")
    return {name.removeprefix("encoder."): value for name, value in found.items() if name.startswith("encoder.")}


def moved_tensors(run: Run) -> set[str]:
    before = read_weights(run.pretrained.path)
    return {name for name, value in encoder_of(run).items() if name in before and not torch.equal(value, before[name])}


def probability(run: Run, **changes) -> float:
    case = load_preprocessed_case(run.preprocessed_folder, run.val_cases[0].case_id)
    return TASK.predict(replace(run, **changes), case).probabilities[-1]


@pytest.mark.parametrize("tuning", ["linear", "attentive", "lora"])
def test_frozen_weights_are_the_pretrained_ones_bit_for_bit(run, tuning):
    fold = tuned(run, tuning)
    TASK.fit(fold)
    assert moved_tensors(fold) == set()
    learned = {name for name in encoder_of(fold) if name not in read_weights(run.pretrained.path)}
    assert all("lora_" in name for name in learned)
    assert bool(learned) == (tuning == "lora")
    assert all(0.5 < record.frozen_share < 1 for record in log(fold))


def test_full_tuning_starts_from_the_weights_and_moves_them_all(run):
    fold = tuned(run, "full")
    TASK.fit(fold)
    assert moved_tensors(fold) == set(read_weights(run.pretrained.path))
    random_start = moved(fold, "random", pretrained=None)
    TASK.fit(random_start)
    near, far = (
        torch.linalg.vector_norm(encoder_of(each)["eva.pos_embed"] - read_weights(run.pretrained.path)["eva.pos_embed"])
        for each in (fold, random_start)
    )
    assert near < far


def test_the_parameters_of_the_optimizer_are_those_that_the_tuning_trains(run):
    trained = {}
    for tuning in ("full", "linear", "attentive", "lora"):
        network = TASK.build_network(tuned(run, tuning))
        TASK.start(tuned(run, tuning), network)
        trained[tuning] = {name for name, parameter in network.named_parameters() if parameter.requires_grad}
    head = {"norm.weight", "norm.bias", "head.weight", "head.bias"}
    assert trained["linear"] == head
    assert {name.partition(".")[0] for name in trained["attentive"] - head} == {"attention"}
    assert all("lora_" in name for name in trained["lora"] - head)
    assert len(trained["lora"] - head) == 2 * 4 * VIT.depth
    assert trained["full"] > head


def test_a_frozen_encoder_skips_no_branch_and_has_no_gradient(run):
    fold = tuned(run, "linear")
    network = TASK.build_network(fold)
    TASK.start(fold, network)
    network.train()
    TASK.begin_epoch(fold, network, 0)
    image, presence = torch.rand(2, 2, 8, 8, 8), torch.ones(2, 2)
    first, again = (network.encode(image, presence).pooled for _ in range(2))
    assert torch.equal(first, again)
    assert not first.requires_grad
    assert network.head.training


def test_sawtooth_trains_the_head_first_and_then_everything(run):
    fold = tuned(run, "sawtooth", sawtooth_share=0.4)
    plan = fold.configuration.training
    assert head_epochs(fold.settings, plan) == 1
    network = TASK.build_network(fold)
    for epoch, frozen in ((0, True), (1, False), (2, False)):
        network.train()
        TASK.begin_epoch(fold, network, epoch)
        assert [parameter.requires_grad for parameter in network.encoder.parameters()].count(frozen) == 0
        assert network.encoder.training != frozen
    only_head = moved(fold, "one", configuration=with_training(fold, epochs=1, inner_fraction=0.0))
    TASK.fit(only_head)
    assert moved_tensors(only_head) == set()
    TASK.fit(fold)
    assert moved_tensors(fold) == set(read_weights(run.pretrained.path))
    first, *others = log(fold)
    assert first.frozen_share > 0.5
    assert [record.frozen_share for record in others] == [0, 0]


def with_training(run: Run, **changes):
    return replace(run.configuration, training=replace(run.configuration.training, **changes))


def test_sawtooth_has_two_teeth(run):
    fold = tuned(run, "sawtooth", sawtooth_share=0.2)
    plan = replace(fold.configuration.training, epochs=10, iterations_per_epoch=5)
    rates = [tuned_learning_rate(fold.settings, plan, step) for step in range(50)]
    assert rates[:10] == pytest.approx([plan.learning_rate * (step + 1) / 11 for step in range(10)])
    assert rates[10:20] == pytest.approx(rates[:10])
    assert rates[20] == plan.learning_rate
    assert all(later < earlier for earlier, later in pairwise(rates[20:]))


class StopsBefore(SilentProgress):
    """Sends a signal before an epoch, counted from 0."""

    def __init__(self, epoch: int) -> None:
        self.epoch = epoch

    def track(self, items, *, step, total=None):
        for item in items:
            if "epochs" in step and item == self.epoch:
                signal.raise_signal(signal.SIGTERM)
            yield item


@pytest.mark.parametrize(("tuning", "epoch"), [("sawtooth", 1), ("sawtooth", 2), ("lora", 1)])
def test_an_interrupted_tuning_goes_on_as_if_nothing_had_happened(run, tuning, epoch):
    whole, halved = tuned(run, tuning), moved(tuned(run, tuning), "halved")
    TASK.fit(whole)
    with pytest.raises(KeyboardInterrupt):
        TASK.fit(replace(halved, progress=StopsBefore(epoch)))
    TASK.fit(replace(halved, resume=True))
    assert weights(halved) == weights(whole)
    assert log(halved) == log(whole)


def test_other_weights_are_another_training(run, tmp_path):
    fold = tuned(run, "full")
    TASK.fit(fold)
    other = replace(run.pretrained, sha256="0" * 64)
    with pytest.raises(TrainingError, match="found one of others"):
        TASK.fit(replace(fold, pretrained=other, resume=True))
    with pytest.raises(TrainingError, match="found one of others"):
        TASK.fit(replace(fold, pretrained=None, resume=True))


def test_what_was_loaded_is_recorded(run):
    fold = tuned(run, "linear")
    TASK.fit(fold)
    record = load_pretrained_record(fold.folder)
    assert record.sha256 == sha256_of_file(run.pretrained.path)
    assert set(record.loaded) == set(read_weights(run.pretrained.path))
    assert record.initialized == record.skipped == ()


def test_prediction_needs_no_pretrained_weights(run):
    fold = tuned(run, "lora")
    TASK.fit(fold)
    expected = probability(fold)
    run.pretrained.path.unlink()
    assert probability(fold, pretrained=None) == expected


@pytest.mark.parametrize("tuning", ["sawtooth", "linear", "attentive", "lora"])
def test_what_keeps_pretrained_weights_needs_some(run, tuning):
    with pytest.raises(SettingError, match=f"task.tuning={tuning}: expected pretrained weights"):
        TASK.fit(replace(tuned(run, tuning), pretrained=None))


def test_a_linear_head_learns_no_attention(run):
    with pytest.raises(SettingError, match=r"Set task\.tuning to attentive"):
        TASK.fit(tuned(run, "linear", pooling="gated_attention"))


def test_lora_needs_attention(tmp_path, run):
    cnn = make_run(tmp_path / "cnn", settings=Settings(tuning="lora"))
    with pytest.raises(SettingError, match="expected a vision transformer"):
        TASK.fit(replace(cnn, pretrained=run.pretrained))


def test_weights_of_another_network_are_refused(run):
    wider = with_network(tuned(run, "full"), replace(VIT, width=48))
    with pytest.raises(ArtifactError, match="of another shape"):
        TASK.fit(wider)


def test_a_temperature_keeps_the_order_of_cases_and_is_saved_with_the_operating_point(tmp_path):
    brief = {"epochs": 4, "iterations_per_epoch": 4, "batch_size": 4}
    raw = make_run(tmp_path, num_cases=16, num_val=6, settings=Settings(temperature=False), **brief)
    TASK.fit(raw)
    scaled = moved(raw, "scaled", settings=Settings())
    TASK.fit(scaled)
    point = load_operating_point(scaled.folder)
    assert point.temperature != 1
    assert point.num_calibration == point.num_positive + point.num_negative > 0
    assert load_operating_point(raw.folder).temperature == 1
    references = torch.tensor([case.targets["recurrence"] == "progression" for case in raw.val_cases]).numpy()
    before, after = ([_probability_of(each, case) for case in raw.val_cases] for each in (raw, scaled))
    assert auc(references, torch.tensor(before).numpy()) == auc(references, torch.tensor(after).numpy())
    logits = torch.logit(torch.tensor(before, dtype=torch.float64)) / point.temperature
    assert after == pytest.approx(logits.sigmoid().tolist())


def _probability_of(run: Run, case) -> float:
    return TASK.predict(run, load_preprocessed_case(run.preprocessed_folder, case.case_id)).probabilities[-1]


def test_without_inner_cases_there_is_no_temperature_and_the_report_says_so(tmp_path):
    run = make_run(tmp_path, inner_fraction=0.0)
    TASK.fit(run)
    assert load_operating_point(run.folder).temperature == 1
    _, section = TASK.report([run])
    assert "no inner cases were held out" in section.text
