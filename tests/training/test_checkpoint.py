"""A checkpoint holds everything, and damage is noticed."""

import random

import pytest
import torch
from torch import nn

from glioframe.core.errors import TrainingError
from glioframe.training.checkpoint import (
    LATEST,
    PREVIOUS,
    Trainee,
    TrainingState,
    load_checkpoint,
    save_checkpoint,
)


class Notes:
    """Keeps what is said."""

    def __init__(self) -> None:
        self.messages: list[str] = []

    def note(self, message: str) -> None:
        self.messages.append(message)


def make_trainee(seed: int) -> Trainee:
    torch.manual_seed(seed)
    network = nn.Sequential(nn.Linear(3, 4), nn.LayerNorm(4))
    optimizer = torch.optim.AdamW(network.parameters())
    network(torch.randn(2, 3)).square().sum().backward()
    optimizer.step()
    return Trainee(network=network, average=nn.Linear(3, 2), optimizer=optimizer)


def same(first: Trainee, second: Trainee) -> bool:
    def tensors(trainee: Trainee) -> list[torch.Tensor]:
        states = trainee.optimizer.state_dict()["state"]
        optimizer = [states[index][name] for index in sorted(states) for name in sorted(states[index])]
        return [*trainee.network.state_dict().values(), *trainee.average.state_dict().values(), *optimizer]

    return all(torch.equal(a, b) for a, b in zip(tensors(first), tensors(second), strict=True))


def load(trainee: Trainee, folder, notes: Notes | None = None) -> TrainingState:
    return load_checkpoint(trainee, folder, identity="this", progress=notes or Notes())


def test_weights_optimizer_and_state_survive(tmp_path):
    saved, loaded = make_trainee(1), make_trainee(2)
    state = TrainingState(identity="this", step=7, epoch_steps=[{"loss": 0.1 + 0.2}], best_inner_loss=1 / 3)
    save_checkpoint(saved, state, tmp_path)
    assert not same(saved, loaded)
    assert load(loaded, tmp_path) == state
    assert same(saved, loaded)


def test_the_one_before_is_kept(tmp_path):
    first, second = make_trainee(1), make_trainee(2)
    save_checkpoint(first, TrainingState(identity="this", step=1), tmp_path)
    save_checkpoint(second, TrainingState(identity="this", step=2), tmp_path)
    (tmp_path / LATEST).unlink()
    loaded = make_trainee(3)
    assert load(loaded, tmp_path).step == 1
    assert same(first, loaded)


def truncate(content: bytes) -> bytes:
    return content[: len(content) // 2]


def flip_one_bit(content: bytes) -> bytes:
    return content[:-5] + bytes([content[-5] ^ 1]) + content[-4:]


@pytest.mark.parametrize("damage", [truncate, flip_one_bit, lambda _: b"", lambda content: b"x" * len(content)])
def test_a_damaged_latest_falls_back_to_the_previous_with_a_note(tmp_path, damage):
    first, second = make_trainee(1), make_trainee(2)
    save_checkpoint(first, TrainingState(identity="this", step=1), tmp_path)
    save_checkpoint(second, TrainingState(identity="this", step=2), tmp_path)
    latest = tmp_path / LATEST
    latest.write_bytes(damage(latest.read_bytes()))
    notes, loaded = Notes(), make_trainee(3)
    assert load(loaded, tmp_path, notes).step == 1
    assert same(first, loaded)
    assert len(notes.messages) == 1
    assert LATEST in notes.messages[0]


def test_no_flipped_bit_is_ever_taken_for_a_checkpoint(tmp_path):
    first, second = make_trainee(1), make_trainee(2)
    for step, trainee in enumerate((first, second), start=1):
        save_checkpoint(trainee, TrainingState(identity="this", step=step, best_inner_loss=0.5), tmp_path)
    latest = tmp_path / LATEST
    whole = latest.read_bytes()
    header_length = 8 + int.from_bytes(whole[:8], "little")
    rng = random.Random(4)
    places = [*range(8), *rng.sample(range(8, header_length), 150), *rng.sample(range(header_length, len(whole)), 50)]
    for place in places:
        damaged = bytearray(whole)
        damaged[place] ^= 1 << rng.randrange(8)
        latest.write_bytes(damaged)
        loaded = make_trainee(3)
        step = load(loaded, tmp_path).step
        assert same(loaded, {1: first, 2: second}[step]), place  # some bits of the header say nothing


def test_with_both_damaged_there_is_nothing_to_go_on_from(tmp_path):
    for name in (LATEST, PREVIOUS):
        (tmp_path / name).write_bytes(b"no checkpoint")
    with pytest.raises(TrainingError, match=r"found only damaged ones\. Start anew"):
        load(make_trainee(1), tmp_path)


def test_the_checkpoint_of_another_training_is_refused(tmp_path):
    save_checkpoint(make_trainee(1), TrainingState(identity="other"), tmp_path)
    with pytest.raises(TrainingError, match="same plan, settings and cases"):
        load(make_trainee(1), tmp_path)


def test_equal_trainings_give_equal_bytes(tmp_path):
    for name in ("a", "b"):
        (tmp_path / name).mkdir()
        save_checkpoint(make_trainee(1), TrainingState(identity="this"), tmp_path / name)
    assert (tmp_path / "a" / LATEST).read_bytes() == (tmp_path / "b" / LATEST).read_bytes()
